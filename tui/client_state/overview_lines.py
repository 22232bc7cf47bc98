"""The overview: findings by state and severity, the last hour, top services, workers, sensors and problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.model.names import FindingState, Severity
from tui.client_state.moments import clock, count, plural, stamp
from tui.client_state.spans import LONG, Line, Span, foreign, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.store.finding_pages import ApplianceState, Overview, SensorState
    from tui.client_state.standing import Standing

_BAR: Final = 30  # cells of the longest bar
_SPARK: Final = 60  # seconds
_BARS: Final = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"


def lines(overview: Overview | None, standing: Standing) -> list[Line]:
    """The page from top to bottom. `overview` None: the store has not told yet."""
    told = [] if overview is None else [*_findings(overview), line(), *_traffic(overview), line(), *_top(overview)]
    return [*told, line(), *_appliance(standing), *_problems(standing.state)]


def _findings(overview: Overview) -> list[Line]:
    by_severity = [(each.value, overview.by_severity.get(each.value, 0)) for each in reversed(Severity)]
    waiting = [
        Span(f"  {word[0].upper()} {word} {number:,}", word if number else "dim") for word, number in by_severity
    ]
    by_state = [(each.value, overview.by_state.get(each.value, 0)) for each in FindingState]
    states = [Span(f"  {word} {number:,}", "" if number else "dim") for word, number in by_state]
    return [
        line(Span("FINDINGS THAT WAIT", "title")),
        line(*waiting),
        line(Span("ALL FINDINGS", "title")),
        line(*states),
    ]


def _traffic(overview: Overview) -> list[Line]:
    alarms = Span(f"  {plural(overview.alarms, 'alarm')}", "bad" if overview.alarms else "dim")
    past = Span(f"  {count(overview.bypass)} past the appliance", "bad" if overview.bypass else "dim")
    return [
        line(Span("LAST HOUR", "title")),
        line(
            f"  {plural(overview.exchanges, 'exchange')}, {overview.refused:,} refused, {overview.redacted:,} redacted,"
            f" {plural(overview.people, 'person', 'people')}, {plural(overview.hosts, 'host')}"
        ),
        line(f"  {plural(overview.observations, 'sighting')} on the wire", past, alarms),
        *_ways(overview),
        *_implausible(overview),
    ]


_WHY: Final = {"more_bytes": "more than such prompts take", "more_tokens": "fewer than that takes"}


def _implausible(overview: Overview) -> list[Line]:
    """Where tokens and bytes do not fit each other: a hint, so nothing is red."""
    told = []
    for each in overview.implausible:
        name = Span(f"  {foreign(each.service, 28)} ", "name")
        sums = f"{count(each.input_tokens)} tokens asked, {count(each.bytes_up)} bytes up"
        why = Span(f", {_WHY.get(each.why, foreign(each.why, 20))}", "warning")
        told.append(line(name, f"{stamp(each.hour)}  {sums}", why, Span(f"  by {foreign(each.client, 20)}", "dim")))
    return told


def _ways(overview: Overview) -> list[Line]:
    """The part of all use that passed the appliance, and how the rest came past it."""
    if overview.governed is None:
        return []
    most = sorted(overview.causes.items(), key=lambda each: (-each[1], each[0]))
    told = "".join(f"  {foreign(cause, 20).replace('_', ' ')} {count(number)}" for cause, number in most)
    return [line(Span(f"  {overview.governed:.0%} of use through the appliance"), Span(told, "bad"))]


def _top(overview: Overview) -> list[Line]:
    told = [line(Span("TOP SERVICES", "title"))]
    most = max((each.exchanges + each.bypass for each in overview.top), default=0)
    for each in overview.top:
        through, past = (round(_BAR * part / max(most, 1)) for part in (each.exchanges, each.bypass))
        bar = (Span("\u2588" * through, "good"), Span("\u2592" * past, "bad"))
        name = f"  {foreign(each.name or each.service, 28):<28} "
        numbers = f" {count(each.exchanges)} through, {count(each.bypass)} past, {count(each.people)} people"
        told.append(line(Span(name, "name"), *bar, numbers))
    return told if overview.top else [*told, line(Span("  no AI service was used", "dim"))]


def _appliance(standing: Standing) -> list[Line]:
    state = standing.state
    told = [
        line(Span("APPLIANCE", "title")),
        line("  ", standing.badge(), *standing.bar()),
        line(f"  proxy {foreign(state.proxy) or '-'}   gateway {foreign(state.gateway) or '-'}"),
    ]
    for worker in state.workers:
        ready = Span("ready", "good") if worker.ready else Span("not ready", "warning")
        told.append(line(f"  worker {foreign(worker.name, 20)}  ", ready, f"  policy {worker.applied}"))
    for sensor in state.sensors:
        tone = "bad" if sensor.state == "failed" else "good" if sensor.state == "capturing" else ""
        problem = f"  {foreign(sensor.problem, LONG)}" if sensor.problem else ""
        name = f"  sensor {foreign(sensor.name, 20)} on {foreign(sensor.source, 40)}  "
        told.append(line(name, Span(foreign(sensor.state, 20), tone), *_captures(sensor), problem))
        if sensor.lost_seconds:
            told.append(line(Span("    lost by the second  ", "dim"), Span(spark(sensor.lost_seconds), "bad")))
    return told


def _captures(sensor: SensorState) -> tuple[Span, ...]:
    """By what it captures, and what it has lost in the last minute, as far as it has told."""
    means = Span(f"  by {foreign(sensor.means, 60)}") if sensor.means else Span("")
    if not sensor.lost_last_minute:
        return (means, Span(", nothing lost", "dim")) if sensor.means else ()
    worst = f"{count(sensor.worst_lost)} at {clock(sensor.worst_at)}"
    told = f"  {plural(sensor.lost_last_minute, 'packet')} lost in a minute, worst {worst}"
    return means, Span(told, "bad")


def spark(seconds: Sequence[tuple[int, int]]) -> str:
    """Packets lost in each second, to the newest with a loss, as bars of one cell; a second without one is a dot."""
    if not seconds:
        return ""
    lost = dict(seconds)
    last, most = max(lost), max(lost.values())
    first = max(min(lost), last - _SPARK + 1)
    heights = (lost.get(second, 0) * len(_BARS) for second in range(first, last + 1))
    return "".join(_BARS[min(len(_BARS), -(-each // most)) - 1] if each else "\u00b7" for each in heights)


def _problems(state: ApplianceState) -> list[Line]:
    if not state.problems:
        return []
    return [line(), line(Span("PROBLEMS", "title")), *(line(f"  {foreign(each, LONG)}") for each in state.problems)]
