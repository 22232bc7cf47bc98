"""The way down: answers on their way to the client, and the close record at their end.

Theory of operation. `responseheaders` has answer_ways.py choose how an answer is followed. mitmproxy calls `response`
when everything has come, or `error` when something broke; whichever is first closes the exchange, once. An answer that
was held is judged in `response`: edited in place, replaced by a refusal, or let go as it came.
Rules: a held answer carries HELD until it has been judged, and the guard lets none out that still does; what goes to
the client and what is recorded come from one reading; the record is written even where reading failed.
"""

import asyncio
import time
from collections.abc import Awaitable

from mitmproxy import http
from mitmproxy.net.http.status_codes import RESPONSES

from addons.answer_events import EventsAnswer
from addons.answer_ways import DIGESTS, SWITCHING, Ways
from addons.answer_whole import IN_THREAD_BYTES, TOO_LARGE, HeldAnswer, PassingAnswer, told
from addons.answers import refuse
from addons.carrying import of_carried
from addons.closing import record_close
from addons.endings import BUDGET, FAULT, RULE, TORN, UNREADABLE, ending_of
from addons.failclosed import CUT, HELD, Guard
from addons.ongoing import Account, Exchange, exchange_of, unread
from addons.redirect import ROUTE_HEADER
from addons.upstream import BROKEN_BY, FAILURE, LAST_WORDS, PLAN, RELAYS, UPSTREAM, FailureKind, TargetPlan, unquoted
from addons.worker import Worker
from appliance.inspect.content import decode_body
from appliance.inspect.inspection import ResponseInspection
from appliance.inspect.redact import NotEditable
from appliance.model.detection import Coverage
from appliance.model.names import Outcome, Stage
from appliance.route.translate import Answered

SERVER_ERROR = 500
REASON_CHARS = 200
FRAMES = ("content-length", "transfer-encoding")
BROKEN_OFF = "the connection ended before the stream"
UNREAD_SWITCH = "protocol switched: what followed was not read"


class StreamingAddon:
    """Hooks of the way down."""

    def __init__(self, worker: Worker, guard: Guard) -> None:
        self._worker = worker
        self._ways = Ways(worker, guard)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Choose how the answer is followed; strip what would lead clients around the proxy."""
        if flow.response is None:
            return
        flow.response.headers.pop("alt-svc", None)
        exchange = exchange_of(flow)
        if exchange is None:
            if flow.response.raw_content is None:
                flow.response.stream = True
            return
        if exchange.closed or CUT in flow.metadata:  # the answer is one of ours
            return
        _tell_route(flow.response, exchange)
        self._worker.meter.tell_limits(exchange, flow.response)
        exchange.first_byte = time.perf_counter()
        exchange.framed = any(name in flow.response.headers for name in FRAMES)
        self._ways.follow(flow, flow.response, exchange)

    def response(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Everything has come; of an answer that is not held, everything was sent."""
        exchange = exchange_of(flow)
        if exchange is None or flow.response is None or (flow.websocket is not None and RELAYS in flow.metadata):
            return None
        if flow.metadata.get(HELD):
            return self._judge(flow, exchange)
        outcome = Outcome.UPSTREAM_ERROR if flow.response.status_code >= SERVER_ERROR else Outcome.COMPLETED
        if flow.metadata.get(CUT) == "fault":
            outcome, exchange.cut = Outcome.FAILED_CLOSED, exchange.cut or FAULT
        elif exchange.cut:
            outcome = ending_of(exchange.cut).outcome
        elif isinstance(exchange.answer, EventsAnswer) and exchange.answer.broken:
            outcome, exchange.cut = Outcome.UPSTREAM_ABORT, TORN
        elif outcome is Outcome.COMPLETED and _broken_off(flow.response, exchange):
            outcome = Outcome.UPSTREAM_ABORT
        reason = _reason(exchange) or _switched(flow.response)
        if outcome is Outcome.UPSTREAM_ABORT and not reason:
            reason = BROKEN_OFF
        return self.finish(flow, exchange, outcome, reason)

    def error(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Something broke; who left first decides the outcome."""
        exchange = exchange_of(flow)
        if exchange is None or flow.error is None:
            return None
        failure = flow.metadata.get(FAILURE)
        if flow.metadata.pop(HELD, None) and not exchange.cut and failure and failure.kind is FailureKind.CANCELLED:
            exchange.cut, exchange.cut_detail = UNREADABLE, TOO_LARGE  # the seam lets go of what is too large to hold
        if flow.metadata.get(CUT) == "fault":
            exchange.cut = exchange.cut or FAULT
        if exchange.refused is not None and failure and failure.kind is FailureKind.REFUSED and not exchange.cut:
            exchange.cut, exchange.cut_detail = BUDGET, exchange.refused.budget  # of no target that was left
        if not exchange.answering and flow.response is not None and FAILURE in flow.metadata:
            self._words(flow, exchange)
        reason, outcome = _reason(exchange) or unquoted(flow.error.msg)[:REASON_CHARS], _broken(flow, exchange)
        acts, answer = exchange.answering and exchange.stage is Stage.ENFORCE, exchange.answer
        ours = exchange.answering if exchange.carrying else acts and _chosen(flow)
        if outcome is Outcome.UPSTREAM_ABORT and ours and isinstance(answer, EventsAnswer):
            flow.metadata[LAST_WORDS] = answer.last_words(outcome.value)
        return self.finish(flow, exchange, outcome, reason)

    def forsaken(self, flow: http.HTTPFlow) -> None:
        """A hook at the end of a flow has failed: what can be said without it."""
        exchange = exchange_of(flow)
        if exchange is None or exchange.closed or (flow.websocket is not None and RELAYS in flow.metadata):
            return
        outcome = Outcome.FAILED_CLOSED if CUT in flow.metadata else Outcome.COMPLETED
        if flow.error is not None:
            outcome = _broken(flow, exchange)
        self.finish(flow, exchange, outcome, FAULT, unread(exchange.answer.taken if exchange.answer else 0))

    def farewell(self, flow: http.HTTPFlow, reason: str) -> bytes:
        """Last bytes of a stream that the appliance ends: the dialect's own form, where it can be placed."""
        exchange = exchange_of(flow)
        if exchange is None:
            return b""
        exchange.cut = reason
        answer = exchange.answer
        return answer.last_words(reason) if isinstance(answer, EventsAnswer) else b""  # others end where they are

    def finish(
        self, flow: http.HTTPFlow, exchange: Exchange, outcome: Outcome, reason: str, account: Account | None = None
    ) -> Awaitable[None] | None:
        """Record and settle, once. `account`: of the answer, where it has been given already."""
        self._worker.running.pop(exchange.id, None)
        if exchange.closed:
            return None
        exchange.closed = True
        if exchange.begun and self._worker.remembering:
            self._worker.remembering.ended(exchange)
        if not exchange.opened:  # a fault came between reservation and record
            self._worker.meter.settle(exchange, used=False)
            return None
        if account is None and isinstance(exchange.answer, PassingAnswer) and exchange.answer.reads_late:
            return self._later(flow, exchange, outcome, reason)
        self._record(flow, exchange, outcome, reason, account)
        return None

    async def _later(self, flow: http.HTTPFlow, exchange: Exchange, outcome: Outcome, reason: str) -> None:
        """Much is to be read: beside the loop, so that other streams go on."""
        assert exchange.answer  # noqa: S101 - the caller has looked
        try:
            account = await asyncio.to_thread(exchange.answer.account)
        except BaseException:
            self._record(flow, exchange, outcome, reason, unread(exchange.answer.taken))
            raise
        self._record(flow, exchange, outcome, reason, account)

    def _record(
        self, flow: http.HTTPFlow, exchange: Exchange, outcome: Outcome, reason: str, account: Account | None
    ) -> None:
        def read() -> Account:
            return account or (exchange.answer.account() if exchange.answer else Account(coverage=Coverage(0)))

        try:
            record_close(self._worker, flow, exchange, outcome, reason, read)
        finally:
            self._worker.meter.settle(exchange, used=outcome is not Outcome.FAILED_CLOSED)

    def _judge(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        """A held answer: read, and let go only as policy allows."""
        assert flow.response  # noqa: S101 - the caller has looked
        raw = flow.response.raw_content or b""
        if exchange.cut:
            if exchange.answer is not None:
                exchange.answer.taken = len(raw)
            self._replace(flow, exchange, unread(len(raw), exchange.cut))
            return None
        if len(raw) > IN_THREAD_BYTES:
            return self._judge_later(flow, exchange, raw)
        try:
            made = self._worded(flow.response, exchange, raw)
            self._release(flow, exchange, self._read(flow.response, exchange, raw, made), made)
        except BaseException:
            self._failed(flow, exchange, raw)
            raise
        return None

    async def _judge_later(self, flow: http.HTTPFlow, exchange: Exchange, raw: bytes) -> None:
        assert flow.response  # noqa: S101 - the caller has looked
        try:
            made = await asyncio.to_thread(self._worded, flow.response, exchange, raw)
            read = await asyncio.to_thread(self._read, flow.response, exchange, raw, made)
            self._release(flow, exchange, read, made)
        except BaseException:
            self._failed(flow, exchange, raw)
            raise

    def _worded(self, response: http.Response, exchange: Exchange, raw: bytes) -> Answered | None:
        """A target's answer in the client's dialect; None: it is in it, or nobody can read it."""
        carried = exchange.carrying.answering if exchange.carrying else None
        if carried is None:
            return None
        limits, coding = self._worker.config.inspect, response.headers.get("content-encoding")
        most = self._worker.config.egress.max_body_bytes
        decoded = decode_body(raw, coding, max_bytes=most, max_ratio=limits.max_ratio)
        if decoded.problem is not None:
            exchange.cut, exchange.cut_detail = UNREADABLE, decoded.problem
            return None
        return carried.answer(response.status_code, decoded.data)

    def _read(
        self, response: http.Response, exchange: Exchange, raw: bytes, made: Answered | None = None
    ) -> ResponseInspection:
        headers = response.headers
        content_type, coding = headers.get("content-type", ""), headers.get("content-encoding")
        if made is not None:
            raw, content_type, coding = made.body, made.content_type, None
        return self._worker.inspector.response(
            exchange.api, exchange.call, content_type, coding, raw, expected=exchange.expected
        )

    def _failed(self, flow: http.HTTPFlow, exchange: Exchange, raw: bytes) -> None:
        """The guard replaces the answer; here it is recorded."""
        if not exchange.closed:
            if exchange.answer:
                exchange.answer.taken = len(raw)
            self.finish(flow, exchange, Outcome.FAILED_CLOSED, FAULT, unread(len(raw)))

    def _release(
        self, flow: http.HTTPFlow, exchange: Exchange, inspection: ResponseInspection, made: Answered | None = None
    ) -> None:
        """What was held goes on edited, or is replaced. `made`: it has been carried over."""
        assert flow.response  # noqa: S101 - it has been held
        assert isinstance(exchange.answer, HeldAnswer)  # noqa: S101 - likewise
        exchange.answer.taken = len(flow.response.raw_content or b"")
        if made is not None:
            _put_carried(flow.response, made)
        if exchange.states.begins and self._worker.remembering:
            self._worker.remembering.told(exchange, inspection)
        redactions, edits = 0, tuple[str, ...]()
        ending = inspection.ended_by(exchange.ends)
        if exchange.cut:
            pass  # it was ended while it was read
        elif inspection.problem and exchange.guards_answer:
            exchange.cut, exchange.cut_detail = UNREADABLE, inspection.problem
        elif ending is not None:
            exchange.cut, exchange.cut_detail = RULE, ending.rule
        else:
            try:
                edited = inspection.edited(exchange.hides, exchange.restoration)
            except NotEditable as fault:
                exchange.cut, exchange.cut_detail = RULE, str(fault)
            else:
                redactions, edits = edited.redactions, edited.edits
                _put(flow.response, edited.body, inspection.raw)
        account = of_carried(told(inspection, redactions, edits), made)
        if exchange.cut:
            self._replace(flow, exchange, account)
            return
        failed = flow.response.status_code >= SERVER_ERROR
        self.finish(flow, exchange, Outcome.UPSTREAM_ERROR if failed else Outcome.COMPLETED, "", account)
        flow.metadata.pop(HELD, None)  # only now: an answer that cannot be recorded is not let go

    def _replace(self, flow: http.HTTPFlow, exchange: Exchange, account: Account) -> None:
        """The client gets a refusal instead of what was held."""
        self._words(flow, exchange)
        flow.metadata.pop(HELD, None)
        self.finish(flow, exchange, ending_of(exchange.cut).outcome, _reason(exchange), account)

    def _words(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Put the answer that the client gets instead into the dialect's form."""
        if exchange.cut:
            ending = ending_of(exchange.cut)
            message = ending.message
            if exchange.cut == RULE:
                message = self._worker.policy.rule_reason(exchange.cut_detail) or message
            extra = {"x-gnomon-reference": exchange.id}
            if ending.status == 503:  # noqa: PLR2004 - it may be tried again
                extra["retry-after"] = "1"
            status, code = ending.status, ending.code
            if (told := exchange.refused) is not None:
                status, code, message, extra = told.status, told.code, told.message, extra | told.headers
            refuse(flow, status, code, message, dialect=exchange.dialect, extra=extra)
        elif exchange.handed and (failure := flow.metadata.get(FAILURE)):  # no provider has failed, but we have
            kind, extra = failure.kind, {"x-gnomon-reference": exchange.id}
            refuse(flow, kind.status, kind.value, failure.message, dialect=exchange.dialect, extra=extra)
        assert flow.response  # noqa: S101 - there is one now
        _tell_route(flow.response, exchange)


def _put_carried(response: http.Response, made: Answered) -> None:
    """An answer that has been carried over, and a head that fits it."""
    _put(response, made.body, b"")
    response.headers.pop("content-encoding", None)
    response.headers.pop("location", None)
    response.headers["content-type"] = made.content_type
    if response.status_code != made.status:
        response.status_code, response.reason = made.status, RESPONSES.get(made.status, "")


def _put(response: http.Response, body: bytes, raw: bytes) -> None:
    """An edited body, and a head that fits it."""
    if body is raw:
        return
    response.raw_content = body
    for name in DIGESTS:
        response.headers.pop(name, None)
    if "transfer-encoding" not in response.headers:
        response.headers["content-length"] = str(len(body))


def _broken(flow: http.HTTPFlow, exchange: Exchange) -> Outcome:
    """Who ended it."""
    if exchange.cut:
        return ending_of(exchange.cut).outcome
    if flow.metadata.get(BROKEN_BY) != UPSTREAM and (not flow.client_conn.connected or _by_client(flow)):
        return Outcome.CLIENT_ABORT
    return Outcome.UPSTREAM_ABORT if exchange.first_byte else Outcome.UPSTREAM_ERROR


def _by_client(flow: http.HTTPFlow) -> bool:
    return flow.error is not None and "client" in flow.error.msg.lower()


def _reason(exchange: Exchange) -> str:
    """Why the appliance ended it; empty: it did not."""
    told = f"{exchange.cut}: {exchange.cut_detail}" if exchange.cut_detail else exchange.cut
    return told[:REASON_CHARS]


def _switched(response: http.Response) -> str:
    """Of a protocol that was switched and that nobody answers for (stage observe): what follows is not read."""
    return UNREAD_SWITCH if response.status_code == SWITCHING else ""


def _broken_off(response: http.Response, exchange: Exchange) -> bool:
    """Only the end of the connection has told the end of the stream, and by the stream itself it was not over."""
    if response.http_version.startswith("HTTP/2") or not isinstance(exchange.answer, EventsAnswer):
        return False
    return not exchange.framed and exchange.answer.unfinished


def _tell_route(response: http.Response, exchange: Exchange) -> None:
    if not exchange.handed:  # the central appliance says itself where it has sent it
        response.headers.pop(ROUTE_HEADER, None)
    if exchange.moved:
        response.headers[ROUTE_HEADER] = exchange.moved


def _chosen(flow: http.HTTPFlow) -> bool:
    """Its route has several targets, of which we took one. Where the client chose, it sees what its provider did."""
    plan = flow.metadata.get(PLAN)
    return isinstance(plan, TargetPlan) and len(set(plan.targets)) > 1
