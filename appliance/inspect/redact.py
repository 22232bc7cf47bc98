"""Replace what was found by placeholders, in place.

Rules: only the bytes of the chosen spans change, so that a provider's prompt cache keeps hitting and nobody's
formatting is rewritten; a span that cannot be mapped back to its bytes raises instead of being left standing; the
placeholder is escaped for where it stands; a number goes as a whole, for its rest would be no number any more; what was
drawn out of a document or a compressed message has no bytes of its own and raises NotEditable.
"""

from collections.abc import Sequence

from appliance.inspect.escapes import json_escaped
from appliance.inspect.numbers import NUMBER
from appliance.inspect.view import Syntax
from appliance.inspect.writing import Layers, byte_offsets, layers_of, read_through, written
from appliance.model.detection import Detection, Segment

Edit = tuple[int, int, bytes]
"""Start and end in the body, and the bytes that come there instead."""
_TWICE: Layers = (Syntax.JSON, Syntax.JSON)


class NotEditable(ValueError):  # noqa: N818 - said of a finding: it is not editable
    """Something that was to be hidden stands where it cannot be edited; the message says so to a person."""


class Worded(Detection, frozen=True):
    """A detection with a word of its own that comes in its place: a name, or a value that is put back."""

    word: str


def placeholder(detection: Detection) -> str:
    """What stands where `detection` stood: `<EMAIL_ADDRESS>`."""
    return detection.word if isinstance(detection, Worded) else f"<{detection.entity}>"


def redact(
    body: bytes, syntax: Syntax, segments: Sequence[Segment], chosen: Sequence[Sequence[Detection]]
) -> tuple[bytes, int]:
    """The body with every chosen detection replaced, and how many there were.

    `chosen` goes along `segments`; within one segment detections must not overlap (see overlap.resolve). ValueError
    when a detection leaves its segment, overlaps another, or its bytes cannot be found again; NotEditable when its
    segment was drawn out of a file.
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
    """Where in the body code point `at` of a segment's text begins; for a fixed text, where its span does.

    ValueError when it cannot be placed.
    """
    if segment.fixed:
        return segment.start
    raw = body[segment.start : segment.end].decode()
    return segment.start + byte_offsets(raw, _layers(raw, syntax, segment), [at])[0]


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
    if segment.fixed:
        raise NotEditable(f"{ordered[0].entity} was found in a file or a packed message, which cannot be edited")
    if segment.channel == NUMBER:
        return [_number_edit(body, segment, ordered)]
    targets = [place for detection in ordered for place in (detection.start, detection.end)]
    raw = body[segment.start : segment.end].decode()
    layers = _layers(raw, syntax, segment)
    places = byte_offsets(raw, layers, targets)
    return [
        (segment.start + places[2 * n], segment.start + places[2 * n + 1], written(placeholder(found), layers).encode())
        for n, found in enumerate(ordered)
    ]


def _number_edit(body: bytes, segment: Segment, detections: Sequence[Detection]) -> Edit:
    """A string in the number's place, named after the longest finding."""
    _agree(body[segment.start : segment.end].decode(), segment)
    longest = max(detections, key=lambda found: found.end - found.start)
    return segment.start, segment.end, b'"' + json_escaped(placeholder(longest)).encode() + b'"'


def _ordered(length: int, detections: Sequence[Detection]) -> list[Detection]:
    ordered = sorted(detections, key=lambda found: (found.start, found.end))
    at = 0
    for detection in ordered:
        if detection.start < at or detection.end < detection.start or detection.end > length:
            raise ValueError("detections overlap or leave their text")
        at = detection.end
    return ordered


def _layers(raw: str, syntax: Syntax, segment: Segment) -> Layers:
    """How the segment's text is written in its span, proved by reading it again."""
    if segment.syntax:
        layers = layers_of(segment.syntax)
    elif syntax is Syntax.JSON and read_through(raw, (syntax,)) != segment.text:
        layers = _TWICE  # JSON inside a JSON string: see nested.py
    else:
        layers = (syntax,)
    _agree(read_through(raw, layers), segment)
    return layers


def _agree(text: str, segment: Segment) -> None:
    if text != segment.text:
        raise ValueError(f"segment {segment.pointer} does not stand where its span says")
