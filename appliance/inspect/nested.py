r"""JSON inside a JSON string or a form value: tool arguments, tool results and web chats, where text is escaped twice.

A detector that reads `{"to":"a\nb@x.test"}` as plain text finds `nb@x.test`, and misses whatever is written as
`\u0061`. So a string that is itself a JSON document with escapes is split: each inner string becomes a segment with
its fully decoded text, each gap between them that holds a digit (numbers may be card numbers) a segment of its own.

Rules: at most `MAX_LAYERS` syntaxes inside each other; a string without inner escapes stays one segment, because its
text already is what readers see; whatever is no JSON stays one segment, so nothing is lost by failing here; only a
document of too many strings raises.
"""

import re

import msgspec

from appliance.inspect.jsonspans import MAX_POINTER, MAX_STRINGS, MalformedBody, StringSpan, parse
from appliance.inspect.view import Syntax
from appliance.inspect.writing import Layers, byte_offsets, words_of
from appliance.model.detection import Segment

MAX_LAYERS = 4
"""As deep as a web chat goes: JSON in a JSON string in a JSON string in a form value."""

_DIGIT = re.compile(rb"[0-9]")


def may_be_json(text: str) -> bool:
    """Whether `text` begins as JSON with strings in it does, after however many blanks."""
    return text.lstrip(" \t\r\n").startswith(("{", "[", '"'))


def split(segment: Segment, raw: str, layers: Layers = (Syntax.JSON,), room: int = MAX_STRINGS) -> tuple[Segment, ...]:
    """`segment` as several, or unchanged. `raw`: its span as written in the body; `layers`: how.

    MalformedBody when there are more than `room` strings in it.
    """
    if not may_be_json(segment.text) or "\\" not in segment.text:
        return (segment,)
    try:
        inner = segment.text.encode("utf-8")
        document = parse(inner, room=room)
    except UnicodeEncodeError:  # lone surrogates: scanned as it stands
        return (segment,)
    except MalformedBody as fault:
        if fault.word == "too_many_strings":
            raise
        return (segment,)  # not JSON
    return tuple(_pieces(segment, raw, layers, inner, document.strings, room))


def _pieces(
    segment: Segment, raw: str, layers: Layers, inner: bytes, strings: tuple[StringSpan, ...], room: int
) -> list[Segment]:
    edges = [0]
    for span in strings:
        edges += (span.start, span.end)
    edges.append(len(inner))
    places = byte_offsets(raw, layers, _code_points(inner, edges))
    data = raw.encode()
    deeper = (*layers, Syntax.JSON)
    found: list[Segment] = []
    for number in range(len(edges) - 1):
        start, end = places[number], places[number + 1]
        if start == end:
            continue
        if number % 2:
            piece = _inner(segment, strings[number // 2], start, end, deeper)
            again = len(deeper) < MAX_LAYERS
            room = max(room - 1, 0)
            pieces = split(piece, data[start:end].decode(), deeper, room) if again else (piece,)
            room = max(room - len(pieces) + 1, 0)
            found += pieces
            continue
        gap = inner[edges[number] : edges[number + 1]]
        if _DIGIT.search(gap):
            at = segment.start
            place = msgspec.structs.replace(segment, text=gap.decode(), start=at + start, end=at + end)
            found.append(msgspec.structs.replace(place, syntax=words_of(layers)))
    return found


def _inner(segment: Segment, span: StringSpan, start: int, end: int, layers: Layers) -> Segment:
    return Segment(
        segment.role,
        "name" if span.is_key else segment.channel,
        span.text,
        f"{segment.pointer}#{span.pointer}"[:MAX_POINTER],
        segment.start + start,
        segment.start + end,
        escaped=True,
        syntax=words_of(layers),
    )


def _code_points(data: bytes, offsets: list[int]) -> list[int]:
    """Byte offsets (ascending) into UTF-8 `data` as code-point offsets."""
    if data.isascii():
        return offsets
    found: list[int] = []
    at = size = 0
    for offset in offsets:
        size += len(data[at:offset].decode())
        at = offset
        found.append(size)
    return found
