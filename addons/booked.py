"""What is reserved for one exchange: for which of its ways, and what of it earlier attempts have used already. Pure.

Rules: a request counts once in a counter, however many targets it was sent to; what a provider may have billed is
booked with what goes out there, each attempt by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from appliance.inspect.dialects.capping import Asked
from appliance.inspect.inspection import Inspection
from appliance.inspect.tokens import BYTES_PER_TOKEN, PER_IMAGE, at_most
from appliance.ledger.booking import MOST, TOKENS, Need, Wanted
from appliance.ledger.budgets import NOBODY, Claim
from appliance.ledger.ledger import Reservation
from appliance.ledger.prices import Place
from appliance.ledger.table import CounterKey
from appliance.model.event import Attempt
from appliance.model.facts import Facts
from appliance.model.names import Stage

GATEWAY_FAULTS = frozenset({502, 504})
"""Statuses by which somebody in front of a model says that it does not know what the model has done."""


class Way(NamedTuple):
    """Where a request goes. `model`: what is sent there, where it is not what was asked for."""

    service: str | None
    model: str | None = None
    provider: str = ""
    route: str = ""

    @property
    def place(self) -> Place:
        """As prices know it."""
        return Place(self.service, self.provider, self.route)


class Size(NamedTuple):
    """What a request may take. `said`: what it says of its answer, where that may be edited."""

    received: int = 0
    made: int = 0
    bounded: bool = False
    said: Asked | None = None


@dataclass(slots=True)
class Booking:
    """What is reserved for one exchange. `shortened`: the most that is written into its request."""

    way: Way
    facts: Facts  # as if that way had been asked for
    base: tuple[CounterKey, ...]
    claims: list[Claim]
    wanted: Wanted
    reservation: Reservation | None = None
    made: int = 0  # tokens of the answer that are granted
    bounded: bool = False  # the provider was told a most
    shortened: int | None = None
    over: bool = False  # in stage observe: it was let go without room, and only `base` is reserved
    who: str = ""  # by whom running exchanges are counted; empty: it is not counted yet
    bodied: bool = False
    tried: int = 0  # how many attempts have been looked at
    counted: frozenset[CounterKey] = frozenset()  # of requests: what earlier attempts have been counted in

    @property
    def limits_answers(self) -> bool:
        """Whether a running answer has to be watched."""
        return any(claim.budget.what in TOKENS for claim in self.claims)

    @property
    def shortening(self) -> tuple[str | None, int] | None:
        """The service and the most that is written into the request; None: it stays as it is."""
        return (self.way.service, self.shortened) if self.shortened is not None else None

    @property
    def granted(self) -> Need:
        """What was reserved."""
        return self.wanted.need(self.made)

    @property
    def keys(self) -> tuple[CounterKey, ...]:
        """All counters."""
        return (*self.base, *(claim.key for claim in self.claims))

    def amounts(self, need: Need) -> tuple[int, ...]:
        """Along the keys."""
        requests = min(need.requests, 1)
        counted = self.counted
        base = (requests,) * len(self.base)
        if counted:
            base = tuple(0 if key in counted else requests for key in self.base)
        return (*base, *self.claimed(need))

    def claimed(self, need: Need) -> tuple[int, ...]:
        """Along the claims."""
        counted = self.counted
        return tuple(
            0 if counted and claim.budget.what == "requests" and claim.key in counted else _bounded(need, claim)
            for claim in self.claims
        )

    def count_as(self, before: "Booking") -> None:
        """The request has been counted with an attempt before: it is not again in the same counters."""
        asked = (claim.key for claim in before.claims if claim.budget.what == "requests")
        self.counted = before.counted | {*before.base, *asked}


def _bounded(need: Need, claim: Claim) -> int:
    return min(need.of(claim.budget.what), MOST)


def may_be_billed(attempt: Attempt) -> bool:
    """Whether a provider may charge for an attempt that was no answer: it was sent, and nobody knows what became of it.

    An error that a provider tells itself (400, 429, 500, 503, 529) is charged by none.
    """
    return bool(attempt.sent) and (attempt.status == 0 or attempt.status in GATEWAY_FAULTS)


def there(facts: Facts, way: Way) -> Facts:
    """The facts as if its service had been asked."""
    return facts if way.service == facts.service else msgspec.structs.replace(facts, service=way.service)


def whose(facts: Facts) -> str:
    """By what running exchanges of a caller are counted: who it is, else where it is."""
    return facts.client if facts.identity_method == "none" else facts.principal


def received(inspection: Inspection) -> int:
    """The tokens of a request, at most."""
    texts = sum(at_most(segment.text) for segment in inspection.segments)
    files = ((one.end - one.start, one.reason) for one in inspection.view.opaque)
    return texts + sum(PER_IMAGE if reason == "image" else size // BYTES_PER_TOKEN for size, reason in files)


def shorten(booking: Booking, said: Asked, room: int) -> bool:
    """Make the answer as long as there is room for; False: too short to be any."""
    each = room // said.choices
    if each < max(said.least, 1) or (said.most is None and said.adding is None):
        return False
    booking.shortened = each
    booking.made, booking.bounded = each * said.choices, True
    return True


def lacks_price(booking: Booking) -> Claim | None:
    """A budget of cost that lets nothing pass whose price is not known, where it is not."""
    if booking.wanted.rates or not booking.bodied:
        return None
    return next((one for one in booking.claims if one.budget.what == "cost" and one.budget.refuses_unpriced), None)


def own(booking: Booking, stage: Stage) -> Sequence[tuple[Claim, int]]:
    """Counters that nobody but the caller counts in, and what they stand at."""
    reservation = booking.reservation
    if stage is not Stage.ENFORCE or reservation is None or booking.over:
        return ()
    known = booking.facts.identity_method != "none"
    stands = zip(booking.claims, reservation.used[len(booking.base) :], strict=True)
    return [one for one in stands if _is_own(one[0], known=known)]


def _is_own(claim: Claim, *, known: bool) -> bool:
    per = claim.budget.per
    return (per == "user" and known) or (per == "key" and claim.key.subject != NOBODY)
