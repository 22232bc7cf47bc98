"""Budgets in the life of an exchange: reserved before it goes, counted while it streams, settled with what it took.

Theory of operation. `book` reserves what the request may take at most where it goes: its own texts by a high estimate,
and the answer as long as the request allows. Where a budget has less, the answer is made shorter in the request
(`max_tokens` among its edits), or the request is refused. `admits` is asked before each further target: what goes out
there is reserved in the place of what had gone before, and what that may have been billed for stays booked; a target
whose budgets have no room is none. `grows` is asked while an answer streams whose tokens are limited; one that comes to
what was reserved is extended step by step, and ended where there is no room. `settle` puts what was used in the place
of what was reserved.

Rules: in stage observe nothing is refused, shortened or ended, and everything is counted; what a provider bills beyond
a grant is counted too, and told as overrun; every reservation is settled once; a ledger that fails is a fault, which
the guard closes; no name of a person is told to anybody.
"""

from collections.abc import Sequence
from pathlib import Path

from mitmproxy import http

from addons.booked import Booking, Size, Way, lacks_price, may_be_billed, own, received, shorten, there, whose
from addons.charged import Charged, in_batch
from addons.limits_told import CROWDED, Turned, own_limits, turned, unpriced
from addons.ongoing import Exchange
from addons.running import Running
from addons.telemetry import Telemetry
from appliance.config.prices_file import load_prices
from appliance.config.schema import Config
from appliance.inspect.dialects.capping import ANSWERLESS, Asked, asked
from appliance.inspect.inspection import Inspection
from appliance.ledger.booking import TOKENS, Need, Wanted, room_for
from appliance.ledger.budgets import Budgets, Claim
from appliance.ledger.ledger import Ledger, Reservation
from appliance.ledger.levels import request_keys
from appliance.ledger.price_table import Rates
from appliance.ledger.prices import Prices
from appliance.ledger.site_prices import site_prices
from appliance.ledger.table import CounterKey, Denied
from appliance.ledger.windows import LENGTH, Window
from appliance.model.errors import EvidenceError
from appliance.model.event import Attempt
from appliance.model.facts import Facts
from appliance.model.names import Stage

TRIES = 8
_TOLD = 4096
_READABLE = frozenset({None, "duplicate_key"})
_SPARE, _SPARE_TOKENS = 1.3, 16  # by which an estimate may pass a most that the provider keeps to
_NOTHING = Reservation((), 0, (), (), ())
_CLIENT_ERROR = 400


class Metering:
    """One for the life of a worker."""

    def __init__(self, config: Config, ledger: Ledger, telemetry: Telemetry) -> None:
        """OperatorError: the file of prices is not sound."""
        self.prices = prices_of(config)
        self.charged = Charged(config, self.prices, telemetry.clock)
        self._budgets = Budgets(config.budgets, telemetry.pseudonyms.person)
        self._config, self._ledger, self._telemetry = config, ledger, telemetry
        self._running = Running(config.metering.running)
        self._told: set[tuple[str, str, str, int]] = set()  # notices of this window
        self._owed: list[tuple[Reservation, tuple[int, ...]]] = []  # settlements that the ledger could not take yet

    def book(
        self,
        exchange: Exchange,
        facts: Facts,
        inspection: Inspection,
        *,
        editable: bool,
        ways: Sequence[Way] = (),
    ) -> Turned | None:
        """Reserve; what the client is told where there is no room. `editable`: the body may be edited.

        `ways`: where it may go, the first choice first; none: to the service that was asked. Of those whose budgets
        have room the first is reserved.
        """
        now, acts, who = self._telemetry.clock(), exchange.stage is Stage.ENFORCE, whose(facts)
        crowded = self._running.crowds(who, self._ledger.free)
        if crowded and acts:
            return CROWDED
        ways = tuple(dict.fromkeys(ways)) if len(ways) > 1 and acts else ways[:1] or (Way(facts.service),)
        claimed = [(way, *self._claims(facts, way)) for way in ways]
        size = self._measured(facts, inspection, {one.budget.what for *_, claims in claimed for one in claims})
        said = size.said if editable and acts else None
        refused: Turned | None = None
        for way, seen, claims in claimed:
            booking = exchange.booking = self._begun(way, seen, claims, size, bodied=bool(inspection.body), now=now)
            told = self._room(exchange, booking, said, crowded=crowded, now=now)
            if told is None:
                booking.who = who
                self._running.enter(who)
                return None
            refused = refused or told
        return refused

    def _claims(self, facts: Facts, way: Way) -> tuple[Facts, list[Claim]]:
        seen = there(facts, way)
        claims = self._budgets.claims(seen)
        if not facts.stream and claims:
            claims = [claim for claim in claims if claim.budget.what != "streams"]
        return seen, claims

    def _begun(self, way: Way, seen: Facts, claims: list[Claim], size: Size, *, bodied: bool, now: float) -> Booking:
        """What is to be reserved of one way."""
        priced = any(claim.budget.what == "cost" for claim in claims)
        wanted = Wanted(size.received, size.made, seen.stream, self._rates(seen, way, now) if priced else None)
        booking = Booking(way, seen, request_keys(seen), claims, wanted, bodied=bodied)
        booking.made, booking.bounded = size.made, size.bounded
        return booking

    def _room(
        self, exchange: Exchange, booking: Booking, said: Asked | None, *, crowded: bool, now: float
    ) -> Turned | None:
        """Reserve it; else what the client is told. In stage observe it always goes."""
        acts, lacks = exchange.stage is Stage.ENFORCE, lacks_price(booking)
        if lacks is not None:
            self._tell("warning", "budget_unpriced", lacks, now)
            if acts:
                return unpriced(lacks.budget)
        denied = self._reserve(booking, said, now) if not crowded else None
        if denied is None and not crowded:
            self._warn(booking, now)
            return None
        if acts and denied is not None:
            return turned(exchange.api, self._claim(booking, denied), denied, now)
        self._let_go(booking, denied, now)
        return None

    def _let_go(self, booking: Booking, denied: Denied | None, now: float) -> None:
        """In stage observe: it goes without room, and is counted in the end. `denied` None: too many run."""
        booking.over = True
        if denied is not None:
            self._tell("info", "budget_would_refuse", self._claim(booking, denied), now)
            granted = self._ledger.reserve(booking.base, (1,) * len(booking.base), now)
            booking.reservation = None if isinstance(granted, Denied) else granted

    def _measured(self, facts: Facts, inspection: Inspection, whats: set[str]) -> Size:
        """What the request may take, where somebody asks."""
        if not whats & (TOKENS | {"input_tokens"}):
            return Size()
        said = asked(inspection.api, facts.service, inspection.body) if inspection.problem in _READABLE else None
        most, choices = (said.most, said.choices) if said else (facts.max_tokens, 1)
        made = (self._expected(inspection, facts) if most is None else most) * choices
        readable = said if inspection.problem is None else None  # what can be read in two ways cannot be made shorter
        return Size(received(inspection), made, most is not None, readable)

    def _expected(self, inspection: Inspection, facts: Facts) -> int:
        """The answer of a request that names no most."""
        if inspection.api in ANSWERLESS or not inspection.body:
            return 0
        route = self._config.gateway.routes.get(facts.route or "")
        return (route.output_tokens if route else None) or self._config.metering.output_tokens

    def _rates(self, facts: Facts, way: Way, now: float) -> Rates | None:
        model = way.model or facts.model
        return self.prices.rates(way.place, model, now, batch=in_batch(facts)) if model else None

    def _reserve(self, booking: Booking, said: Asked | None, now: float) -> Denied | None:
        """Reserve all, with a shorter answer where that is what it takes."""
        if said is not None and said.most is None and self._reserved_whole(booking, said, now):
            return None
        keys = booking.keys
        denied: Denied | None = None
        for _ in range(TRIES):
            granted = self._ledger.reserve(keys, booking.amounts(booking.granted), now)
            if not isinstance(granted, Denied):
                booking.reservation = granted
                return None
            denied = granted
            room = room_for(booking.wanted, self._claim(booking, denied), denied) if said is not None else 0
            if said is None or room >= booking.made or not shorten(booking, said, room):
                break
        return denied

    def _reserved_whole(self, booking: Booking, said: Asked, now: float) -> bool:
        """For an answer in one piece, which nobody can end once it comes: as long as one gets that nobody bounds.

        Where there is no room for that, the request says what is reserved.
        """
        if booking.facts.stream or not booking.limits_answers or not booking.made:
            return False
        usual = booking.made
        booking.made = max(usual, self._config.metering.whole_tokens * said.choices)
        granted = self._ledger.reserve(booking.keys, booking.amounts(booking.granted), now)
        if not isinstance(granted, Denied):
            booking.reservation = granted
            return True
        booking.made = usual
        shorten(booking, said, usual)
        return False

    @staticmethod
    def _claim(booking: Booking, denied: Denied) -> Claim:
        return next(claim for claim in booking.claims if claim.key == denied.key)

    def admits(self, exchange: Exchange, way: Way, attempts: Sequence[Attempt]) -> bool:
        """Whether what goes out next has room where it goes; then that is what is reserved.

        `attempts`: those before it. Where it has none, what was reserved and has not gone out stays.
        """
        booking = exchange.booking
        if booking is None:
            return True
        spent = next((one for one in attempts[booking.tried :] if may_be_billed(one)), None)
        booking.tried = len(attempts)
        if spent is None and way == booking.way and (booking.reservation is not None or booking.over):
            return True
        now, acts = self._telemetry.clock(), exchange.stage is Stage.ENFORCE
        seen, claims = self._claims(booking.facts, way)
        size = Size(booking.wanted.received, booking.wanted.made, booking.bounded)
        further = self._begun(way, seen, claims, size, bodied=booking.bodied, now=now)
        further.made, further.shortened, further.tried = booking.made, booking.shortened, booking.tried
        further.who, further.counted = booking.who, booking.counted
        used = self._spent(exchange, booking, spent)
        if spent is not None:
            further.count_as(booking)
        lacks = lacks_price(further) if acts else None
        told = unpriced(lacks.budget) if lacks else self._moved(exchange, booking, further, used, now)
        if told is not None:
            exchange.refused = told
            return False
        exchange.booking, exchange.refused = further, None
        return True

    def _moved(
        self, exchange: Exchange, booking: Booking, further: Booking, used: tuple[int, ...] | None, now: float
    ) -> Turned | None:
        """Reserve `further` in the place of `booking`, of which `used` stays; why it is not."""
        before = booking.reservation or _NOTHING
        covered = len(before.keys)
        if used is not None and covered < len(used):  # what was not reserved is counted now
            self._count(booking.keys[covered:], used[covered:], now)
            used = used[:covered]
        moved = self._ledger.move(before, used, further.keys, further.amounts(further.granted), now)
        if moved.denied is None:
            further.reservation = moved.held
            self._warn(further, now)
            return None
        if exchange.stage is Stage.ENFORCE:
            booking.reservation = moved.held
            if used is not None:
                booking.counted = further.counted
            return turned(exchange.api, self._claim(further, moved.denied), moved.denied, now)
        if moved.held is not None:
            self._ledger.refund(moved.held, now)
        self._let_go(further, moved.denied, now)
        return None

    def _spent(self, exchange: Exchange, booking: Booking, attempt: Attempt | None) -> tuple[int, ...] | None:
        """Along the keys of its booking, what an attempt may have been billed for."""
        if attempt is None:
            return None
        usage, cost = self.charged.estimated(exchange, attempt)
        return booking.amounts(Need(1, usage.input_tokens, 0, cost.micros if cost.priced else 0))

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
        try:
            granted = self._ledger.extend(reservation, booking.amounts(more), self._telemetry.clock())
        except EvidenceError:  # nobody can count: it must not go on
            return False
        if isinstance(granted, Denied):
            return False
        booking.reservation, booking.made = granted, booking.made + step
        return True

    def tell_limits(self, exchange: Exchange, response: http.Response) -> None:
        """Tell the caller of its own budgets, in the words of its dialect; of those that others count in: nothing."""
        booking = exchange.booking
        if booking is None or not booking.claims or response.status_code >= _CLIENT_ERROR:
            return
        stands = own(booking, exchange.stage)
        if stands:
            now = self._telemetry.clock()
            told = own_limits(exchange.api, stands, lambda claim: self._ledger.ends(claim.key, now), now)
            for name, value in told.items():
                response.headers[name] = value

    def settle(self, exchange: Exchange, *, used: bool) -> None:
        """What was used in the place of what was reserved, once. `used` False: nothing was."""
        booking, exchange.booking = exchange.booking, None
        if booking is None:
            return
        if booking.who:
            self._running.leave(booking.who)
        now, need = self._telemetry.clock(), self._used(exchange, booking) if used else Need()
        amounts, covered = booking.amounts(need), 0
        if booking.reservation is not None:
            covered = len(booking.reservation.keys)
            self._owed.append((booking.reservation, amounts[:covered]))
        self._catch_up(now)
        if booking.over:
            self._count(booking.keys[covered:], amounts[covered:], now)

    def _count(self, keys: Sequence[CounterKey], amounts: Sequence[int], now: float) -> None:
        """Without a reservation."""
        for key, amount in zip(keys, amounts, strict=True):
            if amount:
                self._ledger.add_settled(key, amount, now)

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
        for claim, stands in zip(booking.claims, reservation.used[len(booking.base) :], strict=True):
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
        whose_it_is = f" of {claim.key.subject}" if claim.key.subject else ""
        self._telemetry.notice(severity, note, f"budget {claim.budget.name}{whose_it_is}")


def prices_of(config: Config) -> Prices:
    """The list, and the operator's file on top."""
    return Prices(site_prices(*load_prices(Path(config.prices.file))) if config.prices.file else None)
