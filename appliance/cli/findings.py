"""`gnomon findings` and `gnomon finding ID`: what was found, asked over analyst.sock.

Rules: read only; clear names are shown where the store still has them, else digests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.cli.output import json_option, say, say_json, table
from appliance.model.names import FindingKind, FindingState, Governance, Severity, Surface

if TYPE_CHECKING:
    import argparse

    from appliance.config.schema import Config
    from appliance.model.finding import Finding
    from appliance.store.finding_pages import FindingDetail, Party

_MOST = 10_000
_SHOWN = 20  # people, hosts and reasons of one finding, in text


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    parser = commands.add_parser("findings", parents=[common], help="what was found, most urgent first")
    parser.add_argument("--state", type=FindingState, choices=tuple(FindingState), action="append", help="repeatable")
    parser.add_argument("--severity", type=Severity, choices=tuple(Severity), help="at least")
    parser.add_argument("--kind", type=FindingKind, choices=tuple(FindingKind), action="append", help="repeatable")
    parser.add_argument("--surface", type=Surface, choices=tuple(Surface), help="by which door it is used")
    parser.add_argument("--governance", type=Governance, choices=tuple(Governance), help="whether it passes here")
    parser.add_argument("--text", metavar="WORDS", help="in name, service, owner or category")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (default: 50)")
    json_option(parser)
    parser.set_defaults(run=listed)
    parser = commands.add_parser("finding", parents=[common], help="everything about one finding")
    parser.add_argument("id", metavar="ID", help="f_..., as `gnomon findings` shows it")
    json_option(parser)
    parser.set_defaults(run=one)


def listed(options: argparse.Namespace) -> int:
    """0: asked; nothing found is an answer too."""
    from appliance.cli.analyst import client_of, findings
    from appliance.store.finding_pages import FindingsRequest

    request = FindingsRequest(
        states=tuple(options.state or ()),
        kinds=tuple(options.kind or ()),
        governance=options.governance,
        severity=options.severity,
        surface=options.surface,
        text=options.text or None,
    )
    with client_of(_config(options)) as client:
        found, total = findings(client, request, max(1, min(options.limit, _MOST)))
    if options.json:
        say_json(found)
        return 0
    say(
        table(
            ("ID", "SEVERITY", "STATE", "SERVICE", "SURFACE", "GOVERNED", "PAST", "PEOPLE", "HOSTS", "LAST"),
            _rows(found),
        )
    )
    say(f"{len(found)} of {total}")
    return 0


def _rows(found: list[Finding]) -> list[tuple[object, ...]]:
    from appliance.cli.analyst import when

    return [
        (
            finding.id, finding.severity, finding.state, finding.subject, finding.surface, finding.governed,
            finding.bypass, finding.people, finding.hosts, when(finding.last_seen),
        )
        for finding in found
    ]  # fmt: skip


def one(options: argparse.Namespace) -> int:
    """0: it exists."""
    from appliance.cli.analyst import client_of, detail_of, persons

    with client_of(_config(options)) as client:
        found = detail_of(client, options.id)
        names = persons(client, [party.digest for party in (*found.people, *found.hosts)])
    if options.json:
        say_json({"detail": found, "persons": names})
        return 0
    say(_as_text(found, names))
    return 0


def _as_text(detail: FindingDetail, names: dict[str, str]) -> str:
    from appliance.cli.analyst import when

    found = detail.finding
    told = [
        (word, value)
        for word, value in (
            ("finding", found.id), ("what", found.kind), ("service", f"{found.name} ({found.subject}, {found.owner})"),
            ("category", found.category), ("surface", found.surface), ("severity", found.severity),
            ("state", found.state), ("decision", found.decision), ("governance", found.governance),
            ("confidence", f"{found.confidence:.2f}"), ("first seen", when(found.first_seen)),
            ("last seen", when(found.last_seen)),
            ("seen", f"{found.governed} through the appliance, {found.bypass} past it, {found.hints} hints"),
            *_moved(detail),
        )
    ]  # fmt: skip
    history = [
        (when(step.ts), step.before, step.after, step.decision, step.author, step.reason) for step in detail.history
    ]
    evidence = [(when(reason.ts), reason.source, reason.kind, reason.text) for reason in detail.evidence]
    blocks = [
        table(("FINDING", ""), told),
        _parties("PERSON", detail.people, names),
        _parties("HOST", detail.hosts, names),
        table(("SEEN", "BY", "KIND", "EVIDENCE"), evidence[:_SHOWN]) if evidence else "",
        _detections(detail),
        table(("CHANGED", "FROM", "TO", "DECISION", "BY", "REASON"), history[:_SHOWN]) if history else "",
    ]
    return "\n\n".join(filter(None, blocks))


def _moved(detail: FindingDetail) -> list[tuple[str, str]]:
    """What became of it since a decision that was to move it."""
    if (moved := detail.moved) is None:
        return []
    through = f"{moved.exchanges} exchanges and {moved.via} sightings through the appliance"
    return [("since decided", f"{moved.word}: {through}, {moved.past} past it, {moved.before} past it before")]


def _detections(detail: FindingDetail) -> str:
    from appliance.cli.detectors import share_wrong

    rows = [(one.entity, one.exchanges, one.right, one.wrong, share_wrong(one)) for one in detail.detections]
    return table(("DETECTED", "EXCHANGES", "RIGHT", "WRONG", "SHARE WRONG"), rows[:_SHOWN]) if rows else ""


def _parties(word: str, parties: tuple[Party, ...], names: dict[str, str]) -> str:
    from appliance.cli.analyst import when

    rows = [
        (names.get(party.digest), party.digest, party.governed, party.bypass, party.hints, when(party.last_seen))
        for party in parties[:_SHOWN]
    ]
    return table((word, "DIGEST", "GOVERNED", "PAST", "HINTS", "LAST"), rows) if rows else ""


def _config(options: argparse.Namespace) -> Config:
    from appliance.config.load import load

    return load(options.config)
