"""What one exchange needs of its budgets, and how much shorter its answer must become where there is less. Pure.

Rules: a reservation asks for what is hardly ever passed; all budgets that fit must have room, or nothing is granted;
where only the answer's length stands against it, the answer is granted as long as there is room for.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from appliance.ledger.budgets import Claim
from appliance.ledger.price_table import SCALE, Rates
from appliance.ledger.prices import total
from appliance.ledger.table import Denied
from appliance.model.event import Usage

TOKENS = frozenset({"tokens", "output_tokens", "cost"})
"""What a longer answer takes more of."""
MOST: Final = 1 << 53
"""The greatest amount that is booked at once; what a client or a provider says may be any number."""


class Need(NamedTuple):
    """What an exchange takes, or has taken. `micros`: millionths of a dollar."""

    requests: int = 0
    received: int = 0
    made: int = 0
    micros: int = 0
    streams: int = 0

    def of(self, what: str) -> int:
        """The amount of a budget's kind."""
        match what:
            case "requests":
                return self.requests
            case "tokens":
                return self.received + self.made
            case "input_tokens":
                return self.received
            case "output_tokens":
                return self.made
            case "cost":
                return self.micros
            case _:
                return self.streams


class Wanted(msgspec.Struct, frozen=True):
    """A request as budgets see it. `rates`: None where its model has no price, or nobody asks."""

    received: int
    made: int
    stream: bool = False
    rates: Rates | None = None

    def need(self, made: int | None = None) -> Need:
        """What it takes with an answer of so many tokens."""
        made = self.made if made is None else made
        return Need(1, self.received, made, price(self.rates, self.received, made), int(self.stream))


def price(rates: Rates | None, received: int, made: int) -> int:
    """Millionths of a dollar, rounded up; 0 without a price."""
    if rates is None:
        return 0
    cost = total(rates, Usage(input_tokens=received, output_tokens=made))
    if cost is None:  # a model that makes no texts has no price for them
        cost = total(rates, Usage(input_tokens=received))
    return -(-(cost or 0) // SCALE)


def amounts(claims: Sequence[Claim], need: Need) -> tuple[int, ...]:
    """Along the claims."""
    return tuple(min(need.of(claim.budget.what), MOST) for claim in claims)


def room_for(wanted: Wanted, claim: Claim, denied: Denied) -> int:
    """How many tokens the answer may have for what is left of a budget; 0 and less: none."""
    left = claim.budget.limit - denied.used
    match claim.budget.what:
        case "tokens":
            return left - wanted.received
        case "output_tokens":
            return left
        case "cost" if wanted.rates is not None:
            return _affordable(wanted, left)
        case _:
            return 0


def _affordable(wanted: Wanted, left: int) -> int:
    """The longest answer that costs no more than `left`: by halves, since prices may have steps and be 0."""
    low, high = -1, wanted.made
    while low < high:
        middle = (low + high + 1) // 2
        if price(wanted.rates, wanted.received, middle) <= left:
            low = middle
        else:
            high = middle - 1
    return low
