"""Counts of right and wrong answers, and what follows from them with 95 % intervals.

Rules: no figure without what it was counted of; an interval is one of chance alone, it says nothing of texts of another
kind. Proportions: Wilson (1927), "Probable inference"; F-scores: the delta method on the logit, with counts as Poisson.
"""

import math
from collections.abc import Sequence

import msgspec

_Z = 1.959964  # 95 %, both sides


class Figure(msgspec.Struct, frozen=True):
    """A figure between 0 and 1 with its interval. `of`: how many texts or spans it was counted of."""

    value: float
    low: float
    high: float
    of: int


class Counts(msgspec.Struct):
    """`hit`: there and found. `missed`: there, not found. `wrong`: found, not there. `quiet`: neither."""

    hit: int = 0
    missed: int = 0
    wrong: int = 0
    quiet: int = 0

    def add(self, *, wanted: bool, found: bool) -> None:
        """One text."""
        if wanted:
            self.hit, self.missed = self.hit + found, self.missed + (not found)
        else:
            self.wrong, self.quiet = self.wrong + found, self.quiet + (not found)

    def merge(self, other: "Counts") -> None:
        """Those of another group, too."""
        self.hit += other.hit
        self.missed += other.missed
        self.wrong += other.wrong
        self.quiet += other.quiet

    @property
    def recall(self) -> Figure | None:
        """Found, of what was there; None where nothing was."""
        return proportion(self.hit, self.hit + self.missed)

    @property
    def precision(self) -> Figure | None:
        """Right, of what was found."""
        return proportion(self.hit, self.hit + self.wrong)

    @property
    def false_positive_rate(self) -> Figure | None:
        """Found, of the texts that hold nothing."""
        return proportion(self.wrong, self.wrong + self.quiet)

    def f_score(self, beta: float) -> Figure | None:
        """The F-score that counts recall `beta` times as much as precision; None where nothing was there."""
        if not self.hit + self.missed:
            return None
        errors = beta * beta * self.missed + self.wrong
        whole = (1 + beta * beta) * self.hit
        value = whole / (whole + errors)
        hit, missed, wrong = (count or 0.5 for count in (self.hit, self.missed, self.wrong))
        spread = 1 / hit + (beta**4 * missed + wrong) / (beta * beta * missed + wrong) ** 2
        centre = math.log((1 + beta * beta) * hit) - math.log(beta * beta * missed + wrong)
        low, high = (_logistic(centre + side * _Z * math.sqrt(spread)) for side in (-1, 1))
        return Figure(value, min(low, value), max(high, value), self.hit + self.missed)


def proportion(count: int, of: int) -> Figure | None:
    """`count` of `of` with Wilson's interval; None of nothing."""
    if not of:
        return None
    share, square = count / of, _Z * _Z
    centre = (share + square / (2 * of)) / (1 + square / of)
    half = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return Figure(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)), of)


def recall_at(scores: Sequence[tuple[float, bool]], rate: float) -> tuple[float, Figure] | None:
    """The lowest threshold with at most `rate` false positives, and the recall there. `scores`: with "is one".

    None where there are not both kinds of texts.
    """
    attacks = sum(wanted for _, wanted in scores)
    benign = len(scores) - attacks
    if not attacks or not benign:
        return None
    allowed, hit, wrong = int(rate * benign), 0, 0
    best = (math.inf, 0)
    ordered = sorted(scores, key=lambda item: -item[0])
    for place, (score, wanted) in enumerate(ordered):
        hit, wrong = hit + wanted, wrong + (not wanted)
        tied = place + 1 < len(ordered) and ordered[place + 1][0] == score
        if wrong > allowed or score <= 0:
            break
        if not tied:
            best = (score, hit)
    figure = proportion(best[1], attacks)
    return (best[0], figure) if figure else None


def quantile(values: Sequence[float], part: float) -> float:
    """Of any numbers; 0.0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
