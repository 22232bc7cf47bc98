"""Over which targets an exchange goes, once policy has said that it may: a gateway route's, or a redirect's.

Rules: no way round the rules for where a target leads: what may not go to its service does not go there, and what is
hidden from one is hidden from all; a route of which no target is left closes; the record names the target that comes
first and the model that is sent there, each attempt names its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
from mitmproxy import http

from addons.keys import Sender
from addons.ongoing import Exchange
from addons.redirect import Asked, Move, Redirects, Stuck, by_both_services, through
from addons.routing import Leg, Renamed, Routing, Wanted, is_once
from addons.upstream import PLAN, TargetPlan
from addons.worker import ROUTE, Worker
from appliance.inspect.dialects.other_model import path_for, stands_in_path
from appliance.model.facts import Verdict
from appliance.model.names import CredentialMode, Disposition
from appliance.route.signed import signature_breaks, signature_covers_target


@dataclass(frozen=True, slots=True)
class Over:
    """A request and its targets. `model`: what the first is sent instead of what was asked for."""

    plan: TargetPlan
    first: Leg
    model: str | None
    in_path: bool
    renamed: Renamed

    @property
    def edits(self) -> tuple[str, ...]:
        """In the words of the open record."""
        target = (f"target:{self.first.target.name}",) if self.first.target.name else ()
        return (*target, f"model:{self.model}") if self.model is not None else target

    def sent(self, body: bytes) -> bytes:
        """`body` as the first target gets it."""
        if self.model is None or self.in_path:
            return body
        return self.renamed.of(body, self.model) or body

    def take(self, flow: http.HTTPFlow) -> None:
        """Send the flow there."""
        flow.metadata[PLAN] = self.plan


class Leading:
    """One for a worker."""

    def __init__(self, worker: Worker, sender: Sender, routing: Routing) -> None:
        self._worker = worker
        config = worker.config
        routes, approved = config.gateway.routes, config.portal.approved
        self._redirects = Redirects(routes, worker.catalogue, sender, config.providers, approved)
        self._routing = routing

    def way(
        self, flow: http.HTTPFlow, exchange: Exchange, verdict: Verdict, raw: bytes
    ) -> tuple[Move | Stuck | None, Over | None, Verdict]:
        """Where a redirect leads (or why it cannot be followed; None: it is none), the targets, and the verdict.

        The verdict has what is to be hidden on the way there as well. No targets: it goes where it says, or nowhere.
        """
        move = self._move(flow, exchange, verdict)
        if isinstance(move, Move) and exchange.facts:
            now = self._worker.telemetry.clock()
            move, verdict = by_both_services(self._worker.policy, move, exchange.facts, verdict, now)
        over, verdict = self._over(flow, exchange, move, verdict, raw)
        return move, over, verdict

    def _move(self, flow: http.HTTPFlow, exchange: Exchange, verdict: Verdict) -> Move | Stuck | None:
        if verdict.effective is not Disposition.REDIRECT:
            return None
        api = exchange.dialect.api if exchange.dialect else None
        asked = Asked(exchange.service, api, flow.request.method, flow.request.path)
        move = self._redirects.move(verdict.route, asked)
        came_by = flow.metadata.get(ROUTE)
        if came_by is None or isinstance(move, Stuck):
            return move
        if came_by == move.route:
            return replace(move, strip=False)  # that route has given it its credentials already
        own = self._worker.config.gateway.routes[came_by].credential
        return move if own == CredentialMode.CLIENT.value else replace(move, strip=True)  # not another route's key

    def _over(
        self, flow: http.HTTPFlow, exchange: Exchange, move: Move | Stuck | None, verdict: Verdict, raw: bytes
    ) -> tuple[Over | None, Verdict]:
        route = move.route if isinstance(move, Move) else flow.metadata.get(ROUTE)
        facts = exchange.facts
        if route is None or facts is None or isinstance(move, Stuck):
            return None, verdict
        if isinstance(move, Move):
            legs = move.legs
        elif verdict.effective in (Disposition.BLOCK, Disposition.HOLD, Disposition.COACH, Disposition.REDIRECT):
            return None, verdict
        else:
            now = self._worker.telemetry.clock()
            legs, verdict, why = through(
                self._worker.policy, self._routing.usable(route), route, facts, verdict, now, forwards=True
            )
            if not legs:
                return None, _closed(verdict, why or f"no target of route {route} can be used")
        if self._routing.plain(legs) and self._routing.plain(self._routing.legs(route)):
            return None, verdict
        owner = "" if isinstance(move, Move) and move.strip else exchange.service.owner
        words = move.service if isinstance(move, Move) else exchange.service
        asked = facts.model if facts.model and any(facts.model in leg.models for leg in legs) else None
        renamed = Renamed()
        model = asked if asked is not None and _editable(flow, facts.api, legs, asked, raw, renamed) else None
        if asked is not None and model is None:  # who can take it as it is goes before who cannot
            legs = tuple(leg for leg in legs if asked not in leg.models) or legs
        once = is_once(facts.method, facts.api)
        wanted = Wanted(words, owner, facts.conversation or exchange.id, facts.api, model, renamed, once)
        plan, first = self._routing.plan(route, legs, wanted)
        sent = first.models.get(model) if model is not None else None
        return Over(plan, first, sent, stands_in_path(facts.api), renamed), verdict


def _editable(
    flow: http.HTTPFlow, api: str | None, legs: Sequence[Leg], asked: str, raw: bytes, renamed: Renamed
) -> bool:
    """Whether another model can be written where this one stands."""
    model = next(leg.models[asked] for leg in legs if asked in leg.models)
    head = tuple(flow.request.headers.items(multi=True)), flow.request.path.partition("?")[2]
    if stands_in_path(api):
        return not signature_covers_target(*head) and path_for(api, flow.request.path, model) is not None
    plain = flow.request.headers.get("content-encoding", "identity").strip().lower() in ("", "identity")
    return plain and not signature_breaks(*head) and renamed.of(raw, model) is not None


def _closed(verdict: Verdict, why: str) -> Verdict:
    return msgspec.structs.replace(
        verdict, disposition=Disposition.BLOCK, effective=Disposition.BLOCK, reason=why, route=None
    )
