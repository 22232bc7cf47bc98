"""What becomes of a request that does not go on: the client's answer, and what is written down of it.

Rules: a request that was never opened is a refusal, one that policy has judged an exchange that ends; whatever was
reserved for it is given back; nothing goes upstream.
"""

import time

from mitmproxy import http

from addons.answers import refuse
from addons.limits_told import Turned
from addons.notices import Notices
from addons.ongoing import EXCHANGE, Exchange
from addons.redirect import ROUTE_HEADER, Stuck
from addons.worker import Worker
from appliance.model.detection import Coverage
from appliance.model.event import ExchangeClosed
from appliance.model.facts import Verdict
from appliance.model.names import Outcome, RefusalReason
from appliance.route.redirection import PORTAL_ROUTE


class TurningAway:
    """One for the life of a worker."""

    def __init__(self, worker: Worker, notices: Notices) -> None:
        self._worker = worker
        self._notices = notices

    def blocked(self, flow: http.HTTPFlow, exchange: Exchange, verdict: Verdict, stuck: Stuck | None) -> None:
        """Policy does not let it through. `stuck`: why a redirect could not be followed."""
        code = (stuck.code if stuck else "") or f"policy_{verdict.effective.value}"
        status = stuck.status if stuck else 403
        detail = stuck.reason if stuck else ""
        assert exchange.facts  # noqa: S101 - it has been judged by them
        portal = stuck.portal if stuck else ""
        told = self._notices.of(flow, exchange.service, exchange.facts, verdict, exchange.id, detail, portal)
        extra = {"x-gnomon-reference": exchange.id}
        if portal:
            extra[ROUTE_HEADER] = PORTAL_ROUTE
        if told.address:
            extra["x-gnomon-acknowledge"] = told.address
        refuse(flow, status, code, told.message, dialect=exchange.dialect, extra=extra, page=told.page)
        exchange.closed = True
        self._worker.meter.settle(exchange, used=False)
        self._worker.telemetry.closed(
            ExchangeClosed(
                exchange=exchange.id,
                ts=self._worker.telemetry.clock(),
                outcome=Outcome.BLOCKED,
                status=status,
                duration_ms=round((time.perf_counter() - exchange.started) * 1000, 3),
                coverage=Coverage(length=0),
                reason=f"{code}: {detail}" if detail else code,
            )
        )

    def refuse(
        self,
        flow: http.HTTPFlow,
        status: int,
        reason: RefusalReason,
        message: str,
        turned: Turned | None = None,
    ) -> None:
        """It never becomes an exchange. `turned`: by which budget."""
        worker = self._worker
        exchange: Exchange | None = flow.metadata.pop(EXCHANGE, None)
        principal, request, listener = worker.principal(flow), flow.request, worker.listener(flow)
        if exchange is not None:  # first: a journal that is quite full cannot even tell of the refusal
            worker.meter.settle(exchange, used=False)
        worker.telemetry.refused(reason, principal, request.host, request.port, detail=message, listener=listener)
        dialect, code = exchange.dialect if exchange else None, turned.code if turned else reason.value
        refuse(flow, status, code, message, dialect=dialect, extra=turned.headers if turned else None)
