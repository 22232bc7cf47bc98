"""One caller's connection at the server: reads frames, runs calls, writes replies and pushes.

Rules: calls of one connection start in order but may end in any order; a call that has begun runs to its end even if
the caller leaves, so that nothing is done by halves; a subscriber that does not read is cut off, so that it
reconnects and asks for the present state instead of missing pushes in silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from appliance.bus import framing
from appliance.bus.errors import RemoteError
from appliance.bus.framing import Decoder, Fault, Message
from appliance.bus.tasks import cancel, spawn
from appliance.bus.verbs import Done, Handler, Limits, Reply, Subscribe
from appliance.model.errors import EvidenceError, OperatorError, PeerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.bus.peer import Peer

_log = logging.getLogger("gnomon.bus")
_PUSH_BACKLOG: Final = 4 * 1024 * 1024  # unread bytes at which a subscriber is cut off


class Serving(Protocol):
    """What a connection has to know of whoever serves it. `path`: its name is told in messages."""

    @property
    def path(self) -> Path:
        """Where, or in whose name."""

    @property
    def limits(self) -> Limits:
        """Its bounds."""

    @property
    def topics(self) -> frozenset[str]:
        """What may be subscribed to."""

    @property
    def verbs(self) -> Mapping[str, tuple[msgspec.json.Decoder[Any], Handler]]:
        """What may be called."""


class Connection:
    """One caller: reads frames, runs calls, writes replies."""

    def __init__(self, server: Serving, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._peer = server, peer
        self._reader, self._writer = reader, writer
        self._slots = asyncio.Semaphore(server.limits.in_flight)
        self._calls: set[asyncio.Task[None]] = set()
        self._topics: set[str] = set()
        self._task: asyncio.Task[None] | None = asyncio.current_task()

    async def run(self) -> None:
        """Until the caller leaves, breaks the protocol, idles too long, or the server closes."""
        try:
            await self._read()
        except PeerError as error:
            self._write(Message(framing.PUSH_ID, "", fault=Fault("malformed", str(error))))
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # gone, idle, or the server closes: nobody is left to tell
        finally:
            await self._finish_calls()
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def close(self) -> None:
        """End at once."""
        await cancel(self._task)

    async def _finish_calls(self) -> None:
        if self._calls:
            _, late = await asyncio.wait(tuple(self._calls), timeout=self._server.limits.finish_s)
            await cancel(*late)

    def push(self, topic: str, frame: bytes) -> bool:
        """Send a push if subscribed; cut the connection if it does not read."""
        if topic not in self._topics or self._writer.is_closing():
            return False
        if self._writer.transport.get_write_buffer_size() > _PUSH_BACKLOG:
            _log.warning("%s: pid %d does not read its pushes; cut off", self._server.path.name, self._peer.pid)
            self._writer.transport.abort()
            return False
        self._writer.write(frame)
        return True

    async def _read(self) -> None:
        decoder = Decoder(self._server.limits.frame_bytes)
        loop, frame_since = asyncio.get_running_loop(), 0.0
        while chunk := await self._chunk(frame_since + self._server.limits.frame_s if decoder.partial else None):
            was_partial = decoder.partial
            messages = decoder.feed(chunk)
            if decoder.partial and (messages or not was_partial):
                frame_since = loop.time()
            for message in messages:
                await self._slots.acquire()
                task = spawn(self._serve(message), f"bus {message.verb[:40]}")
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)

    async def _chunk(self, deadline: float | None) -> bytes:
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self._server.limits.idle_s
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        return await self._reader.read(framing.CHUNK)
                except TimeoutError:
                    if not (self._calls or self._topics):
                        raise
                    deadline = asyncio.get_running_loop().time() + self._server.limits.idle_s
        async with asyncio.timeout_at(deadline):
            return await self._reader.read(framing.CHUNK)

    async def _serve(self, message: Message) -> None:
        try:
            reply = await self._answer(message)
            self._write(reply)
            async with asyncio.timeout(self._server.limits.write_s):
                await self._writer.drain()
        except (OSError, TimeoutError):
            self._writer.transport.abort()
        finally:
            self._slots.release()

    async def _answer(self, message: Message) -> Message:
        try:
            reply = await self._call(message)
            return Message(message.id, message.verb, framing.raw(reply.head), reply.body)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            return Message(message.id, message.verb, fault=self._fault(message, error))

    async def _call(self, message: Message) -> Reply:
        if message.id == framing.PUSH_ID:
            raise RemoteError("malformed", "a call needs an id from 1 up")
        if message.verb == "subscribe":
            return self._subscribe(msgspec.json.decode(message.head, type=Subscribe))
        if (verb := self._server.verbs.get(message.verb)) is None:
            raise RemoteError("unknown_verb", f"{self._server.path.name} has no verb {message.verb[:40]!r}")
        decoder, handler = verb
        try:
            request = decoder.decode(message.head)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteError("malformed", f"{message.verb}: {error}") from None
        return await handler(request, message.body, self._peer)

    def _subscribe(self, request: Subscribe) -> Reply:
        if request.topic not in self._server.topics:
            raise RemoteError("unknown_topic", f"{self._server.path.name} has no topic {request.topic[:40]!r}")
        self._topics.add(request.topic)
        return Reply(Done())

    def _fault(self, message: Message, error: BaseException) -> Fault:
        for kind, known in _FAULTS:
            if isinstance(error, known):
                return Fault(kind, str(error))
        if isinstance(error, RemoteError):
            return Fault(error.kind, error.message)
        _log.error("%s: verb %s failed", self._server.path.name, message.verb, exc_info=error)
        return Fault("internal", f"{message.verb} failed inside; the log of pid {os.getpid()} says why")

    def _write(self, message: Message) -> None:
        try:
            frame = framing.encode(message, self._server.limits.frame_bytes)
        except PeerError as error:
            frame = framing.encode(Message(message.id, message.verb, fault=Fault("too_large", str(error))))
        self._writer.write(frame)


_FAULTS: Final[tuple[tuple[str, type[Exception] | tuple[type[Exception], ...]], ...]] = (
    ("peer", PeerError),
    ("operator", OperatorError),
    ("evidence", EvidenceError),
    ("malformed", msgspec.MsgspecError),
)
