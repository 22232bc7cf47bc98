"""The page for people: what was used, what was decided, and what nobody could see. Pure: records in, one document out.

Rules: one file that asks for nothing outside itself and runs nothing (its own policy forbids both); it can be printed
and be read aloud; every figure says what it counts; what was not seen or not scanned is told as plainly as what was.
"""

import base64
import hashlib
from typing import Final

from appliance.export import governance, markup
from appliance.export.markup import Html, bar, facts, items, note, section, share, size, table, text, when
from appliance.store.budget_pages import BudgetState
from appliance.store.export_wire import CountLine, DecisionLine, ExportInfo, ExportSummary
from appliance.store.finding_pages import ApplianceState

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8886;--soft:#8882}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1.5rem;max-width:75rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:2px solid var(--line)}
.wide{overflow-x:auto;margin:.75rem 0}table{border-collapse:collapse;font-size:.9rem}
caption{text-align:left;font-weight:600;padding:.25rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .9rem .25rem 0;border-bottom:1px solid var(--line)}
tbody th{font-weight:400}.n{text-align:right;font-variant-numeric:tabular-nums}
td,th,dd{overflow-wrap:break-word;max-width:24rem}dd{overflow-wrap:anywhere}thead th{white-space:nowrap}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));
gap:.3rem 1rem}
dl div{background:var(--soft);padding:.3rem .6rem}dt{font-size:.8rem}dd{margin:0;font-weight:600}
.bar rect{fill:#3b74c4}.none{font-style:italic}.mark{font-weight:700}
.s-critical,.s-high{font-weight:700;color:#b3261e}@media(prefers-color-scheme:dark){.s-critical,.s-high{color:#ff8a80}}
@media print{body{max-width:none;padding:0;font-size:11px}table{font-size:8px}
section{break-inside:auto}tr{break-inside:avoid}
.wide{overflow:visible}}
"""
_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
_LIMITS: Final = """
Only what passes the appliance's proxy or gateway, or an interface that a sensor watches, is seen at all. Use on other \
networks, on phones off the network, or inside another product's own cloud is not.
A sensor sees names, not contents: of traffic past the appliance it is known that a service was reached, not what was \
sent to it. A name that is encrypted (Encrypted ClientHello, DNS over HTTPS) is not seen.
A host is an address, and an address may stand for several people or change hands; a person is known only where the \
proxy asked who it was.
A service that the catalogue does not name is not recognised.
A key is known by its fingerprint, and only where a request through the appliance showed it; a cost is an estimate by \
public prices, and what has no price is in no sum.
Detection misses things: scanned means that every detector in use ran over the text, not that nothing is in it.
The counts of a finding are of all that is stored about it, and its state is that of the moment of making; the other \
tables are of the period. Records past their age have been deleted.
"""


def page(
    summary: ExportSummary, state: ApplianceState | None = None, budgets: tuple[BudgetState, ...] | None = None
) -> str:
    """The whole document. `state` and `budgets`: the appliance as it stands now, where that is known."""
    body = "".join(
        (
            _head(summary, state),
            _findings(summary),
            _decisions(summary),
            _moved(summary),
            _usage(summary),
            governance.cost(summary, budgets),
            governance.accounts(summary),
            governance.keys(summary),
            _coverage(summary),
            _sight(summary, state),
            section("Limits of this report", items(_LIMITS.strip().splitlines())),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">'
        f"<title>Gnomon: AI use, {text(_period(summary.info))}</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _period(info: ExportInfo) -> str:
    begin = when(info.since) if info.since > 0 else "the beginning"
    return f"{begin} to {when(info.until)} UTC"


def _head(summary: ExportSummary, state: ApplianceState | None) -> str:
    info = summary.info
    pairs: list[tuple[str, markup.Cell]] = [
        ("Period", _period(info)),
        ("Made", f"{when(info.made)} UTC by {info.author} ({info.role})"),
        ("Gnomon", info.gnomon_version),
        ("Stage now", state.stage if state is not None else "not known"),
        ("Stage in the period", ", ".join(f"{line.what} ({line.count:,} exchanges)" for line in summary.stages)),
        ("Exchanges", info.rows.get("v_exchanges", 0)),
        ("Observations", info.rows.get("v_observations", 0)),
        ("Findings", info.rows.get("v_findings", 0)),
    ]
    told = "<h1>AI use on this network</h1>" + facts(pairs)
    if any(line.what == "observe" for line in summary.stages):
        told += note("In stage observe verdicts are recorded and nothing is changed or refused.")
    if info.pseudonymised:
        told += (
            '<p class="mark">Pseudonymised: names and addresses are replaced by pseudonyms that hold in this export '
            "only, and free text is left out.</p>"
        )
    return f"<header>{told}</header>"


def _findings(summary: ExportSummary) -> str:
    rows = [
        (
            line.name if line.name == line.subject else f"{line.name} ({line.subject})", line.kind.replace("_", " "),
            line.surface, _severity(line.severity), line.state, line.governance, line.governed, line.bypass, line.hints,
            line.people, line.hosts, when(line.last_seen),
        )
        for line in summary.findings
    ]  # fmt: skip
    head = (
        "Subject", "Finding", "Surface", "Severity", "State", "Way", "Governed", "Past us", "Hints", "People", "Hosts",
        "Last seen",
    )  # fmt: skip
    states = ((line.what, line.more, line.count) for line in summary.findings_by_state)
    return section(
        "Findings",
        note(
            "One row per service, door and kind of finding. Governed: exchanges through the appliance; past us: "
            "sightings that went around it; hints: signs that tell no way."
        ),
        table(
            _first(len(rows), summary.info.rows.get("v_findings", 0), "findings, the most severe first"),
            head, rows, frozenset({6, 7, 8, 9, 10}),
        ),
        table("Findings by state and severity", ("State", "Severity", "Findings"), states, frozenset({2})),
    )  # fmt: skip


def _severity(word: str) -> Html:
    return Html(f'<span class="s-{word}">{text(word)}</span>' if word in {"critical", "high"} else text(word))


def _first(shown: int, there: int, what: str) -> str:
    return f"{there:,} {what}" if there <= shown else f"The first {shown:,} of {there:,} {what}"


def _decisions(summary: ExportSummary) -> str:
    rows = [
        (
            line.number, when(line.ts), f"{line.author} ({line.role})",
            line.decision if line.undoes is None else f"undo of {line.undoes}", line.service,
            line.surface or "every door", _scope(line), line.route, _reason(line.reason, summary.info.pseudonymised),
            _holds(line, summary.info.made),
        )
        for line in summary.decisions
    ]  # fmt: skip
    return section(
        "Decisions",
        table(
            _first(len(rows), summary.info.rows.get("v_decisions", 0), "decisions, newest first"),
            ("No.", "When (UTC)", "Who", "Decision", "Service", "Surface", "For", "Route", "Why", "Holds"),
            rows,
            frozenset(),
        ),
    )


def _moved(summary: ExportSummary) -> str:
    rows = [
        (
            line.number, line.decision, line.service, line.route, when(line.ts), line.moved, line.stopped, line.still,
            line.hosts,
        )
        for line in summary.moved
    ]  # fmt: skip
    return section(
        "Migration",
        table(
            "People and hosts seen within the span and since each decision in force; somebody may count twice",
            (
                "No.",
                "Decision",
                "Service",
                "Route",
                "Since (UTC)",
                "Sent on",
                "Turned away",
                "Let through",
                "Past (hosts)",
            ),
            rows,
            frozenset({5, 6, 7, 8}),
        ),
    )


def _scope(line: DecisionLine) -> str:
    named = (("person", "people", line.people), ("group", "groups", line.groups), ("host", "hosts", line.hosts))
    return ", ".join(f"{count:,} {one if count == 1 else more}" for one, more, count in named if count) or "everyone"


def _holds(line: DecisionLine, now: float) -> str:
    if line.undone:
        return "undone"
    if line.expires is None:
        return "stands"
    return f"{'until' if line.expires > now else 'ended'} {when(line.expires)}"


def _reason(reason: str | None, pseudonymised: bool) -> str:
    return "(left out)" if pseudonymised and reason is None else reason or ""


def _usage(summary: ExportSummary) -> str:
    largest = max((line.exchanges for line in summary.usage), default=0)
    rows = [
        (
            line.service or "(no known service)", line.exchanges, bar(line.exchanges, largest), line.people,
            size(line.request_bytes), size(line.response_bytes), line.input_tokens, line.output_tokens,
        )
        for line in summary.usage
    ]  # fmt: skip
    outcomes = [(line.what, line.more or "still running", line.count) for line in summary.outcomes]
    return section(
        "Use through the appliance",
        table(
            "By service",
            ("Service", "Exchanges", "Compared", "People", "Sent", "Received", "Tokens in", "Tokens out"),
            rows,
            frozenset({1, 3, 4, 5, 6, 7}),
        ),
        table("What policy did and how it ended", ("Policy", "End", "Exchanges"), outcomes, frozenset({2})),
    )


def _coverage(summary: ExportSummary) -> str:
    whole, seen = sum(line.bytes for line in summary.coverage), sum(
        line.structure + line.scanned for line in summary.coverage
    )  # fmt: skip
    rows = [
        (
            line.service or "(no known service)", line.exchanges, line.incomplete, size(line.bytes),
            share(line.structure + line.scanned, line.bytes), size(line.unscanned), size(line.opaque),
        )
        for line in summary.coverage
    ]  # fmt: skip
    reasons = [
        (
            line.part,
            "text" if line.kind == "unscanned" else "no text",
            line.reason.replace("_", " "),
            line.exchanges,
            size(line.bytes),
        )
        for line in summary.reasons
    ]
    told = f"Of {size(whole)} in request bodies {share(seen, whole)} were read and scanned." if whole else ""
    return section(
        "What was scanned, and what was not",
        note(f"{told} Every byte of requests and answers is accounted for; here stands what was not scanned.".strip()),
        table(
            "Request bodies by service",
            ("Service", "Exchanges", "Incomplete", "Bytes", "Scanned", "Text not scanned", "No text"),
            rows,
            frozenset({1, 2, 3, 4, 5, 6}),
        ),
        table("Why bytes were not scanned", ("Of", "What", "Reason", "Exchanges", "Bytes"), reasons, frozenset({3, 4})),
    )


def _sight(summary: ExportSummary, state: ApplianceState | None) -> str:
    seen = [
        (line.sensor, line.source, when(line.first), when(line.last), line.sightings, line.past)
        for line in summary.sensors
    ]
    parts = [
        table(
            "What sensors saw in the period",
            ("Sensor", "Source", "First", "Last", "Sightings", "Past the appliance"),
            seen,
            frozenset({4, 5}),
        ),
        _now(state, summary.info.pseudonymised),
        note(
            f"{summary.tunnels:,} connections ({size(summary.tunnel_bytes)}) passed the proxy unread, because their "
            "name is no AI service or a rule says so; only sums are kept of them."
        ),
        table(
            "Refused before they became an exchange", ("Reason", "Times"), _counted(summary.refusals), frozenset({1})
        ),
        table(
            "What the appliance told its operator",
            ("Notice", "Severity", "Times"),
            [(line.what.replace("_", " "), line.more, line.count) for line in summary.notices],
            frozenset({2}),
        ),
    ]
    return section("Sensors and blind spots", *parts)


def _now(state: ApplianceState | None, pseudonymised: bool) -> str:
    """Sensors at the moment of making; of a pseudonymised page neither sources nor free text."""
    if state is None:
        return note("How the sensors stood when this was made is not known.")
    if not state.sensors:
        return note("No sensor was watching when this was made: use that goes past the proxy was not seen.")
    rows = [
        ("(left out)" if pseudonymised else sensor.name, "(left out)" if pseudonymised else sensor.source, sensor.state,
         "" if pseudonymised else sensor.problem)
        for sensor in state.sensors
    ]  # fmt: skip
    return table("Sensors when this was made", ("Sensor", "Source", "State", "Problem"), rows, frozenset())


def _counted(lines: tuple[CountLine, ...]) -> list[tuple[markup.Cell, ...]]:
    return [(line.what.replace("_", " "), line.count) for line in lines]
