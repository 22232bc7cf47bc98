"""A server of fixed verbs on one socket file.

Owns: the socket file and who may connect. Rules: a caller learns the kind of its own mistake and nothing of our
insides; every table and wait is bounded: connections, calls in flight per connection, idle time, the time that a
frame or an unread reply may take.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Self

import msgspec

from appliance.bus import framing
from appliance.bus.connection import Connection
from appliance.bus.framing import Fault, Message
from appliance.bus.peer import Peer, listen, peer_of
from appliance.bus.verbs import Limits, Reply, Verb

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Limits", "Peer", "Reply", "Server", "Verb"]

ATTACH_TURNS = 5  # of the loop, from accept(2) to a connection that its server knows


class Server:
    """Serves `verbs` at `path`. Start with `await start()`, stop with `await close()`, or use `async with`."""

    def __init__(
        self,
        path: Path,
        verbs: Mapping[str, Verb],
        *,
        mode: int = 0o600,
        group: str | None = None,
        allow: Callable[[Peer], bool] | None = None,
        topics: frozenset[str] = frozenset(),
        limits: Limits = Limits(),  # noqa: B008 - frozen
        on_gone: Callable[[Peer], None] | None = None,
    ) -> None:
        self.path = path
        self.limits = limits
        self.topics = topics
        self.verbs = {name: (msgspec.json.Decoder(verb.request), verb.handler) for name, verb in verbs.items()}
        self._mode, self._group = mode, group
        self._allow = allow or (_own_user if not mode & 0o077 else _anybody)
        self._on_gone = on_gone  # gets the very Peer that the connection's handlers got, after its last call
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._turned_away = 0
        self._inode: tuple[int, int] | None = None

    async def start(self) -> None:
        """Make the socket file and serve. OperatorError when the place is taken or not ours to use."""
        sock = listen(self.path, self._mode, self._group)
        found = self.path.stat()
        self._inode = (found.st_dev, found.st_ino)
        self._listener = await asyncio.start_unix_server(self._accept, sock=sock, cleanup_socket=False)

    async def close(self) -> None:
        """Stop accepting, remove the socket file if it is still ours, end every connection."""
        if self._listener is None:
            return
        # asyncio attaches an accepted connection one turn later; a server that is closed by then trips over it.
        for sock in self._listener.sockets:
            asyncio.get_running_loop().remove_reader(sock.fileno())
        for _ in range(ATTACH_TURNS):
            await asyncio.sleep(0)
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self._inode:
                self.path.unlink()
        await asyncio.gather(*(connection.close() for connection in tuple(self._connections)))
        await self._listener.wait_closed()
        self._listener = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def publish(self, topic: str, head: msgspec.Struct, body: bytes = b"") -> int:
        """Push to every subscriber of `topic`; how many got it. Never waits."""
        frame = framing.encode(Message(framing.PUSH_ID, topic, framing.raw(head), body), self.limits.frame_bytes)
        return sum(connection.push(topic, frame) for connection in tuple(self._connections))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        peer = peer_of(sock)
        if not self._allow(peer):
            await self._turn_away(reader, writer, Fault("forbidden", f"user {peer.user} may not use {self.path.name}"))
        elif len(self._connections) >= self.limits.connections:
            await self._turn_away(
                reader, writer, Fault("busy", f"{self.path.name} serves its limit of connections; try again")
            )
        else:
            connection = Connection(self, peer, reader, writer)
            self._connections.add(connection)
            try:
                await connection.run()
            finally:
                self._connections.discard(connection)
                if self._on_gone is not None:
                    self._on_gone(peer)

    async def _turn_away(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault) -> None:
        self._turned_away += 1
        try:
            if self._turned_away <= self.limits.connections:
                # Hear the call first: whoever writes into a closed socket may never read why it was closed.
                async with asyncio.timeout(1.0):
                    await reader.read(framing.CHUNK)
            writer.write(framing.encode(Message(framing.PUSH_ID, "", fault=fault)))
            writer.close()
            await writer.wait_closed()
        except (OSError, TimeoutError):
            writer.transport.abort()
        finally:
            self._turned_away -= 1


def _own_user(peer: Peer) -> bool:
    return peer.uid in (os.geteuid(), 0)


def _anybody(peer: Peer) -> bool:  # noqa: ARG001 - the file's mode and group have judged already
    return True
