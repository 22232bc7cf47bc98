"""Every string of a JSON document with its exact place.

Theory: a strict decoder in C says whether the document is JSON and gives its value; one regular expression then walks
the tokens of a document that is known to be valid, so it needs no error handling. Both see the same bytes.

Rules: strict RFC 8259 (a UTF-8 BOM is tolerated and counts as structure; lone surrogate escapes are tolerated, as
JavaScript clients send them when they cut a string inside an emoji); every occurrence of a duplicate key is yielded,
because readers differ in which one wins, and the document is marked; no recursion; depth, strings and the length of a
pointer are bounded.
"""

import json
import re
from collections.abc import Mapping

import msgspec

from appliance.model.errors import PeerError

MAX_DEPTH = 512
MAX_STRINGS = 50_000
"""Keys and values together; each costs an object in memory."""
MAX_MEMBERS = 300_000
"""Commas in a document: bounds the values that are decoded and the tokens that are walked; as many tokens as an
embeddings request may carry."""
MAX_POINTER = 512
"""Code points; a longer pointer is cut, so that depth times length stays bounded."""

_BOM = b"\xef\xbb\xbf"
# Group 1: inside of a string; 2: the colon that makes it a key; 3: structure. Possessive, so that a long string with
# many escapes keeps no backtracking state. Numbers, literals and white space are stepped over.
_TOKEN = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"([ \t\r\n]*+:)?+|([{}\[\],])', re.DOTALL)


class MalformedBody(PeerError):  # noqa: N818 - a body, named as people say it
    """A body is not what it says it is. `word` is the snake_case reason that goes into records."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message, 400)
        self.word = word


class StringSpan(msgspec.Struct, frozen=True, gc=False):
    """One string: `start` and `end` are bytes of the document inside the quotes; `text` is decoded.

    For a key `pointer` is that of its member.
    """

    pointer: str
    start: int
    end: int
    text: str
    escaped: bool
    is_key: bool


class Document(msgspec.Struct, frozen=True):
    """A valid JSON document. With duplicate keys `value` holds the last one, `strings` all."""

    value: object
    strings: tuple[StringSpan, ...]
    duplicate_keys: bool = False


def parse(
    data: bytes, *, offset: int = 0, prefix: str = "", known: Mapping[bytes, str] | None = None, room: int = MAX_STRINGS
) -> Document:
    """Validate `data` and list its strings; MalformedBody when it is not JSON or exceeds a bound.

    `offset` is added to every span and `prefix` put before every pointer (lines of NDJSON). Keys whose raw bytes are in
    `known` (raw -> decoded name) are not listed: they belong to the format. `room`: how many strings at most.
    """
    if len(data) > MAX_MEMBERS and data.count(b",") > MAX_MEMBERS:
        raise MalformedBody("too_many_values", f"JSON body holds more than {MAX_MEMBERS} values")
    skip = len(_BOM) if data.startswith(_BOM) else 0
    value = _decode(data[skip:] if skip else data)
    strings, duplicates = _walk(data, offset, prefix, known or {}, room)
    return Document(value, tuple(strings), duplicates)


def unescape(raw: str) -> str:
    """The text of the inside of a JSON string; surrogate pairs are joined, lone ones kept."""
    return str(json.loads(f'"{raw}"')) if "\\" in raw else raw


def _decode(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except RecursionError as error:
        raise MalformedBody("too_deep", "JSON body is nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_leniently(data)


def _decode_leniently(data: bytes) -> object:
    """What the fast decoder refuses although RFC 8259 allows it: lone surrogate escapes, numbers out of range."""
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_int=_number)
    except RecursionError as error:
        raise MalformedBody("too_deep", "JSON body is nested too deeply") from error
    except ValueError as error:  # includes JSONDecodeError and UnicodeDecodeError; their text may quote the body
        raise MalformedBody("malformed_json", "body is not valid JSON") from error


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= 40 else float(digits)  # noqa: PLR2004 - far beyond any 128-bit number


def _walk(  # noqa: C901, PLR0912 - one loop over all tokens, whose cost is that of reading a body
    data: bytes, offset: int, prefix: str, known: Mapping[bytes, str], room: int
) -> tuple[list[StringSpan], bool]:
    found: list[StringSpan] = []
    stack: list[tuple[str, int]] = []
    seen: set[str] = set()
    duplicates = False
    here, index, pointer = prefix, -1, prefix  # pointer: of the member whose key came last; index -1: no array
    for token in _TOKEN.finditer(data):
        group = token.lastindex
        if group == 1:  # a string value
            found.append(_span(token, pointer if index < 0 else _member(here, str(index)), offset, is_key=False))
        elif group == 2:  # noqa: PLR2004 - a key
            raw = token[1]
            name = known.get(raw)
            pointer = _member(here, unescape(raw.decode()) if name is None else name)
            if name is None:
                found.append(_span(token, pointer, offset, is_key=True))
            if pointer in seen:
                duplicates = duplicates or len(pointer) < MAX_POINTER
            seen.add(pointer)
        else:
            mark = token[3]
            if mark == b",":
                if index >= 0:
                    index += 1
                continue
            if mark in b"{[":
                if index >= 0:
                    pointer = _member(here, str(index))
                stack.append((here, index))
                here, index = pointer, 0 if mark == b"[" else -1
                if len(stack) > MAX_DEPTH:
                    raise MalformedBody("too_deep", f"JSON body is nested deeper than {MAX_DEPTH}")
            else:
                here, index = stack.pop()
            continue
        if len(found) + len(seen) > room:
            raise MalformedBody("too_many_strings", f"JSON body holds more than {room} strings")
    return found, duplicates


def _span(token: re.Match[bytes], pointer: str, offset: int, *, is_key: bool) -> StringSpan:
    raw = token[1].decode()
    start, end = token.span(1)
    escaped = "\\" in raw
    return StringSpan(pointer, start + offset, end + offset, unescape(raw) if escaped else raw, escaped, is_key)


def _member(here: str, name: str) -> str:
    if "~" in name or "/" in name:
        name = name.replace("~", "~0").replace("/", "~1")
    pointer = f"{here}/{name}"
    return pointer if len(pointer) <= MAX_POINTER else pointer[:MAX_POINTER]
