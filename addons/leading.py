"""Over which targets an exchange goes, once policy has said that it may: a gateway route's, or a redirect's.

Theory of operation. `way` says which targets may have the request: those that policy lets, and that take the call as it
is or as it is carried over to their dialect. Once the body is as it goes on, `over` carries it over, leaves out who
cannot have it, and puts the rest in order.

Rules: no way round the rules for where a target leads: what may not go to its service does not go there, and what is
hidden from one is hidden from all; a route of which no target is left closes; the record names the target that comes
first and the model that is sent there, each attempt names its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
from mitmproxy import http

from addons.carrying import Carried, Carrying, unnamed
from addons.keys import Sender
from addons.obliging import plain_body
from addons.ongoing import Exchange
from addons.redirect import Asked, Move, Redirects, Stuck, by_both_services, through
from addons.routing import Leg, Renamed, Routing, Wanted, is_once
from addons.upstream import PLAN, TargetPlan
from addons.websocket import is_upgrade
from addons.worker import ROUTE, Worker
from appliance.inspect.dialects.other_model import path_for, stands_in_path
from appliance.inspect.inspection import MAX_TOKENS, Edited, Inspection
from appliance.model.catalogue import Service
from appliance.model.facts import Facts, Verdict
from appliance.model.names import CredentialMode, Disposition
from appliance.route.carrying import carries, is_usual, takes
from appliance.route.signed import signature_breaks, signature_covers_target
from appliance.route.translate import Refusal, Stamp
from appliance.route.translate.parts import lettered

NOT_CARRIED = "not_carried_over"
_TURNED_AWAY = frozenset({Disposition.BLOCK, Disposition.HOLD, Disposition.COACH, Disposition.REDIRECT})


@dataclass(frozen=True, slots=True)
class Choice:
    """The targets that may have a request."""

    route: str
    legs: tuple[Leg, ...]
    wanted: Wanted

    def takes_as_it_is(self) -> Service | None:
        """The first that gets the call in its caller's words; None: all get it carried over."""
        carrying = self.wanted.carrying
        return next((leg.service for leg in self.legs if carrying is None or not carrying.concerns(leg.name)), None)


@dataclass(frozen=True, slots=True)
class Over:
    """A request and its targets. `model`: what the first is sent instead of what was asked for.

    `carried`: the request as the first takes it, where it speaks another dialect.
    """

    plan: TargetPlan
    first: Leg
    model: str | None
    in_path: bool
    renamed: Renamed
    carried: Carried | None = None
    lost: tuple[str, ...] = ()

    @property
    def edits(self) -> tuple[str, ...]:
        """In the words of the open record."""
        target = (f"target:{self.first.target.name}",) if self.first.target.name else ()
        model = (f"model:{self.model}",) if self.model is not None else ()
        return (*target, *model, *self.lost)

    def sent(self, body: bytes) -> bytes:
        """`body` as the first target gets it."""
        if self.carried is not None:
            return self.carried.asked.body
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
        self, flow: http.HTTPFlow, exchange: Exchange, verdict: Verdict, raw: bytes, *, whole: bool = True
    ) -> tuple[Move | Stuck | None, Choice | None, Verdict]:
        """Where a redirect leads (or why it cannot be followed; None: it is none), the targets, and the verdict.

        The verdict has what is to be hidden on the way there as well. No targets: it goes where it says, or nowhere.
        `whole`: the body was read, and in one way only.
        """
        move, worker = self._move(flow, exchange, verdict), self._worker
        if isinstance(move, Move) and exchange.facts:
            now = worker.telemetry.clock()
            move, verdict = by_both_services(worker.policy, move, exchange.facts, verdict, now, worker.acknowledged)
        route = move.route if isinstance(move, Move) else flow.metadata.get(ROUTE)
        facts = exchange.facts
        if route is None or facts is None or isinstance(move, Stuck):
            return move, None, verdict
        if exchange.handed:  # the central appliance knows the targets of its route
            return _handed(move, facts), None, verdict
        if move is None and verdict.effective in _TURNED_AWAY:
            return move, None, verdict
        choice, verdict, why = self._choice(flow, exchange, facts, route, move, verdict, whole=whole)
        if why:
            told, verdict = stuck(move, verdict, Stuck(why))
            return told, None, verdict
        return move, _renamed(flow, choice, raw) if choice else None, verdict

    def led(
        self,
        choice: Choice | None,
        exchange: Exchange,
        move: Move | Stuck | None,
        verdict: Verdict,
        inspection: Inspection,
        sent: Edited,
    ) -> tuple[Over | None, Move | Stuck | None, Verdict]:
        """The request on its way, in the words of each target; or why nobody can have it. CannotHide: it is no text."""
        over = self._over(choice, exchange, inspection, sent) if choice is not None else None
        if not isinstance(over, Stuck):
            return over, move, verdict
        return None, *stuck(move, verdict, over)

    def _over(self, choice: Choice, exchange: Exchange, inspection: Inspection, sent: Edited) -> Over | Stuck:
        wanted, legs = choice.wanted, choice.legs
        if MAX_TOKENS in sent.edits:
            wanted = replace(wanted, respell=True)
        carrying = wanted.carrying
        if carrying is not None:
            carrying.read(plain_body(inspection, sent))
            refused = {leg.name: made for leg in legs if isinstance(made := _made(leg, wanted), Refusal)}
            if len(refused) == len(legs):
                return self._refused(choice, legs[0], refused[legs[0].name])
            legs = tuple(leg for leg in legs if leg.name not in refused)
        plan, first = self._routing.plan(choice.route, legs, wanted)
        exchange.carrying, carried = carrying, wanted.carried(first)
        if carried is None or carrying is None:
            return Over(plan, first, first.renames(wanted.model), stands_in_path(wanted.api), wanted.renamed)
        carrying.first = carried
        edits = carried.edits(self._worker.inspector.heads.word)
        model = carried.model if carried.model != wanted.asked else None
        return Over(plan, first, model, False, wanted.renamed, carried, edits)

    def _refused(self, choice: Choice, leg: Leg, refused: Refusal) -> Stuck:
        """In words that may be written down: they can name what stood in the body."""
        heads, reason = self._worker.inspector.heads, refused.reason
        if not reason:
            entry = self._worker.config.gateway.routes[choice.route]
            reason = unnamed(choice.route, entry, leg.service, heads.model(choice.wanted.asked or ""))
        return Stuck(heads.word(reason, 1000), refused.status, code=NOT_CARRIED)

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

    def _choice(
        self,
        flow: http.HTTPFlow,
        exchange: Exchange,
        facts: Facts,
        route: str,
        move: Move | None,
        verdict: Verdict,
        *,
        whole: bool,
    ) -> tuple[Choice | None, Verdict, str]:
        """The targets; the verdict with what is hidden from any of them; why there are none."""
        routing, worker = self._routing, self._worker
        legs = move.legs if move else routing.usable(route)
        legs, carried = _able(flow, facts, legs, None if move else routing.legs(route)[0].service, whole=whole)
        if move is None and legs:
            now, judging = worker.telemetry.clock(), worker.acknowledged
            legs, verdict, why = through(worker.policy, legs, route, facts, verdict, now, judging, forwards=True)
            if not legs:
                return None, verdict, why
        if not legs:
            return None, verdict, _nobody(route, facts, usable=bool(move or routing.usable(route)), whole=whole)
        if not carried and routing.plain(legs) and routing.plain(routing.legs(route)):
            return None, verdict, ""
        wanted = Wanted(
            move.service if move else exchange.service,
            "" if move and move.strip else exchange.service.owner,
            facts.conversation or exchange.id,
            facts.api,
            asked=facts.model,
            once=is_once(facts.method, facts.api),
            carrying=self._carrying(flow, exchange, carried) if carried else None,
        )
        return Choice(route, legs, wanted), verdict, ""

    def _carrying(self, flow: http.HTTPFlow, exchange: Exchange, carried: frozenset[str]) -> Carrying:
        heads = tuple(name.lower().decode("latin-1") for name, _ in flow.request.headers.fields)
        stamp = Stamp(lettered(exchange.id), int(self._worker.telemetry.clock()))
        return Carrying(exchange.api or "", flow.request.path, heads, carried, stamp)


def _able(
    flow: http.HTTPFlow, facts: Facts, legs: Sequence[Leg], home: Service | None, *, whole: bool
) -> tuple[tuple[Leg, ...], frozenset[str]]:
    """Who takes the call, and the names of those that get it carried over.

    `home`: whose dialect a gateway's route is in; None: of a redirect, whose targets have been looked at already. What
    comes by the gateway is carried over where it came to the usual place of its dialect: another path is a service's;
    and where the route says a model for it: else nobody has asked for that, and its service answers what it likes.
    """
    api, request = facts.api, flow.request
    asks = request.method == "POST" and not is_upgrade(request) and (home is None or is_usual(api, request.path))
    able, carried = [], set()
    for leg in legs:
        unasked = home is not None and not leg.models and leg.service.dialect == home.dialect
        if asks and not unasked and carries(api, leg.service):
            if whole:
                carried.add(leg.name)
                able.append(leg)
        elif home is None or leg.service.dialect == home.dialect or takes(leg.service, api):
            able.append(leg)
    return tuple(able), frozenset(carried)


def _nobody(route: str, facts: Facts, *, usable: bool, whole: bool) -> str:
    """Why no target is left."""
    if not usable:
        return f"no target of route {route} can be used"
    told = f"no target of route {route} takes this call as it is"
    if not whole:
        return f"{told}, and a body that can be understood in two ways is not carried over to another dialect"
    return f"{told}, and {facts.api or 'what it is'} cannot be carried over to another dialect"


def _made(leg: Leg, wanted: Wanted) -> Carried | Refusal | None:
    carrying = wanted.carrying
    if carrying is None or not carrying.concerns(leg.name):
        return None
    return carrying.of(leg.service, leg.models, wanted.asked)


def _handed(move: Move | None, facts: Facts) -> Move | Stuck | None:
    """A redirect of an edge: its central appliance is asked in the words of the route, and nobody else's."""
    if move is not None and carries(facts.api, move.service):
        return Stuck(f"an edge does not carry a call over to route {move.route}; let the central appliance redirect it")
    return move


def _renamed(flow: http.HTTPFlow, choice: Choice, raw: bytes) -> Choice:
    """With the model that can be made another one; where it cannot, who takes it as it is goes before who does not."""
    wanted, legs = choice.wanted, choice.legs
    carrying = wanted.carrying
    plain = [leg for leg in legs if carrying is None or not carrying.concerns(leg.name)]
    model = next((name for leg in plain if (name := leg.renames(wanted.asked)) is not None), None)
    if model is None:
        return choice
    if _editable(flow, wanted.api, model, raw, wanted.renamed):
        return replace(choice, wanted=replace(wanted, model=wanted.asked))
    kept = tuple(leg for leg in legs if leg not in plain or leg.renames(wanted.asked) is None)
    return replace(choice, legs=kept or legs)


def _editable(flow: http.HTTPFlow, api: str | None, model: str, raw: bytes, renamed: Renamed) -> bool:
    """Whether another model can be written where this one stands."""
    head = tuple(flow.request.headers.items(multi=True)), flow.request.path.partition("?")[2]
    if stands_in_path(api):
        return not signature_covers_target(*head) and path_for(api, flow.request.path, model) is not None
    plain = flow.request.headers.get("content-encoding", "identity").strip().lower() in ("", "identity")
    return plain and not signature_breaks(*head) and renamed.of(raw, model) is not None


def stuck(move: Move | Stuck | None, verdict: Verdict, why: Stuck) -> tuple[Stuck, Verdict]:
    """A request that nothing stands against but that nobody can have it: what is told of it."""
    if isinstance(move, Move):
        return why, verdict
    closed = msgspec.structs.replace(
        verdict, disposition=Disposition.BLOCK, effective=Disposition.BLOCK, reason=why.reason, route=None
    )
    return Stuck("", why.status, code=why.code), closed
