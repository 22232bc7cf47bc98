"""The HTTP/1 and HTTP/2 ends of a connection, bounded, and with upstream streams that can be abandoned one by one.

Rules: a request head larger than `max_head_bytes` is refused with 431, what cannot be parsed with 400, and both are
told as `refused` before they are answered; nothing piles up while a client sends ahead; HTTP/1 trailers are read and,
but for those of an answer to an HTTP/2 client, dropped (RFC 9110 6.5.1 allows it; mitmproxy raises and hangs); interim
answers are swallowed on both protocols; an abandoned upstream stream never speaks again.
"""

import re
from typing import Any

import h2.events
from h11 import EndOfMessage, RemoteProtocolError
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.http import Headers
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server, make_body_reader
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Server

from addons.upstream.hooks import DETAIL_CHARS, Refusal, RefusedHook
from addons.upstream.plan import error_response
from addons.upstream.settings import settings_of, top_of
from addons.upstream.strict import objection_to_lines, unquoted
from appliance.model.names import RefusalReason

BLANK_LINE = re.compile(rb"\n\r?\n")
INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[ \r\n]")
MAX_INTERIM = 32  # of one answer; more are taken for the answer itself, and fail
# Fields that frame, route or name what has been sent already, and the one that would lead clients around the proxy.
NO_TRAILERS = frozenset(
    b"""
    transfer-encoding content-length content-encoding content-type content-range trailer te host connection keep-alive
    proxy-connection upgrade alt-svc set-cookie authorization proxy-authenticate www-authenticate
""".split()
)
_GOAWAY = b"\x00\x00\x08\x07" + bytes(5)  # a frame of 8 bytes, of that type, of the connection
MAX_CHUNK_OVERHEAD = 64 * 1024  # chunk header line, or all trailers together


class PlainChunkedReader(ChunkedReader):
    """h11's reader of chunked bodies with trailers put aside, and with a bound on what is not body."""

    trailers: tuple[tuple[bytes, bytes], ...] = ()

    def __call__(self, buf: ReceiveBuffer) -> Any:
        """The next event, or None until more bytes come."""
        event = super().__call__(buf)
        if event is None and len(buf) > MAX_CHUNK_OVERHEAD:
            raise RemoteProtocolError("chunk header or trailers too large")
        if event is None and self._bytes_in_chunk == 0 and not self._reading_trailer and b"\n" in bytes(buf):
            raise RemoteProtocolError("a chunk header that does not end in CRLF")
        if isinstance(event, EndOfMessage) and event.headers:
            self.trailers = tuple(field for field in event.headers if field[0] not in NO_TRAILERS)
            return EndOfMessage()
        return event


class _Http1Bounds:
    """What both HTTP/1 ends share."""

    buf: ReceiveBuffer

    @property
    def body_reader(self) -> Any:
        """The reader of the running body."""
        return self._body_reader

    @body_reader.setter
    def body_reader(self, reader: Any) -> None:
        self._body_reader = PlainChunkedReader() if isinstance(reader, ChunkedReader) else reader

    def head_too_large(self, limit: int) -> bool:
        """Whether the head that is waiting in the buffer is, or will be, larger than `limit` bytes."""
        return len(self.buf) > limit and BLANK_LINE.search(bytes(self.buf)[: limit + 2]) is None


class GovernedHttp1Server(_Http1Bounds, Http1Server):
    """Towards the client."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._max_head = settings_of(context).max_head_bytes

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if (
            isinstance(event, events.DataReceived)
            and self.state == self.wait
            and len(self.buf) + len(event.data) > self._max_head
        ):
            # Sent ahead while an answer is still running: no client of ours does, and it must not pile up.
            self.buf = ReceiveBuffer()
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(RequestProtocolError(self.stream_id, "sent too far ahead", ErrorCode.CLIENT_DISCONNECTED))
            return
        yield from super()._handle_event(event)

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """Parse one request head, within bounds."""
        if not isinstance(event, events.DataReceived):
            yield commands.CloseConnection(self.conn)
            return
        if self.head_too_large(self._max_head):
            yield from self._refuse(431, RefusalReason.HEAD_TOO_LARGE, f"head above {self._max_head} bytes")
            return
        before = len(self.buf)
        lines = self.buf.maybe_extract_lines()
        while lines == []:  # empty lines before a request line are skipped (RFC 9112 2.2)
            before = len(self.buf)
            lines = self.buf.maybe_extract_lines()
        if not lines:
            return
        if objection := objection_to_lines(lines, before - len(self.buf)):
            yield from self._refuse(400, *objection)
            return
        try:
            request = http1.read_request_head([bytes(line) for line in lines])
            size = http1.expected_http_body_size(request)
        except ValueError as error:
            yield from self._refuse(400, RefusalReason.MALFORMED_REQUEST, _about(error))
            return
        self.request = request
        yield ReceiveHttp(RequestHeaders(self.stream_id, request, size == 0))
        self.body_reader = make_body_reader(size)
        self.state = self.read_body
        yield from self.state(event)

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """As mitmproxy; a body whose framing is broken is answered and told, not only hung up on."""
        for command in super().read_body(event):
            if self._breaks_framing(event, command):
                yield from self._refuse(400, RefusalReason.MALFORMED_REQUEST, "the framing of the body is broken")
            else:
                yield command

    def _breaks_framing(self, event: events.Event, command: commands.Command) -> bool:
        closes = isinstance(command, commands.CloseConnection)
        return closes and self.response is None and isinstance(event, events.DataReceived)

    def send(self, event: Any) -> layer.CommandGenerator[None]:
        """As mitmproxy, with errors in the form that SDKs read and without its name."""
        if isinstance(event, ResponseProtocolError) and not self.response and self.conn.connected:
            status = event.code.http_status_code()
            if status is not None:
                yield commands.SendData(self.conn, _error_bytes(status, event))
                yield commands.CloseConnection(self.conn)
                return
        if not isinstance(event, ResponseTrailers):  # of an HTTP/2 upstream: dropped, mitmproxy would raise
            yield from super().send(event)

    def _refuse(self, status: int, reason: RefusalReason, detail: str) -> layer.CommandGenerator[None]:
        self.state = self.done
        self.buf = ReceiveBuffer()
        settings = settings_of(self.context)
        host, port = (self.context.server.address or ("", 0))[:2]
        yield RefusedHook(Refusal(reason, self.context.client, settings.listener, host, port, detail))
        response = error_response(status, reason.value, "The request was refused.")
        response.headers["connection"] = "close"
        yield commands.SendData(self.conn, _assembled(response))
        yield commands.CloseConnection(self.conn)


class GovernedHttp1Client(_Http1Bounds, Http1Client):
    """Towards an upstream."""

    abandoned = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._max_head = settings_of(context).max_head_bytes
        self._interim = 0
        self._head = b""  # of a request that is sent in one go: it waits for its body

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self.abandoned:
            return
        for command in super()._handle_event(event):
            # The stream that this connection served may already wait for another target's answer.
            if self.abandoned and isinstance(command, ReceiveHttp):
                continue
            yield command
        if self.abandoned:
            self.state = self.done

    def send(self, event: Any) -> layer.CommandGenerator[None]:
        """As mitmproxy; a cancelled request closes the connection and silences it. Head and held body go as one."""
        if isinstance(event, RequestProtocolError):
            self.abandoned = True
        whole = isinstance(event, RequestHeaders) and not event.end_stream and not event.request.stream
        for command in super().send(event):
            if not isinstance(command, commands.SendData):
                yield command
            elif whole:  # its body follows before anything else can happen
                self._head += command.data
            else:
                data, self._head = self._head + command.data, b""
                yield commands.SendData(command.connection, data) if len(data) > len(command.data) else command

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """As mitmproxy; trailers go on to an HTTP/2 client, which may wait for them (gRPC)."""
        reader, for_http2 = self.body_reader, self.request is not None and self.request.is_http2
        for command in super().read_body(event):
            if (
                isinstance(command, ReceiveHttp)
                and isinstance(command.event, ResponseEndOfMessage)
                and for_http2
                and isinstance(reader, PlainChunkedReader)
                and reader.trailers
            ):
                yield ReceiveHttp(ResponseTrailers(command.event.stream_id, Headers(reader.trailers)))
            yield command

    def _swallow_interim(self) -> None:
        """Interim answers (100, 102, 103) are not for the client; mitmproxy takes them for the answer."""
        while self._interim < MAX_INTERIM and INTERIM.match(bytes(self.buf)):
            if self.buf.maybe_extract_lines() is None:
                return
            self._interim += 1

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """As mitmproxy, within bounds."""
        if isinstance(event, events.DataReceived) and self.stream_id is not None:
            self._swallow_interim()
        if (
            isinstance(event, events.DataReceived)
            and self.stream_id is not None
            and self.head_too_large(self._max_head)
        ):
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            message = "response head too large"
            yield ReceiveHttp(ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))
            return
        yield from super().read_headers(event)


class GovernedHttp2Server(Http2Server):
    """Towards the client."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, ResponseProtocolError) and self._can_answer(event):
            status = event.code.http_status_code() or 502
            response = _error(status, event)
            yield from super()._handle_event(ResponseHeaders(event.stream_id, response))
            yield from super()._handle_event(ResponseData(event.stream_id, response.raw_content or b""))
            yield from super()._handle_event(ResponseEndOfMessage(event.stream_id))
            return
        yield from super()._handle_event(event)
        if isinstance(event, ResponseEndOfMessage):
            yield from self._leave()

    def _leave(self) -> layer.CommandGenerator[None]:
        """Say that nothing more is taken (GOAWAY, RFC 9113 6.8) before the connection is closed.

        Only once nothing runs: clients take it for the end of what they are still reading.
        """
        if top_of(self.context).handler.draining and not self.h2_conn.open_inbound_streams:
            last = self.h2_conn.highest_inbound_stream_id.to_bytes(4)
            yield commands.SendData(self.conn, _GOAWAY + last + bytes(4))

    def protocol_error(self, message: str, error_code: int = 1) -> layer.CommandGenerator[None]:
        """Record the breach, then close as mitmproxy does. `error_code`: RFC 9113 7, 1 is PROTOCOL_ERROR."""
        settings = settings_of(self.context)
        host, port = (self.context.server.address or ("", 0))[:2]
        detail = unquoted(message)[:DETAIL_CHARS]
        reason = RefusalReason.MALFORMED_REQUEST
        yield RefusedHook(Refusal(reason, self.context.client, settings.listener, host, port, detail))
        yield from super().protocol_error(message, error_code)

    def _can_answer(self, event: ResponseProtocolError) -> bool:
        stream = self.h2_conn.streams.get(event.stream_id)
        return (
            stream is not None
            and self.is_open_for_us(event.stream_id)
            and not stream.state_machine.headers_sent
            and event.code.http_status_code() is not None
        )


class GovernedHttp2Client(Http2Client):
    """Towards an upstream."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, RequestHeaders):
            # A second attempt of the same stream gets a stream id of its own.
            stale = self.our_stream_id.pop(event.stream_id, None)
            if stale is not None:
                self.streams.pop(stale, None)
        elif isinstance(event, RequestProtocolError) and event.stream_id not in self.our_stream_id:
            self.stream_queue.pop(event.stream_id, None)  # cancelled before its turn: never sent
            return
        yield from super()._handle_event(event)

    def _handle_event2(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super()._handle_event2(event)
        if isinstance(event, RequestProtocolError):
            self.streams.pop(event.stream_id, None)

    def handle_h2_event(self, event: h2.events.Event) -> layer.CommandGenerator[bool]:
        """As mitmproxy, deaf to what still comes for a stream that was cancelled."""
        if isinstance(event, h2.events.TrailersReceived) and event.stream_id not in self.streams:
            return False
        return (yield from super().handle_h2_event(event))


def _error(status: int, event: ResponseProtocolError) -> Any:
    return error_response(status, event.code.name.lower(), event.message[:DETAIL_CHARS])


def _error_bytes(status: int, event: ResponseProtocolError) -> bytes:
    response = _error(status, event)
    response.headers["connection"] = "close"
    return _assembled(response)


def _assembled(response: Any) -> bytes:
    return bytes(http1.assemble_response(response))


def _about(error: ValueError) -> str:
    # mitmproxy's texts end in the offending bytes, which may hold a credential: only the kind is kept.
    return str(error).partition(":")[0][:DETAIL_CHARS]
