"""How an answer is followed on its way down: through the stream editor, held whole, or passed on and read afterwards.

Rules: decided once, when its head has come; where policy may have to hide something of it, nothing goes on that could
not be read; pictures and sound pass, if that is what they are; what a browser loads to run a page with passes unread
and is counted so. Where nothing may be held back, no byte changes. What a target of another dialect answers is carried
over to the client's: a stream as it comes, all else whole; none of its own bytes goes on.
"""

from collections.abc import Callable

from mitmproxy import http

from addons.answer_events import EventsAnswer
from addons.answer_whole import ENCODED, MEDIA_GATE, PAGE, HeldAnswer, PassingAnswer, is_media, is_page
from addons.carrying import Carried, is_stream
from addons.endings import UNREADABLE
from addons.failclosed import HELD, Guard, StreamCallable
from addons.ongoing import Exchange
from addons.remembering import noticing
from addons.upstream import cancel_stream
from addons.worker import Worker
from appliance.inspect.dialects import EventReader
from appliance.inspect.dialects.unknown_events import UnknownEvents, framing_of
from appliance.inspect.stream.counted import CountedEvents
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.restoring import Restoring
from appliance.inspect.stream.watch import Watcher
from appliance.inspect.stream.watching import of_answer
from appliance.inspect.unpacking import Unpacker, unpacker
from appliance.route.translate import Stream

CEILING = 64 * 1024  # UTF-8 bytes of a growing text that are held back at most; beyond, it is masked
SWITCHING = 101
NO_BODY = frozenset({204, 304})
# What speaks of bytes that an edit changes. An etag names a version and stays.
DIGESTS = ("content-digest", "repr-digest", "digest", "content-md5")


class Ways:
    """One for the life of a worker."""

    def __init__(self, worker: Worker, guard: Guard) -> None:
        self._worker = worker
        self._guard = guard

    def follow(self, flow: http.HTTPFlow, response: http.Response, exchange: Exchange) -> None:
        """Set what the answer goes through."""
        if response.status_code == SWITCHING:
            return
        if without_body(flow.request, response):
            response.stream = _nothing
            return
        carried = exchange.carrying.answering if exchange.carrying else None
        if carried is not None:
            self._carried(flow, response, exchange, carried)
            return
        content_type = response.headers.get("content-type", "")
        reader = exchange.dialect.events(exchange.call, content_type) if exchange.dialect else None
        framing = framing_of(content_type)
        if reader is not None:
            self._in_events(flow, response, exchange, reader)
        elif framing is not None:
            self._in_events(flow, response, exchange, UnknownEvents(framing))
        elif is_media(content_type):
            gate = MEDIA_GATE if exchange.guards_answer else 0
            self._passing(flow, response, exchange, gate=gate)
        elif exchange.dialect is None and is_page(content_type):
            self._passing(flow, response, exchange, skip=PAGE)
        elif exchange.edits_answer:
            self._held(flow, response, exchange)
        else:
            self._passing(flow, response, exchange)

    def _carried(self, flow: http.HTTPFlow, response: http.Response, exchange: Exchange, carried: Carried) -> None:
        """What a target of another dialect answers."""
        content_type = response.headers.get("content-type", "")
        good = 200 <= response.status_code <= 299  # noqa: PLR2004 - HTTP
        if good and carried.streams and is_stream(carried.translation.target, content_type):
            carry = carried.stream(content_type)
            reader = exchange.dialect.events(exchange.call, carry.content_type) if exchange.dialect else None
            if reader is not None:
                response.headers["content-type"] = carry.content_type
                self._in_events(flow, response, exchange, reader, carry)
                return
        self._held(flow, response, exchange)

    def _in_events(
        self,
        flow: http.HTTPFlow,
        response: http.Response,
        exchange: Exchange,
        reader: EventReader,
        carry: Stream | None = None,
    ) -> None:
        known, unpack = self._unpacker(response)
        if not known:
            if exchange.guards_answer or carry is not None:
                self.end(flow, exchange, UNREADABLE, "unknown_encoding")
            else:
                self._passing(flow, response, exchange, skip=ENCODED)
            return
        unknown = isinstance(reader, UnknownEvents)
        guards = exchange.edits_answer or (exchange.drop_usage and not unknown)
        reader, over = self._metered(exchange, noticing(exchange, reader))
        editor = StreamEditor(
            reader,
            _watcher(self._worker, exchange),
            hides=exchange.hides,
            ends=exchange.ends,
            ceiling=CEILING,
            drop_usage=exchange.drop_usage,
            restores=exchange.restoration is not None,
        )
        exchange.answer = EventsAnswer(
            editor,
            reader,
            unpack,
            guards=guards,
            unknown=unknown,
            over=over,
            on_cut=lambda cause, detail: self.end(flow, exchange, cause, detail),
            carry=carry,
        )
        if guards or carry is not None:
            _without_length(flow, response, unpacked=unpack is not None or carry is not None)
        self._stream(flow, response, exchange, exchange.answer)

    def _metered(self, exchange: Exchange, reader: EventReader) -> tuple[EventReader, Callable[[], bool]]:
        """The reader, and whether the answer has come to the end of a budget."""
        if exchange.booking is None or not exchange.booking.limits_answers:
            return reader, _never
        counted = CountedEvents(reader)
        return counted, lambda: not self._worker.meter.grows(exchange, counted.tokens)

    def _unpacker(self, response: http.Response) -> tuple[bool, Unpacker | None]:
        """Whether its codings are known, and what undoes them."""
        coding = response.headers.get("content-encoding", "").strip().lower()
        if coding in ("", "identity"):
            return True, None
        found = unpacker(coding, self._worker.config.inspect.max_ratio)
        return found is not None, found

    def _held(self, flow: http.HTTPFlow, response: http.Response, exchange: Exchange) -> None:
        declared = response.headers.get("content-length", "")
        large = declared.isdigit() and int(declared) > self._worker.config.egress.max_body_bytes
        if large and not exchange.guards_answer and exchange.carrying is None:  # names stay in it
            self._passing(flow, response, exchange)
            return
        _hold(flow, response, exchange)
        if large:
            self.end(flow, exchange, UNREADABLE, "too_large")

    def _passing(
        self, flow: http.HTTPFlow, response: http.Response, exchange: Exchange, *, skip: str = "", gate: int = 0
    ) -> None:
        answer = PassingAnswer(exchange, response, self._worker.inspector, skip, gate)
        answer.on_text = lambda: self.end(flow, exchange, UNREADABLE, "not_media")
        exchange.answer = answer
        self._stream(flow, response, exchange, answer)

    def _stream(
        self, flow: http.HTTPFlow, response: http.Response, exchange: Exchange, answer: EventsAnswer | PassingAnswer
    ) -> None:
        exchange.answering = True

        def passing(chunk: bytes) -> list[bytes]:
            return [] if exchange.cut else answer.take(chunk)  # its last words have been chosen

        pass_on: StreamCallable = passing
        where = f"{type(answer).__name__}.take"
        metered = exchange.booking is not None and exchange.booking.limits_answers
        closes = exchange.guards_answer or metered or exchange.carrying is not None
        response.stream = self._guard.stream(flow, where, pass_on, closes=closes)

    @staticmethod
    def end(flow: http.HTTPFlow, exchange: Exchange, cause: str, detail: str) -> None:
        """The appliance ends the answer: whatever still goes to the client has been handed over already.

        All of it may have come by now, before the stream can be cancelled: so it is held as well.
        """
        exchange.cut, exchange.cut_detail = cause, detail
        if not exchange.answering and flow.response is not None:
            _hold(flow, flow.response, exchange)
        cancel_stream(flow, b"", cause)


def _watcher(worker: Worker, exchange: Exchange) -> Watcher:
    """What looks at the texts of an answer."""
    watcher = of_answer(worker.watcher, exchange.expected)
    return Restoring(watcher, exchange.restoration) if exchange.restoration else watcher


def without_body(request: http.Request, response: http.Response) -> bool:
    """No body follows, whatever the head says (RFC 9112 6.3): its head stays as it is."""
    return request.method == "HEAD" or response.status_code in NO_BODY


def _never() -> bool:
    return False


def _nothing(_chunk: bytes) -> list[bytes]:
    return []  # what comes all the same (over HTTP/2 it can) goes no further


def _hold(flow: http.HTTPFlow, response: http.Response, exchange: Exchange) -> None:
    """Nothing of the answer goes on before it has been judged."""
    exchange.answer = HeldAnswer()
    flow.metadata[HELD] = True
    response.stream = False


def _without_length(flow: http.HTTPFlow, response: http.Response, *, unpacked: bool) -> None:
    """The head of an answer whose bytes may change: nothing that tells how many there are, or which."""
    headers = response.headers
    headers.pop("content-length", None)
    for name in DIGESTS:
        headers.pop(name, None)
    if unpacked:
        headers.pop("content-encoding", None)
    if not flow.request.is_http2 and "HTTP/1.0" not in (flow.request.http_version, response.http_version):
        headers["transfer-encoding"] = "chunked"  # HTTP/1.0 knows only the end of the connection
