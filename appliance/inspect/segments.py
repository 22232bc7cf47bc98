"""From the strings of a JSON document to segments and opaque spans.

A dialect says for each string what it is: a `Place` (role and channel), media, or a word of its own vocabulary. This
module does what is the same for all: keys, media, nested JSON, long numbers.

Rules: no string is dropped unless its raw bytes are a word of a fixed vocabulary; a reader that does not know a string
says so (role unknown) and it is scanned all the same.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from appliance.inspect.jsonspans import MAX_STRINGS, MalformedBody, StringSpan
from appliance.inspect.nested import may_be_json, split
from appliance.inspect.numbers import long_numbers
from appliance.inspect.view import Opaque
from appliance.model.detection import Segment


class Place(NamedTuple):
    """What a string is. `blind`: the reason for which it is opaque."""

    role: str = "unknown"
    channel: str = "content"
    blind: str | None = None


Reader = Callable[[StringSpan], Place | None]
_KEY = Place("unknown", "name")


Gathered = tuple[tuple[Segment, ...], tuple[Opaque, ...]]


def gather(data: bytes, strings: tuple[StringSpan, ...], read: Reader) -> Gathered:
    """Segments and opaque spans of `strings`, which are those of `data`, in the order of their places.

    Long numbers of `data`, which is JSON as a whole or line by line, are segments beside them.
    """
    segments: list[Segment] = []
    opaque: list[Opaque] = []
    for span in strings:
        place = _KEY if span.is_key else read(span)
        if place is None or span.start == span.end:
            continue
        role, channel, blind = place
        if blind is not None:
            opaque.append(Opaque(span.start, span.end, blind))
            continue
        segment = Segment(role, channel, span.text, span.pointer, span.start, span.end, span.escaped)
        if span.escaped and may_be_json(span.text):
            segments += split(segment, data[span.start : span.end].decode())
        else:
            segments.append(segment)
        if len(segments) > 2 * MAX_STRINGS:
            raise MalformedBody("too_many_strings", "JSON inside JSON strings holds too many strings")
    numbers = long_numbers(data)
    if numbers:
        segments = sorted(segments + numbers, key=lambda segment: segment.start)
    return tuple(segments), tuple(opaque)


def known_names(words: str) -> Mapping[bytes, str]:
    """The shape `jsonspans.parse` wants for the keys that belong to a format; `words` separated by white space."""
    return {name.encode(): name for name in words.split()}
