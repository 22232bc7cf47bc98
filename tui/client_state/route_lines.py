"""What becomes of governance, as lines: routes and how their targets are, who still uses what, keys that are overdue.

Rules: a state is a word before it is a colour; a target is told once, with how many workers think what of it, since
each worker judges for itself; names of routes, keys, services and people pass `foreign`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.route.redirection import PORTAL_ROUTE
from tui.client_state.moments import DAY, ago, count, plural, stamp
from tui.client_state.spans import LONG, Line, Span, foreign, line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.store.finding_pages import ApplianceState, TargetState
    from appliance.store.moving import Migration
    from appliance.store.people_pages import HeldHead, HeldKeyState
    from tui.client_state.names import Names

_SOON_S: Final = 14 * DAY
MOST: Final = 500  # lines of a part


def routes(state: ApplianceState, now: float) -> list[Line]:
    """Every route with its targets."""
    told = [line(Span(f"ROUTES ({len(state.routes)})", "title"))]
    groups = _grouped(state.targets)
    for route in state.routes:
        told.append(line(Span(f"  {foreign(route, 64)}", "name")))
        told += [_target(group, now) for group in groups.get(route, [])]
        if route == PORTAL_ROUTE:
            told.append(line(Span("    pages go to the portal", "dim")))
        elif route not in groups:
            told.append(line(Span("    no worker has told of a target", "warning")))
    return _bounded(told if state.routes else [*told, line(Span("  the gateway has no routes", "dim"))])


def _grouped(targets: Iterable[TargetState]) -> dict[str, list[list[TargetState]]]:
    found: dict[str, dict[tuple[str, str], list[TargetState]]] = {}
    for one in targets:
        found.setdefault(one.route, {}).setdefault((one.target, one.provider), []).append(one)
    return {route: list(groups.values()) for route, groups in found.items()}


def _target(group: list[TargetState], now: float) -> Line:
    first, well = group[0], sum(one.state == "closed" for one in group)
    state = Span(f"well on {well}/{len(group)}", "good" if well == len(group) else "bad" if not well else "warning")
    faults, until = max(one.faults for one in group), max(one.until for one in group)
    name = f" ({foreign(first.provider, 64)})" if first.provider else ""
    wait = f", tried again in {max(0, round(until - now))} s" if until and well < len(group) else ""
    return line(
        "    ",
        state,
        f"  {foreign(first.target, 80)}{name}",
        Span(f"  {foreign(first.service, 40)}", "dim"),
        Span(f", {plural(faults, 'fault')} in a row" if faults else "", "warning"),
        wait,
        _probe(group),
        *([] if all(one.key for one in group) else [Span("  its key is missing", "bad")]),
    )


def _probe(group: list[TargetState]) -> Span:
    probes = {one.probed for one in group}
    if False in probes:
        return Span("  probe failed", "bad")
    return Span("  probe reached it", "dim") if True in probes else Span("")


def migration(found: list[Migration] | None, names: Names, now: float) -> list[Line]:
    """What has become of decisions in force that were to move people."""
    if found is None:
        return [line(Span("MIGRATION", "title")), line(Span("  reading ...", "dim"))]
    told = [line(Span(f"MIGRATION ({plural(len(found), 'decision')} in force)", "title"))]
    for one in found:
        told += [_decision(one), _moved(one)]
        told += [
            line(
                "      still ", Span(names.show(each.who), "name"),
                f"  proxy {count(each.exchanges)}, past {count(each.past)}, {ago(each.last_seen, now)}",
            )
            for each in one.there
        ]  # fmt: skip
    empty = line(Span("  no decision in force coaches, redirects or blocks", "dim"))
    return _bounded(told if found else [*told, empty])


def _decision(one: Migration) -> Line:
    where = f" -> {foreign(one.route, 64)}" if one.route else ""
    some = Span("  (for some people)" if one.narrowed else "", "dim")
    ends = f", until {stamp(one.expires)}" if one.expires is not None else ""
    head = f"  {one.number} {one.decision.value} "
    return line(
        head, Span(foreign(one.service, 64), "name"), where, some, Span(f"  since {stamp(one.ts)}{ends}", "dim")
    )


def _moved(one: Migration) -> Line:
    people = f"people: {count(one.moved)} moved, {count(one.stopped)} turned away, {count(one.gone)} gone, "
    still = Span(f"{count(one.still)} still there", "bad" if one.still else "good")
    past = Span(f", {plural(one.hosts, 'host')} past the appliance", "bad" if one.hosts else "dim")
    return line("    ", people, still, past)


def keys(head: HeldHead | None, held: list[HeldKeyState], now: float) -> list[Line]:
    """Keys that the appliance holds, and what should have been done."""
    if head is None:
        return [line(Span("KEYS THAT ARE HELD", "title")), line(Span("  reading ...", "dim"))]
    late = sum(bool(key.problems) for key in held)
    told = [line(Span(f"KEYS THAT ARE HELD ({head.total}; {late} to be seen to)", "title"))]
    if head.problem:
        told.append(line(Span(f"  {foreign(head.problem, LONG)}", "bad")))
    for key in held:
        state = Span(foreign(key.state, 12) or "not there", "bad" if key.problems else "good" if key.state else "dim")
        since = f", since {stamp(key.since)}" if key.since else ""
        name = Span(foreign(key.name, 64), "name")
        told.append(line("  ", name, Span(f" {foreign(key.provider, 40)}", "dim"), "  ", state, since, _due(key, now)))
        told += [line("    ", Span(foreign(problem, LONG), "bad")) for problem in key.problems]
    if head.total > len(held):
        told.append(line(Span(f"  and {head.total - len(held)} more: gnomon keys list", "dim")))
    return told if head.total else [*told, line(Span("  none: every client sends its own", "dim"))]


def _due(key: HeldKeyState, now: float) -> Span:
    if key.due is None:
        return Span("  no rotation is planned" if key.state else "", "dim")
    if now >= key.due:
        return Span(f"  overdue since {stamp(key.due)}", "bad")
    return Span(f"  to be changed by {stamp(key.due)}", "warning" if key.due - now < _SOON_S else "dim")


def _bounded(lines: list[Line]) -> list[Line]:
    more = len(lines) - MOST
    return lines if more <= 0 else [*lines[:MOST], line(Span(f"  and {more} lines more", "dim"))]
