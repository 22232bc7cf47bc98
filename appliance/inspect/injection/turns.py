"""The last turns of a conversation read as one text, for commands that were cut up so that no turn tells.

Theory: a payload split over messages or tool results is whole again in the model's context. So where no text by itself
was found out, the last `TURNS` texts of users and tools are put behind one another and judged by the rules; what that
finds is placed in the last turn, for with it the command became whole.

Rules: pure; outside the detectors' cache, since every request joins other texts; bounded by `MAX_CHARS`; the bar is
higher than a single text's, because words of different turns meet by chance.
"""

from collections.abc import Sequence

from appliance.inspect.injection.rules import Rules, combined, standard, strongest
from appliance.inspect.injection.structure import Hit
from appliance.inspect.looking import source_of
from appliance.model.detection import Detection, Segment
from appliance.model.names import DetectionKind, Source

TURNS = 4
MAX_CHARS = 4096
"""Of all turns together; each has an equal share, its beginning and its end where it is longer."""
THRESHOLD = 0.85
_SPEAKERS = frozenset({Source.USER, Source.TOOL})
_SHARE = MAX_CHARS // TURNS


def with_joined(segments: Sequence[Segment], found: list[tuple[Detection, ...]]) -> list[tuple[Detection, ...]]:
    """The detections along the segments, and what the last turns say together, by the rules that are shipped."""
    told = joined(standard(), segments, found) if len(segments) > 1 else None
    if told is None:
        return found
    number, more = told
    return [*found[:number], (*found[number], *more), *found[number + 1 :]]


def joined(
    rules: Rules, segments: Sequence[Segment], found: Sequence[tuple[Detection, ...]]
) -> tuple[int, tuple[Detection, ...]] | None:
    """Which segment is the last turn, and what the last turns say together; None: nothing beyond single texts.

    `found`: detections along the segments.
    """
    last: list[int] = []
    for number in range(len(segments) - 1, -1, -1):
        segment = segments[number]
        if segment.text and segment.channel == "content" and source_of(segment) in _SPEAKERS:
            last.append(number)
            if len(last) == TURNS:
                break
    told = {one.kind for number in last for one in found[number]}
    if len(last) < 2 or DetectionKind.INJECTION in told:  # noqa: PLR2004 - one turn is no conversation
        return None
    last.reverse()
    pieces = [_piece(segments[number].text) for number in last]
    return _judged(rules, pieces, last[-1], len(segments[last[-1]].text))


def _judged(rules: Rules, pieces: list[str], last: int, size: int) -> tuple[int, tuple[Detection, ...]] | None:
    hits = rules.hits(" ".join(pieces), foreign=False)
    judged = strongest(hits, THRESHOLD)
    bounds = _bounds(pieces)
    apart = [combined([hit for hit in judged.hits if start <= hit.start and hit.end <= end]) for start, end in bounds]
    if not judged.hits or judged.score <= max(apart):
        return None
    place = _place(judged.hits, bounds[-1], size)
    rule = max(judged.hits, key=lambda hit: hit.weight)
    return last, (Detection(*place, rule.entity, DetectionKind.INJECTION, judged.score, f"turns:{rule.rule}"),)


def _piece(text: str) -> str:
    return text if len(text) <= _SHARE else f"{text[: _SHARE // 2]} {text[-_SHARE // 2 :]}"


def _bounds(pieces: list[str]) -> list[tuple[int, int]]:
    bounds: list[tuple[int, int]] = []
    at = 0
    for piece in pieces:
        bounds.append((at, at + len(piece)))
        at += len(piece) + 1
    return bounds


def _place(hits: Sequence[Hit], bounds: tuple[int, int], size: int) -> tuple[int, int]:
    """What of the hits lies in the last turn; all of that where nothing does, or where its middle was left out."""
    start, end = bounds
    inside = [(max(hit.start, start) - start, hit.end - start) for hit in hits if hit.end > start]
    if not inside or size != end - start:
        return 0, size
    return min(inside)[0], max(behind for _, behind in inside)
