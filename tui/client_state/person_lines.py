"""A person as a row of cells and as a page of lines.

Rules: names of people, departments, services and models are foreign text and pass `foreign`; a cost that is not known
is never 0; a personal or anonymous account is a word before it is a colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.model.names import AccountKind, FindingKind
from tui.client_state.budget_lines import amount
from tui.client_state.finding_lines import KINDS, severity, title
from tui.client_state.moments import ago, count, plural, stamp
from tui.client_state.spans import LONG, Line, Span, foreign, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.store.exposure_pages import ExposedKey
    from appliance.store.people_pages import AccountUse, PersonDetail, PersonService, PersonUse, SignalSeen
    from tui.client_state.names import Names

# Heading and width of each column; width 0 takes what is left. What matters most comes first: a narrow terminal cuts.
COLUMNS: Final = (
    ("PERSON", 0), ("SIGNALS", 8), ("ACCOUNTS", 29), ("USES", 6), ("STOPPED", 8), ("COST", 9), ("SERVICES", 24),
    ("DEPARTMENT", 12), ("SEEN", 10),
)  # fmt: skip
_SHOWN: Final = 3
_KNOWN: Final = frozenset(kind.value for kind in FindingKind)
_ACCOUNTS: Final = {
    AccountKind.PERSONAL.value: Span("personal", "warning"),
    AccountKind.ANONYMOUS.value: Span("nobody signed in", "warning"),
    AccountKind.CORPORATE.value: Span("corporate", "good"),
    AccountKind.UNKNOWN.value: Span("not known whose", "dim"),
    "": Span("not told", "dim"),
}


def row(use: PersonUse, names: Names, now: float) -> tuple[Line, ...]:
    """The cells, in the order of COLUMNS."""
    return (
        line(Span(names.show(use.person), "name")),
        line(Span(count(use.signals) if use.signals else "-", "bad" if use.signals else "dim")),
        _own(use),
        line(count(use.exchanges)),
        line(Span(count(use.stopped), "" if use.stopped else "dim")),
        _cost(use.cost_micros, use.unpriced),
        line(_few(use.services)),
        line(Span(foreign(use.department or "-", 40), "dim")),
        line(ago(use.last_seen, now)),
    )


def _own(use: PersonUse) -> Line:
    """What stands out alone, so that no number is ever cut."""
    told = [f"personal {count(use.personal)}"] if use.personal else []
    told += [f"no login {count(use.anonymous)}"] if use.anonymous else []
    if told:
        return line(Span(", ".join(told), "warning"))
    return line(Span(f"corporate {count(use.corporate)}", "good") if use.corporate else Span("not known", "dim"))


def _cost(micros: int | None, unpriced: int) -> Line:
    if micros is None:
        return line(Span("unpriced" if unpriced else "-", "warning" if unpriced else "dim"))
    return line(amount("cost", micros), Span("+?" if unpriced else "", "warning"))


def _few(words: Sequence[str]) -> str:
    more = f" +{len(words) - _SHOWN}" if len(words) > _SHOWN else ""
    return ", ".join(foreign(each, 40) for each in words[:_SHOWN]) + more if words else "-"


def page(detail: PersonDetail, names: Names, now: float) -> list[Line]:
    """The whole person: signals first, then by whose accounts what was used, keys, findings."""
    use = detail.use
    known = ", ".join(foreign(each, 20) for each in detail.identity)
    stopped = f", {plural(use.stopped, 'exchange')} turned away" if use.stopped else ""
    return [
        line(Span(names.show(use.person), "name"), Span(f"  {foreign(use.department or '', 64)}", "dim")),
        line(f"  known by {known}; first {stamp(use.first_seen)}, last {stamp(use.last_seen)} "
             f"({ago(use.last_seen, now)})"),
        line("  ", plural(use.exchanges, "exchange"), stopped, "  ", *_cost(use.cost_micros, use.unpriced)),
        line(),
        *signals(detail.signals, names),
        line(),
        *accounts(detail.accounts, now, people=False),
        line(),
        line(Span(f"SERVICES ({len(detail.services)})", "title")),
        *([_service(each, now) for each in detail.services] or [line(Span("  none", "dim"))]),
        line(),
        line(Span(f"KEYS ({len(detail.keys)})", "title")),
        *([_key(each, now) for each in detail.keys] or [line(Span("  none was seen", "dim"))]),
        line(),
        line(Span(f"FINDINGS ({len(detail.findings)})", "title")),
        *(
            [
                line("  ", severity(each.severity), "  ", *title(each), f"  {each.state.value}")
                for each in detail.findings
            ]
            or [line(Span("  none", "dim"))]
        ),
    ]  # fmt: skip


def signals(seen: Sequence[SignalSeen], names: Names) -> list[Line]:
    """Signs of model extraction or overload, with the numbers that they are told by."""
    told = [line(Span(f"SIGNALS ({len(seen)})", "title"))]
    for one in seen:
        who = (Span(f"{names.show(one.person)} ", "name"),) if one.person else ()
        kind = KINDS[FindingKind(one.kind)] if one.kind in _KNOWN else foreign(one.kind, 40)
        subject = f"{foreign(one.subject, 40)} {kind}: "
        told.append(line(Span(f"  {stamp(one.ts)} ", "dim"), *who, Span(subject, "warning"), foreign(one.text, LONG)))
    return told if seen else [*told, line(Span("  nothing stands out", "dim"))]


def accounts(used: Sequence[AccountUse], now: float, *, people: bool = True) -> list[Line]:
    """By whose accounts services were used."""
    told = [line(Span(f"ACCOUNTS ({len(used)})", "title"))]
    for one in used:
        whose = _ACCOUNTS.get(one.account, Span(foreign(one.account, 20), "warning"))
        many = f" by {plural(one.people, 'person', 'people')}" if people else ""
        uses = f"  {plural(one.exchanges, 'exchange')}{many}, {ago(one.last_seen, now)}"
        service = Span(f"{foreign(one.service, 40)} {foreign(one.surface, 10)} ", "dim")
        told.append(line("  ", service, whose, uses))
    return told if used else [*told, line(Span("  nothing tells whose", "dim"))]


def _service(each: PersonService, now: float) -> Line:
    name = Span(foreign(each.service, 40), "name")
    stopped = f", {count(each.stopped)} turned away" if each.stopped else ""
    tokens = f", {count(each.input_tokens)} tokens in, {count(each.output_tokens)} out, "
    uses = f"  {plural(each.exchanges, 'exchange')}{stopped}{tokens}"
    models = Span(f"  {_few(each.models)}", "dim")
    seen = f", {ago(each.last_seen, now)}"
    return line("  ", name, Span(f" {foreign(each.surface, 10)}", "dim"), uses, *_cost(each.cost_micros, each.unpriced),
                seen, models)  # fmt: skip


def _key(each: ExposedKey, now: float) -> Line:
    held = Span(f"  held: {foreign(each.held, 40)}" if each.held else "", "dim")
    where = f"  {_few(each.services)}, {_few(each.programs)}, {_few(each.accounts)}"
    uses = f"  {plural(each.exchanges, 'use')}, {ago(each.last_seen, now)}"
    shape = Span(f" {foreign(each.shape or '-', 20)}", "dim")
    return line("  ", Span(foreign(each.fingerprint, 18), "name"), shape, where, uses, held)
