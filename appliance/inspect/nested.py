r"""JSON inside a JSON string: tool arguments and tool results, where text is escaped twice.

A detector that reads `{"to":"a\nb@x.test"}` as plain text finds `nb@x.test`, and misses whatever is written as
`\u0061`. So a string that is itself a JSON document with escapes is split: each inner string becomes a segment with
its fully decoded text, each gap between them that holds a digit (numbers may be card numbers) a segment of its own.

Rules: one level only; a string without inner escapes stays one segment, because its text already is what readers see;
whatever cannot be split stays one segment, so nothing is lost by failing here.
"""

import re

import msgspec

from appliance.inspect.escapes import json_offsets
from appliance.inspect.jsonspans import MalformedBody, StringSpan, parse
from appliance.model.detection import Segment

_DIGIT = re.compile(rb"[0-9]")


def may_be_json(text: str) -> bool:
    """Whether `text` begins as JSON with strings in it does, after however many blanks."""
    return text.lstrip(" \t\r\n").startswith(("{", "[", '"'))


def split(segment: Segment, raw: str) -> tuple[Segment, ...]:
    """`segment` as several, or unchanged. `raw`: the inside of the quotes, as written in the body."""
    if not segment.escaped or not may_be_json(segment.text) or "\\" not in segment.text:
        return (segment,)
    try:
        inner = segment.text.encode("utf-8")
        document = parse(inner)
    except (MalformedBody, UnicodeEncodeError):  # not JSON, or lone surrogates: scanned as it stands
        return (segment,)
    return _pieces(segment, raw, inner, document.strings)


def _pieces(segment: Segment, raw: str, inner: bytes, strings: tuple[StringSpan, ...]) -> tuple[Segment, ...]:
    edges = [0]
    for span in strings:
        edges += (span.start, span.end)
    edges.append(len(inner))
    places = json_offsets(raw, _code_points(inner, edges))
    outer = [segment.start + place for place in places]
    found: list[Segment] = []
    for number in range(len(edges) - 1):
        start, end = outer[number], outer[number + 1]
        if start == end:
            continue
        if number % 2:
            span = strings[number // 2]
            found.append(_inner(segment, span, start, end))
            continue
        gap = inner[edges[number] : edges[number + 1]]
        if _DIGIT.search(gap):
            found.append(msgspec.structs.replace(segment, text=gap.decode(), start=start, end=end))
    return tuple(found)


def _inner(segment: Segment, span: StringSpan, start: int, end: int) -> Segment:
    channel = "name" if span.is_key else segment.channel
    return Segment(segment.role, channel, span.text, f"{segment.pointer}#{span.pointer}", start, end, escaped=True)


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
