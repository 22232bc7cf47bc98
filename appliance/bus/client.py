"""Callers of a bus server: one for asyncio, one that blocks (commands and shipping threads).

Rules: a client connects when first used and again after a break; a call is sent at most once, a broken one raises
`Unreachable` and is the caller's to repeat; after a time-out the connection is given up, so that a late reply can
never be taken for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import msgspec

from appliance.bus import framing
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.framing import Decoder, Message
from appliance.bus.peer import address
from appliance.bus.tasks import cancel, spawn
from appliance.bus.verbs import Done, Subscribe
from appliance.model.errors import PeerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _result[T: msgspec.Struct](message: Message, reply: type[T]) -> tuple[T, bytes]:
    if message.fault is not None:
        raise RemoteError(message.fault.kind, message.fault.message)
    try:
        return msgspec.json.decode(message.head, type=reply), message.body
    except msgspec.MsgspecError as error:
        raise RemoteError("malformed", f"reply to {message.verb}: {error}") from None


class BlockingClient:
    """Calls one at a time over one connection; safe to share between threads.

    `timeout`: seconds that a call may take, connecting included; `within` sets it for one call.
    """

    def __init__(self, path: Path, timeout: float = 10.0) -> None:
        self.path = path
        self._timeout = timeout
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._decoder = Decoder()
        self._ids = itertools.count(1)

    def call[T: msgspec.Struct](
        self, verb: str, request: msgspec.Struct, body: bytes = b"", *, reply: type[T], within: float | None = None
    ) -> tuple[T, bytes]:
        """One call and its answer. RemoteError: refused; Unreachable: no answer; PeerError: the call is too large."""
        with self._lock:
            message = Message(next(self._ids), verb, framing.raw(request), body)
            frame = framing.encode(message)
            deadline = time.monotonic() + (self._timeout if within is None else within)
            try:
                return _result(self._exchange(message.id, frame, deadline), reply)
            except (OSError, PeerError) as error:
                self._drop()
                raise Unreachable(f"{self.path}: {str(error) or type(error).__name__}") from None

    def close(self) -> None:
        """Give up the connection; a later call makes a new one."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None

    def _connect(self, deadline: float) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(_left(deadline))
            with address(self.path) as name:
                sock.connect(name)
        except BaseException:
            sock.close()
            raise
        self._decoder = Decoder()
        return sock

    def _exchange(self, number: int, frame: bytes, deadline: float) -> Message:
        sock = self._sock = self._sock or self._connect(deadline)
        sock.settimeout(_left(deadline))
        try:
            sock.sendall(frame)
        except ConnectionError:
            if (told := self._parting_words(sock)) is not None:
                return told
            raise
        while True:
            sock.settimeout(_left(deadline))
            if not (chunk := sock.recv(framing.CHUNK)):
                raise ConnectionResetError("the server closed the connection")
            for message in self._decoder.feed(chunk):
                if message.id == number or (message.id == framing.PUSH_ID and message.fault is not None):
                    if message.id != number:
                        self._drop()
                    return message

    def _parting_words(self, sock: socket.socket) -> Message | None:
        """Why a server that hangs up did so: it may have told before we wrote."""
        with contextlib.suppress(OSError, PeerError):
            while chunk := sock.recv(framing.CHUNK):
                for message in self._decoder.feed(chunk):
                    if message.id == framing.PUSH_ID and message.fault is not None:
                        self._drop()
                        return message
        return None


def _left(deadline: float) -> float:
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError("no answer in time")
    return left


class AsyncClient:
    """Concurrent calls over one connection of the running loop, and pushes to the callbacks that subscribed."""

    def __init__(self, path: Path, timeout: float = 10.0) -> None:
        self.path = path
        self.on_lost: Callable[[], None] | None = None  # called once when a connection that stood has broken
        self._timeout = timeout
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._topics: dict[str, Callable[[Message], None]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def call[T: msgspec.Struct](
        self, verb: str, request: msgspec.Struct, body: bytes = b"", *, reply: type[T], within: float | None = None
    ) -> tuple[T, bytes]:
        """One call and its answer. RemoteError: refused; Unreachable: no answer; PeerError: the call is too large."""
        number = next(self._ids)
        frame = framing.encode(Message(number, verb, framing.raw(request), body))
        try:
            async with asyncio.timeout(self._timeout if within is None else within):
                return _result(await self._exchange(number, frame), reply)
        except TimeoutError:
            raise Unreachable(f"{self.path}: no answer to {verb} in time") from None
        except OSError as error:
            raise Unreachable(f"{self.path}: {error}") from None
        finally:
            self._waiting.pop(number, None)

    async def subscribe[T: msgspec.Struct](
        self, topic: str, record: type[T], heard: Callable[[T, bytes], None]
    ) -> None:
        """Have `heard(head, body)` called for each push of `topic` until the connection breaks (see `on_lost`)."""
        decoder = msgspec.json.Decoder(record)
        self._topics[topic] = lambda message: heard(decoder.decode(message.head), message.body)
        await self.call("subscribe", Subscribe(topic), reply=Done)

    async def close(self) -> None:
        """End the connection; calls under way raise Unreachable."""
        self.on_lost = None
        await cancel(self._reading)
        self._reading = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _exchange(self, number: int, frame: bytes) -> Message:
        writer = await self._connected()
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        writer.write(frame)
        await writer.drain()
        return await future

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the server."""
        with address(self.path) as name:
            return await asyncio.open_unix_connection(name)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                reader, self._writer = await self._open()
                self._reading = spawn(self._read(reader, self._writer), f"bus client {self.path.name}")
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder, cause = Decoder(), "the server closed the connection"
        try:
            while chunk := await reader.read(framing.CHUNK):
                for message in decoder.feed(chunk):
                    self._dispatch(message)
        except (OSError, PeerError, RemoteError, msgspec.MsgspecError) as error:
            cause = str(error)
        finally:
            self._lose(cause)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if self.on_lost is not None:
            self.on_lost()

    def _dispatch(self, message: Message) -> None:
        if message.id != framing.PUSH_ID:
            if (future := self._waiting.get(message.id)) is not None and not future.done():
                future.set_result(message)
        elif message.fault is not None:
            self._lose_with(RemoteError(message.fault.kind, message.fault.message))
        elif (heard := self._topics.get(message.verb)) is not None:
            heard(message)

    def _lose(self, cause: str) -> None:
        self._writer = None
        self._lose_with(Unreachable(f"{self.path}: {cause}"))

    def _lose_with(self, error: Exception) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
