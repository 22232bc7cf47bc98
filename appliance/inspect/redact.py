"""Replace what was found by placeholders, in place.

Rules: only the bytes of the chosen spans change, so that a provider's prompt cache keeps hitting and nobody's
formatting is rewritten; a span that cannot be mapped back to its bytes raises instead of being left standing; the
placeholder is escaped for where it stands; a number goes as a whole, for its rest would be no number any more.
"""

from collections.abc import Sequence

from appliance.inspect.escapes import (
    form_escaped,
    form_offsets,
    form_text,
    json_escaped,
    json_offsets,
    plain_offsets,
    raw_offsets,
)
from appliance.inspect.jsonspans import unescape
from appliance.inspect.numbers import NUMBER
from appliance.inspect.view import Syntax
from appliance.model.detection import Detection, Segment

Edit = tuple[int, int, bytes]
"""Start and end in the body, and the bytes that come there instead."""


def placeholder(detection: Detection) -> str:
    """What stands where `detection` stood: `<EMAIL_ADDRESS>`."""
    return f"<{detection.entity}>"


def redact(
    body: bytes, syntax: Syntax, segments: Sequence[Segment], chosen: Sequence[Sequence[Detection]]
) -> tuple[bytes, int]:
    """The body with every chosen detection replaced, and how many there were.

    `chosen` goes along `segments`; within one segment detections must not overlap (see overlap.resolve). ValueError
    when a detection leaves its segment, overlaps another, or its bytes cannot be found again.
    """
    edits: list[Edit] = []
    for segment, detections in zip(segments, chosen, strict=True):
        if detections:
            edits += _edits(body, syntax, segment, detections)
    return apply(body, edits), len(edits)


def redact_text(text: str, detections: Sequence[Detection]) -> str:
    """Plain text with every detection replaced: what a redacted segment decodes to."""
    parts: list[str] = []
    at = 0
    for detection in _ordered(len(text), detections):
        parts += (text[at : detection.start], placeholder(detection))
        at = detection.end
    return "".join(parts) + text[at:]


def byte_of(body: bytes, syntax: Syntax, segment: Segment, at: int) -> int:
    """Where in the body code point `at` of a segment's text begins. ValueError when it cannot be placed."""
    places, _ = _places(body[segment.start : segment.end].decode(), syntax, segment, [at])
    return segment.start + places[0]


def apply(body: bytes, edits: Sequence[Edit]) -> bytes:
    """`body` with non-overlapping edits made. ValueError when two overlap."""
    if not edits:
        return body
    parts: list[bytes] = []
    at = 0
    for start, end, replacement in sorted(edits):
        if start < at:
            raise ValueError("two edits of a body overlap")
        parts += (body[at:start], replacement)
        at = end
    parts.append(body[at:])
    return b"".join(parts)


def _edits(body: bytes, syntax: Syntax, segment: Segment, detections: Sequence[Detection]) -> list[Edit]:
    ordered = _ordered(len(segment.text), detections)
    if segment.channel == NUMBER:
        return [_number_edit(body, segment, ordered)]
    targets = [place for detection in ordered for place in (detection.start, detection.end)]
    places, depth = _places(body[segment.start : segment.end].decode(), syntax, segment, targets)
    return [
        (segment.start + places[2 * n], segment.start + places[2 * n + 1], _written(placeholder(found), syntax, depth))
        for n, found in enumerate(ordered)
    ]


def _number_edit(body: bytes, segment: Segment, detections: Sequence[Detection]) -> Edit:
    """A string in the number's place, named after the longest finding."""
    _agree(body[segment.start : segment.end].decode(), segment)
    longest = max(detections, key=lambda found: found.end - found.start)
    return segment.start, segment.end, b'"' + json_escaped(placeholder(longest)).encode() + b'"'


def _ordered(length: int, detections: Sequence[Detection]) -> list[Detection]:
    ordered = sorted(detections)
    at = 0
    for detection in ordered:
        if detection.start < at or detection.end < detection.start or detection.end > length:
            raise ValueError("detections overlap or leave their text")
        at = detection.end
    return ordered


def _places(raw: str, syntax: Syntax, segment: Segment, targets: list[int]) -> tuple[list[int], int]:
    """Byte offsets into the segment's span, and how many times text is escaped there."""
    if syntax is Syntax.FORM:
        _agree(form_text(raw), segment)
        return form_offsets(raw, targets), 1
    if syntax is Syntax.TEXT:
        _agree(raw, segment)
        return plain_offsets(raw, targets), 0
    once = unescape(raw)
    if once == segment.text:
        return json_offsets(raw, targets), 1
    _agree(unescape(once), segment)  # JSON inside a JSON string: see nested.py
    return json_offsets(raw, raw_offsets(once, targets)), 2


def _agree(text: str, segment: Segment) -> None:
    if text != segment.text:
        raise ValueError(f"segment {segment.pointer} does not stand where its span says")


def _written(text: str, syntax: Syntax, depth: int) -> bytes:
    if syntax is Syntax.FORM:
        return form_escaped(text).encode()
    for _ in range(depth):
        text = json_escaped(text)
    return text.encode()
