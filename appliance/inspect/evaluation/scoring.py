"""Detections against labels, text by text.

Owns: what counts as found. Rules: a labelled span is found where one detection of a type that answers to it overlaps at
least half of it; it is covered where detections of any type together take away at least nine tenths of it. A detection
is right where it and a span that it answers to overlap by half of either; judged are those that stay when overlaps are
resolved, as in redaction. A text with a yes or no label is found where one detection of the task's kinds is in it.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from appliance.inspect.evaluation.measures import Counts, Figure, proportion, quantile, recall_at
from appliance.inspect.evaluation.rows import JUDGED, Gold, Row, Task, answers, own_row, reported
from appliance.inspect.overlap import resolve
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

KINDS = {
    Task.PII: frozenset({DetectionKind.PII}),
    Task.SECRETS: frozenset({DetectionKind.SECRET}),
    Task.INJECTION: frozenset({DetectionKind.INJECTION, DetectionKind.HIDDEN_TEXT}),
}
THRESHOLDS = {Task.PII: 0.4, Task.SECRETS: 0.4, Task.INJECTION: 0.5}
_HALF, _COVERED = 0.5, 0.9
_ALL = "all"


class Measured(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the report. `group`: all, manner, source, kind or entity. For personal data counts are of spans."""

    group: str
    name: str
    hit: int
    missed: int
    wrong: int
    quiet: int
    precision: Figure | None = None
    recall: Figure | None = None
    false_positive_rate: Figure | None = None
    f1: Figure | None = None
    f2: Figure | None = None
    covered: Figure | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `unclaimed`: labels of the data set that none of our detectors claims, with how many were covered.

    `failed`: texts that a detector gave up on; they count as not found. `ms_*`: per text. `recall_at_1_percent`: at the
    threshold `threshold_at_1_percent`, the lowest with at most 1 % false positives.
    """

    task: Task
    threshold: float
    texts: int
    failed: int
    measured: tuple[Measured, ...]
    ms_p50: float
    ms_p95: float
    ms_max: float
    unclaimed: dict[str, tuple[int, int]] = {}
    recall_at_1_percent: Figure | None = None
    threshold_at_1_percent: float = 0.0
    rules: dict[str, tuple[int, int]] = {}


class Scoring:
    """Takes texts one by one; ask `report` at the end."""

    def __init__(self, task: Task, threshold: float) -> None:
        self._task, self._threshold = task, threshold
        self._counts: dict[tuple[str, str], Counts] = {}
        self._covered: dict[tuple[str, str], list[int]] = {}
        self._unclaimed: dict[str, list[int]] = {}
        self._rules: dict[str, list[int]] = {}
        self._scores: list[tuple[float, bool]] = []
        self._times: list[float] = []
        self._failed = 0

    def add(self, row: Row, found: Sequence[Detection] | None, took_ms: float) -> None:
        """One text with what was found in it; None: a detector gave up."""
        self._times.append(took_ms)
        self._failed += found is None
        mine = [one for one in found or () if one.kind in KINDS[self._task]]
        if self._task is Task.PII:
            self._add_spans(row, [one for one in mine if one.score >= self._threshold])
        else:
            self._add_text(row, mine)

    def _add_text(self, row: Row, found: list[Detection]) -> None:
        score = max((one.score for one in found), default=0.0)
        wanted, hit = bool(row.label), score >= self._threshold and bool(found)
        self._scores.append((score, wanted))
        for group in ((_ALL, _ALL), ("source", row.source), ("kind", row.kind)):
            self._of(group).add(wanted=wanted, found=hit)
        for rule in {f"{one.entity} {one.rule}" for one in found if one.score >= self._threshold}:
            self._rules.setdefault(rule, [0, 0])[not wanted] += 1

    def _add_spans(self, row: Row, found: list[Detection]) -> None:
        golds = row.spans or ()
        for gold in golds:
            covered = _taken(gold, found) >= _COVERED * (gold.end - gold.start)
            name = reported(gold.type)
            if name is None:
                sums = self._unclaimed.setdefault(gold.type, [0, 0])
                sums[0], sums[1] = sums[0] + 1, sums[1] + covered
                continue
            hit = any(_overlap(gold, one) >= _HALF * (gold.end - gold.start) for one in _answering(gold, found))
            for group in _groups(row, name):
                self._of(group).add(wanted=True, found=hit)
                self._covered.setdefault(group, []).append(covered)
        for one in resolve(found):
            if _judged(one, row) and not _right(one, golds):
                for group in _groups(row, own_row(one.entity)):
                    self._of(group).wrong += 1
                self._rules.setdefault(f"{one.entity} {one.rule}", [0, 0])[1] += 1
            elif _right(one, golds):
                self._rules.setdefault(f"{one.entity} {one.rule}", [0, 0])[0] += 1

    def _of(self, group: tuple[str, str]) -> Counts:
        return self._counts.setdefault(group, Counts())

    def report(self) -> Report:
        """Everything that was counted so far."""
        at = recall_at(self._scores, 0.01)
        return Report(
            task=self._task,
            threshold=self._threshold,
            texts=len(self._times),
            failed=self._failed,
            measured=tuple(self._measured()),
            ms_p50=quantile(self._times, 0.5),
            ms_p95=quantile(self._times, 0.95),
            ms_max=max(self._times, default=0.0),
            unclaimed={name: (sums[0], sums[1]) for name, sums in sorted(self._unclaimed.items())},
            recall_at_1_percent=at[1] if at else None,
            threshold_at_1_percent=at[0] if at and at[1].value else 0.0,
            rules={name: (sums[0], sums[1]) for name, sums in sorted(self._rules.items())},
        )

    def _measured(self) -> Iterator[Measured]:
        order = (_ALL, "manner", "kind", "source", "entity")
        for (group, name), counts in sorted(self._counts.items(), key=lambda item: (order.index(item[0][0]), item[0])):
            covered = self._covered.get((group, name))
            yield Measured(
                group,
                name,
                counts.hit,
                counts.missed,
                counts.wrong,
                counts.quiet,
                precision=counts.precision,
                recall=counts.recall,
                false_positive_rate=counts.false_positive_rate if self._task is not Task.PII else None,
                f1=counts.f_score(1),
                f2=counts.f_score(2),
                covered=proportion(sum(covered), len(covered)) if covered else None,
            )


def _groups(row: Row, entity: str) -> tuple[tuple[str, str], ...]:
    manner = "natural" if row.kind in JUDGED else "synthetic"
    return (
        (_ALL, _ALL),
        ("manner", manner),
        ("source", row.source),
        ("kind", row.kind),
        ("entity", f"{entity} ({manner})"),
    )


def _judged(one: Detection, row: Row) -> bool:
    """Whether the data set says enough to call it wrong."""
    judged = JUDGED.get(row.kind)
    if judged is not None and one.entity not in judged:
        return False
    return not any(_overlap(gold, one) and reported(gold.type) is None for gold in row.spans or ())


def _right(one: Detection, golds: Iterable[Gold]) -> bool:
    size = one.end - one.start
    for gold in golds:
        if answers(one.entity, gold.type):
            shared = _overlap(gold, one)
            if shared and (shared >= _HALF * (gold.end - gold.start) or shared >= _HALF * size):
                return True
    return False


def _answering(gold: Gold, found: Iterable[Detection]) -> Iterator[Detection]:
    return (one for one in found if answers(one.entity, gold.type))


def _overlap(gold: Gold, one: Detection) -> int:
    return max(0, min(gold.end, one.end) - max(gold.start, one.start))


def _taken(gold: Gold, found: Iterable[Detection]) -> int:
    """How many characters of a span the findings take away together."""
    places: set[int] = set()
    for one in found:
        places.update(range(max(gold.start, one.start), min(gold.end, one.end)))
    return len(places)
