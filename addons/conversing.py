"""gRPC and Connect calls to AI services that stream their request: refused in stage enforce, unread in observe.

Rules: a call with one message never comes here, for its end comes with it; what is refused here is recorded before it
is answered, in the form that gRPC and Connect clients show; in stage observe what had come is inspected like any
request, the rest is counted as unread (`ExchangeClosed.sent`).
"""

from collections.abc import Awaitable, Callable

import msgspec
from mitmproxy import http

from addons.failclosed import CLEARED
from addons.ongoing import EXCHANGE, Exchange, exchange_of
from addons.worker import Worker
from appliance.inspect.accounts import NOTHING, plus
from appliance.model.detection import Coverage
from appliance.model.names import RefusalReason, Stage

UNIMPLEMENTED = "12"  # gRPC's status
MESSAGE = "This service may be called with one message per request here: a stream of messages cannot be inspected"
UNREAD_REASON = "request_stream"


class ConversingAddon:
    """`request` runs the chain of a whole request; stands behind the exchange's hooks."""

    def __init__(self, worker: Worker, request: Callable[[http.HTTPFlow], Awaitable[None] | None]) -> None:
        self._worker = worker
        self._request = request

    def request_silent(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """The client waits for an answer in the middle of its request."""
        exchange = exchange_of(flow)
        if exchange is None or flow.response or flow.error:
            return None
        if exchange.stage is Stage.ENFORCE:
            self._refuse(flow, exchange)
            return None
        flow.request.stream = _counting(exchange)
        return self._request(flow)

    def _refuse(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        flow.metadata.pop(EXCHANGE, None)
        flow.metadata.pop(CLEARED, None)
        worker, listener = self._worker, self._worker.listener(flow)
        worker.telemetry.refused(
            RefusalReason.REQUEST_STREAM,
            exchange.principal,
            exchange.host,
            flow.request.port,
            detail="a stream of messages cannot be inspected",
            listener=listener,
        )
        flow.response = _unimplemented(flow.request)


def _counting(exchange: Exchange) -> Callable[[bytes], list[bytes]]:
    """Passes on what comes after the messages that were inspected, and counts it."""
    first = True

    def passing(chunk: bytes) -> list[bytes]:
        nonlocal first
        if chunk and not first:
            unread = Coverage(len(chunk), opaque={UNREAD_REASON: len(chunk)})
            exchange.sent = plus(exchange.sent or NOTHING, unread)
        first = False
        return [chunk] if chunk else []

    return passing


def _unimplemented(request: http.Request) -> http.Response:
    kind = str(request.headers.get("content-type", "")).lower()
    headers = {"cache-control": "no-store", "x-gnomon-refusal": RefusalReason.REQUEST_STREAM.value}
    if kind.startswith("application/grpc"):
        told = {"content-type": kind, "grpc-status": UNIMPLEMENTED, "grpc-message": MESSAGE}
        response = http.Response.make(200, b"", headers | told)
        response.headers.pop("content-length", None)
        return response
    body = msgspec.json.encode({"error": {"code": "unimplemented", "message": MESSAGE}})
    # The end of a Connect stream is an envelope of its own (flag 2); its HTTP status is always 200.
    envelope = b"\x02" + len(body).to_bytes(4, "big") + body
    return http.Response.make(200, envelope, headers | {"content-type": kind})
