"""The wrapper that every hook and every stream callable goes through: nothing of ours can fail open in silence.

Theory of operation. mitmproxy catches an exception that leaves a hook, logs it and goes on as if the hook had agreed: a
failed guard becomes an open door. So no addon is registered bare. `Guard.wrap(addon)` returns an object with the same
hooks, each of which catches everything, counts it, journals a notice (best effort: the notice may fail with the same
fault) and then closes what the hook was about:

    a flow on its way up       503 to the client, nothing upstream
    a flow on its way down     the stream is cut; an answer that is held is replaced by 503
    a tunnel or TLS handshake  closed
    a connection to upstream   not opened

In stage observe the same fault is counted and journalled, and the bytes pass: that stage promises to change nothing.
A second lock stands behind this one: the upstream seam dials for a flow only when it carries `CLEARED`, which is set by
the addon that finished judging it (or here, in stage observe). Forgetting it closes.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from mitmproxy import connection, http, tls
from mitmproxy.proxy import layer, server_hooks

from addons.answers import refuse
from addons.faults import fault_of
from addons.upstream import UNREAD, Close, Relay, Sent
from appliance.model.names import Stage

CLEARED = "gnomon.cleared"  # flow.metadata: this flow may be dialled
FAULTED = "gnomon.faulted"  # flow.metadata: it passes in stage observe although a hook of ours failed
HELD = "gnomon.held"  # flow.metadata: its answer waits to be judged, and goes nowhere before
CUT = "gnomon.cut"  # flow.metadata: the response stream was cut
FAULT_MESSAGE = "The gateway could not inspect this request, so it was not forwarded. Tell your administrator."

LAST = frozenset({"response", "error"})  # one of them is the last hook of a flow
FAULT_CODE = 1011  # of a WebSocket's close (RFC 6455 7.4.1): something unexpected at this end
Chunks = bytes | Iterable[bytes]
StreamCallable = Callable[[bytes], Chunks]
Hook = Callable[..., Awaitable[None] | None]


class FaultLog(Protocol):
    """Where faults are told; must not raise."""

    def fault(self, where: str, error: BaseException) -> None:
        """Count and journal a fault of ours, without any text from a body."""


class Guard:
    """Wraps addons and stream callables.

    `stage` is asked at each fault, because it can change while running. `cut` ends a flow and gives the last words of
    a stream, where there are any. So that it is on record, `turned_away` is told of a request that a fault has closed,
    and `forsaken` (set by who closes records) of a flow whose last hook failed.
    """

    def __init__(
        self,
        log: FaultLog,
        stage: Callable[[], Stage],
        cut: Callable[[http.HTTPFlow], bytes],
        turned_away: Callable[[http.HTTPFlow], None] = lambda _flow: None,
    ) -> None:
        self._log = log
        self._stage = stage
        self._cut = cut
        self.forsaken: Callable[[http.HTTPFlow], None] = lambda _flow: None
        self._turned_away = turned_away

    def wrap(self, addon: object) -> object:
        """An object with the same hooks as `addon`, none of which lets an exception out."""
        hooks: dict[str, Callable[..., Any]] = {
            name: self._hook(type(addon).__name__, name, function)
            for name, function in inspect.getmembers(addon, inspect.ismethod)
            if not name.startswith("_") and name in HOOKS
        }
        if farewell := getattr(addon, "farewell", None):
            hooks["farewell"] = self._last_words(f"{type(addon).__name__}.farewell", farewell)
        return type(f"Guarded{type(addon).__name__}", (), {name: staticmethod(hook) for name, hook in hooks.items()})()

    def stream(
        self, flow: http.HTTPFlow, where: str, function: StreamCallable, *, closes: bool = False
    ) -> StreamCallable:
        """A stream callable that never raises and never returns `b""` before the end (see mitmproxy's chunking).

        `closes`: a fault closes in whatever stage the site is by now, because the exchange began in enforce.
        """

        def guarded(chunk: bytes) -> Chunks:
            if CUT in flow.metadata:
                return []
            try:
                return function(chunk)
            except BaseException as error:  # noqa: BLE001 - the one place that may not let anything through
                self._log.fault(where, fault_of(error))
                if self._stage() is Stage.OBSERVE and not closes:
                    return chunk or []
                flow.metadata[CUT] = "fault"
                words = self._cut(flow)
                return [words] if words else []

        return guarded

    def relay(
        self,
        where: str,
        function: Relay,
        unread: Callable[[int], None],
        closes: Callable[[], bool] = lambda: False,
    ) -> Relay:
        """A relay of a WebSocket that never raises: a fault closes the socket.

        In stage observe the message goes on as it is, unless `closes`: something may have to be hidden all the same.
        `unread` hears of its size in either.
        """

        def failed(error: BaseException, message: bytes) -> Sent:
            self._told_unread(where, error, message, unread)
            return [message] if self._stage() is Stage.OBSERVE and not closes() else Close(FAULT_CODE)

        def guarded(message: bytes, is_text: bool) -> Sent | Awaitable[Sent]:
            try:
                sent = function(message, is_text)
            except BaseException as error:  # noqa: BLE001 - see `stream`
                return failed(error, message)
            return sent if isinstance(sent, (list, Close)) else later(message, sent)

        async def later(message: bytes, sent: Awaitable[Sent]) -> Sent:
            try:
                return await sent
            except BaseException as error:  # noqa: BLE001 - see `stream`
                return failed(error, message)

        return guarded

    def telling[Told](self, where: str, function: Callable[[str], Told], otherwise: Told) -> Callable[[str], Told]:
        """A function of a word that never raises; `otherwise` where it failed."""

        def guarded(word: str) -> Told:
            try:
                return function(word)
            except BaseException as error:  # noqa: BLE001 - see `stream`
                self._log.fault(where, fault_of(error))
                return otherwise

        return guarded

    def _told_unread(self, where: str, error: BaseException, message: bytes, unread: Callable[[int], None]) -> None:
        self._log.fault(where, fault_of(error))
        try:
            unread(len(message))
        except BaseException as again:  # noqa: BLE001 - the account has a hole; the notice says so
            self._log.fault(where, fault_of(again))

    def _last_words(
        self, where: str, function: Callable[[http.HTTPFlow, str], bytes]
    ) -> Callable[[http.HTTPFlow, str], bytes]:
        def guarded(flow: http.HTTPFlow, reason: str) -> bytes:
            try:
                return function(flow, reason)
            except BaseException as error:  # noqa: BLE001 - the stream ends all the same, without words
                self._log.fault(where, fault_of(error))
                return b""

        return guarded

    def _hook(self, owner: str, name: str, function: Hook) -> Hook:
        """A hook may do its work at once, or return the rest of it to be awaited: both are guarded."""
        where = f"{owner}.{name}"

        def guarded(*subject: Any) -> Awaitable[None] | None:
            try:
                rest = function(*subject)
            except BaseException as error:  # noqa: BLE001 - see the module's theory
                self._fault(where, name, subject, error)
                return None
            return None if rest is None else self._rest(where, name, subject, rest)

        return guarded

    async def _rest(self, where: str, name: str, subject: tuple[Any, ...], rest: Awaitable[None]) -> None:
        try:
            await rest
        except BaseException as error:  # noqa: BLE001 - see the module's theory
            self._fault(where, name, subject, error)

    def _fault(self, where: str, name: str, subject: tuple[Any, ...], error: BaseException) -> None:
        self._log.fault(where, fault_of(error))
        close = HOOKS[name]
        if close is not None:
            close(self, subject[0])
        if name in LAST:
            self._tell(where, self.forsaken, subject[0])
        elif close is Guard._close_request and self._stage() is Stage.ENFORCE:
            self._tell(where, self._turned_away, subject[0])

    def _tell(self, where: str, told: Callable[[http.HTTPFlow], None], flow: http.HTTPFlow) -> None:
        try:
            told(flow)
        except BaseException as error:  # noqa: BLE001 - its record is missing; the notices say so
            self._log.fault(where, fault_of(error))

    def _close_request(self, flow: http.HTTPFlow) -> None:
        if self._stage() is Stage.OBSERVE:
            flow.metadata[CLEARED] = flow.metadata[FAULTED] = flow.metadata[UNREAD] = True
            return
        flow.metadata.pop(CLEARED, None)
        flow.metadata[CUT] = "fault"
        refuse(flow, 503, "gateway_fault", FAULT_MESSAGE)

    def _close_response(self, flow: http.HTTPFlow) -> None:
        if self._stage() is Stage.OBSERVE:
            if flow.response is not None and not flow.response.stream:
                flow.response.stream = True
            return
        flow.metadata[CUT] = "fault"
        refuse(flow, 503, "gateway_fault", FAULT_MESSAGE)
        self._cut(flow)

    def _close_held(self, flow: http.HTTPFlow) -> None:
        """An answer that nobody has judged; one that was not held has gone already."""
        if flow.metadata.pop(HELD, None):
            flow.metadata[CUT] = "fault"
            refuse(flow, 503, "gateway_fault", FAULT_MESSAGE)

    def _close_layer(self, nextlayer: layer.NextLayer) -> None:
        if self._stage() is Stage.ENFORCE:
            nextlayer.layer = ClosingLayer(nextlayer.context)

    def _close_client(self, client: connection.Client) -> None:
        if self._stage() is Stage.ENFORCE:
            client.error = "gateway fault"

    def _close_hello(self, data: tls.ClientHelloData) -> None:
        data.ignore_connection = False  # never a pass-through

    def _close_handshake(self, data: tls.TlsData) -> None:
        data.ssl_conn = None  # mitmproxy fails the handshake without a context

    def _close_dial(self, data: server_hooks.ServerConnectionHookData) -> None:
        if self._stage() is Stage.ENFORCE:
            data.server.error = "gateway fault"


class ClosingLayer(layer.Layer):
    """Closes the client connection and swallows what follows."""

    def _handle_event(self, event: Any) -> layer.CommandGenerator[None]:
        from mitmproxy.proxy import commands, events

        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


# Every hook that an addon of ours may have, with what closing means there; None: nothing is open at that point.
HOOKS: dict[str, Callable[[Guard, Any], None] | None] = {
    "running": None,
    "done": None,
    "client_connected": Guard._close_client,  # noqa: SLF001 - the table belongs to the class
    "client_disconnected": None,
    "server_connect": Guard._close_dial,  # noqa: SLF001
    "server_connected": None,
    "server_connect_error": None,
    "server_disconnected": None,
    "http_connect": Guard._close_request,  # noqa: SLF001
    "http_connected": None,
    "http_connect_error": None,
    "next_layer": Guard._close_layer,  # noqa: SLF001
    "tls_clienthello": Guard._close_hello,  # noqa: SLF001
    "tls_start_client": Guard._close_handshake,  # noqa: SLF001
    "tls_start_server": Guard._close_handshake,  # noqa: SLF001
    "tls_established_client": None,
    "tls_failed_client": None,
    "tls_failed_server": None,
    "requestheaders": Guard._close_request,  # noqa: SLF001
    "request": Guard._close_request,  # noqa: SLF001
    "request_silent": Guard._close_request,  # noqa: SLF001
    "responseheaders": Guard._close_response,  # noqa: SLF001
    "response": Guard._close_held,  # noqa: SLF001
    "error": None,
    "websocket_start": None,
    "websocket_message": None,
    "websocket_end": None,
    "tcp_start": None,
    "tcp_message": None,
    "tcp_end": None,
    "tcp_error": None,
    "refused": None,
    "tunnel_closed": None,
}
