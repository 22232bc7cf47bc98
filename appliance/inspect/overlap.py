"""Which of several overlapping detections is acted on.

Owns: the resolution rule, the same for redaction and for `gnomon scan`. Rules: pure; longest first, then the better
score, then the earlier start, then the entity's name; the result never overlaps and is sorted by place; a detection is
left out only where one that stays overlaps it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable

import msgspec

from appliance.model.detection import Detection


def _precedence(detection: Detection) -> tuple[int, float, int, str, str]:
    length = detection.end - detection.start
    return (-length, -detection.score, detection.start, detection.entity, detection.rule)


def resolve(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """A non-overlapping choice among `detections`, sorted by start. Empty spans are left out."""
    kept: list[tuple[int, int, Detection]] = []
    for detection in sorted(detections, key=_precedence):
        if detection.end <= detection.start:
            continue
        place = bisect_left(kept, detection.start, key=lambda item: item[0])
        clear_left = place == 0 or kept[place - 1][1] <= detection.start
        clear_right = place == len(kept) or kept[place][0] >= detection.end
        if clear_left and clear_right:
            insort(kept, (detection.start, detection.end, detection), key=lambda item: item[0])
    return tuple(detection for _, _, detection in kept)


def cover(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """`resolve`, with each choice widened over what it displaced: no character of any detection is left outside.

    A detection that only partly overlaps a longer one would otherwise lose to it and leave its own rest in the text.
    """
    found = sorted(detection for detection in detections if detection.end > detection.start)
    kept = list(resolve(found))
    place = 0
    for lost in found:
        while kept[place].end <= lost.start:
            place += 1
        at = place
        if lost.start < kept[at].start:  # nothing before it reaches here: it ends where its neighbour begins
            kept[at] = msgspec.structs.replace(kept[at], start=lost.start)
        while at < len(kept) and kept[at].start < lost.end:
            until = min(lost.end, kept[at + 1].start) if at + 1 < len(kept) else lost.end
            if until > kept[at].end:
                kept[at] = msgspec.structs.replace(kept[at], end=until)
            at += 1
    return tuple(kept)
