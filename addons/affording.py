"""Whether budgets let an exchange go where it is led: the first target with room is reserved, each further one asked.

Rules: who has no room is told before anything is opened; a target whose budgets have none is passed over, and whoever
is tried is reserved for first.
"""

from dataclasses import replace

from mitmproxy import http

from addons.booked import Way
from addons.leading import Choice
from addons.ongoing import Exchange
from addons.redirect import Move, Stuck
from addons.routing import Leg, Routing
from addons.turning_away import TurningAway
from addons.upstream import attempts_of
from addons.worker import ROUTE, Worker
from appliance.inspect.inspection import Inspection
from appliance.model.names import RefusalReason
from appliance.route.signed import signature_breaks


class Affording:
    """One for the life of a worker."""

    def __init__(self, worker: Worker, away: TurningAway, routing: Routing) -> None:
        self._worker, self._away, self._routing = worker, away, routing

    def lets(
        self,
        flow: http.HTTPFlow,
        exchange: Exchange,
        inspection: Inspection,
        move: Move | Stuck | None,
        choice: Choice | None,
    ) -> bool:
        """Whether all budgets have room where it goes; else the client has been told."""
        assert exchange.facts  # noqa: S101 - the caller has made them
        headers, query = tuple(flow.request.headers.items(multi=True)), flow.request.path.partition("?")[2]
        signed = signature_breaks(headers, query)
        ways = self._ways(flow, exchange, move, choice)
        turned = self._worker.meter.book(exchange, exchange.facts, inspection, editable=not signed, ways=ways)
        if turned is not None:
            self._away.refuse(flow, turned.status, RefusalReason.QUOTA, turned.message, turned)
        return turned is None

    def _ways(
        self, flow: http.HTTPFlow, exchange: Exchange, move: Move | Stuck | None, choice: Choice | None
    ) -> tuple[Way, ...]:
        """Where it may go, in the order in which that is tried."""
        if choice is not None:
            legs = self._routing.in_order(choice.legs, choice.wanted.sticky)
            return tuple(_way(choice, leg) for leg in legs)
        charged = self._worker.meter.charged
        if isinstance(move, Move):
            return (charged.only_way(move.service.id, move.route),)
        route = flow.metadata.get(ROUTE)
        return (charged.only_way(exchange.service.id, route),) if route else ()

    def counted(self, flow: http.HTTPFlow, exchange: Exchange, choice: Choice | None) -> Choice | None:
        """The same, of which no target is tried whose budgets have no room."""
        if choice is None:
            return None
        meter = self._worker.meter

        def admits(leg: Leg) -> str | None:
            if meter.admits(exchange, _way(choice, leg), attempts_of(flow)):
                return None
            return f"no room: budget {exchange.refused.budget}" if exchange.refused else "not counted"

        return replace(choice, wanted=replace(choice.wanted, admits=admits))


def _way(choice: Choice, leg: Leg) -> Way:
    return Way(leg.service.id, leg.renames(choice.wanted.asked), leg.target.name, choice.route)
