"""What one caller does in an hour, against what is usual here: signs of model extraction and of overload.

Owns: the measures, the baseline and the threshold. Rules: pure, over sums of stored exchanges. A caller is judged by
the others' usual and by its own: the usual of a caller is the `percentile` of its busy hours, that of the site the
same percentile over callers, each counted once, so that one who asks much does not raise the bar for itself; its own
usual counts only once it has `days` of history. Below the least number of a measure nothing is told; without `days` of
history of the site only ten times that number is. A hint for people, never a verdict: what limits use are budgets.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from appliance.findings.fold import Delta, Sign, Subject
from appliance.model.names import FindingKind, Surface

HOUR_S: Final = 3600
DAY_S: Final = 86_400
SOURCE: Final = "store"
SIGN: Final = "signal"  # kind of the evidence
UNKNOWN_FACTOR: Final = 10  # times the least number, where no baseline is known


class Measure(StrEnum):
    """What is counted of one caller, service and hour."""

    PROMPTS = "prompts"  # distinct requests
    LOGPROBS = "logprobs"  # requests for the probabilities of tokens
    REPEATS = "repeats"  # how often the request that was sent most often was sent
    MODELS = "models"  # different models
    CONVERSATIONS = "conversations"  # different conversations


KINDS: Final[Mapping[Measure, FindingKind]] = {
    Measure.PROMPTS: FindingKind.EXTRACTION,
    Measure.LOGPROBS: FindingKind.EXTRACTION,
    Measure.REPEATS: FindingKind.FLOODING,
    Measure.MODELS: FindingKind.FLOODING,
    Measure.CONVERSATIONS: FindingKind.FLOODING,
}
_WORDS: Final[Mapping[Measure, str]] = {
    Measure.PROMPTS: "{value} distinct requests",
    Measure.LOGPROBS: "{value} requests for the probabilities of tokens",
    Measure.REPEATS: "the very same request {value} times",
    Measure.MODELS: "{value} different models",
    Measure.CONVERSATIONS: "{value} conversations",
}


class Cell(msgspec.Struct, frozen=True):
    """One caller, service and hour. `who`: digest of the person, or of the address where nobody is known.

    `hour`: its begin, epoch seconds; `n`: its newest row number; then a number for each `Measure`.
    """

    who: str
    principal: str
    client: str
    service: str
    surface: Surface
    hour: int
    n: int
    requests: int
    prompts: int
    logprobs: int
    repeats: int
    models: int
    conversations: int


class Habit(msgspec.Struct, frozen=True):
    """The usual of one caller: `since` its first hour, then the percentile of its busy hours for each `Measure`."""

    who: str
    since: float
    prompts: float
    logprobs: float
    repeats: float
    models: float
    conversations: float


class Limits(msgspec.Struct, frozen=True):
    """What is told. `least`: by measure; the rest as in the configuration."""

    days: int
    percentile: float
    factor: float
    least: Mapping[str, int]


class Signal(msgspec.Struct, frozen=True):
    """A measure of a cell that lies above its threshold. `usual` None: there is no baseline yet."""

    cell: Cell
    measure: Measure
    value: int
    threshold: float
    usual: float | None


class Baseline:
    """What is usual at `now`, from the habits of callers."""

    def __init__(self, habits: Sequence[Habit], limits: Limits, now: float) -> None:
        self._limits, self._now = limits, now
        self._habits = {habit.who: habit for habit in habits}
        first = min((habit.since for habit in habits), default=now)
        self.known = now - first >= limits.days * DAY_S
        self._ranked: dict[Measure, list[tuple[float, str]]] = {
            measure: sorted((float(getattr(one, measure)), one.who) for one in habits) for measure in Measure
        }

    def threshold(self, who: str, measure: Measure) -> tuple[float, float | None]:
        """Above which number it is told of this caller, and the usual that this is made of; None: not known yet."""
        least = self._limits.least[measure]
        if not self.known:
            return float(least * UNKNOWN_FACTOR), None
        usual = max(self._others(who, measure), self._own(who, measure))
        return max(float(least), usual * self._limits.factor), usual

    def _others(self, who: str, measure: Measure) -> float:
        """The percentile over all other callers, by nearest rank."""
        ranked = self._ranked[measure]
        own = self._habits.get(who)
        count = len(ranked) - (own is not None)
        if count == 0:
            return 0.0
        place = max(math.ceil(self._limits.percentile / 100 * count), 1) - 1
        value, holder = ranked[place]
        if own is None or (value, holder) < (getattr(own, measure), who):
            return value
        return ranked[place + 1][0]  # without the caller itself everything behind it stands one place earlier

    def _own(self, who: str, measure: Measure) -> float:
        own = self._habits.get(who)
        if own is None or self._now - own.since < self._limits.days * DAY_S:
            return 0.0
        return float(getattr(own, measure))


def signals(cells: Iterable[Cell], baseline: Baseline) -> list[Signal]:
    """What is to be told, in the order of the cells."""
    found = []
    for cell in cells:
        for measure in Measure:
            value = getattr(cell, measure)
            threshold, usual = baseline.threshold(cell.who, measure)
            if value > threshold:
                found.append(Signal(cell, measure, value, threshold, usual))
    return found


def told(signal: Signal, days: int) -> str:
    """Evidence in words."""
    what = _WORDS[signal.measure].format(value=f"{signal.value:,}")
    head = f"{signal.measure}: {what} of one caller in an hour"
    if signal.usual is None:
        return f"{head}; more than {signal.threshold:,.0f}, which is told while there are no {days} days of history"
    return f"{head}; usual here are at most {signal.usual:,.0f}, told above {signal.threshold:,.0f}"


def deltas(found: Iterable[Signal], days: int) -> dict[Subject, Delta]:
    """What signals add to findings: one per kind, service and surface; a caller's hour counts with its requests."""
    added: dict[Subject, Delta] = {}
    counted: set[tuple[str, str, int]] = set()
    for signal in found:
        cell = signal.cell
        subject = Subject(KINDS[signal.measure], cell.service, cell.surface)
        delta = added.setdefault(subject, Delta(subject))
        delta.seen(cell.hour, cell.hour + HOUR_S, 1.0 if signal.usual is not None else 0.5)
        if (key := (delta.id, cell.who, cell.hour)) not in counted:
            counted.add(key)
            delta.governed += cell.requests
        delta.people.setdefault(cell.principal, cell.hour)
        delta.hosts.setdefault(cell.client, cell.hour)
        delta.signs.append(Sign(cell.n, cell.hour, SOURCE, SIGN, cell.who, told(signal, days)))
    return added
