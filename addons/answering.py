"""By whose rules a message on a socket is judged: those of the service that was asked, and of the one that answers.

Rules: as for a request over the same way (redirect.py): a message that may not go to either does not go, and what is
hidden from either is hidden; a redirect that the socket has followed already stops nothing; which target has answered
is what the record of its attempts says, else the first of the route.
"""

import msgspec
from mitmproxy import http

from addons.ongoing import Exchange
from addons.redirect import through
from addons.routing import Leg, legs_of
from addons.upstream import attempts_of
from addons.worker import ROUTE, Worker
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Disposition

FORWARDING = frozenset({Disposition.ALLOW, Disposition.OBSERVE, Disposition.REDACT, Disposition.PSEUDONYMISE})


def answering(worker: Worker, flow: http.HTTPFlow, moved: str) -> Leg | None:
    """The target of a route that has answered; None: it went by no route. `moved`: where a redirect has sent it."""
    config = worker.config
    entry = config.gateway.routes.get(moved or str(flow.metadata.get(ROUTE, "")))
    if entry is None:
        return None
    legs = legs_of(entry, config.providers, worker.catalogue)
    served = next((one for one in reversed(attempts_of(flow)) if one.status), None)
    if served is None:
        return legs[0] if legs else None
    there = [leg for leg in legs if leg.target.label == served.target]
    by_name = [leg for leg in there if served.provider in (None, leg.target.name)]
    return next(iter((*by_name, *there, *legs)), None)


def judged(worker: Worker, flow: http.HTTPFlow, exchange: Exchange, facts: Facts) -> tuple[Verdict, bool]:
    """The verdict on a message of `exchange`'s socket, and whether it goes on. `facts`: as of the service asked for."""
    verdict, moved = worker.judge(facts, exchange.service), exchange.moved
    followed = bool(moved) and verdict.effective is Disposition.REDIRECT and verdict.route == moved
    leg = answering(worker, flow, moved)
    if leg is None or not (followed or verdict.effective in FORWARDING):
        return verdict, verdict.effective in FORWARDING
    now, route = worker.telemetry.clock(), moved or str(flow.metadata.get(ROUTE, ""))
    legs, verdict, why = through(
        worker.policy, (leg,), route, facts, verdict, now, worker.acknowledged, forwards=not moved
    )
    if legs:
        return verdict, True
    stopped = Disposition.BLOCK
    return msgspec.structs.replace(verdict, disposition=stopped, effective=stopped, reason=why, route=None), False
