"""A decision as a row of the log, and the undo that it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from appliance.model.decision import Decision, Proposal
from appliance.model.names import DecisionKind
from tui.client_state.moments import span, stamp
from tui.client_state.spans import LONG, Line, Span, foreign, line

if TYPE_CHECKING:
    from appliance.store.pages import DecisionSummary
    from tui.client_state.names import Names

# Heading and width of each column; width 0 takes what is left.
COLUMNS: Final = (
    ("NO", 5), ("WHEN", 17), ("WHO", 10), ("WHAT", 9), ("SERVICE", 16), ("DOOR", 6), ("WHOM", 13), ("ROUTE", 11),
    ("STANDS", 11), ("REASON", 0),
)  # fmt: skip
_TONES: Final = {DecisionKind.BLOCK: "bad", DecisionKind.APPROVE: "good", DecisionKind.REDIRECT: "warning"}


class Entry(msgspec.Struct, frozen=True):
    """A decision and whether a later one has undone it."""

    decision: Decision
    undone: bool
    snapshot: int


def entry(summary: DecisionSummary) -> Entry:
    """The log's entry. msgspec.MsgspecError: the stored record cannot be read."""
    return Entry(msgspec.json.decode(summary.body, type=Decision), summary.undone, summary.snapshot)


def digests(decision: Decision) -> tuple[str, ...]:
    """Persons and addresses that it names."""
    return (*decision.scope.principals, *decision.scope.clients)


def row(each: Entry, names: Names, now: float) -> tuple[Line, ...]:
    """The cells, in the order of COLUMNS."""
    decision = each.decision
    what = f"undo {decision.undoes}" if decision.undoes is not None else decision.decision.value
    return (
        line(str(decision.number)),
        line(stamp(decision.ts)),
        line(foreign(decision.author, 40)),
        line(Span(what, "" if decision.undoes is not None else _TONES.get(decision.decision, ""))),
        line(Span(foreign(decision.service), "name")),
        line(decision.surface.value if decision.surface else "every"),
        line(whom(decision, names)),
        line(foreign(decision.route or "-", 40)),
        line(_stands(each, now)),
        line(foreign(decision.reason, LONG)),
    )


def whom(decision: Decision, names: Names) -> str:
    """Whom it binds, in words."""
    if decision.scope.everyone:
        return "everyone"
    groups = [f"group {foreign(group, 64)}" for group in decision.scope.groups]
    return ", ".join([*groups, *map(names.show, digests(decision))][:20])


def _stands(each: Entry, now: float) -> Span:
    if each.undone:
        return Span("undone", "dim")
    expires = each.decision.expires
    if expires is None:
        return Span("in force", "good")
    return Span(f"{span(expires - now)}", "good") if expires > now else Span("expired", "dim")


def may_undo(each: Entry) -> str:
    """Empty: it can be undone; else why not."""
    if each.undone:
        return f"decision {each.decision.number} is undone already"
    return ""


def undo(decision: Decision) -> Proposal:
    """The decision that undoes another: it changes nothing but the other one's force."""
    return Proposal(
        decision=DecisionKind.DISMISS,
        service=decision.service,
        surface=decision.surface,
        scope=decision.scope,
        undoes=decision.number,
    )


def question(decision: Decision, names: Names) -> list[Line]:
    """What an undo would take back."""
    what = f"{decision.decision} {foreign(decision.service)} for {whom(decision, names)}"
    return [line(Span(f"Undo decision {decision.number}: ", "warning"), what), line(foreign(decision.reason, LONG))]
