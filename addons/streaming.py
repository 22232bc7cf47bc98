"""The way down: answers stream through unbroken, are metered as they pass, and end in a close record.

Theory of operation. A response of an exchange is never held: `responseheaders` sets a tee that returns each chunk as it
came and feeds the dialect's reader (SSE) or a bounded buffer (other bodies) for usage and the model served. mitmproxy
calls `response` when everything was sent, or `error` when something broke; whichever comes first closes the exchange,
once. Rules: bytes are not changed here; the buffer is bounded; what was not scanned is said in the coverage.
"""

import time
from typing import NamedTuple

from mitmproxy import http

from addons.answers import refuse
from addons.exchange import EXCHANGE, Exchange
from addons.failclosed import CUT, Guard, StreamCallable
from addons.redirect import ROUTE_HEADER
from addons.upstream import attempts_of, unquoted
from addons.worker import Worker
from appliance.model.detection import Coverage
from appliance.model.event import ExchangeClosed, Usage
from appliance.model.names import Outcome

KEEP_BYTES = 1024 * 1024  # of a plain answer, to read its usage; larger ones are metered by size only
NOT_SCANNED = "not_scanned"
SERVER_ERROR = 500
CUT_OUTCOMES = {"drain": Outcome.DRAINED, "policy": Outcome.BLOCKED}
ENDED_BY_POLICY = "Your organisation has just blocked this service; the request was ended"
ENDED_BY_DRAIN = "The gateway is restarting; try again"


class Told(NamedTuple):
    """What an answer told when it ended."""

    model: str | None
    usage: Usage | None
    coverage: Coverage


class StreamingAddon:
    """Hooks of the way down."""

    def __init__(self, worker: Worker, guard: Guard) -> None:
        self._worker = worker
        self._guard = guard

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Set the tee; strip what would lead clients around the proxy."""
        if flow.response is None:
            return
        flow.response.headers.pop("alt-svc", None)
        exchange = _exchange(flow)
        if exchange is None:
            if flow.response.raw_content is None:
                flow.response.stream = True
            return
        if exchange.closed:
            return
        _tell_route(flow.response, exchange)
        exchange.first_byte = time.perf_counter()
        if exchange.dialect and "event-stream" in flow.response.headers.get("content-type", ""):
            exchange.reader = exchange.dialect.stream()
        flow.response.stream = self._guard.stream(flow, "StreamingAddon.tee", _tee(exchange))

    def response(self, flow: http.HTTPFlow) -> None:
        """Everything was sent."""
        exchange = _exchange(flow)
        if exchange is not None and flow.response is not None:
            outcome = Outcome.UPSTREAM_ERROR if flow.response.status_code >= SERVER_ERROR else Outcome.COMPLETED
            outcome = CUT_OUTCOMES.get(exchange.cut, outcome)
            if flow.metadata.get(CUT) == "fault":
                outcome = Outcome.FAILED_CLOSED
            self._close(flow, exchange, outcome, exchange.cut)

    def error(self, flow: http.HTTPFlow) -> None:
        """Something broke; who left first decides the outcome."""
        exchange = _exchange(flow)
        if exchange is None or flow.error is None:
            return
        if exchange.cut in CUT_OUTCOMES:
            outcome = CUT_OUTCOMES[exchange.cut]
        elif flow.metadata.get(CUT) == "fault":
            outcome = Outcome.FAILED_CLOSED
        elif not flow.client_conn.connected or "client" in flow.error.msg.lower():
            outcome = Outcome.CLIENT_ABORT
        else:
            outcome = Outcome.UPSTREAM_ABORT if exchange.first_byte else Outcome.UPSTREAM_ERROR
        self._close(flow, exchange, outcome, unquoted(flow.error.msg)[:200])
        if exchange.first_byte is None and flow.response is not None:
            self._words(flow, exchange)

    @staticmethod
    def _words(flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Put the answer that the seam is about to give into the dialect's form."""
        assert flow.response  # noqa: S101 - the caller has looked
        if exchange.cut == "policy":
            refuse(flow, 403, "policy_block", ENDED_BY_POLICY, dialect=exchange.dialect)
        elif exchange.cut == "drain":
            refuse(flow, 503, "drain", ENDED_BY_DRAIN, dialect=exchange.dialect, extra={"retry-after": "1"})
        _tell_route(flow.response, exchange)

    def farewell(self, flow: http.HTTPFlow, reason: str) -> bytes:
        """Last bytes of a stream that the appliance ends: the dialect's own form, where it can be placed."""
        exchange = _exchange(flow)
        if exchange is None:
            return b""
        exchange.cut = reason
        if exchange.dialect is None or exchange.reader is None:
            return b""
        # An event that was cut is ended first, so that its reader sees damage and not a whole answer.
        return (b"" if exchange.reader.at_boundary else b"\n\n") + exchange.dialect.stream_end(reason)

    def _close(self, flow: http.HTTPFlow, exchange: Exchange, outcome: Outcome, reason: str) -> None:
        self._worker.running.pop(exchange.id, None)
        if exchange.closed:
            return
        if not exchange.opened:  # a fault came between reservation and record
            exchange.closed = True
            self._worker.settle(exchange.reservation, used=False)
            return
        exchange.closed = True
        self._worker.settle(exchange.reservation, used=outcome is not Outcome.FAILED_CLOSED)
        told = self._told(exchange)
        self._worker.telemetry.closed(
            ExchangeClosed(
                exchange=exchange.id,
                ts=self._worker.telemetry.clock(),
                outcome=outcome,
                status=flow.response.status_code if flow.response else 0,
                response_bytes=exchange.response_bytes,
                first_byte_ms=_milliseconds(exchange.started, exchange.first_byte),
                duration_ms=_milliseconds(exchange.started, time.perf_counter()) or 0.0,
                model_served=told.model,
                usage=told.usage,
                coverage=told.coverage,
                attempts=attempts_of(flow),
                reason=reason,
            )
        )

    @staticmethod
    def _told(exchange: Exchange) -> Told:
        """Model served, usage and coverage, as far as the answer told them."""
        size = exchange.response_bytes
        if exchange.reader is not None:
            view = exchange.reader.result()
            text = min(view.text_bytes, size)
            return Told(view.model, view.usage, Coverage(size, size - text, 0, {NOT_SCANNED: text} if text else {}))
        coverage = Coverage(size, text_unscanned={NOT_SCANNED: size} if size else {})
        if exchange.dialect is None or not exchange.kept_all:
            return Told(None, None, coverage)
        return Told(*exchange.dialect.told(bytes(exchange.kept)), coverage)


def _exchange(flow: http.HTTPFlow) -> Exchange | None:
    found = flow.metadata.get(EXCHANGE)
    return found if isinstance(found, Exchange) else None


def _tell_route(response: http.Response, exchange: Exchange) -> None:
    response.headers.pop(ROUTE_HEADER, None)
    if exchange.moved:
        response.headers[ROUTE_HEADER] = exchange.moved


def _milliseconds(since: float, until: float | None) -> float | None:
    return None if until is None else round((until - since) * 1000, 3)


def _tee(exchange: Exchange) -> StreamCallable:
    reader = exchange.reader

    def tee(chunk: bytes) -> bytes | list[bytes]:
        if not chunk or exchange.cut:  # its last words have been chosen
            return []
        exchange.response_bytes += len(chunk)
        if reader is not None:
            reader.feed(chunk)
        elif exchange.kept_all:
            if len(exchange.kept) + len(chunk) <= KEEP_BYTES:
                exchange.kept += chunk
            else:
                exchange.kept_all = False
                exchange.kept.clear()
        return chunk

    return tee
