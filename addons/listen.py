"""Listening sockets that the supervisor bound, served by this worker until it drains.

Owns: accepting, the bound on connections, the drain. Rules: the socket is inherited and shared with other workers, so
it is closed here and never shut down; `stop_accepting` refuses nobody, because the next connection goes to another
worker; a connection is cut only when `drain_s` is over, and then its streams end in the form their addon gives.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from mitmproxy import http

from addons.upstream import Dialler, GovernedHandler, LeanMaster, cancel_stream
from addons.upstream.settings import SeamSettings

FRESH_GRACE_S = 5.0  # a connection that has not asked anything yet gets this long after a drain began
CLOSE_GRACE_S = 5.0  # for last events to be written once streams were ended
MAX_CONNECTIONS = 8192
ATTACH_TURNS = 5  # of the loop, from accept(2) to a connection that its server knows
BACKLOG = 4096  # as the supervisor set it: listening again must not shorten the queue

Farewell = Callable[[http.HTTPFlow], bytes]


class Listener:
    """One listening socket: `settings.listener` is proxy, gateway or peer."""

    def __init__(self, master: LeanMaster, sock: socket.socket, settings: SeamSettings, dialler: Dialler) -> None:
        self._master = master
        self._socket = sock
        self._settings = settings
        self._dialler = dialler
        self._server: asyncio.Server | None = None
        self._handlers: set[GovernedHandler] = set()
        self._changed = asyncio.Event()
        self._draining = False

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Accept from now on."""
        self._socket.setblocking(False)
        self._server = await asyncio.start_server(self._serve, sock=self._socket, backlog=BACKLOG)

    async def stop_accepting(self) -> None:
        """Let go of the socket; connections already accepted go on."""
        server, self._server = self._server, None
        if server is None:
            return
        # asyncio attaches an accepted connection one turn later and drops it if the server is closed by then.
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        for _ in range(ATTACH_TURNS):
            await asyncio.sleep(0)
        server.close()

    def active(self) -> int:
        """Connections on which something is running or may be about to run."""
        return sum(1 for handler in self._handlers if not handler.idle or not handler.served)

    async def drain(self, drain_s: float, farewell: Farewell | None = None) -> None:
        """Stop accepting, wait for what runs, end the rest. `farewell`: last bytes of a flow's stream."""
        await self.stop_accepting()
        self._draining = True
        for handler in tuple(self._handlers):
            handler.draining = True
            if handler.served and handler.idle:
                handler.close()
        loop = asyncio.get_running_loop()
        grace = loop.call_later(min(FRESH_GRACE_S, drain_s), self._close_fresh)
        await self._until_empty(drain_s)
        grace.cancel()
        if self._handlers:
            self._end_streams(farewell)
            await self._until_empty(CLOSE_GRACE_S)
        for handler in tuple(self._handlers):
            handler.close()
        await self._until_empty(CLOSE_GRACE_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._handlers) >= MAX_CONNECTIONS or writer.get_extra_info("peername") is None:
            writer.close()
            return
        # A small message must not wait until the one before has been acknowledged. asyncio sets this only on sockets
        # that name their protocol, which what is accepted from an inherited one need not do.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handler = GovernedHandler(self._master, reader, writer, self._settings, self._dialler)
        handler.draining = self._draining
        self._handlers.add(handler)
        try:
            await handler.handle_client()
        finally:
            self._handlers.discard(handler)
            self._changed.set()

    async def _until_empty(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._handlers:
                    self._changed.clear()
                    await self._changed.wait()

    def _close_fresh(self) -> None:
        for handler in tuple(self._handlers):
            if not handler.served and handler.idle:
                handler.close()

    def _end_streams(self, farewell: Farewell | None) -> None:
        for handler in tuple(self._handlers):
            ended = False
            for flow in handler.flows():
                ended |= cancel_stream(flow, farewell(flow) if farewell else b"", "drain")
            if not ended:
                handler.close()
