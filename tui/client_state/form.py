"""The decision form: what an analyst has filled in, what is wrong with it, and the proposal it makes.

Rules: pure; a form never sends itself; a block or redirect is told its consequence before it can be applied. The
service and surface are the finding's own, so that what is decided is what was looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from appliance.model.decision import Proposal, Scope
from appliance.model.names import DecisionKind, Surface
from tui.client_state.moments import DAY, HOUR, plural, span
from tui.client_state.spans import LONG, Line, Span, foreign, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.model.finding import Finding
    from appliance.store.finding_pages import Party, Preview

EXPIRIES: Final[tuple[tuple[str, float | None], ...]] = (
    ("never", None), ("in 1 hour", HOUR), ("in 8 hours", 8 * HOUR), ("in 1 day", DAY), ("in 7 days", 7 * DAY),
    ("in 30 days", 30 * DAY), ("in 90 days", 90 * DAY), ("in 1 year", 365 * DAY),
)  # fmt: skip
PREVIEW_S: Final = 7 * DAY  # how far back a preview looks
MAX_REASON: Final = 2_000  # as the store has it
GROUP: Final = "group"  # the scope whose name is typed
EVERYONE: Final = ""
DANGEROUS: Final = frozenset({DecisionKind.BLOCK, DecisionKind.REDIRECT})
VERBS: Final = {
    DecisionKind.APPROVE: "Approve",
    DecisionKind.COACH: "Coach callers of",
    DecisionKind.REDIRECT: "Redirect",
    DecisionKind.BLOCK: "Block",
    DecisionKind.DISMISS: "Dismiss the finding on",
}


@dataclass(frozen=True)
class Form:
    """One decision being made. `scope`: EVERYONE, GROUP, or a digest (`p_`, `a_`); `lasts`: seconds, None: for ever."""

    kind: DecisionKind
    service: str
    name: str
    surface: Surface | None
    scope: str = EVERYONE
    group: str = ""
    route: str = ""
    reason: str = ""
    lasts: float | None = None

    @classmethod
    def about(cls, finding: Finding, kind: DecisionKind, routes: tuple[str, ...]) -> Self:
        """The form as it opens: everyone, this surface, the first route, no end."""
        route = routes[0] if kind is DecisionKind.REDIRECT and routes else ""
        return cls(kind, finding.subject, finding.name or finding.subject, finding.surface, route=route)

    def having(self, **changes: object) -> Form:
        """The form with other answers."""
        return replace(self, **changes)  # type: ignore[arg-type]  # callers name fields of ours

    @property
    def dangerous(self) -> bool:
        """It stops or moves traffic: never applied by the first key."""
        return self.kind in DANGEROUS

    def faults(self) -> list[str]:
        """What must be mended before it can be sent; empty: nothing."""
        told = []
        if self.kind is DecisionKind.REDIRECT and not self.route:
            told.append("a redirect needs a route; name one under gateway.routes in the configuration")
        if self.scope == GROUP and not self.group.strip():
            told.append("type the group's name")
        if len(self.reason) > MAX_REASON:
            told.append(f"the reason is longer than {MAX_REASON:,} characters")
        return told

    def proposal(self, now: float) -> Proposal:
        """What the store is asked for."""
        return Proposal(
            decision=self.kind,
            service=self.service,
            surface=self.surface,
            scope=self._scope(),
            route=self.route if self.kind is DecisionKind.REDIRECT else None,
            reason=self.reason.strip(),
            expires=None if self.lasts is None else now + self.lasts,
        )

    def _scope(self) -> Scope:
        if self.scope == GROUP:
            return Scope(groups=(self.group.strip(),))
        if self.scope.startswith("p_"):
            return Scope(principals=(self.scope,))
        return Scope(clients=(self.scope,)) if self.scope else Scope()


def scopes(people: tuple[Party, ...], hosts: tuple[Party, ...], show: Callable[[str], str]) -> list[tuple[str, str]]:
    """What the scope can be: label and value."""
    told = [("everyone", EVERYONE), *((f"user {show(each.digest)}", each.digest) for each in people)]
    told += [(f"address {show(each.digest)}", each.digest) for each in hosts]
    return [*told, ("a group, named below", GROUP)]


def surfaces(finding: Finding) -> list[tuple[str, str]]:
    """This surface, or all of them: label and value (empty: all)."""
    return [(f"{finding.surface} only", finding.surface.value), ("every surface", "")]


def headline(form: Form) -> Line:
    """What is about to be decided."""
    tone = "bad" if form.kind is DecisionKind.BLOCK else "warning" if form.dangerous else "title"
    return line(Span(f"{VERBS[form.kind]} ", tone), Span(foreign(form.name), "name"))


def consequence(form: Form, preview: Preview | None, *, enforcing: bool, unknown: str = "") -> list[Line]:
    """What the decision would have done, in words. `preview` None: not known yet, or `unknown` says why not."""
    told = [line(Span(fault, "bad")) for fault in form.faults()]
    if preview is None:
        why = f"the consequence is not known: {foreign(unknown, LONG)}" if unknown else "looking at what is stored ..."
        return [*told, line(Span(why, "warning" if unknown else "dim"))]
    if preview.refusal:
        told.append(line(Span(f"refused: {foreign(preview.refusal, LONG)}", "bad")))
    told += [line(_counts(form, preview)), *_past(preview)]
    if preview.running and form.kind is not DecisionKind.DISMISS:
        told.append(line(Span(f"{plural(preview.running, 'exchange')} under way would be ended now", "warning")))
    if not enforcing and form.kind is not DecisionKind.DISMISS:
        told.append(line(Span("stage OBSERVE: recorded now, acts once the stage is ENFORCE", "observe_note")))
    return told


def _counts(form: Form, preview: Preview) -> str:
    if form.kind is DecisionKind.DISMISS:
        return "closes the finding; traffic is not touched"
    whom = plural(preview.people, "person", "people")
    return (
        f"would have changed {preview.changed:,} of {plural(preview.exchanges, 'exchange')} by {whom} in "
        f"{span(PREVIEW_S)}"
    )


def _past(preview: Preview) -> list[Line]:
    if not preview.past:
        return []
    told = f"{plural(preview.past, 'sighting')} of {plural(preview.past_hosts, 'host')} went past the appliance"
    return [line(Span(f"{told}: not touched by this", "warning"))]
