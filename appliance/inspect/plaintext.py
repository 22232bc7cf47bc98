"""Bytes that are text: UTF-8, UTF-16 with its mark, and what old programs write.

Rules: text is what holds no control bytes but those that text needs; whatever is not surely in one encoding is read for
what it shows, and said to be uncertain (`charset`).
"""

import re
from typing import NamedTuple

from appliance.inspect.jsonspans import MalformedBody, parse
from appliance.inspect.nested import may_be_json

BOM = b"\xef\xbb\xbf"
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_WESTERN = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
_WESTERN["iso-8859-15"] = "iso-8859-15"


class Plain(NamedTuple):
    """Text of bytes. `utf8`: it stands there as such from byte `start` on. `reason`: why it is not surely all."""

    text: str
    utf8: bool = True
    start: int = 0
    reason: str | None = None


def is_text(data: bytes) -> bool:
    """UTF-8 without control bytes."""
    return _BINARY.search(data) is None and _decoded(data, "utf-8") is not None


def plain_text(data: bytes, charset: str = "utf-8") -> Plain | None:
    """`data` as text; None for binary."""
    wide = _WIDE.get(data[:2])
    if wide:
        text = _decoded(data[2:], wide)
        return Plain(text, utf8=False) if text is not None and "\0" not in text else None
    if _BINARY.search(data):
        return None
    text = _decoded(data, "utf-8")
    if text is not None:
        skip = data.startswith(BOM)
        certain = charset in CHARSETS or (charset in _WESTERN and data.isascii())
        return Plain(text[skip:], start=3 * skip, reason=None if certain else "charset")
    text = _decoded(data, _WESTERN.get(charset, "cp1252")) or data.decode("latin-1")
    return Plain(text, utf8=False, reason=None if charset in _WESTERN else "charset")


def revealed(text: str) -> str:
    """`text`, and where it is JSON with escapes, below it what its strings say."""
    if "\\" not in text or not may_be_json(text):
        return text
    try:
        strings = parse(text.encode()).strings
    except (MalformedBody, UnicodeEncodeError):
        return text
    return "\n".join([text, *(span.text for span in strings if span.escaped)])


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
