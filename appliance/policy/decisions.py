"""Analysts' decisions as policy sees them: which are in force, whom they bind.

Rules: pure. A decision named by the `undoes` of a later decision in force is out of force; an undo that is itself
undone undoes nothing. An expired decision binds nobody, but what it undid stays undone: expiry brings nothing back.
"""

from collections.abc import Iterable

from appliance.model.decision import Decision
from appliance.model.facts import Facts, RuleHit
from appliance.model.names import DecisionKind, Disposition, Layer

_TIGHTENING = {
    DecisionKind.BLOCK: Disposition.BLOCK,
    DecisionKind.COACH: Disposition.COACH,
    DecisionKind.REDIRECT: Disposition.REDIRECT,
}


def in_force(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """The decisions that no later one has undone, oldest first; expiry is judged per exchange."""
    undone: set[int] = set()
    kept: list[Decision] = []
    for decision in sorted(decisions, key=lambda decision: decision.number, reverse=True):
        if decision.number in undone:
            continue
        kept.append(decision)
        if decision.undoes is not None:
            undone.add(decision.undoes)  # an earlier one: later ones have been judged already
    return tuple(reversed(kept))


def binds(decision: Decision, facts: Facts, now: float) -> bool:
    """The decision holds at `now` for this service, surface and caller."""
    if decision.service != facts.service or (decision.expires is not None and now >= decision.expires):
        return False
    if decision.surface is not None and decision.surface is not facts.surface:
        return False
    scope = decision.scope
    if facts.principal in scope.principals or facts.client in scope.clients or scope.everyone:
        return True
    return bool(scope.groups) and not frozenset(scope.groups).isdisjoint(facts.groups)


class Decisions:
    """The decisions in force, by service."""

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self._by_service: dict[str, list[Decision]] = {}
        for decision in in_force(decisions):
            self._by_service.setdefault(decision.service, []).append(decision)

    def touch(self, service: str | None) -> bool:
        """Some decision is about this service."""
        return service is not None and service in self._by_service

    def binding(self, facts: Facts, now: float) -> tuple[Decision, ...]:
        """Those that hold for this caller, oldest first."""
        if facts.service is None:
            return ()
        return tuple(d for d in self._by_service.get(facts.service, ()) if binds(d, facts, now))


def approves(decisions: Iterable[Decision]) -> bool:
    """One of them is an approval."""
    return any(decision.decision is DecisionKind.APPROVE for decision in decisions)


def hit(decision: Decision) -> RuleHit | None:
    """The decision as a rule that matched; None for those that change nothing (dismiss)."""
    name = f"decision:{decision.number}"
    if decision.decision is DecisionKind.APPROVE:
        return RuleHit(name, Layer.APPROVE_DECISION, Disposition.ALLOW, acts=True, note=decision.reason)
    disposition = _TIGHTENING.get(decision.decision)
    if disposition is None:
        return None
    if disposition is Disposition.REDIRECT and not decision.route:
        # A redirect to nowhere must not become a pass.
        return RuleHit(name, Layer.BLOCK_DECISION, Disposition.BLOCK, acts=True, note="redirect without a route")
    return RuleHit(name, Layer.BLOCK_DECISION, disposition, acts=True, note=decision.reason)
