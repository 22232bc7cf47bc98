"""From the scores of a site's own ordinary texts to the thresholds that it gets.

Theory: of texts like the ones scored, a new one is as likely to have any rank among them. So a threshold above all but
the k largest of n scores is reached by a new ordinary text with a probability of at most (k + 1) / (n + 1), whatever
the scores look like (split conformal prediction; Vovk et al., Algorithmic Learning in a Random World, 2005).

Rules: pure; a share that so few texts cannot show is refused.
"""

import math
from collections.abc import Sequence

import msgspec


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A class of sources and the probability from which its texts are told.

    `texts` were scored; `above` of them reach the threshold; `share` is what may be expected of the next one at most.
    """

    source: str
    value: float
    texts: int
    above: int
    share: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept: thresholds, and the version of the weights that they belong to."""

    model: str
    thresholds: tuple[Threshold, ...]


def needed(share: float) -> int:
    """How many texts can show that at most `share` are told."""
    return math.ceil(1 / share - 1 - 1e-9)


def threshold(source: str, scores: Sequence[float], share: float) -> Threshold:
    """The lowest threshold that promises `share`; ValueError: that takes more texts."""
    count = len(scores)
    if count < needed(share):
        raise ValueError(f"{count} texts cannot show a share of {share:.2%}: at least {needed(share)} are needed")
    above = math.floor(share * (count + 1) + 1e-9) - 1
    highest = sorted(scores, reverse=True)[above]
    value = (math.floor(highest * 1e6) + 1) / 1e6
    reached = sum(score >= value for score in scores)
    return Threshold(source=source, value=value, texts=count, above=reached, share=(reached + 1) / (count + 1))


def interval(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    share, z = hits / of, 1.96
    middle, half = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z * z / of)), min(1.0, (middle + half) / (1 + z * z / of))
