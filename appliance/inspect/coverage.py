"""Where every byte of a body went: builds `Coverage` so that its conservation law cannot fail in silence.

Rules: spans are checked, not trusted: an overlap or a span outside the body is a fault of the reader that made it and
raises, because a sum that merely happens to balance would be a false statement in the evidence.
"""

from collections.abc import Iterable

from appliance.inspect.view import Opaque
from appliance.model.detection import Coverage, Segment


def measure(
    length: int, segments: Iterable[tuple[Segment, str | None]], opaque: Iterable[Opaque], scanned_by: tuple[str, ...]
) -> Coverage:
    """Sum spans to a coverage of a body of `length` bytes; what no span claims is structure.

    Each segment comes with None when detectors ran over it, else with the reason why not. ValueError when spans overlap
    or leave the body.
    """
    pairs = tuple(segments)
    spans = [(segment.start, segment.end) for segment, _ in pairs]
    blind = tuple(opaque)
    spans += [(span.start, span.end) for span in blind]
    claimed = _claimed(length, spans)
    scanned = 0
    unscanned: dict[str, int] = {}
    for segment, reason in pairs:
        size = segment.end - segment.start
        if reason is None:
            scanned += size
        else:
            unscanned[reason] = unscanned.get(reason, 0) + size
    return Coverage(length, length - claimed, scanned, unscanned, _by_reason(blind), scanned_by)


def all_opaque(length: int, reason: str) -> Coverage:
    """A body of which nothing could be read."""
    return Coverage(length, opaque={reason: length} if length else {})


def streamed(length: int, text_bytes: int, reason: str = "streamed") -> Coverage:
    """A streamed answer that was passed on unread: model text by its UTF-8 size, the rest structure."""
    text = min(text_bytes, length)
    return Coverage(length, length - text, 0, {reason: text} if text else {})


def _by_reason(blind: tuple[Opaque, ...]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for span in blind:
        sums[span.reason] = sums.get(span.reason, 0) + span.end - span.start
    return sums


def _claimed(length: int, spans: list[tuple[int, int]]) -> int:
    spans.sort()
    at = total = 0
    for start, end in spans:
        if start < at or end < start:
            raise ValueError("spans of a body overlap: its reader is wrong")
        at = end
        total += end - start
    if at > length:
        raise ValueError("a span leaves the body: its reader is wrong")
    return total
