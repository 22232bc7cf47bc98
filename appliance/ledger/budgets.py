"""Quotas and budgets as an index: which counters a request touches. Pure.

Theory of operation. Each budget hangs on one value that a request must have for it (the first of key, user, department,
group, service, tool, or a model that is written out), or on none; so a request looks at the budgets of its own few
values and at those of everybody, however many there are.

Rules: a budget that fits has a counter for each subject of its `per` (of models and tools, whose names clients choose,
for each that its match names); who has no department, key or group shares one with all who have none; a counter is
known by its budget's name, so the same budget counts on through a reload.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from appliance.config.budget_schema import BudgetEntry
from appliance.ledger.prices import named
from appliance.ledger.table import CounterKey
from appliance.ledger.windows import Window
from appliance.model.facts import Facts

MICROS: Final = 10**6
NOBODY: Final = "-"
_HANGS: Final = ("key", "user", "department", "group", "service", "tool")


class Budget(msgspec.Struct, frozen=True):
    """One budget, ready to be asked. `limit`: of cost in millionths of a dollar; `warn`: where a notice is due."""

    name: str
    what: str
    limit: int
    window: Window
    per: str
    warn: int | None
    refuses_unpriced: bool
    values: tuple[tuple[str, frozenset[str]], ...]
    models: tuple[str, ...]

    def fits(self, facts: Facts) -> bool:
        """Whether a request counts in it."""
        if self.models and not any(named(one, (facts.model or "").lower()) for one in self.models):
            return False
        return all(any(value in wanted for value in values_of(facts, key)) for key, wanted in self.values)

    def counters(self, facts: Facts) -> Iterator[CounterKey]:
        """Its counters for a request that fits."""
        if self.per == "organisation":
            yield self.counter("")
            return
        for subject in self._subjects(facts) or (NOBODY,):
            yield self.counter(subject)

    def _subjects(self, facts: Facts) -> Iterable[str]:
        """Whose counters: of groups, tools and models that somebody has or asks for, those that it is about."""
        if self.per == "model":
            return [one for one in dict.fromkeys(self.models) if named(one, (facts.model or "").lower())]
        subjects = dict.fromkeys(values_of(facts, self.per))
        if self.per not in ("group", "tool"):
            return subjects
        wanted = next((told for key, told in self.values if key == self.per), subjects.keys())
        return [one for one in subjects if one in wanted]

    def counter(self, subject: str) -> CounterKey:
        """The counter of one subject, e.g. the digest of a user; empty: the one for all."""
        return CounterKey(f"budget:{self.name}", subject, self.window, self.limit)


class Claim(NamedTuple):
    """One counter that a request must have room in."""

    budget: Budget
    key: CounterKey


class Budgets:
    """All budgets of a site. `person`: the digest by which facts name a user."""

    def __init__(self, entries: Iterable[BudgetEntry], person: Callable[[str], str]) -> None:
        self.all = tuple(_compiled(entry, person) for entry in entries)
        self._everybody: list[Budget] = []
        self._index: dict[tuple[str, str], list[Budget]] = {}
        for budget in self.all:
            self._hang(budget)

    def _hang(self, budget: Budget) -> None:
        told = dict(budget.values)
        place: str | None = next((key for key in _HANGS if key in told), None)
        values: Iterable[str] = told[place] if place else ()
        if place is None and budget.models and not any("*" in one for one in budget.models):
            place, values = "model", (one.lower() for one in budget.models)
        if place is None:
            self._everybody.append(budget)
        for value in values:
            self._index.setdefault((place or "", value), []).append(budget)

    def claims(self, facts: Facts) -> list[Claim]:
        """Every counter that a request touches, each once."""
        found = list(self._everybody)
        if self._index:
            for key in (*_HANGS, "model"):
                for value in values_of(facts, key):
                    found += self._index.get((key, value), ())
        if not found:
            return []
        fitting = {budget.name: budget for budget in found if budget.fits(facts)}
        return [Claim(budget, key) for budget in fitting.values() for key in budget.counters(facts)]


def values_of(facts: Facts, key: str) -> tuple[str, ...]:
    """What a request has of a kind."""
    match key:
        case "user":
            return (facts.principal,)
        case "group":
            return facts.groups
        case "tool":
            return facts.tools_declared
        case "department":
            value = facts.department
        case "key":
            value = facts.virtual_key
        case "service":
            value = facts.service
        case _:
            value = facts.model.lower() if facts.model else None
    return () if value is None else (value,)


def _compiled(entry: BudgetEntry, person: Callable[[str], str]) -> Budget:
    limit = round(entry.amount * MICROS) if entry.what == "cost" else int(entry.amount)
    values = []
    for key in _HANGS:
        told: tuple[str, ...] = getattr(entry.match, key)
        if told:
            values.append((key, frozenset(map(person, told) if key == "user" else told)))
    return Budget(
        name=entry.name,
        what=entry.what,
        limit=limit,
        window=Window(entry.window) if entry.window else Window.RUNNING,
        per=entry.per,
        warn=-(-int(limit * entry.warn) // 100) if entry.warn < 100 else None,  # noqa: PLR2004 - percent
        refuses_unpriced=entry.unpriced == "refuse",
        values=tuple(values),
        models=entry.match.model,
    )
