"""Where a finding stands: the state machine.

Rules: pure. A state is not stored history but a function of what is in force: `resolve` reads the decisions on the
finding's subject and surface, the analysts' mark and the time, so that undo and expiry go back to what holds without
them. Decisions for everyone set the state, the strictest that touches traffic first, as policy judges; a dismissal that
is newer than all others closes the finding; decisions for some people only make it triaged. What is seen on the wire
never changes a state: a dismissed finding stays dismissed. `STEPS` is the table of what may follow what.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.model.decision import Decision
from appliance.model.names import DecisionKind, FindingState, Surface

_STATE: Final[Mapping[DecisionKind, FindingState]] = {
    DecisionKind.APPROVE: FindingState.APPROVED,
    DecisionKind.COACH: FindingState.COACHED,
    DecisionKind.REDIRECT: FindingState.REDIRECTED,
    DecisionKind.BLOCK: FindingState.BLOCKED,
    DecisionKind.DISMISS: FindingState.DISMISSED,
}
# Those that touch traffic outrank the others in this order, whatever their age: so does policy.
_MOVING: Final = (DecisionKind.BLOCK, DecisionKind.REDIRECT, DecisionKind.COACH)


class Step(StrEnum):
    """What can move a finding."""

    SEEN = "seen"  # one more sign of it
    MARK = "mark"  # an analyst has looked at it
    DECIDED = "decided"  # a decision that is no mere undo
    LIFTED = "lifted"  # a decision was undone or has expired


_ALL: Final = frozenset(FindingState)
_DECIDED: Final = _ALL - {FindingState.NEW}
STEPS: Final[Mapping[Step, Mapping[FindingState, frozenset[FindingState]]]] = {
    Step.SEEN: {state: frozenset({state}) for state in FindingState},
    Step.MARK: {FindingState.NEW: frozenset({FindingState.TRIAGED})},
    Step.DECIDED: {
        FindingState.NEW: _DECIDED | {FindingState.NEW},  # it was about another surface
        FindingState.TRIAGED: _DECIDED,
        FindingState.APPROVED: _DECIDED - {FindingState.TRIAGED},
        # A decision that touches traffic yields to a stricter one and to a dismissal only.
        FindingState.COACHED: frozenset(
            {FindingState.COACHED, FindingState.REDIRECTED, FindingState.BLOCKED, FindingState.DISMISSED}
        ),
        FindingState.REDIRECTED: frozenset({FindingState.REDIRECTED, FindingState.BLOCKED, FindingState.DISMISSED}),
        FindingState.BLOCKED: frozenset({FindingState.BLOCKED, FindingState.DISMISSED}),
        FindingState.DISMISSED: _DECIDED - {FindingState.TRIAGED},
    },
    Step.LIFTED: dict.fromkeys(FindingState, _ALL),
}


class Standing(NamedTuple):
    """A state, the number of the decision that set it, and since when a decision has been moving traffic."""

    state: FindingState
    decision: int | None = None
    moved: float | None = None


def allowed(step: Step, before: FindingState, after: FindingState) -> bool:
    """The table has it."""
    return after in STEPS[step].get(before, frozenset())


def resolve(decisions: Iterable[Decision], surface: Surface, now: float, *, marked: bool) -> Standing:
    """Where a finding stands at `now`.

    `decisions`: those on its subject that no later one has undone (appliance.policy.decisions.in_force), oldest first.
    `marked`: an analyst has looked at it.
    """
    newest_first = sorted((d for d in decisions if _holds(d, surface, now)), key=lambda d: -d.number)
    everyone = [decision for decision in newest_first if decision.scope.everyone]
    if everyone:
        return _decided(everyone)
    if newest_first:
        return Standing(FindingState.TRIAGED, newest_first[0].number)
    return Standing(FindingState.TRIAGED if marked else FindingState.NEW)


def next_expiry(decisions: Iterable[Decision], now: float) -> float | None:
    """When the next of these decisions expires; None: none does."""
    ends = (d.expires for d in decisions if d.expires is not None and d.expires > now)
    return min(ends, default=None)


def _holds(decision: Decision, surface: Surface, now: float) -> bool:
    if decision.decision is DecisionKind.DISMISS and decision.undoes is not None:
        return False  # a mere undo: what it does is done
    if decision.expires is not None and now >= decision.expires:
        return False
    return decision.surface is None or decision.surface is surface


def _decided(everyone: list[Decision]) -> Standing:
    """The standing by decisions for everyone, newest first; there is at least one."""
    chosen = everyone[0]
    if chosen.decision is not DecisionKind.DISMISS:
        for kind in _MOVING:
            found = next((decision for decision in everyone if decision.decision is kind), None)
            if found is not None:
                return Standing(_STATE[kind], found.number, found.ts)
    return Standing(_STATE[chosen.decision], chosen.number)
