"""From the strings of a JSON document to segments and opaque spans.

A dialect says for each string what it is: a `Place` (role and channel), media, or a word of its own vocabulary. This
module does what is the same for all: keys, files in base64, nested JSON, long numbers.

Rules: no string is dropped unless its raw bytes are a word of a fixed vocabulary; a reader that does not know a string
says so (role unknown) and it is scanned all the same; a string is opaque only where it is base64 through and through
and no text comes out of it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from appliance.inspect.attachments import Content, read_file
from appliance.inspect.jsonspans import MAX_STRINGS, MalformedBody, StringSpan
from appliance.inspect.magic import claimed_kind, kind_of
from appliance.inspect.media import SHORTEST, encoded_file
from appliance.inspect.nested import may_be_json, split
from appliance.inspect.numbers import long_numbers
from appliance.inspect.view import Opaque, Part
from appliance.model.detection import Segment


class Place(NamedTuple):
    """What a string is. `blind`: why it is opaque, unless text can be drawn out of it: a file of that kind."""

    role: str = "unknown"
    channel: str = "content"
    blind: str | None = None


FILES = frozenset({"image", "audio", "video", "file"})
"""What a string may be blind for and still be a file of the client's; else it is sealed: a signature, a cipher."""
MAX_TEXTS = 250_000
"""Texts of a body that is read piece by piece: some 30,000 rows of a batch, 150 MB of memory."""
Reader = Callable[[StringSpan], Place | None]
_KEY = Place("unknown", "name")


Gathered = tuple[tuple[Segment, ...], tuple[Opaque, ...]]


def gather(data: bytes, strings: tuple[StringSpan, ...], read: Reader, files: list[Part] | None = None) -> Gathered:
    """Segments and opaque spans of `strings`, which are those of `data`, in the order of their places.

    Long numbers of `data`, which is JSON as a whole or line by line, are segments beside them. `files` takes the files
    that were found in base64.
    """
    segments, opaque = gather_strings(data, strings, read, files)
    return with_numbers(data, segments), opaque


def with_numbers(data: bytes, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """`segments` and the long numbers of `data`, in the order of their places."""
    numbers = long_numbers(data)
    if not numbers:
        return segments
    return tuple(sorted([*segments, *numbers], key=lambda segment: segment.start))


def gather_strings(
    data: bytes, strings: tuple[StringSpan, ...], read: Reader, files: list[Part] | None = None
) -> Gathered:
    """`gather` without the numbers: for a body that is read piece by piece."""
    segments: list[Segment] = []
    opaque: list[Opaque] = []
    for span in strings:
        place = _KEY if span.is_key else read(span)
        if place is None or span.start == span.end:
            continue
        if place.blind is not None or len(span.text) >= SHORTEST or span.text[:5].lower() == "data:":
            taken = _file(span, place)
            if taken is not None:
                segments += taken.segments
                opaque += taken.opaque
                if files is not None and taken.part:
                    files.append(taken.part)
                continue
        segment = Segment(place.role, place.channel, span.text, span.pointer, span.start, span.end, span.escaped)
        if span.escaped and may_be_json(span.text):
            segments += split(segment, data[span.start : span.end].decode())
        else:
            segments.append(segment)
        if len(segments) > 2 * MAX_STRINGS:
            raise MalformedBody("too_many_strings", "JSON inside JSON strings holds too many strings")
    return tuple(segments), tuple(opaque)


class Taken(NamedTuple):
    """What became of a file: its text, or why there is none, and where it stands."""

    segments: tuple[Segment, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    part: Part | None = None


def drawn(content: Content, place: Segment) -> Taken:
    """The text of a file as a fixed segment at `place`; its bytes are opaque where not all of it was read."""
    if content.reason is None:
        return Taken((replace(place, text=content.text or "", fixed=True),))
    blind = (Opaque(place.start, place.end, content.reason),)
    if not content.text:
        return Taken((), blind)
    return Taken((replace(place, text=content.text, fixed=True, end=place.start),), blind)


def _file(span: StringSpan, place: Place) -> Taken | None:
    """A string that is a file in base64; None: it is text, and scanned as it stands."""
    role, channel, blind = place
    encoded = encoded_file(span.text, SHORTEST if blind is None else 0)
    if encoded is None:
        return None
    told = bool(blind or encoded.media_type)
    content = read_file(encoded.data, encoded.media_type, otherwise=blind or "file")
    if not told and not _shows(encoded.data, content):
        return None  # a token, a digest, a word
    sealed = blind is not None and blind not in FILES
    if sealed and content.text is None:
        content = Content(None, blind)
    segment = Segment(role, channel, "", span.pointer, span.start, span.end, span.escaped)
    taken = drawn(content, segment)
    if sealed or (not told and content.plain):
        return taken
    media_type = encoded.media_type or f"{claimed_kind(f'{blind}/', 'application')}/octet-stream"
    return taken._replace(part=Part(span.start, span.end, media_type, base64=True))


def _shows(data: bytes, content: Content) -> bool:
    """Whether base64 that nobody called a file is one: text, a document, or bytes that say what they are."""
    if content.text is not None:
        return content.reason != "charset"
    return kind_of(data, sure=True) is not None


def known_names(names: str) -> Mapping[bytes, str]:
    """The shape `jsonspans.parse` wants for the keys that belong to a format; `names` separated by white space."""
    return {name.encode(): name for name in names.split()}


def words(text: str) -> frozenset[str]:
    """Words of a format, separated by white space, as a set."""
    return frozenset(text.split())
