"""Takes the records of edges and sidecars: one listener, TLS with a certificate on both sides.

Owns: the listener, who may connect, what is known of each peer. Rules: a connection is counted before its handshake
begins, and all counts and times have bounds; whoever is not accepted learns why in one frame and is told in the log
once a minute; a connection ends with the peer's certificate.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from appliance.bus import framing, ingest
from appliance.bus.client import AsyncClient
from appliance.bus.connection import Connection
from appliance.bus.control import PeerStanding
from appliance.bus.framing import Fault, Message
from appliance.bus.peer import Peer
from appliance.bus.tasks import cancel, spawn
from appliance.model.errors import OperatorError, PeerError
from appliance.peers import tls
from appliance.peers.session import Ingest, Session, Standings
from appliance.peers.wire import HANDSHAKE_S
from appliance.route.targets import parse_host_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from appliance.config.placement_schema import Peers

_log = logging.getLogger("gnomon.peers")
MAX_CONNECTIONS: Final = 512  # those whose handshake is under way included
MAX_HANDSHAKES: Final = 64
MAX_HANDSHAKES_OF_ADDRESS: Final = 8
MAX_OF_ONE: Final = 2  # one that is gone without a word, and the next
LONGEST_S: Final = 86_400.0  # a connection's life; the certificate's end comes first
RETRY_S: Final = 10.0
SHUTDOWN_S: Final = 3.0  # for the other side's word of farewell
_TOLD_S: Final = 60.0
_NOBODY: Final = Peer(0, 0, 0)  # a caller over the network has no credentials of this machine


class Receiver:
    """`await start()`, `await close()`. `run_dir`: where ingest.sock lies; `policy`: the folder of snapshots."""

    def __init__(self, peers: Peers, run_dir: Path, policy: Path, clock: Callable[[], float] = time.time) -> None:
        self._peers, self._policy, self._clock = peers, policy, clock
        self._client = AsyncClient(run_dir / ingest.SOCKET)
        self._ingest = Ingest(self._client)
        now = time.monotonic()
        self._known = {name: Standings(name, now) for name in peers.accept}
        self._context: ssl.SSLContext | None = None
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._shaking: Counter[str] = Counter()
        self._told: dict[str, float] = {}

    async def start(self) -> str:
        """Listen; the address and port. OperatorError: files or address cannot be used."""
        self._context = tls.from_peers(self._peers)
        self._socket = await _bind_patiently(self._peers.journal or "")
        self._accepting = spawn(self._accept(self._socket), "peers accept")
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def close(self) -> None:
        """End every connection; what was not acknowledged is sent again."""
        await cancel(self._accepting)
        if self._socket is not None:
            self._socket.close()
        await cancel(*self._connections)
        await self._client.close()

    def standings(self) -> tuple[PeerStanding, ...]:
        """Every peer that is accepted, by name."""
        return tuple(
            PeerStanding(one.name, one.role, one.connections > 0, one.last_seen, one.behind)
            for _, one in sorted(self._known.items())
        )

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, or the caller has left
                _log.warning("peers.journal: a connection could not be taken: %s", error.strerror)
                await asyncio.sleep(0.1)
                continue
            if not self._has_room(str(address[0])):
                sock.close()
                continue
            task = spawn(self._serve(sock, str(address[0])), "peer")
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    def _has_room(self, address: str) -> bool:
        return (
            len(self._connections) < MAX_CONNECTIONS
            and self._shaking.total() < MAX_HANDSHAKES
            and self._shaking[address] < MAX_HANDSHAKES_OF_ADDRESS
        )

    async def _serve(self, sock: socket.socket, address: str) -> None:
        try:
            reader, writer = await self._shake_hands(sock, address)
        except (OSError, TimeoutError, ValueError) as error:
            sock.close()
            self._tell(address, f"a connection from {address} was refused: {tls.in_words(error)}")
            return
        try:
            await self._talk(reader, writer, address)
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await writer.wait_closed()

    async def _shake_hands(
        self, sock: socket.socket, address: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=framing.CHUNK)
        protocol = asyncio.StreamReaderProtocol(reader)
        self._shaking[address] += 1
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        finally:
            self._shaking -= Counter((address,))
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> None:
        certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
        try:
            name = tls.accepted_name(tls.names_in(certificate), self._peers.accept)
            peer = self._free(name)
        except PeerError as error:
            self._tell(address, f"a connection from {address} was refused: {error}")
            await _turn_away(writer, str(error))
            return
        clocks = (self._clock, time.monotonic)
        session = Session(peer, self._peers.accept[name], self._ingest, self._policy, clocks)
        peer.connections += 1
        try:
            async with asyncio.timeout(min(LONGEST_S, tls.ends_at(certificate) - self._clock())):
                await Connection(session, _NOBODY, reader, writer).run()
        except TimeoutError:
            pass  # it connects anew, with a certificate that is in date
        finally:
            peer.connections -= 1

    def _free(self, name: str) -> Standings:
        """The peer, if it may have one more connection; PeerError (403) if not."""
        peer = self._known[name]
        if peer.connections >= MAX_OF_ONE:
            raise PeerError(f"{name} has {MAX_OF_ONE} connections already; one name for one appliance", 403)
        return peer

    def _tell(self, address: str, words: str) -> None:
        now = time.monotonic()
        if now < self._told.get(address, 0.0):
            return
        if len(self._told) >= MAX_CONNECTIONS:
            self._told.clear()
        self._told[address] = now + _TOLD_S
        _log.warning("%s", words)


async def _turn_away(writer: asyncio.StreamWriter, words: str) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(framing.encode(Message(framing.PUSH_ID, "", fault=Fault("forbidden", words))))
        async with asyncio.timeout(HANDSHAKE_S):
            await writer.drain()


async def _bind_patiently(address: str) -> socket.socket:
    """The listener; a process of a killed supervisor may hold the address for a moment."""
    deadline = time.monotonic() + RETRY_S
    while True:
        try:
            return _bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                used = error.errno == errno.EADDRINUSE
                what = "is in use; stop that program or set another" if used else error.strerror
                raise OperatorError(f"peers.journal: {address}: {what}") from None
            await asyncio.sleep(0.05)


def _bind(address: str) -> socket.socket:
    place = parse_host_port(address, any_port=True)
    sock = socket.socket(socket.AF_INET6 if ":" in place.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((place.host, place.port))
        sock.listen(MAX_HANDSHAKES)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
