"""What another policy would have made of what has happened: verdicts counted one by one.

Rules: pure, one exchange at a time; nothing of an exchange is kept but sums and digests of persons, and of these at
most MAX_PEOPLE, after which their number is told as `at least`. An exchange is judged at the moment at which it was
judged, so days, hours and rollouts count as they did then.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from appliance.model.catalogue import Catalogue
from appliance.model.detection import Label, Selector
from appliance.model.facts import Facts, Verdict
from appliance.policy.engine import Policy

MAX_PEOPLE: Final = 100_000
MAX_KINDS: Final = 1_000
OTHERS: Final = "others"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What became of exchanges that would be treated otherwise. `rule`: what would decide; costs in micro-dollars."""

    before: str
    after: str
    rule: str | None
    exchanges: int
    people: int
    cost_micros: int
    unpriced: int  # exchanges whose cost is not known


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """The whole effect. `at_least`: more people than are counted."""

    exchanges: int
    changed: int
    people: int
    people_changed: int
    cost_micros: int
    cost_changed_micros: int
    at_least: bool
    changes: tuple[Change, ...]


class _Sum:
    """Of one kind of change."""

    __slots__ = ("exchanges", "micros", "people", "unpriced")

    def __init__(self) -> None:
        self.exchanges = self.micros = self.unpriced = 0
        self.people: set[str] = set()


class Replay:
    """Takes exchanges in. `before` None: what was recorded is what the new policy is held against."""

    def __init__(self, after: Policy, before: Policy | None, catalogue: Catalogue) -> None:
        self._after, self._before, self._catalogue = after, before, catalogue
        self._sums: dict[tuple[str, str, str | None], _Sum] = {}
        self._all, self._changed = _Sum(), _Sum()
        self._kept = 0
        self._at_least = False

    def take(self, facts: Facts, ts: float, recorded: str, cost_micros: int | None) -> None:
        """One exchange. `recorded`: the disposition that its record has."""
        service = self._catalogue.services.get(facts.service or "")
        new = self._after.decide(facts, service, ts)
        self._count(self._all, facts.principal, cost_micros)
        if self._before is None:
            differs, old = new.disposition.value != recorded, recorded
        else:
            held = self._before.decide(facts, service, ts)
            differs, old = what_is_done(held, facts) != what_is_done(new, facts), held.disposition.value
        if not differs:
            return
        self._count(self._changed, facts.principal, cost_micros)
        kind = (old, new.disposition.value, new.rule)
        if kind not in self._sums and len(self._sums) >= MAX_KINDS:
            kind = (OTHERS, OTHERS, None)
        self._count(self._sums.setdefault(kind, _Sum()), facts.principal, cost_micros)

    def _count(self, total: _Sum, person: str, micros: int | None) -> None:
        total.exchanges += 1
        total.micros += micros or 0
        total.unpriced += micros is None
        if person in total.people:
            return
        if self._kept >= MAX_PEOPLE:
            self._at_least = True
            return
        total.people.add(person)
        self._kept += 1

    def told(self) -> Replayed:
        """The effect of all that was taken in, what concerns most exchanges first."""
        return Replayed(
            exchanges=self._all.exchanges,
            changed=self._changed.exchanges,
            people=len(self._all.people),
            people_changed=len(self._changed.people),
            cost_micros=self._all.micros,
            cost_changed_micros=self._changed.micros,
            at_least=self._at_least,
            changes=tuple(sorted(self._changes(), key=lambda one: (-one.exchanges, one.before, one.after))),
        )

    def _changes(self) -> Iterator[Change]:
        for (before, after, rule), total in self._sums.items():
            yield Change(
                before=before,
                after=after,
                rule=rule,
                exchanges=total.exchanges,
                people=len(total.people),
                cost_micros=total.micros,
                unpriced=total.unpriced,
            )


def what_is_done(verdict: Verdict, facts: Facts) -> tuple[object, ...]:
    """Of a verdict what clients and providers notice, and not who decided it.

    What is hidden of the request is told by what was found in it; of an answer only what is looked for is known.
    """
    hidden = frozenset(label.entity for label in facts.labels if any(_takes(one, label) for one in verdict.hides))
    hides = frozenset((one.kinds, one.entities) for one in verdict.answer_hides)
    ends = frozenset((one.kinds, one.entities) for one in verdict.answer_ends)
    done = msgspec.structs.replace(verdict.obliges, rules=()) if verdict.obliges else None
    return (verdict.disposition, hidden, verdict.route, done, hides, ends)


def _takes(selector: Selector, label: Label) -> bool:
    named = label.entity in selector.entities or label.kind.value in selector.kinds
    return named and label.score >= selector.min_score
