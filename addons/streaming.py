"""The way down: answers stream through unbroken, are metered as they pass, and end in a close record.

Theory of operation. A response of an exchange is never held: `responseheaders` sets a tee that returns each chunk as it
came and feeds the dialect's reader (SSE) or a bounded buffer (other bodies) for usage and the model served. mitmproxy
calls `response` when everything was sent, or `error` when something broke; whichever comes first closes the exchange,
once. Rules: bytes are not changed here; the buffer is bounded; what was not scanned is said in the coverage.
"""

import time
from typing import NamedTuple

from mitmproxy import http

from addons.exchange import EXCHANGE, Exchange
from addons.failclosed import CUT, Guard, StreamCallable
from addons.upstream import attempts_of
from addons.worker import Worker
from appliance.model.detection import Coverage
from appliance.model.event import ExchangeClosed, Usage
from appliance.model.names import Outcome

KEEP_BYTES = 1024 * 1024  # of a plain answer, to read its usage; larger ones are metered by size only
NOT_SCANNED = "not_scanned"
SERVER_ERROR = 500


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
        self.running: dict[str, http.HTTPFlow] = {}

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
        exchange.first_byte = time.perf_counter()
        if exchange.dialect and "event-stream" in flow.response.headers.get("content-type", ""):
            exchange.reader = exchange.dialect.stream()
        self.running[exchange.id] = flow
        flow.response.stream = self._guard.stream(flow, "StreamingAddon.tee", _tee(exchange))

    def response(self, flow: http.HTTPFlow) -> None:
        """Everything was sent."""
        exchange = _exchange(flow)
        if exchange is not None and flow.response is not None:
            outcome = Outcome.UPSTREAM_ERROR if flow.response.status_code >= SERVER_ERROR else Outcome.COMPLETED
            if exchange.cut:
                outcome = Outcome.DRAINED if exchange.cut == "drain" else Outcome.BLOCKED
            if flow.metadata.get(CUT) == "fault":
                outcome = Outcome.FAILED_CLOSED
            self._close(flow, exchange, outcome, exchange.cut)

    def error(self, flow: http.HTTPFlow) -> None:
        """Something broke; who left first decides the outcome."""
        exchange = _exchange(flow)
        if exchange is None or flow.error is None:
            return
        if exchange.cut == "drain":
            outcome = Outcome.DRAINED
        elif flow.metadata.get(CUT) == "fault":
            outcome = Outcome.FAILED_CLOSED
        elif not flow.client_conn.connected or "client" in flow.error.msg.lower():
            outcome = Outcome.CLIENT_ABORT
        else:
            outcome = Outcome.UPSTREAM_ABORT if exchange.first_byte else Outcome.UPSTREAM_ERROR
        self._close(flow, exchange, outcome, flow.error.msg[:200])

    def farewell(self, flow: http.HTTPFlow, reason: str) -> bytes:
        """Last bytes of a stream that the appliance ends: the dialect's own form, where it can be placed."""
        exchange = _exchange(flow)
        if exchange is None:
            return b""
        exchange.cut = reason
        if exchange.dialect is None or exchange.reader is None or not exchange.reader.at_boundary:
            return b""
        return exchange.dialect.stream_end(reason)

    def _close(self, flow: http.HTTPFlow, exchange: Exchange, outcome: Outcome, reason: str) -> None:
        self.running.pop(exchange.id, None)
        if exchange.closed or not exchange.opened:
            return
        exchange.closed = True
        self._worker.settle(exchange.reservation, used=outcome is not Outcome.FAILED_CLOSED)
        told = self._told(flow, exchange)
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

    def _told(self, flow: http.HTTPFlow, exchange: Exchange) -> Told:
        """Model served, usage and coverage, as far as the answer told them."""
        size = exchange.response_bytes
        if exchange.reader is not None:
            view = exchange.reader.result()
            text = min(view.text_bytes, size)
            return Told(view.model, view.usage, Coverage(size, size - text, 0, {NOT_SCANNED: text} if text else {}))
        if flow.response is None or not exchange.kept_all:
            return Told(None, None, Coverage(size, opaque={"too_large": size} if size else {}))
        headers = flow.response.headers
        seen = self._worker.inspector.response(
            exchange.dialect.api if exchange.dialect else None,
            headers.get("content-type", ""),
            headers.get("content-encoding"),
            bytes(exchange.kept),
        )
        return Told(seen.model_served, seen.usage, seen.coverage)


def _exchange(flow: http.HTTPFlow) -> Exchange | None:
    found = flow.metadata.get(EXCHANGE)
    return found if isinstance(found, Exchange) else None


def _milliseconds(since: float, until: float | None) -> float | None:
    return None if until is None else round((until - since) * 1000, 3)


def _tee(exchange: Exchange) -> StreamCallable:
    reader = exchange.reader

    def tee(chunk: bytes) -> bytes | list[bytes]:
        if not chunk:
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
