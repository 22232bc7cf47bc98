"""Requests and rows of the verbs about budgets, shared by clients and the store.

Rules: as in appliance/store/pages.py; amounts of cost are millionths of a US dollar; what a counter stands at is None
where it cannot be read, and never 0 for that; people are digests, whose clear names come by verb `persons` alone.
"""

from typing import Final

import msgspec

from appliance.store.pages import Limit
from appliance.store.wire import Name, Request

MOST: Final = 500  # budgets of one answer
MOST_STANDINGS: Final = 100  # counters of one budget
MOST_SPENT: Final = 50  # people, keys and models each
MOST_UNPRICED: Final = 50  # models without a price


class BudgetsRequest(Request, frozen=True):
    """Verb `budgets`. `limit`: the fullest so many."""

    limit: Limit = MOST


class Standing(msgspec.Struct, frozen=True):
    """One counter of a budget. `subject`: whose it is, empty for one for all; `used` includes what is `reserved`.

    `over`: beyond the limit, which is carried into the next window.
    """

    subject: str
    used: int
    reserved: int
    full: bool
    warns: bool
    over: int = 0


class BudgetState(msgspec.Struct, frozen=True):
    """A budget and its fullest counter. `window`: minute, hour, day, month, or empty for what runs at once.

    `counters`: how many have anything used, of them `near` (the soft limit is reached) and `full`. `matches`: what it
    is about, `kind: values`. `warn`: the soft limit as an amount, None: it has none. `resets`: epoch seconds.
    """

    name: str
    what: str
    window: str
    per: str
    limit: int
    warn: int | None
    matches: tuple[str, ...]
    refuses_unpriced: bool
    resets: float | None
    fullest: Standing | None
    counters: int
    near: int
    full: int


class Unpriced(msgspec.Struct, frozen=True):
    """A model that was used and has no known price: what it cost is in no sum."""

    service: str
    model: str
    exchanges: int
    people: int
    input_tokens: int
    output_tokens: int
    last_seen: float


class BudgetsHead(msgspec.Struct, frozen=True):
    """Head of the answer to `budgets`; the body is a JSON array of `BudgetState`, the fullest first. `total`: of all.

    `problem`: why counters could not be read, in words; empty: they were. `partial`: there are more people, groups or
    keys than were looked at. `unpriced`: of the last 30 days.
    """

    rows: int
    total: int
    asked: float
    problem: str = ""
    partial: bool = False
    unpriced: tuple[Unpriced, ...] = ()


class BudgetRequest(Request, frozen=True):
    """Verb `budget`: everything about one. Answered with `BudgetDetail` as head, no body; 404 when there is none."""

    budget: Name


class Spent(msgspec.Struct, frozen=True):
    """What one person, key or model has taken of a budget's window, as records tell; `what` empty: none was named.

    `overrun_micros`: of the cost, what providers delivered beyond what was granted. `unpriced`: exchanges that are in
    no sum of cost. `estimated`: exchanges whose tokens were counted here.
    """

    what: str
    exchanges: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    overrun_micros: int
    unpriced: int
    estimated: int


class BudgetDetail(msgspec.Struct, frozen=True):
    """One budget: its counters, the fullest first, and who took what since its window began (`since`)."""

    state: BudgetState
    asked: float
    since: float
    standings: tuple[Standing, ...] = ()
    people: tuple[Spent, ...] = ()
    keys: tuple[Spent, ...] = ()
    models: tuple[Spent, ...] = ()
    overrun_micros: int = 0
    problem: str = ""
    partial: bool = False
