"""The layer that owns the streams of one connection, and what may be put on a connection at all.

Rules: whatever `next_layer` chose, an HTTP layer is a governed one (`govern`); connections that are gone are
forgotten, with their errors, so that a failed dial is not remembered for as long as the client stays; towards HTTP/1
upstreams each stream of an HTTP/2 client gets a connection of its own at once.
"""

import asyncio

from mitmproxy.connection import Connection, Server
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer, layers, tunnel
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpLayer,
    HTTPMode,
    RegisterHttpConnection,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders

from addons.upstream.hooks import Refusal, RefusedHook
from addons.upstream.sealed import SealedClient, SealedServer
from addons.upstream.settings import settings_of, top_of
from addons.upstream.stream import GovernedStream
from addons.upstream.wire import (
    GovernedHttp1Client,
    GovernedHttp1Server,
    GovernedHttp2Client,
    GovernedHttp2Server,
)
from appliance.model.names import RefusalReason

MAX_CLIENT_HELLO = 64 * 1024  # a real one is below 20 KiB, post-quantum key shares included
ENOUGH_TO_TELL = 3
# Hooks that are run where they are met. Not `response` and `error`: after them a connection takes its next request, and
# must have finished with this one first.
SETTLED_HERE = frozenset({"requestheaders", "request", "responseheaders"})
METHODS = (b"GET", b"POS", b"PUT", b"HEA", b"DEL", b"PAT", b"OPT", b"PRI")


class GovernedHttpLayer(HttpLayer):
    """All streams of one client connection and the upstream connections that serve them."""

    def __init__(self, context: Context, mode: HTTPMode) -> None:
        super().__init__(context, mode)
        self._single_use: set[tuple[tuple[str, int], bool]] = set()
        self._handler = top_of(context).handler
        self._handler.http_layers.append(self)
        above = context.layers[-2]
        if isinstance(above, BoundedClientTLS):  # inside a tunnel nothing further out has anything to do with it
            self._handler.enter_tunnel(above)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if type(event) is events.DataReceived and (child := self.connections.get(event.connection)) is not None:
            yield from self.event_to_child(child, event)
            return
        if isinstance(event, events.Start):
            server = GovernedHttp2Server if self.context.client.alpn == b"h2" else GovernedHttp1Server
            self.connections[self.context.client] = server(self.context.fork())
            yield from self.event_to_child(self.connections[self.context.client], event)
        elif isinstance(event, events.CommandCompleted) and event.command not in self.command_sources:
            return  # for a stream that has been dropped
        elif isinstance(event, events.ConnectionEvent) and event.connection not in self.connections:
            if event.connection == self.context.server:
                yield from super()._handle_event(event)
        else:
            yield from super()._handle_event(event)
        if isinstance(event, events.ConnectionClosed) and isinstance(event.connection, Server):
            self._forget(event.connection)
        elif isinstance(event, events.OpenConnectionCompleted) and event.reply:
            self._forget(event.command.connection)

    def event_to_child(self, child: layer.Layer, event: events.Event) -> layer.CommandGenerator[None]:
        """As mitmproxy, without the way up and down the whole stack for what can be settled here."""
        for command in child.handle_event(event):
            if isinstance(command, ReceiveHttp):
                stream_id = command.event.stream_id
                if isinstance(command.event, RequestHeaders):
                    yield from self.make_stream(stream_id)
                stream = self.streams.get(stream_id)
                if stream is not None:
                    yield from self.event_to_child(stream, command.event)
            elif isinstance(command, SendHttp):
                yield from self.event_to_child(self.connections[command.connection], command.event)
            elif isinstance(command, commands.StartHook):
                # `blocking` names the layer that waits: of two nested HTTP layers only the inner one settles.
                waiting: object = command.blocking
                if waiting is child and command.name in SETTLED_HERE and self._handler.settle(command):
                    yield from self.event_to_child(child, events.HookCompleted(command))
                else:
                    self.command_sources[command] = child
                    yield command
            elif not isinstance(command, commands.Log):
                yield from self._other_command(child, command)

    def _other_command(self, child: layer.Layer, command: commands.Command) -> layer.CommandGenerator[None]:
        if command.blocking or isinstance(command, commands.RequestWakeup):
            self.command_sources[command] = child
        if isinstance(command, DropStream):
            stream = self.streams.pop(command.stream_id, None)
            if isinstance(stream, GovernedStream):
                asyncio.get_running_loop().call_soon(stream.forget)  # this event may have more of it to say
        elif isinstance(command, GetHttpConnection):
            yield from self.get_connection(command)
        elif isinstance(command, RegisterHttpConnection):
            yield from self.register_connection(command)
        else:
            if isinstance(command, commands.OpenConnection):
                self.connections[command.connection] = child
            yield command

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        """A governed stream."""
        stream = self.streams[stream_id] = GovernedStream(forked(self.context), stream_id)
        yield from self.event_to_child(stream, events.Start())

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        """Reuse what is open or being opened and can take another stream; open a connection otherwise."""
        spec = (event.address, event.tls)
        if reuse and spec not in self._single_use:
            for connection in list(self.connections):
                if not event.connection_spec_matches(connection):
                    continue
                if connection in self.waiting_for_establishment:
                    self.waiting_for_establishment[connection].append(event)
                    return
                if connection.connected and not self._one_stream_only(connection):
                    stream = self.command_sources.pop(event)
                    yield from self.event_to_child(stream, GetHttpConnectionCompleted(event, (connection, None)))
                    return
                self._forget(connection)
        yield from self._open(event)

    def register_connection(self, command: RegisterHttpConnection) -> layer.CommandGenerator[None]:
        """As mitmproxy; remember which upstreams serve one stream per connection."""
        connection = command.connection
        if not command.err and isinstance(connection, Server) and self._one_stream_only(connection):
            assert connection.address  # noqa: S101 - it was just opened
            self._single_use.add((connection.address, connection.tls))
        yield from super().register_connection(command)
        if command.err:
            self._forget(connection)

    def _one_stream_only(self, connection: Connection) -> bool:
        return self.context.client.alpn == b"h2" and connection.alpn != b"h2"

    def _open(self, event: GetHttpConnection) -> layer.CommandGenerator[None]:
        context = self.context.fork()
        context.server = Server(address=event.address, transport_protocol=event.transport_protocol)
        stack = tunnel.LayerStack()
        if event.tls:
            context.server.sni = self._sni(event.address)
            stack /= SealedServer(context)
        stack /= GovernedHttpClient(context)
        self.connections[context.server] = stack[0]
        self.waiting_for_establishment[context.server].append(event)
        yield from self.event_to_child(stack[0], events.Start())

    def _sni(self, address: tuple[str, int]) -> str:
        """The client's own name for the tunnel's address; the target's name after a redirect."""
        if self.mode is HTTPMode.transparent and address == self.context.server.address:
            return self.context.client.sni or address[0]
        return address[0]

    def _forget(self, connection: Connection) -> None:
        if connection in self.waiting_for_establishment or connection not in self.connections:
            return
        in_use = any(stream.context.server is connection for stream in self.streams.values())
        if isinstance(connection, Server) and not in_use and (connection.error or not connection.connected):
            del self.connections[connection]


def forked(context: Context) -> Context:
    """As `Context.fork`, which makes a connection only to throw it away."""
    made = Context.__new__(Context)
    made.client, made.server, made.options = context.client, context.server, context.options
    made.layers = context.layers.copy()
    return made


class GovernedHttpClient(layer.Layer):
    """Opens one upstream connection and speaks what was negotiated."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        err = yield commands.OpenConnection(self.context.server)
        if not err:
            client = GovernedHttp2Client if self.context.server.alpn == b"h2" else GovernedHttp1Client
            child = client(self.context)
            self._handle_event = child.handle_event  # type: ignore[method-assign]
            yield from child.handle_event(event)
        yield RegisterHttpConnection(self.context.server, err)


class BoundedClientTLS(SealedClient):
    """mitmproxy's, with a bound on what may come before a ClientHello is complete."""

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        """As mitmproxy."""
        if not self.client_hello_parsed and len(self.recv_buffer) + len(data) > MAX_CLIENT_HELLO:
            return False, "ClientHello too large"
        return (yield from super().receive_handshake_data(data))


class RefusingLayer(layer.Layer):
    """Records a refusal, closes the client connection and swallows what follows."""

    def __init__(self, context: Context, reason: RefusalReason, detail: str) -> None:
        super().__init__(context)
        host, port = (context.server.address or ("", 0))[:2]
        self._refusal = Refusal(reason, context.client, settings_of(context).listener, host, port, detail)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield RefusedHook(self._refusal)
            yield commands.CloseConnection(self.context.client)


class Layering:
    """Last `next_layer` of the chain: chooses where no addon has, from the first bytes of a connection or tunnel."""

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """HTTP on a fresh connection; in a tunnel TLS, then HTTP; anything else closes."""
        if nextlayer.layer:
            return
        context, data = nextlayer.context, nextlayer.data_client()
        if len(context.layers) == 1 and settings_of(context).tls:
            nextlayer.layer = BoundedClientTLS(context)
        elif not any(isinstance(above, HttpLayer) for above in context.layers):
            nextlayer.layer = GovernedHttpLayer(context, HTTPMode.regular)
        elif in_client_tls(context):
            nextlayer.layer = GovernedHttpLayer(context, HTTPMode.transparent)
        elif len(data) >= ENOUGH_TO_TELL:
            nextlayer.layer = self._in_tunnel(context, data)

    @staticmethod
    def _in_tunnel(context: Context, data: bytes) -> layer.Layer:
        if starts_like_tls_record(data):
            return intercept_tls(context)
        if data[:ENOUGH_TO_TELL] in METHODS:
            return GovernedHttpLayer(context, HTTPMode.transparent)
        return RefusingLayer(context, RefusalReason.NOT_TLS_IN_TUNNEL, "neither TLS nor HTTP in the tunnel")


def in_client_tls(context: Context) -> bool:
    """Whether what comes next lies directly inside TLS with the client; a listener's own TLS lies further out."""
    return isinstance(context.layers[-1], layers.ClientTLSLayer)


def intercept_tls(context: Context) -> layer.Layer:
    """TLS on both sides."""
    server_tls = layers.ServerTLSLayer(context)
    server_tls.child_layer = BoundedClientTLS(context)
    return server_tls


def govern(nextlayer: layer.NextLayer) -> None:
    """Replace mitmproxy's own layers that an addon chose by ours."""
    chosen, context = nextlayer.layer, nextlayer.context
    if type(chosen) is HttpLayer:
        _unstack(context, chosen)
        nextlayer.layer = GovernedHttpLayer(context, chosen.mode)
    elif type(chosen) is layers.ServerTLSLayer and type(chosen.child_layer) is layers.ClientTLSLayer:
        _unstack(context, chosen, chosen.child_layer)
        nextlayer.layer = intercept_tls(context)


def _unstack(context: Context, *gone: layer.Layer) -> None:
    context.layers[:] = [kept for kept in context.layers if not any(kept is old for old in gone)]
