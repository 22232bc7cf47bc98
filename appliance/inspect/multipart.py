"""Multipart bodies (RFC 2046 5.1, RFC 7578) cut into their pieces, with the exact place of each byte.

Rules: a body that two readers could cut differently is refused: line ends of one kind throughout, no padding behind a
boundary, the boundary nowhere but in its own lines, none twice in the content type, a closing one at the end, no folded
or repeated headers; one pass, its cost linear in the body; pieces and headers are bounded. What is not a piece (before
the first boundary, behind the last) is told, so that it is read too.
"""

import re
from collections.abc import Iterator

import msgspec

from appliance.inspect.jsonspans import MalformedBody

MAX_PIECES = 1_000
MAX_HEADERS = 16
MAX_PARAMETERS = 16
MAX_HEADER_BYTES = 16 * 1024
"""Of all headers of one piece together."""
MAX_BOUNDARY = 70
"""RFC 2046 5.1.1."""

_CHARS = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*({_CHARS})[ \t]*=[ \t]*(?:\"((?:[^\"\\\r\n]|\\[^\r\n])*+)\"|([^\s\";]*))")
_TYPE = re.compile(rf"[ \t]*({_CHARS}/{_CHARS})[ \t]*")
_FIRST_WORD = re.compile(rf"[ \t]*({_CHARS})[ \t]*")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,70}(?<! )\Z")
_END = re.compile(r"[ \t;]*+\Z")
_CONTINUED = re.compile(r"\*[0-9]")
_HEADER_NAME = re.compile(rf"{_CHARS}\Z")


class Parameter(msgspec.Struct, frozen=True, gc=False):
    """One parameter of a header: its name in lower case, its value as written, and where that stands in the body."""

    name: str
    value: str
    start: int
    end: int


class Header(msgspec.Struct, frozen=True):
    """One header of a piece: name in lower case, value, where the value stands; `word` and `parameters` where it has.

    `line`: the whole, as written, from `line_start` on.
    """

    name: str
    line: str
    line_start: int
    value: str
    start: int
    end: int
    word: str = ""
    parameters: tuple[Parameter, ...] = ()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter."""
        return parameter_named(self.parameters, name)


class Piece(msgspec.Struct, frozen=True):
    """One piece: its headers, and bytes `start` to `end` of the body that are its content."""

    headers: tuple[Header, ...]
    start: int
    end: int

    def header(self, name: str) -> Header | None:
        """A header by its name in lower case."""
        return next((one for one in self.headers if one.name == name), None)

    @property
    def name(self) -> str:
        """The form field that it fills; empty where it names none."""
        found = self.header("content-disposition")
        return (found.parameter("name") if found else None) or ""

    @property
    def filename(self) -> str | None:
        """The file's name as written; None: no file."""
        found = self.header("content-disposition")
        given = (found.parameter("filename"), found.parameter("filename*")) if found else ()
        return next((one for one in given if one is not None), None)

    @property
    def content_type(self) -> str:
        """The content type as written, empty where there is none."""
        found = self.header("content-type")
        return found.value.strip() if found else ""

    @property
    def media_type(self) -> str:
        """The media type in lower case, empty where there is none."""
        found = self.header("content-type")
        return found.word if found else ""


class Multipart(msgspec.Struct, frozen=True):
    """A body cut up. `outside`: spans before the first boundary line and behind the last that are not empty."""

    pieces: tuple[Piece, ...]
    outside: tuple[tuple[int, int], ...] = ()


def split(body: bytes, content_type: str, start: int = 0, end: int | None = None) -> Multipart:
    """Cut `body[start:end]` at the boundary of `content_type`. MalformedBody where readers could differ."""
    stop = len(body) if end is None else end
    mark = b"--" + boundary_of(content_type).encode()
    lines = _boundary_lines(body, mark, start, stop)
    first, after, eol = next(lines)
    outside = [(start, first)] if first > start else []
    pieces: list[Piece] = []
    closed = after
    for at, following, _ in lines:
        if len(pieces) >= MAX_PIECES:
            raise _refused(f"more than {MAX_PIECES} parts", "too_many_parts")
        pieces.append(_piece(body, after, at - len(eol), eol))
        after = closed = following
    if body[closed:stop].strip(b"\r\n"):
        outside.append((closed, stop))
    return Multipart(tuple(pieces), tuple(outside))


def boundary_of(content_type: str) -> str:
    """The boundary. MalformedBody when there is none, more than one, or one that RFC 2046 does not allow."""
    word, parameters = _parameters(content_type, _TYPE, 0)
    found = [one.value for one in parameters if one.name.startswith("boundary")]
    if not word or len(found) != 1 or parameter_named(parameters, "boundary") is None:
        raise _refused("its content type must name one boundary")
    if len(found[0]) > MAX_BOUNDARY or not _BOUNDARY.match(found[0]):
        raise _refused("its boundary is not allowed")
    return found[0]


def parameter_named(parameters: tuple[Parameter, ...], name: str) -> str | None:
    """The value of the parameter of that name."""
    return next((one.value for one in parameters if one.name == name), None)


def _refused(why: str, word: str = "malformed_multipart") -> MalformedBody:
    return MalformedBody(word, f"the multipart body cannot be read in one way only: {why}")


def _boundary_lines(body: bytes, mark: bytes, start: int, stop: int) -> Iterator[tuple[int, int, bytes]]:
    """Where each boundary line begins, where it ends, and the body's line end; ends behind the closing one."""
    eol = b""
    at = body.find(mark, start, stop)
    while at >= 0:
        after = at + len(mark)
        closing = body.startswith(b"--", after)
        eol = eol or _line_end(body, after)
        if not eol or not _begins_line(body, at, start, eol):
            raise _refused("the boundary stands where no line of its own is")
        if closing:
            after += 2
            if not (after == stop or body.startswith(eol, after)) or body.find(mark, after, stop) >= 0:
                raise _refused("something follows the closing boundary")
            yield at, after, eol
            return
        if not body.startswith(eol, after) or after + len(eol) > stop:
            raise _refused("the boundary stands where no line of its own is")
        after += len(eol)
        yield at, after, eol
        at = body.find(mark, after, stop)
    raise _refused("it has no closing boundary")


def _line_end(body: bytes, at: int) -> bytes:
    """What ends the first boundary's line: it decides for all."""
    if body.startswith(b"--", at):
        at += 2
    return b"\r\n" if body.startswith(b"\r\n", at) or at >= len(body) else b"\n" if body.startswith(b"\n", at) else b""


def _begins_line(body: bytes, at: int, start: int, eol: bytes) -> bool:
    if at == start:
        return True
    before = body[max(start, at - 2) : at]
    return before.endswith(eol) and (len(eol) > 1 or not before.endswith(b"\r\n"))


def _piece(body: bytes, start: int, end: int, eol: bytes) -> Piece:
    """One piece: headers, an empty line, content."""
    headers: list[Header] = []
    at = start
    while True:
        until = body.find(eol, at, min(end + len(eol), start + MAX_HEADER_BYTES))
        if until < 0 or until > end:
            raise _refused("a part has no empty line behind its headers, or too many of them")
        if until == at:
            break
        headers.append(_header(body, at, until))
        if len(headers) > MAX_HEADERS:
            raise _refused("a part has too many headers")
        at = until + len(eol)
    names = [header.name for header in headers]
    if len(set(names)) != len(names):
        raise _refused("a part repeats a header")
    return Piece(tuple(headers), min(at + len(eol), end), end)


def _header(body: bytes, start: int, end: int) -> Header:
    line = body[start:end]
    name, colon, _ = line.partition(b":")
    if not colon or b"\r" in line or b"\n" in line or b"\0" in line or line[:1] in b" \t":
        raise _refused("a header of a part is no header")
    try:
        key = name.decode("ascii").lower()
        value = line[len(name) + 1 :].decode()
    except UnicodeDecodeError as error:
        raise _refused("a header of a part is not UTF-8") from error
    if not _HEADER_NAME.match(key):
        raise _refused("a header of a part is no header")
    at = start + len(name) + 1 + len(value.encode()) - len(value.lstrip(" \t").encode())
    value = value.strip(" \t")
    end = at + len(value.encode())
    if key not in {"content-type", "content-disposition"}:
        return Header(key, line.decode(), start, value, at, end)
    word, parameters = _parameters(value, _TYPE if key == "content-type" else _FIRST_WORD, at)
    if not word:
        raise _refused(f"the {key} of a part cannot be read")
    return Header(key, line.decode(), start, value, at, end, word, parameters)


def _parameters(value: str, first: re.Pattern[str], offset: int) -> tuple[str, tuple[Parameter, ...]]:
    """The word that a header begins with and its parameters; an empty word where the header is not of that form."""
    head = first.match(value)
    if head is None:
        return "", ()
    found: list[Parameter] = []
    at = head.end()
    while not _END.match(value, at):
        match = _PARAMETER.match(value, at)
        if match is None or len(found) >= MAX_PARAMETERS:
            return "", ()
        group = 2 if match[2] is not None else 3
        start = offset + len(value[: match.start(group)].encode())
        found.append(Parameter(match[1].lower(), match[group], start, start + len(match[group].encode())))
        at = match.end()
    names = [one.name for one in found]
    if len(set(names)) != len(names) or any(map(_CONTINUED.search, names)):
        return "", ()  # given twice, or in pieces (RFC 2231 3)
    return head[1].lower(), tuple(found)
