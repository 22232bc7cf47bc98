"""A finding as a row of cells and as a page of lines.

Rules: severity is a letter and a word before it is a colour; counts and times have bounded widths; everything the
store holds as text passes `foreign`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.model.names import FindingKind, FindingState, Governance, Severity
from tui.client_state.moments import ago, count, plural, sparkline, stamp
from tui.client_state.spans import LONG, Line, Span, foreign, line

if TYPE_CHECKING:
    from appliance.model.finding import Finding
    from appliance.store.finding_pages import FindingDetail, Party, StateChange
    from tui.client_state.names import Names

# Heading and width of each column; width 0 takes what is left.
COLUMNS: Final = (
    ("SEVERITY", 11), ("FINDING", 0), ("DOOR", 7), ("WAY", 9), ("STATE", 11), ("PROXY", 6), ("PAST", 6),
    ("PEOPLE", 7), ("SEEN", 10),
)  # fmt: skip
_WAYS: Final = {
    Governance.GOVERNED: Span("governed", "good"),
    Governance.BYPASS: Span("bypass", "bad"),
    Governance.UNKNOWN: Span("unknown", "dim"),
}
KINDS: Final = {
    FindingKind.SERVICE_IN_USE: "is used here",
    FindingKind.NAME_DISAGREEMENT: "names disagree (domain fronting)",
    FindingKind.CERTIFICATE_REJECTED: "clients reject the appliance's certificate",
    FindingKind.COMPROMISED: "steals, or receives what was stolen (advisory)",
    FindingKind.VULNERABLE: "has a grave hole (advisory)",
    FindingKind.OTHER_MODEL: "serves another model than was asked for",
    FindingKind.EXTRACTION: "is asked as one does to copy a model",
    FindingKind.FLOODING: "is asked far beyond what is usual here",
}
_STATES: Final = {FindingState.NEW: "new", FindingState.BLOCKED: "bad", FindingState.APPROVED: "good"}
_SERIES_WIDTH: Final = 48
_MOST_DETECTED: Final = 20


def severity(of: Severity) -> Span:
    """`H high`: letter, word, tone."""
    return Span(f"{of.value[0].upper()} {of.value}", of.value)


def title(finding: Finding) -> Line:
    """Name and what kind of finding it is, where that is not plain use."""
    name = Span(foreign(finding.name or finding.subject), "name")
    if finding.kind is FindingKind.SERVICE_IN_USE:
        return line(name)
    return line(name, Span(f" {KINDS[finding.kind]}", "dim"))


def row(finding: Finding, now: float) -> tuple[Line, ...]:
    """The cells, in the order of COLUMNS."""
    return (
        line(severity(finding.severity)),
        title(finding),
        line(finding.surface.value),
        line(_WAYS[finding.governance]),
        line(Span(finding.state.value, _STATES.get(finding.state, ""))),
        line(count(finding.governed)),
        line(Span(count(finding.bypass), "bad" if finding.bypass else "dim")),
        line(count(finding.people)),
        line(ago(finding.last_seen, now)),
    )


def page(detail: FindingDetail, names: Names, now: float) -> list[Line]:
    """The whole finding: why, when, who, evidence, history."""
    finding = detail.finding
    return [
        line(severity(finding.severity), "  ", *title(finding)),
        line(
            Span(foreign(finding.owner), "dim"), Span("  "), Span(foreign(finding.category), "dim"),
            Span(f"  surface {finding.surface}  ", "dim"), Span(foreign(finding.subject), "dim"),
        ),
        line(Span(finding.state.value, _STATES.get(finding.state, "")), _by(finding)),
        line(),
        *_why(finding, detail),
        line(),
        *_when(detail, now),
        line(),
        *_governance(detail, names, now),
        *_parties("PEOPLE", detail.people, names, now),
        line(),
        *_parties("HOSTS", detail.hosts, names, now),
        line(),
        *_evidence(detail, names),
        line(),
        *_detections(detail),
        line(),
        *_history(detail.history),
    ]  # fmt: skip


def _governance(detail: FindingDetail, names: Names, now: float) -> list[Line]:
    """Who stands out, where anybody does, and by whose accounts it was used."""
    from tui.client_state.person_lines import accounts, signals  # which itself shows findings

    told = [*signals(detail.signals, names), line()] if detail.signals else []
    return [*told, *accounts(detail.accounts, now), line()] if detail.accounts else told


def _by(finding: Finding) -> str:
    return "" if finding.decision is None else f" by decision {finding.decision}"


def _why(finding: Finding, detail: FindingDetail) -> list[Line]:
    told = [
        plural(finding.governed, "exchange") + " through the appliance",
        plural(finding.bypass, "sighting") + " past it",
        plural(finding.hints, "sign") + " of no known way",
    ]
    return [
        line(Span("WHY", "title")),
        line("  ", _WAYS[finding.governance], ": ", ", ".join(told)),
        line(f"  confidence {finding.confidence:.0%}, {plural(finding.people, 'person', 'people')}, "
             f"{plural(finding.hosts, 'host')}"),
        *_moved(detail),
    ]  # fmt: skip


def _moved(detail: FindingDetail) -> list[Line]:
    """What became of it since a decision that was to move it."""
    moved = detail.moved
    if moved is None:
        return []
    tone = {"moved": "good", "not moved": "bad"}.get(moved.word, "dim")
    told = f": {plural(moved.exchanges + moved.via, 'sign')} through the appliance, {count(moved.past)} past it"
    return [line("  since the decision ", Span(moved.word, tone), f"{told}, {count(moved.before)} past it before")]


def _when(detail: FindingDetail, now: float) -> list[Line]:
    finding = detail.finding
    seen = f"  first {stamp(finding.first_seen)}, last {stamp(finding.last_seen)} ({ago(finding.last_seen, now)})"
    bars = sparkline(detail.series, _SERIES_WIDTH)
    told = f"  {len(detail.series)} hours, {plural(sum(detail.series), 'event')}"
    return [line(Span("WHEN", "title")), line(seen), line("  ", Span(bars, "bars"), Span(told, "dim"))]


def _parties(heading: str, parties: tuple[Party, ...], names: Names, now: float) -> list[Line]:
    told = [line(Span(f"{heading} ({len(parties)})", "title"))]
    for party in parties:
        ways = f"through {count(party.governed)}, past {count(party.bypass)}, signs {count(party.hints)}"
        told.append(line("  ", Span(names.show(party.digest), "name"), f"  {ways}, {ago(party.last_seen, now)}"))
    return told if parties else [*told, line(Span("  none known", "dim"))]


def _evidence(detail: FindingDetail, names: Names) -> list[Line]:
    told = [line(Span(f"EVIDENCE (newest {len(detail.evidence)})", "title"))]
    for each in detail.evidence:
        origin = f"{foreign(each.kind, 20)} by {foreign(each.source, 40)}"
        told.append(
            line(
                Span(f"  {stamp(each.ts)} ", "dim"), origin, " ", Span(names.show(each.client), "name"), " ",
                foreign(each.text, LONG),
            )
        )  # fmt: skip
    return told if detail.evidence else [*told, line(Span("  none kept", "dim"))]


def _detections(detail: FindingDetail) -> list[Line]:
    told = [line(Span(f"DETECTED IN ITS EXCHANGES ({len(detail.detections)})", "title"))]
    for one in detail.detections[:_MOST_DETECTED]:
        judged = one.right + one.wrong
        said = f"wrong {one.wrong} of {judged} judged" if judged else "not judged"
        held = plural(one.exchanges or 0, "exchange")
        tone = "bad" if one.wrong else "dim"
        told.append(line("  ", Span(foreign(one.entity, 40), "name"), f"  in {held}, ", Span(said, tone)))
    return told if detail.detections else [*told, line(Span("  nothing", "dim"))]


def _history(changes: tuple[StateChange, ...]) -> list[Line]:
    told = [line(Span("HISTORY", "title"))]
    for change in changes:
        author = foreign(change.author, 40) or "time"
        decision = "" if change.decision is None else f", decision {change.decision}"
        reason = f": {foreign(change.reason, LONG)}" if change.reason else ""
        step = f"{change.before} -> {change.after} by {author}{decision}{reason}"
        told.append(line(Span(f"  {stamp(change.ts)} ", "dim"), step))
    return told if changes else [*told, line(Span("  nobody has touched it", "dim"))]
