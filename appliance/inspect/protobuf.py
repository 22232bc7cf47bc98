"""Protocol Buffers without their schema: every string of a message with its place.

Rules: a message is read only where its fields fill it exactly; a field of bytes is a string where it is printable
UTF-8, else a message, else a file, else opaque; where it can be both string and message it is read both ways; fields
and depth are bounded; numbers are structure. Texts are fixed: an edit would change the lengths around it. Source:
protobuf.dev, encoding.
"""

from typing import NamedTuple

from appliance.inspect.attachments import read_file
from appliance.inspect.documents import is_document
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.magic import kind_of
from appliance.inspect.plaintext import is_text, revealed
from appliance.inspect.segments import Taken, drawn
from appliance.inspect.view import Opaque
from appliance.model.detection import Segment

MAX_FIELDS = 100_000
"""Of one body, all messages together."""
MAX_DEPTH = 16
_VARINT = 10  # bytes at most
_MAX_NUMBER = (1 << 29) - 1
_WIDTHS = {1: 8, 5: 4}
_DELIMITED = 2


class Field(NamedTuple):
    """A length-delimited field: its number, and bytes `start` to `end` that are its content."""

    number: int
    start: int
    end: int


class Message:
    """Reads the messages of one body; counts fields over all of them."""

    def __init__(self) -> None:
        self._room = MAX_FIELDS

    def read(self, data: bytes, start: int, end: int) -> Taken:
        """Texts and opaque spans of the message `data[start:end]`; opaque in whole where it is none."""
        segments: list[Segment] = []
        opaque: list[Opaque] = []
        fields = self._fields(data, start, end)
        if fields is None:
            return Taken((), (Opaque(start, end, "binary"),))
        self._gather(data, fields, "", segments, opaque)
        return Taken(tuple(segments), tuple(opaque))

    def _gather(
        self, data: bytes, fields: list[Field], path: str, segments: list[Segment], opaque: list[Opaque]
    ) -> None:
        for number, start, end in fields:
            pointer = f"{path}/{number}"
            raw = data[start:end]
            place = Segment("unknown", "content", "", pointer, start, end)
            if not raw:
                continue
            shown = kind_of(raw, sure=True) is not None or is_document(raw)  # a picture may happen to be a message
            inner = self._fields(data, start, end) if pointer.count("/") < MAX_DEPTH and not shown else None
            if is_text(raw):
                segments.append(drawn_text(place, raw.decode(), self._strings(data, inner, pointer)))
            elif inner is not None:
                self._gather(data, inner, pointer, segments, opaque)
            else:
                taken = drawn(read_file(raw), place)
                segments += taken.segments
                opaque += taken.opaque

    def _strings(self, data: bytes, fields: list[Field] | None, path: str) -> list[str]:
        """Texts of a message that is also a string."""
        found: list[Segment] = []
        self._gather(data, fields or [], path, found, [])
        return [segment.text for segment in found]

    def _fields(self, data: bytes, start: int, end: int) -> list[Field] | None:
        """The length-delimited fields of a message; None where the bytes are no message."""
        found: list[Field] = []
        at = start
        while at < end:
            tag, at = _varint(data, at, end)
            width = tag & 7
            if tag < 0 or not 0 < tag >> 3 <= _MAX_NUMBER:
                return None
            self._room -= 1
            if self._room < 0:
                raise MalformedBody("too_many_fields", f"a binary body holds more than {MAX_FIELDS} fields")
            if width == _DELIMITED:
                size, at = _varint(data, at, end)
                if size < 0 or size > end - at:
                    return None
                found.append(Field(tag >> 3, at, at + size))
                at += size
            elif width == 0:
                value, at = _varint(data, at, end)
                at = end + 1 if value < 0 else at
            else:
                at = at + _WIDTHS[width] if width in _WIDTHS else end + 1
        return found if at == end else None


def drawn_text(place: Segment, text: str, more: list[str]) -> Segment:
    """A fixed segment of a text and of what else its bytes can be read as."""
    whole = "\n".join([revealed(text), *more])
    return Segment(place.role, place.channel, whole, place.pointer, place.start, place.end, fixed=True)


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A varint and where it ends; -1 where there is none."""
    value = 0
    for number, byte in enumerate(data[at : min(at + _VARINT, end)]):
        value |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:  # noqa: PLR2004 - the last byte has no continuation bit
            return value, at + number + 1
    return -1, end
