"""What each attempt of an exchange has cost: where it went, at whose prices, and what may have been billed for nothing.

Rules: the price is that of the place and model that something was sent to; an attempt of which nothing came back is
charged with its request, and says `estimated`; what has no price is `unpriced`, never 0.
"""

from collections.abc import Callable, Sequence

import msgspec

from addons.booked import Way, may_be_billed
from addons.ongoing import Exchange
from appliance.config.schema import Config
from appliance.inspect.tokens import by_sample
from appliance.ledger.price_services import BATCH_APIS
from appliance.ledger.prices import Prices
from appliance.model.event import Attempt, Cost, Usage
from appliance.model.facts import Facts


class Charged:
    """One for the life of a worker."""

    def __init__(self, config: Config, prices: Prices, clock: Callable[[], float]) -> None:
        self._routes, self._prices, self._clock = config.gateway.routes, prices, clock
        told = {name: route.targets for name, route in self._routes.items()}
        self._only = {name: targets[0].provider for name, targets in told.items() if len(targets) == 1}

    def cost(self, exchange: Exchange, usage: Usage | None, model: str | None) -> Cost | None:
        """What its answer has cost; None: no tokens were told or counted."""
        facts = exchange.facts
        if usage is None or facts is None:
            return None
        way, now, batch = self._way(exchange, exchange.served), self._clock(), in_batch(facts)
        cost = self._prices.cost(way.place, model, usage, now, batch=batch)
        sent = way.model or facts.model
        if not cost.priced and sent:
            cost = self._prices.cost(way.place, sent, usage, now, batch=batch)
        booking = exchange.booking
        if not cost.priced or booking is None or booking.wanted.rates is None:
            return cost
        return msgspec.structs.replace(cost, overrun_micros=max(0, cost.micros - booking.granted.micros))

    def apart(
        self, exchange: Exchange, attempts: tuple[Attempt, ...], usage: Usage | None, cost: Cost | None
    ) -> tuple[tuple[Attempt, ...], Cost | None]:
        """Each attempt with what it has used and cost, and the cost of all. `usage`, `cost`: of the last one."""
        if exchange.handed or (len(attempts) == 1 and not exchange.moved):
            return attempts, cost
        last = max((number for number, one in enumerate(attempts) if not one.denied), default=-1)
        told, costs = list(attempts), [cost] if cost is not None else []
        for number, one in enumerate(attempts):
            if number == last:
                service = one.service or self._way(exchange, one).service
                told[number] = msgspec.structs.replace(one, service=service, usage=usage, cost=cost)
            elif may_be_billed(one):
                used, billed = self.estimated(exchange, one)
                told[number] = msgspec.structs.replace(one, usage=used, cost=billed)
                costs.append(billed)
        return tuple(told), _sum(costs)

    def estimated(self, exchange: Exchange, attempt: Attempt) -> tuple[Usage, Cost]:
        """What an attempt may have been billed for of which nothing came back: the request."""
        usage = Usage(by_sample(exchange.asked_chars, exchange.asked_sample), estimated=True)
        way, facts = self._way(exchange, attempt), exchange.facts
        model = way.model or (facts.model if facts else None)
        batch = facts is not None and in_batch(facts)
        return usage, self._prices.cost(way.place, model, usage, self._clock(), batch=batch)

    def _way(self, exchange: Exchange, attempt: Attempt | None) -> Way:
        """Where an attempt went, or the exchange without one."""
        facts = exchange.facts
        route = self._routes.get(exchange.moved)
        service = route.service if route else facts.service if facts else None
        name = exchange.moved or (facts.route if facts else None) or ""
        if attempt is None:
            return self.only_way(service, name)
        provider = attempt.provider or self._only.get(name, "")
        return Way(attempt.service or service, attempt.model, provider, name)

    def only_way(self, service: str | None, route: str) -> Way:
        """The way of what goes by a route that has one target, or by none (empty)."""
        return Way(service, None, self._only.get(route, ""), route)


def _sum(costs: Sequence[Cost]) -> Cost | None:
    """Of several attempts; not priced where one of them is not."""
    if len(costs) < 2:  # noqa: PLR2004 - nothing to be added
        return costs[0] if costs else None
    return msgspec.structs.replace(
        costs[0],
        micros=sum(one.micros for one in costs if one.priced),
        priced=all(one.priced for one in costs),
        overrun_micros=sum(one.overrun_micros for one in costs),
    )


def in_batch(facts: Facts) -> bool:
    """Whether a call is paid as part of a batch."""
    return facts.api in BATCH_APIS
