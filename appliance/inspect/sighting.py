"""What was found in a text, as a person is told it: line and column, and no more of it than tells it apart.

Rules: pure; lines and columns are counted from 1, columns in code points; of personal data and keys at most the first
four characters are shown, and never more than a quarter of them; what overlaps such a finding is shown no better.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import msgspec

from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

_HIDDEN = frozenset({DetectionKind.PII, DetectionKind.SECRET})
_LONGEST = 48  # characters of a finding that hides nothing
_SHOWN = 4
_SHARE = 4


class Sighting(msgspec.Struct, frozen=True):
    """One finding. `start`, `end`: code points in the text, half-open. `shown`: what may be seen of it."""

    line: int
    column: int
    start: int
    end: int
    entity: str
    kind: DetectionKind
    score: float
    rule: str
    shown: str


def sightings(text: str, found: Iterable[Detection]) -> Iterator[Sighting]:
    """Of each finding, in the order given."""
    kept = tuple(found)
    lines = [0]
    while (at := text.find("\n", lines[-1])) >= 0:
        lines.append(at + 1)
    hidden = _covered((one.start, one.end) for one in kept if one.kind in _HIDDEN)
    for one in kept:
        line = bisect_right(lines, one.start)
        yield Sighting(
            line,
            one.start - lines[line - 1] + 1,
            one.start,
            one.end,
            one.entity,
            one.kind,
            one.score,
            one.rule,
            _shown(text[one.start : one.end], hides=_overlaps(hidden, one.start, one.end)),
        )


def _shown(part: str, *, hides: bool) -> str:
    if not hides:
        return part if len(part) <= _LONGEST else f"{part[:_LONGEST]}..."
    return f"{part[: min(_SHOWN, len(part) // _SHARE)]}... ({len(part)} characters)"


def _covered(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending and disjoint."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _overlaps(spans: list[tuple[int, int]], start: int, end: int) -> bool:
    at = bisect_right(spans, (end,)) - 1
    return at >= 0 and spans[at][0] < end and spans[at][1] > start
