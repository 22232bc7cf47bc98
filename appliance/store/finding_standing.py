"""Where findings stand by the decisions in force: rows in, rows out.

Rules: nothing here reads or writes a table. The store's rows meet the pure rules of appliance/findings here.
"""

from collections.abc import Iterable

import msgspec

from appliance.findings.reconcile import governance
from appliance.findings.severity import severity
from appliance.findings.state import next_expiry, resolve
from appliance.model.decision import Decision
from appliance.model.names import FindingKind, FindingState, Surface
from appliance.policy.decisions import in_force
from appliance.store.finding_rows import FindingRow

_MOVING = frozenset({FindingState.COACHED, FindingState.REDIRECTED, FindingState.BLOCKED})


class Standings:
    """The decisions in force, by number and by subject. `everything`: all decisions ever, in any order."""

    def __init__(self, everything: Iterable[Decision]) -> None:
        self._by_number = {decision.number: decision for decision in in_force(everything)}
        self._by_subject: dict[str, list[Decision]] = {}
        for decision in self._by_number.values():
            self._by_subject.setdefault(decision.service, []).append(decision)

    @property
    def subjects(self) -> frozenset[str]:
        """What decisions are about."""
        return frozenset(self._by_subject)

    def expires(self, now: float) -> float | None:
        """When the next decision expires; None: none does."""
        return next_expiry(self._by_number.values(), now)

    def settled(self, row: FindingRow, now: float) -> FindingRow:
        """The row where decisions put it at `now`."""
        decisions = self._by_subject.get(row.subject, ())
        standing = resolve(decisions, Surface(row.surface), now, marked=row.marked)
        return self.weighed(msgspec.structs.replace(row, state=standing.state.value, decision=standing.decision))

    def weighed(self, row: FindingRow) -> FindingRow:
        """The row with governance and severity by what it counts."""
        decision = self._by_number.get(row.decision or 0)
        how = governance(
            inside=row.governed + row.via,
            bypass_last=row.bypass_last,
            last_seen=row.last_seen,
            moved=decision.ts if decision and row.state in _MOVING else None,
        )
        weight = severity(FindingKind(row.kind), FindingState(row.state), how, row.confidence)
        return msgspec.structs.replace(row, governance=how.value, severity=weight.value, rank=weight.rank)
