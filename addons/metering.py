"""Budgets in the life of an exchange: reserved before it goes, counted while it streams, settled with what it took.

Theory of operation. `book` reserves what the request may take at most: its own texts by a high estimate, and the answer
as long as the request allows. Where a budget has less, the answer is made shorter in the request (`max_tokens` among
its edits), or the request is refused. `grows` is asked while an answer streams whose tokens are limited; one that comes
to what was reserved is extended step by step, and ended where there is no room. `settle` puts what was used in the
place of what was reserved.

Rules: in stage observe nothing is refused, shortened or ended, and everything is counted; what a provider bills beyond
a grant is counted too, and told as overrun; every reservation is settled once; a ledger that fails is a fault, which
the guard closes; no name of a person is told to anybody.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from addons.limits_told import Turned, turned, unpriced
from addons.ongoing import Exchange
from addons.telemetry import Telemetry
from appliance.config.prices_file import load_prices
from appliance.config.schema import Config
from appliance.inspect.dialects.capping import ANSWERLESS, Asked, asked
from appliance.inspect.inspection import Inspection
from appliance.inspect.tokens import BYTES_PER_TOKEN, PER_IMAGE, at_most
from appliance.ledger.booking import TOKENS, Need, Wanted, amounts, room_for
from appliance.ledger.budgets import Budgets, Claim
from appliance.ledger.ledger import Ledger, Reservation
from appliance.ledger.levels import request_keys
from appliance.ledger.price_services import BATCH_APIS
from appliance.ledger.price_table import Rates
from appliance.ledger.prices import Prices
from appliance.ledger.site_prices import site_prices
from appliance.ledger.table import Denied
from appliance.ledger.windows import LENGTH, Window
from appliance.model.errors import EvidenceError
from appliance.model.event import Cost, Usage
from appliance.model.facts import Facts
from appliance.model.names import Stage

TRIES = 8
_TOLD = 4096
_READABLE = frozenset({None, "duplicate_key"})
_SPARE, _SPARE_TOKENS = 1.3, 16  # by which an estimate may pass a most that the provider keeps to


@dataclass(slots=True)
class Booking:
    """What is reserved for one exchange. `shortened`: the most that is written into its request."""

    claims: list[Claim]
    wanted: Wanted
    reservation: Reservation | None = None
    made: int = 0  # tokens of the answer that are granted
    bounded: bool = False  # the provider was told a most
    shortened: int | None = None
    service: str | None = None
    over: bool = False  # in stage observe: it was let go without room

    @property
    def limits_answers(self) -> bool:
        """Whether a running answer has to be watched."""
        return any(claim.budget.what in TOKENS for claim in self.claims)

    @property
    def shortening(self) -> tuple[str | None, int] | None:
        """The service and the most that is written into the request; None: it stays as it is."""
        return (self.service, self.shortened) if self.shortened is not None else None

    @property
    def granted(self) -> Need:
        """What was reserved."""
        return self.wanted.need(self.made)


class Metering:
    """One for the life of a worker."""

    def __init__(self, config: Config, ledger: Ledger, telemetry: Telemetry) -> None:
        """OperatorError: the file of prices is not sound."""
        self.prices = prices_of(config)
        self._budgets = Budgets(config.budgets, telemetry.pseudonyms.person)
        self._config, self._ledger, self._telemetry = config, ledger, telemetry
        self._told: set[tuple[str, str, str, int]] = set()  # notices of this window
        self._owed: list[tuple[Reservation, tuple[int, ...]]] = []  # settlements that the ledger could not take yet

    def book(self, exchange: Exchange, facts: Facts, inspection: Inspection, *, editable: bool) -> Turned | None:
        """Reserve; what the client is told where there is no room. `editable`: the body may be edited."""
        now = self._telemetry.clock()
        claims = [claim for claim in self._budgets.claims(facts) if claim.budget.what != "streams" or facts.stream]
        booking = exchange.booking = Booking(claims, Wanted(0, 0), service=facts.service)
        acts = exchange.stage is Stage.ENFORCE
        said = self._measured(booking, facts, inspection, now)
        lacks = None if booking.wanted.rates or not inspection.body else _unpriced(claims)
        if lacks is not None:
            self._tell("warning", "budget_unpriced", lacks, now)
            if acts:
                return unpriced(lacks.budget)
        denied = self._reserve(booking, facts, said if editable and acts else None, now)
        if denied is None:
            self._warn(booking, now)
            return None
        if acts:
            return turned(exchange.api, self._claim(claims, denied), denied, now)
        booking.over = True
        self._tell("info", "budget_would_refuse", self._claim(claims, denied), now)
        keys = request_keys(facts)
        granted = self._ledger.reserve(keys, (1,) * len(keys), now)
        booking.reservation = None if isinstance(granted, Denied) else granted
        return None

    def _measured(self, booking: Booking, facts: Facts, inspection: Inspection, now: float) -> Asked | None:
        """Fill what the request may take, where somebody asks; what it says of its answer."""
        whats = {claim.budget.what for claim in booking.claims}
        if not whats & (TOKENS | {"input_tokens"}):
            booking.wanted = Wanted(0, 0, facts.stream)
            return None
        said = asked(inspection.api, facts.service, inspection.body) if inspection.problem in _READABLE else None
        most, choices = (said.most, said.choices) if said else (facts.max_tokens, 1)
        booking.bounded = most is not None
        made = (self._expected(inspection, facts) if most is None else most) * choices
        rates = self._rates(facts, now) if "cost" in whats else None
        booking.wanted = Wanted(received(inspection), made, facts.stream, rates)
        booking.made = made
        return said if inspection.problem is None else None  # what can be read in two ways cannot be made shorter

    def _expected(self, inspection: Inspection, facts: Facts) -> int:
        """The answer of a request that names no most."""
        if inspection.api in ANSWERLESS or not inspection.body:
            return 0
        route = self._config.gateway.routes.get(facts.route or "")
        return (route.output_tokens if route else None) or self._config.metering.output_tokens

    def _rates(self, facts: Facts, now: float) -> Rates | None:
        return None if not facts.model else self.prices.rates(facts.service, facts.model, now, batch=_in_batch(facts))

    def _reserve(self, booking: Booking, facts: Facts, said: Asked | None, now: float) -> Denied | None:
        """Reserve all, with a shorter answer where that is what it takes."""
        base, claims = request_keys(facts), booking.claims
        keys = (*base, *(claim.key for claim in claims))
        denied: Denied | None = None
        for _ in range(TRIES):
            needed = (*((1,) * len(base)), *amounts(claims, booking.granted))
            granted = self._ledger.reserve(keys, needed, now)
            if not isinstance(granted, Denied):
                booking.reservation = granted
                return None
            denied = granted
            room = room_for(booking.wanted, self._claim(claims, denied), denied) if said is not None else 0
            if said is None or room >= booking.made or not _shorten(booking, said, room):
                break
        return denied

    @staticmethod
    def _claim(claims: list[Claim], denied: Denied) -> Claim:
        return next(claim for claim in claims if claim.key == denied.key)

    def grows(self, exchange: Exchange, tokens: int) -> bool:
        """Whether an answer of so many tokens so far may go on; in stage observe always."""
        booking = exchange.booking
        if booking is None or booking.reservation is None or exchange.stage is not Stage.ENFORCE:
            return True
        while tokens > (booking.made * _SPARE + _SPARE_TOKENS if booking.bounded else booking.made):
            if not self._extended(booking, booking.reservation):
                return False
        return True

    def _extended(self, booking: Booking, reservation: Reservation) -> bool:
        step = self._config.metering.step_tokens
        before, after = booking.granted, booking.wanted.need(booking.made + step)
        more = Need(0, 0, step, after.micros - before.micros, 0)
        base = len(reservation.keys) - len(booking.claims)
        try:
            granted = self._ledger.extend(
                reservation, (*((0,) * base), *amounts(booking.claims, more)), self._telemetry.clock()
            )
        except EvidenceError:  # nobody can count: it must not go on
            return False
        if isinstance(granted, Denied):
            return False
        booking.reservation, booking.made = granted, booking.made + step
        return True

    def cost(self, exchange: Exchange, usage: Usage | None, model: str | None) -> Cost | None:
        """What it has cost; None: no tokens were told or counted."""
        facts = exchange.facts
        if usage is None or facts is None:
            return None
        now, service, batch = self._telemetry.clock(), self._service(exchange, facts), _in_batch(facts)
        cost = self.prices.cost(service, model, usage, now, batch=batch)
        asked = (exchange.served and exchange.served.model) or facts.model
        if not cost.priced and asked:
            cost = self.prices.cost(service, asked, usage, now, batch=batch)
        booking = exchange.booking
        if not cost.priced or booking is None or booking.wanted.rates is None:
            return cost
        return msgspec.structs.replace(cost, overrun_micros=max(0, cost.micros - booking.granted.micros))

    def _service(self, exchange: Exchange, facts: Facts) -> str | None:
        """Who has answered."""
        if exchange.served is not None:
            return exchange.served.service
        route = self._config.gateway.routes.get(exchange.moved)
        return route.service if route else facts.service

    def settle(self, exchange: Exchange, *, used: bool) -> None:
        """What was used in the place of what was reserved, once. `used` False: nothing was."""
        booking, exchange.booking = exchange.booking, None
        if booking is None:
            return
        now, need = self._telemetry.clock(), self._used(exchange, booking) if used else Need()
        told = amounts(booking.claims, need)
        if booking.reservation is not None:
            base = len(booking.reservation.keys) - (0 if booking.over else len(booking.claims))
            self._owed.append((booking.reservation, (*((int(used),) * base), *(() if booking.over else told))))
        self._catch_up(now)
        if booking.over:
            for claim, amount in zip(booking.claims, told, strict=True):
                if amount:
                    self._ledger.add_settled(claim.key, amount, now)

    def _catch_up(self, now: float) -> None:
        """Settle what is owed. Where the ledger cannot, what was reserved stands until the next exchange has ended."""
        while self._owed:
            owed = self._owed.pop()
            try:
                self._ledger.settle(*owed, now)
            except EvidenceError as error:
                self._owed.append(owed)
                self._telemetry.counts["faults"] += 1
                self._telemetry.notice("alarm", "guard_fault", f"Metering.settle: {type(error).__name__}")
                return

    @staticmethod
    def _used(exchange: Exchange, booking: Booking) -> Need:
        """What it took; where nobody has told or counted tokens, what had been reserved of its request."""
        usage, cost = exchange.usage, exchange.cost
        if usage is None:
            if exchange.told:  # its record says that no tokens were used
                return Need(1)
            return booking.granted._replace(streams=0)
        micros = cost.micros if cost is not None and cost.priced else 0
        return Need(1, usage.input_tokens, usage.output_tokens, micros)

    def _warn(self, booking: Booking, now: float) -> None:
        reservation = booking.reservation
        if reservation is None:
            return
        base = len(reservation.keys) - len(booking.claims)
        for claim, stands in zip(booking.claims, reservation.used[base:], strict=True):
            if claim.budget.warn is not None and stands >= claim.budget.warn:
                self._tell("warning", "budget_nearly_used", claim, now)

    def _tell(self, severity: str, note: str, claim: Claim, now: float) -> None:
        """One notice for each counter and window."""
        window = claim.budget.window
        length = LENGTH[window] if window is not Window.RUNNING else LENGTH[Window.HOUR]
        key = (note, claim.budget.name, claim.key.subject, int(now // length))
        if key in self._told:
            return
        if len(self._told) >= _TOLD:
            self._told.clear()
        self._told.add(key)
        whose = f" of {claim.key.subject}" if claim.key.subject else ""
        self._telemetry.notice(severity, note, f"budget {claim.budget.name}{whose}")


def prices_of(config: Config) -> Prices:
    """The list, and the operator's file on top."""
    return Prices(site_prices(*load_prices(Path(config.prices.file))) if config.prices.file else None)


def received(inspection: Inspection) -> int:
    """The tokens of a request, at most."""
    texts = sum(at_most(segment.text) for segment in inspection.segments)
    files = ((one.end - one.start, one.reason) for one in inspection.view.opaque)
    return texts + sum(PER_IMAGE if reason == "image" else size // BYTES_PER_TOKEN for size, reason in files)


def _shorten(booking: Booking, said: Asked, room: int) -> bool:
    """Make the answer as long as there is room for; False: too short to be any."""
    each = room // said.choices
    if each < max(said.least, 1) or (said.most is None and said.adding is None):
        return False
    booking.shortened = each
    booking.made, booking.bounded = each * said.choices, True
    return True


def _unpriced(claims: list[Claim]) -> Claim | None:
    """A budget of cost that lets nothing pass whose price is not known."""
    return next((one for one in claims if one.budget.what == "cost" and one.budget.refuses_unpriced), None)


def _in_batch(facts: Facts) -> bool:
    return facts.api in BATCH_APIS
