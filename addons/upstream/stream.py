"""One request and its answer: who may be dialled for it, the next target before the first byte, and ending it early.

Theory of operation. mitmproxy's HttpStream asks for a connection once and takes whatever comes. Here that step runs
over the targets of the flow's plan, and an answer with a status that the plan retries is abandoned before any hook
has seen it: the client's first byte is always from the answer that is kept. Ending a stream early is an event of our
own: a `CancelTicket` that is entered as a pending command of every layer above, so that the stock routing brings its
completion to exactly this stream, through TLS and tunnels. Rules: nothing is dialled for a flow without CLEARED;
every flow that an addon has seen ends in exactly one of `response` and `error`; cancelling one stream touches no
sibling.
"""

import asyncio
import weakref
from typing import Any

from mitmproxy import flow as mitm_flow
from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    HttpLayer,
    SendHttp,
    validate_request,
)
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook

from addons.upstream.fields import found_fast
from addons.upstream.grpc import last_trailers
from addons.upstream.hooks import DETAIL_CHARS, Refusal, RefusedHook
from addons.upstream.plan import (
    BROKEN_BY,
    CLIENT,
    DIAL_FIRST,
    FAILURE,
    LAST_WORDS,
    LISTENER,
    STREAM,
    UPSTREAM,
    DialMessage,
    Failure,
    FailureKind,
    error_response,
)
from addons.upstream.settings import settings_of, top_of
from addons.upstream.strict import declared_size, names_a_host, objection_to
from addons.upstream.switched import SWITCHING, CancelTicket, objection_to_switch
from addons.upstream.trying import HeadTicket, TryingStream
from appliance.model.names import RefusalReason


class GovernedStream(TryingStream):
    """One stream of a client connection."""

    def __init__(self, context: Context, stream_id: int) -> None:
        super().__init__(context, stream_id)
        self._settings = settings_of(context)

    @property
    def busy(self) -> bool:
        """Whether ending it now would cut something: a tunnel as such is not, what runs inside may be."""
        flow = getattr(self, "flow", None)
        if flow is None:
            return True
        return self.child_layer is None if flow.request.method == "CONNECT" else bool(flow.live)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup) and isinstance(event.command, HeadTicket):
            yield from self.no_head(event.command)
        elif isinstance(event, events.Wakeup) and isinstance(event.command, CancelTicket):
            yield from self._cancelled(event.command)
        elif isinstance(event, ResponseTrailers):
            event.trailers.pop("alt-svc", None)
            yield from super()._handle_event(event)
        elif isinstance(event, RequestTrailers):
            pass  # nothing inspects them, so nothing of them goes on (RFC 9110 6.5.1 allows it)
        else:
            yield from super()._handle_event(event)

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        """First step of every flow: give it our metadata, and turn away what is malformed before any addon sees it."""
        if not request:
            return (yield from self._invalid_answer())
        self._introduce()
        objection = self._objection()
        if objection is None:
            return False
        reason, detail = objection
        yield self._refused(reason, detail)
        if reason is RefusalReason.HEAD_TOO_LARGE:  # met here only over HTTP/2, where the connection goes on
            self.flow.live = False
            self.client_state = self.server_state = self.state_errored
            yield from self._answer(error_response(431, reason.value, detail))
            yield DropStream(self.stream_id)
            return True
        yield from self._reject(detail, ErrorCode.REQUEST_VALIDATION_FAILED)
        return True

    def _invalid_answer(self) -> layer.CommandGenerator[bool]:
        """As mitmproxy; and nobody changes the protocol who was not asked to: what follows could not be read."""
        assert self.flow.response  # noqa: S101 - its head has come
        objection = objection_to_switch(self.flow) if self.flow.response.status_code == SWITCHING else ""
        if objection:
            yield self.abandon("cancelled")
            yield from self.fail(FailureKind.CONNECT, objection)
            return True
        return (yield from super().check_invalid(False))

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        """As mitmproxy, and forget the stream."""
        killed = yield from super().check_killed(emit_error_hook)
        if killed:
            yield DropStream(self.stream_id)
        return killed

    def state_wait_for_request_headers(self, event: RequestHeaders) -> layer.CommandGenerator[None]:
        """As mitmproxy; a body that says itself that it is too large is not waited for."""
        yield from super().state_wait_for_request_headers(event)
        if not event.end_stream and self.client_state == self.state_consume_request_body:
            yield from self.check_body_size(True)

    def handle_connect_regular(self) -> layer.CommandGenerator[None]:
        """A tunnel that stays sealed is dialled before it is promised, so that a failure can be told."""
        if not self.flow.response and self.flow.metadata.get(DIAL_FIRST):
            error = yield commands.OpenConnection(self.context.server)
            if error:
                kind = error.kind if isinstance(error, DialMessage) else FailureKind.CONNECT
                self.flow.response = error_response(kind.status, kind.value, str(error))
        self.child_layer = layer.NextLayer(self.context)
        yield from self.handle_connect_finish()  # type: ignore[no-untyped-call]

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """Bodies that are held are bounded by `max_body_bytes`; what is streamed is not."""
        limit = self._settings.max_body_bytes
        if not request:
            if len(self.response_body_buf) > limit:
                yield from self._cancelled(CancelTicket(b"", "the answer is too large to be held"))
                return True
            return False
        if self.client_state == self.state_wait_for_request_headers:
            return False  # an addon may still decide to stream it
        if max(len(self.request_body_buf), declared_size(self.flow.request)) <= limit:
            return False
        message = f"the request body is larger than {limit} bytes"
        yield self._refused(RefusalReason.BODY_TOO_LARGE, message)
        self.request_body_buf.clear()
        self.flow.error = mitm_flow.Error(message)
        yield HttpErrorHook(self.flow)
        yield from self._reject(message, ErrorCode.REQUEST_TOO_LARGE)
        return True

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        """As mitmproxy, with the attempt on record, and who it was: mitmproxy's text says "client" of both sides."""
        if isinstance(event, ResponseProtocolError) and (yield from self.broken_off(event)):
            return  # the next target has it
        if hasattr(self, "flow"):
            by_client = isinstance(event, RequestProtocolError)
            self.flow.metadata.setdefault(BROKEN_BY, CLIENT if by_client else UPSTREAM)
            if not by_client:
                event.message = event.message.replace("by client", "by upstream")
        waiting = self.server_state == self.state_wait_for_response_headers
        if isinstance(event, RequestProtocolError):
            self.given_up("the client left")
        if isinstance(event, RequestProtocolError) and waiting and not self._connected:
            # mitmproxy would send this on to a connection that was never made.
            self.client_state = self.server_state = self.state_errored
            self.flow.error = mitm_flow.Error(event.message)
            yield HttpErrorHook(self.flow)
            self.flow.live = False
            yield DropStream(self.stream_id)
            return
        for command in super().handle_protocol_error(event):
            if isinstance(command, SendHttp) and command.connection is self.context.client:
                yield from self._last_words()
            yield command

    def _last_words(self) -> layer.CommandGenerator[None]:
        """What an addon has the client told before the stream is broken off; nothing where a length was promised."""
        words, response = self.flow.metadata.pop(LAST_WORDS, b""), self.flow.response
        begun = self.server_state == self.state_stream_response_body and response is not None
        if words and begun and response is not None and "content-length" not in response.headers:
            yield SendHttp(ResponseData(self.stream_id, words), self.context.client)

    @property
    def _connected(self) -> bool:
        parent = self.context.layers[self.context.layers.index(self) - 1]
        return isinstance(parent, HttpLayer) and self.context.server in parent.connections

    def _introduce(self) -> None:
        self.flow.request.headers = found_fast(self.flow.request.headers)
        metadata = self.flow.metadata
        metadata[LISTENER] = self._settings.listener
        metadata[STREAM] = weakref.ref(self)
        top_of(self.context).handler.spoke(tunnel=self.flow.request.method == "CONNECT")

    def _objection(self) -> tuple[RefusalReason, str] | None:
        request = self.flow.request
        if self._settings.listener != "proxy" and names_a_host(request):
            words = f"the listener {self._settings.listener} is not a proxy: the client may not name a host"
            return RefusalReason.MALFORMED_REQUEST, words
        if validate_request(self.mode, request, validate_inbound_headers=False):
            return RefusalReason.MALFORMED_REQUEST, "request line not acceptable"
        if validate_request(self.mode, request, validate_inbound_headers=True):
            return RefusalReason.SMUGGLING, "ambiguous or invalid header fields"
        http2 = self.context.client.alpn == b"h2"
        return objection_to(request, http2=http2, max_head=self._settings.max_head_bytes)

    def _refused(self, reason: RefusalReason, detail: str) -> RefusedHook:
        request = self.flow.request
        client, listener = self.context.client, self._settings.listener
        host, port = (request.host, request.port) if request.host else (self.context.server.address or ("", 0))[:2]
        return RefusedHook(Refusal(reason, client, listener, host[:DETAIL_CHARS], port, detail))

    def _reject(self, message: str, code: ErrorCode) -> layer.CommandGenerator[None]:
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield SendHttp(ResponseProtocolError(self.stream_id, message, code), self.context.client)
        yield DropStream(self.stream_id)

    def fail(self, kind: FailureKind, message: str) -> layer.CommandGenerator[None]:
        """End the flow with an answer of ours; addons may reshape `flow.response` in their `error` hook."""
        started = self.client_state is not None and self.client_state != self.state_done
        self.flow.metadata[FAILURE] = Failure(kind, message)
        self.flow.response = error_response(kind.status, kind.value, message)
        self.flow.error = mitm_flow.Error(message)
        self.client_state = self.server_state = self.state_errored
        yield HttpErrorHook(self.flow)
        self.flow.live = False
        if started:  # the request is still being sent: an answer of ours and then the end of the connection
            self.flow.response.headers["connection"] = "close"
        yield from self._answer(self.flow.response)
        yield DropStream(self.stream_id)

    def _answer(self, response: http.Response) -> layer.CommandGenerator[None]:
        content = b"" if self.flow.request.method == "HEAD" else response.raw_content  # RFC 9110 9.3.2
        client = self.context.client
        yield SendHttp(ResponseHeaders(self.stream_id, response, not content), client)
        if content:
            yield SendHttp(ResponseData(self.stream_id, content), client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), client)

    def forget(self) -> None:
        """Nothing more comes: cut what leads back here, so that its bodies are freed now and not by a collection."""
        self.forget_timer()
        if self._paused is None:
            self.client_state = self.server_state = _over
            if self.context.layers[-1:] == [self]:
                self.context.layers.pop()

    def passthrough(self, event: events.Event) -> layer.CommandGenerator[None]:
        """As mitmproxy; once a CONNECT of an HTTP/1 client carries bytes, they take the short way from then on."""
        yield from super().passthrough(event)
        request = self.flow.request
        if isinstance(event, RequestData) and request.method == "CONNECT" and not request.is_http2 and self.child_layer:
            top_of(self.context).handler.enter_tunnel(self.child_layer)

    def _cancelled(self, ticket: CancelTicket) -> layer.CommandGenerator[None]:
        done = (self.state_done, self.state_errored)
        if not self.flow.live or self.server_state in done or self.flow.request.method == "CONNECT":
            return
        streaming = self.server_state == self.state_stream_response_body
        self.given_up(ticket.reason)
        if self._connected:
            yield self.abandon("cancelled")
        if not streaming:
            yield from self.fail(FailureKind.CANCELLED, ticket.reason)
            return
        self.client_state = self.server_state = self.state_errored
        if ticket.final:
            yield SendHttp(ResponseData(self.stream_id, ticket.final), self.context.client)
        assert self.flow.response  # noqa: S101 - it is being streamed
        trailers = last_trailers(self.flow.response, ticket.reason)
        if trailers is not None:
            yield SendHttp(ResponseTrailers(self.stream_id, trailers), self.context.client)
        yield self._end_of_answer()
        self.flow.error = mitm_flow.Error(ticket.reason)
        yield HttpErrorHook(self.flow)
        self.flow.live = False
        yield DropStream(self.stream_id)

    def _end_of_answer(self) -> SendHttp:
        """A clean end where the framing has one; a promised length that is not met can only be broken off."""
        assert self.flow.response  # noqa: S101 - it is being streamed
        end: Any = ResponseEndOfMessage(self.stream_id)
        if "content-length" in self.flow.response.headers:
            end = ResponseProtocolError(self.stream_id, "cancelled", ErrorCode.CANCEL)
        return SendHttp(end, self.context.client)


def _over(_event: events.Event) -> layer.CommandGenerator[None]:
    """The state of a stream that has been forgotten."""
    yield from ()


def cancel_stream(flow: http.HTTPFlow, final: bytes = b"", reason: str = "cancelled") -> bool:
    """End one flow's stream: `final` and a well-formed end to the client, a reset upstream, siblings untouched.

    Call it on the event loop, also from a hook or a stream callable: it takes effect on the next turn. Before the
    answer has begun the client gets 503 instead. The flow's `error` hook runs with `reason`. False: the stream has
    ended already.
    """
    reference = flow.metadata.get(STREAM)
    stream = reference() if reference is not None else None
    if not isinstance(stream, GovernedStream) or not flow.live:
        return False
    handler = top_of(stream.context).handler
    asyncio.get_running_loop().call_soon(lambda: handler.deliver(events.Wakeup(stream.ticket(final, reason))))
    return True


def leave(flow: http.HTTPFlow) -> None:
    """Close a flow's client connection once nothing runs on it: this answer and its siblings still go out."""
    reference = flow.metadata.get(STREAM)
    stream = reference() if reference is not None else None
    if isinstance(stream, GovernedStream):
        top_of(stream.context).handler.draining = True
