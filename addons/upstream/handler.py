"""The connection handler: carries out what the layers of one client connection command.

Theory of operation. mitmproxy starts a task for every hook and every log line of every event. Here a hook that nobody
implements is completed at once, one that only plain functions implement runs in place, and only coroutines get a task.
Rules: order of events is mitmproxy's (one at a time, under its lock); an exception in a layer closes the client
connection and is logged by type and place only, because its text may hold what the client sent; a dial goes through
`Dialler` and nothing else.
"""

import asyncio
import collections
import logging
import time
import traceback
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from mitmproxy import http
from mitmproxy.connection import Address, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, mode_specs, server_hooks
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.server import ConnectionIO
from mitmproxy.utils import asyncio_utils

from addons.faults import fault_of
from addons.upstream.dial import Connection as Dialled
from addons.upstream.dial import DialError, Dialler, PrivateAddressRefused
from addons.upstream.hooks import PauseHook, Refusal, RefusedHook, TunnelClosed, TunnelClosedHook
from addons.upstream.layers import govern
from addons.upstream.plan import HOP, DialMessage, FailureKind, comes_by
from addons.upstream.settings import GovernedProxy, SeamSettings
from addons.upstream.websocket import RelayHook
from appliance.model.names import RefusalReason

if TYPE_CHECKING:
    from mitmproxy.proxy.layers.http import HttpLayer

    from addons.upstream.master import LeanMaster

LOG = logging.getLogger("gnomon.proxy")
HANDSHAKE_S = 10.0  # for an upstream's TLS, once its connection stands
FIRST_HEAD_S = 60.0  # a connection that has not sent one request head by then is closed
MODE = mode_specs.ProxyMode.parse("regular")


class GovernedHandler(ProxyConnectionHandler):
    """One client connection with everything that hangs on it."""

    master: "LeanMaster"

    def __init__(
        self,
        master: "LeanMaster",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settings: SeamSettings,
        dialler: Dialler,
    ) -> None:
        super().__init__(master, reader, writer, master.fixed_options, MODE)  # type: ignore[no-untyped-call]
        self.http_layers: list[HttpLayer] = []
        self.settings = settings
        comes_by(self.client, settings.listener)
        self.draining = False
        self.served = False  # a request of ours ran here
        self._heard = False  # a whole request head has come
        self._dialled = False
        self.bytes_up = self.bytes_down = 0
        self._dialler = dialler
        self._begun: dict[commands.StartHook, Coroutine[Any, Any, None]] = {}
        self._unsent: dict[Connection, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._relaying: set[asyncio.Task[None]] = set()
        self.max_conns: collections.defaultdict[Address, asyncio.Semaphore] = collections.defaultdict(
            lambda: asyncio.Semaphore(settings.max_upstream_connections)
        )
        self.timeout_watchdog.timeout = settings.idle_timeout_s  # type: ignore[assignment]
        self.layer = GovernedProxy(self.layer.context, self, settings)
        self.entry: Layer = self.layer  # where events enter: once a tunnel stands, what it carries

    async def handle_client(self) -> None:
        """Serve the connection until it ends, then tell what passed if it was a plain tunnel."""
        silence = asyncio.get_running_loop().call_later(FIRST_HEAD_S, self._close_silent)
        await super().handle_client()
        silence.cancel()
        if self._dialled and not self.served:
            await self.handle_hook(TunnelClosedHook(TunnelClosed(self.client, self.bytes_up, self.bytes_down)))

    @property
    def idle(self) -> bool:
        """Whether nothing is running that closing would cut."""
        if any(stream.busy for owner in self.http_layers for stream in owner.streams.values()):  # type: ignore[attr-defined]
            return False
        tunnels = sum(1 for connection in self.transports if connection is not self.client)
        return self.served or not tunnels

    def enter_tunnel(self, carried: Layer) -> None:
        """From the next event on, skip the layers above a tunnel that only hand its bytes on.

        What they would do is done here: closing the client's side of a tunnel always closes both halves. A listener's
        own TLS is more than handing on, so there nothing is skipped.
        """
        if not self.settings.tls:
            self.entry = carried

    def spoke(self, *, tunnel: bool) -> None:
        """A request head has come; `tunnel`: it was a CONNECT."""
        self._heard = True
        self.served |= not tunnel

    def _close_silent(self) -> None:
        if not self._heard:
            self.close()

    def flows(self) -> list[http.HTTPFlow]:
        """Flows that are running."""
        streams = [stream for owner in self.http_layers for stream in owner.streams.values() if hasattr(stream, "flow")]
        return [stream.flow for stream in streams if stream.flow.live and stream.flow.request.method != "CONNECT"]

    def close(self) -> None:
        """Close the client connection; the rest follows from that."""
        io = self.transports.get(self.client)
        if io is not None and io.handler is not None:
            io.handler.cancel("closed")

    def deliver(self, event: events.Event) -> None:
        """Handle an event that comes from inside the process."""
        self._spawn(self.server_event(event))

    def ring(self, ticket: commands.RequestWakeup) -> None:
        """A time is over that a stream has set itself."""
        self.deliver(events.Wakeup(ticket))

    async def server_event(self, event: events.Event) -> None:
        """Run one event through the layers and carry out what they command."""
        async with self._server_event_lock:
            # No `await` beyond this point.
            self.timeout_watchdog.register_activity()
            if isinstance(event, events.DataReceived) and event.connection is self.client:
                self.bytes_up += len(event.data)
            pending = collections.deque((event,))
            try:
                while pending:
                    for command in self.entry.handle_event(pending.popleft()):
                        self._execute(command, pending)
                self._flush()
            except BaseException as error:  # noqa: BLE001 - a crashed layer must close, never hang or pass
                self._crashed(fault_of(error))
        if self.draining and self.served and self.idle:
            self.close()

    def _execute(self, command: commands.Command, pending: collections.deque[events.Event]) -> None:
        if isinstance(command, commands.SendData):
            self._unsent.setdefault(command.connection, []).append(command.data)
        elif isinstance(command, commands.StartHook):
            self._start_hook(command, pending)
        elif isinstance(command, commands.Log):
            pass  # the layers' texts quote what peers sent
        elif isinstance(command, commands.OpenConnection):
            task = asyncio_utils.create_task(self.open_connection(command), name="upstream", keep_ref=False)
            self.transports.setdefault(command.connection, ConnectionIO(handler=task))
        elif isinstance(command, commands.RequestWakeup):
            timer = asyncio_utils.create_task(self.wakeup(command), name="wakeup", keep_ref=False)
            self.wakeup_timer.add(timer)
        elif isinstance(command, commands.ConnectionCommand):
            self._flush()
            if command.connection in self.transports:
                half = isinstance(command, commands.CloseTcpConnection) and command.half_close
                self.close_connection(command.connection, half and self.entry is self.layer)
        else:
            raise TypeError(type(command).__name__)

    def _flush(self) -> None:
        """One write per connection and event: head and body leave in one system call."""
        for connection, chunks in self._unsent.items():
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            if connection is self.client:
                self.bytes_down += len(data)
            io = self.transports.get(connection)
            if io is not None and io.writer is not None and not io.writer.is_closing():
                io.writer.write(data)
        self._unsent.clear()

    def settle(self, hook: commands.StartHook) -> bool:
        """Run a hook now. False: it waits for something; the command must come up to be finished."""
        rest = self.master.addons.start(hook)
        if rest is not None:
            self._begun[hook] = rest
        return rest is None

    def _start_hook(self, hook: commands.StartHook, pending: collections.deque[events.Event]) -> None:
        if isinstance(hook, PauseHook):
            self._spawn(self._finish_hook(hook, asyncio.sleep(hook.seconds)))
            return
        if isinstance(hook, RelayHook):
            task = self._spawn(self._finish_hook(hook, hook.run()))
            self._relaying.add(task)
            task.add_done_callback(self._relaying.discard)
            return
        rest = self._begun.pop(hook, None) or self.master.addons.start(hook)
        if hook.name == "next_layer":
            govern(hook.args()[0])
        if rest is not None:
            self._spawn(self._finish_hook(hook, rest))
        elif hook.blocking:
            pending.append(events.HookCompleted(hook))

    async def _finish_hook(self, hook: commands.StartHook, rest: Coroutine[Any, Any, None]) -> None:
        with self.timeout_watchdog.disarm():
            await rest
        if hook.blocking:
            await self.server_event(events.HookCompleted(hook))

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Run a hook that no layer waits for."""
        rest = self.master.addons.start(hook)
        if rest is not None:
            with self.timeout_watchdog.disarm():
                await rest

    async def open_connection(self, command: commands.OpenConnection) -> None:
        """Ask the addons, dial, and serve the connection until it ends."""
        server = command.connection
        data = server_hooks.ServerConnectionHookData(client=self.client, server=server)
        await self.handle_hook(server_hooks.ServerConnectHook(data))
        if server.error or not server.address or server.transport_protocol != "tcp":
            message = DialMessage(server.error or "no address", FailureKind.REFUSED)
            await self._not_opened(command, data, message)
            return
        async with self.max_conns[server.address]:
            server.timestamp_start = time.time()
            try:
                dialled = await self._dialler.connect(*server.address[:2])
            except DialError as error:
                await self._dial_refused(server.address, error)
                await self._not_opened(command, data, DialMessage(str(error), error.kind))
            except asyncio.CancelledError:
                message = DialMessage("connection cancelled", FailureKind.CONNECT)
                await self._not_opened(command, data, message)
                raise
            except BaseException as error:  # noqa: BLE001 - a dial that nobody hears of again would hang its flow
                await self._dial_failed(command, data, fault_of(error))
            else:
                await self._serve(command, data, dialled)

    async def _dial_refused(self, address: Address, error: DialError) -> None:
        if isinstance(error, PrivateAddressRefused):
            detail = f"{error.address}: {error.reason}"
            host, port = address[:2]
            reason = RefusalReason.PRIVATE_ADDRESS
            await self.handle_hook(
                RefusedHook(Refusal(reason, self.client, self.settings.listener, host, port, detail))
            )

    async def _dial_failed(
        self, command: commands.OpenConnection, data: server_hooks.ServerConnectionHookData, error: BaseException
    ) -> None:
        host, port = (data.server.address or ("", 0))[:2]
        host = host.removeprefix(HOP)
        detail, listener = f"dialling failed ({type(error).__name__})", self.settings.listener
        await self.handle_hook(
            RefusedHook(Refusal(RefusalReason.INTERNAL_FAULT, self.client, listener, host, port, detail))
        )
        await self._not_opened(command, data, DialMessage(f"{host} cannot be reached", FailureKind.CONNECT))

    async def _not_opened(
        self, command: commands.OpenConnection, data: server_hooks.ServerConnectionHookData, message: DialMessage
    ) -> None:
        data.server.error = message
        await self.handle_hook(server_hooks.ServerConnectErrorHook(data))
        await self.server_event(events.OpenConnectionCompleted(command, message))
        self.transports.pop(data.server, None)

    async def _serve(
        self, command: commands.OpenConnection, data: server_hooks.ServerConnectionHookData, dialled: Dialled
    ) -> None:
        server, (reader, writer) = data.server, dialled
        self._dialled = True
        server.timestamp_tcp_setup = time.time()
        server.state = ConnectionState.OPEN
        server.peername = writer.get_extra_info("peername")
        server.sockname = writer.get_extra_info("sockname")
        self.transports[server] = ConnectionIO(handler=asyncio.current_task(), reader=reader, writer=writer)
        await self.handle_hook(server_hooks.ServerConnectedHook(data))
        await self.server_event(events.OpenConnectionCompleted(command, None))
        silence = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._close_unproven, server)
        try:
            await self.handle_connection(server)
        finally:
            silence.cancel()
            server.timestamp_end = time.time()
            await self.handle_hook(server_hooks.ServerDisconnectedHook(data))

    def _close_unproven(self, server: Server) -> None:
        """Who accepts a connection and then leaves TLS unanswered must not keep the next target from being tried."""
        io = self.transports.get(server)
        writer = io.writer if io is not None else None
        if server.tls and not server.tls_established and isinstance(writer, asyncio.StreamWriter):
            writer.transport.abort()

    async def drain_writers(self) -> None:
        """As mitmproxy, without the way there where buffers are empty. A relay that needs time stops the reading."""
        while self._relaying:
            await asyncio.wait(self._relaying)
        writers = [io.writer for io in self.transports.values() if isinstance(io.writer, asyncio.StreamWriter)]
        if any(writer.transport.get_write_buffer_size() for writer in writers):
            await super().drain_writers()  # type: ignore[no-untyped-call]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio_utils.create_task(work, name="connection event", keep_ref=False)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return task

    def _crashed(self, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        self._unsent.clear()
        place = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
        LOG.error("a protocol layer crashed, connection closed: %s at %s", type(error).__name__, place)
        self.close()

    def log(self, _message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
        """Nothing: mitmproxy's texts quote what peers sent. Crashes of a connection task are told by type."""
        if level >= logging.ERROR and isinstance(exc_info, tuple) and isinstance(exc_info[1], BaseException):
            self._crashed(exc_info[1])
