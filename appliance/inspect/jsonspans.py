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
from json.decoder import scanstring  # type: ignore[attr-defined] # what json.JSONDecoder calls for a string

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
# Possessive, so that a long string with many escapes keeps no backtracking state. Numbers, literals and white space are
# stepped over. What follows each other in most bodies is one token: a comma and the string behind it, a key and the
# string that is its value, the border between two objects of an array (nothing else can be `},{`).
_BLANK = r"[ \t\r\n]*+"
_INSIDE = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_TOKEN = re.compile(
    rf'(,{_BLANK})?+"({_INSIDE})"(?:({_BLANK}:){_BLANK}(?:"({_INSIDE})")?+)?+|(\}}{_BLANK},{_BLANK}\{{)|([{{}}\[\],])'.encode(),
    re.DOTALL,
)
_STRING, _KEY, _PAIR, _BORDER = 2, 3, 4, 5
"""By the last group of a token: a string that is no key, a key, a key with its string, the border of two objects."""


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
    if "\\" not in raw:
        return raw
    text, end = scanstring(f'{raw}"', 0)  # what json.loads asks, without what it does around that for each string
    if end <= len(raw):
        raise ValueError("a quotation mark inside a JSON string")
    return str(text)


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


def _walk(  # noqa: C901, PLR0912, PLR0915 - one loop over all tokens, whose cost is that of reading a body
    data: bytes, offset: int, prefix: str, known: Mapping[bytes, str], room: int
) -> tuple[list[StringSpan], bool]:
    found: list[StringSpan] = []
    stack: list[tuple[str, int]] = []
    seen: set[str] = set()
    duplicates = False
    here, index, pointer = prefix, -1, prefix  # pointer: of the member whose key came last; index -1: no array
    for token in _TOKEN.finditer(data):
        group = token.lastindex or 0
        if _KEY <= group <= _PAIR:
            raw = token[2]
            name = known.get(raw)
            if name is None:
                pointer = _member(here, unescape(raw.decode()))
                found.append(_span(token, 2, pointer, offset, is_key=True))
            else:
                pointer = f"{here}/{name}"
                if len(pointer) > MAX_POINTER:
                    pointer = pointer[:MAX_POINTER]
            if pointer in seen:
                duplicates = duplicates or len(pointer) < MAX_POINTER
            seen.add(pointer)
            if group == _PAIR:
                found.append(_span(token, 4, pointer, offset, is_key=False))
        elif group == _STRING:
            if index >= 0:
                index += token[1] is not None
                found.append(_span(token, 2, _member(here, str(index)), offset, is_key=False))
            else:
                found.append(_span(token, 2, pointer, offset, is_key=False))
        elif group == _BORDER:
            here, index = stack[-1]
            if index >= 0:
                index += 1
                pointer = _member(here, str(index))
            stack[-1] = (here, index)
            here, index = pointer, -1
            continue
        else:
            mark = token[6]
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


def _span(token: re.Match[bytes], group: int, pointer: str, offset: int, *, is_key: bool) -> StringSpan:
    raw = token[group].decode()
    start, end = token.span(group)
    if "\\" in raw:
        return StringSpan(pointer, start + offset, end + offset, unescape(raw), True, is_key)
    return StringSpan(pointer, start + offset, end + offset, raw, False, is_key)


def _member(here: str, name: str) -> str:
    if "~" in name or "/" in name:
        name = name.replace("~", "~0").replace("/", "~1")
    pointer = f"{here}/{name}"
    return pointer if len(pointer) <= MAX_POINTER else pointer[:MAX_POINTER]
