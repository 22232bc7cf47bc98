"""Budgets as rows of cells and as a page of lines.

Rules: what cannot be read is `?` and never 0; how full a counter is stands in words and numbers before it is a colour;
names of people, keys, models and budgets pass `foreign`; every number has a bounded width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.client_state.moments import ago, count, plural, span, stamp
from tui.client_state.spans import LONG, Line, Span, foreign, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.store.budget_pages import BudgetDetail, BudgetsHead, BudgetState, Spent, Standing, Unpriced
    from tui.client_state.names import Names

# Heading and width of each column; width 0 takes what is left. What matters most comes first: a narrow terminal cuts.
COLUMNS: Final = (
    ("STATE", 7), ("BUDGET", 0), ("USED", 20), ("OF", 8), ("WINDOW", 7), ("FULLEST", 18), ("NEAR", 5), ("FULL", 5),
    ("RESETS", 8),
)  # fmt: skip
_BAR: Final = 12
_MICROS: Final = 1_000_000
_THOUSAND: Final = 1_000
_UNPRICED_SHOWN: Final = 20


def amount(what: str, value: int) -> str:
    """As people read it, at most 8 characters: dollars, or a count."""
    if what != "cost":
        return count(value)
    dollars = value / _MICROS
    return f"${dollars:.2f}" if dollars < _THOUSAND else f"${count(round(dollars))}"


def bar(standing: Standing, limit: int, width: int = _BAR) -> str:
    """Used, reserved and free parts; anything used shows, and only what is full is full."""
    limit = max(1, limit)
    settled = max(0, standing.used - standing.reserved)
    filled = width if standing.full else min(width - 1, -(-standing.used * width // limit))
    solid = min(filled, -(-settled * width // limit))
    return "\u2588" * solid + "\u2592" * (filled - solid) + "\u00b7" * (width - filled)


def word(state: BudgetState) -> Span:
    """How it stands, in one word."""
    if state.fullest is None:
        return Span("?" if not state.counters else "room", "warning")
    if state.full:
        return Span("over" if state.fullest.over else "full", "bad")
    return Span("near", "warning") if state.near else Span("room", "good")


def row(state: BudgetState, names: Names, now: float) -> tuple[Line, ...]:
    """The cells, in the order of COLUMNS."""
    fullest = state.fullest
    used = Span("not known", "warning") if fullest is None else Span(bar(fullest, state.limit), _tone(fullest))
    share = "" if fullest is None else f" {_percent(fullest, state.limit)}"
    whose = "everybody" if state.per == "organisation" else _whose(state, names)
    return (
        line(word(state)),
        line(Span(foreign(state.name, 64), "name"), Span(f" {foreign(state.what, 16)}", "dim")),
        line(used, share),
        line(amount(state.what, state.limit)),
        line(foreign(state.window, 8) or "now"),
        line(whose),
        line(Span(count(state.near), "warning" if state.near else "dim")),
        line(Span(count(state.full), "bad" if state.full else "dim")),
        line(_resets(state, now)),
    )


def _whose(state: BudgetState, names: Names) -> str:
    if state.fullest is None:
        return f"each {foreign(state.per, 12)}"
    return _subject(state.per, state.fullest.subject, names)


def _subject(per: str, subject: str, names: Names) -> str:
    if subject in ("", "-"):
        return "everybody" if per == "organisation" else f"no {foreign(per, 12)}"
    return names.show(subject) if per == "user" else foreign(subject, 64)


def _percent(standing: Standing, limit: int) -> str:
    share = standing.used * 100 // max(1, limit)
    return f"{share}%" if share < 10 * _THOUSAND else ">9999%"


def _tone(standing: Standing) -> str:
    return "bad" if standing.full else "warning" if standing.warns else "bars"


def _resets(state: BudgetState, now: float) -> str:
    if state.resets is None:
        return "flows"
    left = max(0.0, state.resets - now)
    return "now" if left < 1 else ago(now - left, now)


def problems(head: BudgetsHead | None) -> Line:
    """What the status bar must say of the whole."""
    if head is None:
        return ()
    told = [Span(f"  budgets {head.total:,}")]
    if head.problem:
        told.append(Span("  counters not readable", "bad"))
    if head.partial:
        told.append(Span("  not everybody looked at", "warning"))
    if head.unpriced:
        told.append(Span(f"  unpriced {plural(len(head.unpriced), 'model')}", "warning"))
    return tuple(told)


def unpriced(models: tuple[Unpriced, ...], now: float) -> list[Line]:
    """Models that were used and have no price: their cost is in no sum."""
    if not models:
        return [line(Span("  every model that was used has a price", "dim"))]
    told = [line(Span(f"UNPRICED, last 30 days ({len(models)}): in no sum, never 0", "title"))]
    for one in models[:_UNPRICED_SHOWN]:
        used = f"{plural(one.exchanges, 'exchange')}, {plural(one.people, 'person', 'people')}, "
        used += f"{count(one.input_tokens)} tokens in, {count(one.output_tokens)} out, {ago(one.last_seen, now)}"
        model = foreign(one.model, 64) or "(no model named)"
        told.append(line("  ", Span(model, "warning"), Span(f" {foreign(one.service, 40)}", "dim"), f"  {used}"))
    if len(models) > _UNPRICED_SHOWN:
        told.append(line(Span(f"  and {len(models) - _UNPRICED_SHOWN} more: gnomon prices", "dim")))
    return told


def page(detail: BudgetDetail, names: Names, now: float) -> list[Line]:
    """One budget in full: how it stands, who is near, who took what."""
    state = detail.state
    return [
        line(word(state), "  ", Span(foreign(state.name, 64), "name"), Span(f"  {foreign(state.what, 16)}", "dim")),
        line(_limits(state)),
        line(Span("  about ", "dim"), ", ".join(foreign(each, LONG) for each in state.matches) or "every request"),
        line(_priced(state)),
        *([line(Span(f"  {foreign(detail.problem, LONG)}", "bad"))] if detail.problem else []),
        *([line(Span("  not everybody was looked at: there are too many", "warning"))] if detail.partial else []),
        line(),
        *_counters(detail, names),
        line(),
        line(Span(f"SINCE {stamp(detail.since)} ({span(max(0.0, now - detail.since))})", "title")),
        line(f"  beyond what was granted: {amount('cost', detail.overrun_micros)}"),
        line(),
        *_spent("PEOPLE", detail.people, names.show),
        line(),
        *_spent("KEYS", detail.keys, lambda key: foreign(key, 64) or "(no virtual key)"),
        line(),
        *_spent("MODELS", detail.models, lambda model: foreign(model, 64) or "(no model named)"),
    ]


def _limits(state: BudgetState) -> str:
    each = "for everybody together" if state.per == "organisation" else f"for each {foreign(state.per, 12)}"
    within = f"a {foreign(state.window, 8)}" if state.window else "at once"
    soft = "no soft limit" if state.warn is None else f"told from {amount(state.what, state.warn)} on"
    resets = f", begins anew {stamp(state.resets)}" if state.resets is not None else ", flows back evenly"
    return f"  {amount(state.what, state.limit)} {within} {each}; {soft}{resets if state.window else ''}"


def _priced(state: BudgetState) -> Span:
    if state.what != "cost":
        return Span("  counts what was used, whatever it costs", "dim")
    return Span(f"  a model without a price {'is refused' if state.refuses_unpriced else 'passes, uncounted'}", "dim")


def _counters(detail: BudgetDetail, names: Names) -> list[Line]:
    state = detail.state
    told = [line(Span(f"COUNTERS ({state.counters}; near {state.near}, full {state.full})", "title"))]
    for one in detail.standings:
        used = f"  {_percent(one, state.limit):>6}  {amount(state.what, one.used)} of {amount(state.what, state.limit)}"
        reserved = f", reserved {amount(state.what, one.reserved)}" if one.reserved else ""
        over = Span(f"  over by {amount(state.what, one.over)}, carried on", "bad") if one.over else Span("")
        mark = Span("  full" if one.full else "  near" if one.warns else "", _tone(one))
        whose = Span(_subject(state.per, one.subject, names), "name")
        told.append(line("  ", Span(bar(one, state.limit), _tone(one)), used, reserved, "  ", whose, mark, over))
    if not detail.standings:
        told.append(line(Span("  not known" if detail.problem else "  nothing was used yet", "dim")))
    return told


def _spent(heading: str, spent: tuple[Spent, ...], show: Callable[[str], str]) -> list[Line]:
    told = [line(Span(f"{heading} ({len(spent)})", "title"))]
    for one in spent:
        tokens = f"{count(one.input_tokens)} in, {count(one.output_tokens)} out"
        known = one.cost_micros or not one.unpriced
        cost = f", {amount('cost', one.cost_micros)}" if known else ""
        parts = [f"  {plural(one.exchanges, 'exchange')}, {tokens}{cost}"]
        parts += [f", {amount('cost', one.overrun_micros)} beyond" if one.overrun_micros else ""]
        parts += [f", {count(one.estimated)} estimated" if one.estimated else ""]
        missing = Span(f", {count(one.unpriced)} unpriced: in no sum" if one.unpriced else "", "warning")
        told.append(line("  ", Span(show(one.what), "name"), "".join(parts), missing))
    return told if spent else [*told, line(Span("  nobody", "dim"))]
