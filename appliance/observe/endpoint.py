"""The endpoint for Prometheus: HTTP with one page.

Rules: who may read is judged before a byte is read; a head has 8 KiB and five seconds; nothing of a request is used
but its method and path; every answer ends its connection; at most sixteen at once. The page is made at most once a
second, however many ask.
"""

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Awaitable, Callable
from typing import Final

from appliance.model.errors import OperatorError
from appliance.observe.exposition import CONTENT_TYPE

PATH: Final = "/metrics"
MAX_HEAD: Final = 8192
HEAD_S: Final = 5.0
MAX_AT_ONCE: Final = 16
FRESH_S: Final = 1.0
_PARTS: Final = 3  # method, target, version

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Endpoint:
    """`make()`: the page. `clients`: networks that may read it beside this machine."""

    def __init__(self, listen: str, clients: tuple[str, ...], make: Callable[[], Awaitable[str]]) -> None:
        host, _, port = listen.rpartition(":")
        self._place = host.removeprefix("[").removesuffix("]"), int(port)
        self._clients: tuple[Network, ...] = tuple(map(ipaddress.ip_network, clients))
        self._make = make
        self._page: tuple[float, str] | None = None
        self._making = asyncio.Lock()
        self._busy = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; where. OperatorError: it cannot."""
        host, port = self._place
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD)
        except OSError as error:
            told = f"metrics.listen: cannot listen on {host}:{port}: {error.strerror}; set another metrics.listen"
            raise OperatorError(told) from None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._server.close_clients()
            await self._server.wait_closed()

    def admits(self, address: str) -> bool:
        """Whether that peer may read."""
        peer = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
            peer = peer.ipv4_mapped
        return peer.is_loopback or any(peer in network for network in self._clients)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if peer is None or not self.admits(peer[0]) or self._busy >= MAX_AT_ONCE:
            writer.transport.abort()
            return
        self._busy += 1
        try:
            async with asyncio.timeout(HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(await self._answer(head))
            async with asyncio.timeout(HEAD_S):
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # nothing that is owed an answer
        finally:
            self._busy -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: bytes) -> bytes:
        parts = head.partition(b"\r\n")[0].split(b" ")
        if len(parts) != _PARTS or not parts[2].startswith(b"HTTP/1."):
            return _reply("400 Bad Request", "not an HTTP/1 request\n")
        if parts[0] not in (b"GET", b"HEAD"):
            return _reply("405 Method Not Allowed", "only GET and HEAD\n", "Allow: GET, HEAD\r\n")
        if parts[1].partition(b"?")[0] != PATH.encode():
            return _reply("404 Not Found", f"only {PATH}\n")
        reply = _reply("200 OK", await self._fresh(), kind=CONTENT_TYPE)
        return reply if parts[0] == b"GET" else reply[: reply.index(b"\r\n\r\n") + 4]

    async def _fresh(self) -> str:
        async with self._making:
            now = time.monotonic()
            if self._page is None or now - self._page[0] >= FRESH_S:
                self._page = now, await self._make()
            return self._page[1]


def _reply(status: str, text: str, more: str = "", kind: str = "text/plain; charset=utf-8") -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{more}X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n".encode() + body
