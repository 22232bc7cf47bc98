"""Files inside JSON strings: base64, bare or in a data URL.

Rules: only what is base64 through and through counts as a file; a string that merely claims to be is text and gets
scanned. Named by kind, so that policy can ask for images and not only for "something unreadable".
"""

import base64
import binascii
import re
from typing import NamedTuple

from appliance.inspect.jsonspans import unescape
from appliance.inspect.view import Part

_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\r\n]*+={0,2}[\r\n]*\Z")
_DATA_URL = re.compile(r"data:(?:([\w.+-]+)/[\w.+-]+)?(?:;[\w.+-]+=[\w.+\-\"%]*)*+;base64,", re.IGNORECASE)
_KINDS = {"image": "image", "audio": "audio", "video": "video"}
_STANDARD = str.maketrans("-_", "+/", "\r\n")
SHORTEST = 64
"""Code points of base64 from which on it is looked into; shorter ones are cheaper scanned as they stand."""


class Encoded(NamedTuple):
    """A file that came as base64: its bytes, and its media type as the data URL tells it, else empty."""

    data: bytes
    media_type: str = ""


def data_url(text: str) -> str | None:
    """The reason (`image`, `audio`, `video`, `file`) for which a base64 data URL is opaque; None: it is text."""
    found = _DATA_URL.match(text)
    if found is None or _BASE64.match(text, found.end()) is None:
        return None
    return _KINDS.get((found[1] or "").lower(), "file")


def is_base64(text: str) -> bool:
    """Nothing but base64 (either alphabet), and long enough that it is no word."""
    return len(text) >= SHORTEST and _BASE64.match(text) is not None


def encoded_file(text: str, least: int = SHORTEST) -> Encoded | None:
    """The file that `text` holds; None where it is no base64, or bare and shorter than `least`."""
    if text[:5].lower() == "data:":
        found = _DATA_URL.match(text)
        if found is None or _BASE64.match(text, found.end()) is None:
            return None
        data = _decoded(text[found.end() :])
        return None if data is None else Encoded(data, text[5 : found.end()].partition(";")[0].lower())
    if len(text) < least or _BASE64.match(text) is None:
        return None
    data = _decoded(text)
    return None if data is None else Encoded(data)


def file_bytes(body: bytes, part: Part) -> bytes:
    """The file that `part` of `body` holds, without the base64 that JSON needs."""
    raw = body[part.start : part.end]
    if not part.base64:
        return raw
    found = encoded_file(unescape(raw.decode()), 0)
    return raw if found is None else found.data


def _decoded(text: str) -> bytes | None:
    """Base64 as lenient readers take it: either alphabet, line ends inside, padding left out; None: a wrong length."""
    kept = text.translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(kept + "=" * (-len(kept) % 4), validate=True)
    except binascii.Error:
        return None
