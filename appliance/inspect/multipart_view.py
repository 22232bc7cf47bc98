"""A multipart body as a view: each part read as a body of its own, its headers and what stands between parts as text.

Rules: every byte is a segment, opaque, or a word of the format; names of fields and files are segments; what a part
says is encoded (base64, quoted-printable) is read both as it stands and decoded, because forms ignore the encoding and
mail does not; the boundary of an inner multipart is structure, for it would have to change in all its places at once.
"""

import base64
import binascii
import quopri
import re
from collections.abc import Callable
from urllib.parse import unquote

from msgspec.structs import replace

from appliance.inspect.attachments import read_file
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.multipart import Header, Parameter, Piece, split
from appliance.inspect.segments import MAX_TEXTS, drawn
from appliance.inspect.view import Opaque, Part, RequestView, Syntax
from appliance.model.detection import Segment

ReadPart = Callable[[bytes, str, int], RequestView]
"""Reads the content of one part: its bytes, its content type, and how many multiparts may still be inside."""
MAX_NESTED = 2
"""A multipart inside a multipart, and no further."""
_DISPOSITIONS = frozenset({"form-data", "attachment", "inline", "file"})
_NAMES = frozenset({"name", "filename"})
_AS_IT_STANDS = frozenset({"", "7bit", "8bit", "binary"})
_LENGTH = re.compile(r"[ \t]*[0-9]{1,10}[ \t]*\Z")
_EXTENDED = re.compile(r"[A-Za-z0-9\-]*'[A-Za-z0-9\-]*'")
_EQUALS = re.compile(rb"=[0-9A-Fa-f]{2}|=[ \t]*\r?\n")


def read_multipart(body: bytes, content_type: str, read: ReadPart, depth: int = MAX_NESTED) -> RequestView:
    """Read a multipart body. MalformedBody where it could be read in two ways, or holds too much."""
    cut = split(body, content_type)
    reading = _Reading(body, read, depth)
    for start, end in cut.outside:
        reading.add(read(body[start:end], "text/plain", 1), start, "")
    for number, piece in enumerate(cut.pieces):
        reading.piece(piece, f"/{number}")
    return reading.view(cut.pieces)


class _Reading:
    """What was read of one body so far."""

    def __init__(self, body: bytes, read: ReadPart, depth: int) -> None:
        self._body = body
        self._read = read
        self._depth = depth
        self._segments: list[Segment] = []
        self._opaque: list[Opaque] = []
        self._parts: list[Part] = []
        self._problem: str | None = None

    def piece(self, piece: Piece, pointer: str) -> None:
        """One part: headers, then content."""
        for header in piece.headers:
            self._segments += _header_segments(header, pointer)
        data = self._body[piece.start : piece.end]
        encoding = piece.header("content-transfer-encoding")
        decoded = _decoded(data, encoding.value.strip().lower() if encoding else "")
        if decoded is None:
            view = _within(self._read(data, piece.content_type, self._depth), len(data), piece)
        else:
            content = read_file(decoded, piece.media_type)
            taken = drawn(content, Segment("unknown", "content", "", "", 0, len(data)))
            view = RequestView(segments=taken.segments, opaque=taken.opaque)
        if data and (piece.filename is not None or decoded is not None):
            view = replace(view, parts=(Part(0, len(data), piece.media_type), *view.parts))
        self.add(view, piece.start, pointer)

    def add(self, view: RequestView, offset: int, pointer: str) -> None:
        """The view of a piece of the body that begins at `offset`."""
        for segment in view.segments:
            self._segments.append(
                replace(
                    segment,
                    start=segment.start + offset,
                    end=segment.end + offset,
                    pointer=pointer + segment.pointer,
                    syntax=segment.syntax or _syntax(view, segment),
                )
            )
        if len(self._segments) > MAX_TEXTS:
            raise MalformedBody("too_many_strings", "the parts of a multipart body hold too many strings")
        self._opaque += [Opaque(span.start + offset, span.end + offset, span.reason) for span in view.opaque]
        self._parts += [replace(part, start=part.start + offset, end=part.end + offset) for part in view.parts]
        self._problem = self._problem or view.problem

    def view(self, pieces: tuple[Piece, ...]) -> RequestView:
        """The whole body."""
        return RequestView(
            syntax=Syntax.TEXT,
            model=self._field(pieces, "model"),
            stream=self._field(pieces, "stream") == "true",
            segments=tuple(sorted(self._segments, key=lambda segment: segment.start)),
            opaque=tuple(self._opaque),
            parts=tuple(self._parts),
            problem=self._problem,
        )

    def _field(self, pieces: tuple[Piece, ...], name: str) -> str | None:
        """The text of a form field that is there once; None otherwise."""
        found = [piece for piece in pieces if piece.name == name and piece.filename is None]
        if len(found) != 1:
            return None
        return self._body[found[0].start : found[0].end].decode("utf-8", "replace")


def _within(view: RequestView, size: int, piece: Piece) -> RequestView:
    """Without the part that is the whole piece where the piece names a file itself."""
    if piece.filename is None:
        return view
    return replace(view, parts=tuple(part for part in view.parts if part.base64 or part.end - part.start != size))


def _syntax(view: RequestView, segment: Segment) -> str:
    """What was inferred from one syntax for the whole body is written down, where the body has several."""
    if segment.fixed:
        return ""
    return view.syntax.value


def _header_segments(header: Header, pointer: str) -> list[Segment]:
    """The texts of one header; of an unknown one the whole line."""
    match header.name:
        case "content-disposition":
            known = header.word in _DISPOSITIONS and all(one.name.rstrip("*") in _NAMES for one in header.parameters)
            texts = [_parameter(one, pointer) for one in header.parameters if one.value]
            return texts if known else [_line(header, pointer)]
        case "content-type":
            if "boundary" in {one.name for one in header.parameters}:
                return [_parameter(one, pointer) for one in header.parameters if one.name != "boundary" and one.value]
            return [_text("metadata", header.value, pointer, header.start, header.end)] if header.value else []
        case "content-transfer-encoding" if header.value.strip().lower() in {*_AS_IT_STANDS, *_DECODERS}:
            return []
        case "content-length" if _LENGTH.match(header.value):
            return []
    return [_line(header, pointer)]


def _line(header: Header, pointer: str) -> Segment:
    return _text("metadata", header.line, pointer, header.line_start, header.line_start + len(header.line.encode()))


def _parameter(one: Parameter, pointer: str) -> Segment:
    """A parameter's value; one in the extended notation (RFC 5987) is drawn out of it."""
    segment = _text("name", one.value, pointer, one.start, one.end)
    if "%" not in one.value:
        return segment
    found = _EXTENDED.match(one.value) if one.name.endswith("*") else None
    return replace(segment, text=unquote(one.value[found.end() if found else 0 :]), fixed=True, syntax="")


def _text(channel: str, text: str, pointer: str, start: int, end: int) -> Segment:
    return Segment("unknown", channel, text, pointer, start, end, syntax=Syntax.TEXT.value)


def _unquoted(data: bytes) -> bytes | None:
    """Quoted-printable, as it stands and decoded; None where both are the same."""
    return data + b"\n" + quopri.decodestring(data) if _EQUALS.search(data) else None


def _unbased(data: bytes) -> bytes | None:
    try:
        return base64.b64decode(data.translate(None, b"\r\n \t"), validate=True)
    except binascii.Error:
        return None


_DECODERS: dict[str, Callable[[bytes], bytes | None]] = {"base64": _unbased, "quoted-printable": _unquoted}


def _decoded(data: bytes, encoding: str) -> bytes | None:
    """What a part decodes to; None where it is read as it stands."""
    decode = _DECODERS.get(encoding)
    return decode(data) if decode and data else None
