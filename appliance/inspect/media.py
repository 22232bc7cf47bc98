"""Media inside JSON strings: base64 that stands for an image, a sound or a file.

Rules: only what is base64 through and through counts as media; a string that merely claims to be is text and gets
scanned. Named by kind, so that policy can ask for images and not only for "something unreadable".
"""

import re

_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\r\n]*+={0,2}[\r\n]*\Z")
_DATA_URL = re.compile(r"data:([\w.+-]+)/[\w.+-]+(?:;[\w.+-]+=[\w.+\-]*)*+;base64,", re.IGNORECASE)
_KINDS = {"image": "image", "audio": "audio", "video": "video"}


def data_url(text: str) -> str | None:
    """The reason (`image`, `audio`, `video`, `file`) for which a base64 data URL is opaque; None: it is text."""
    found = _DATA_URL.match(text)
    if found is None or _BASE64.match(text, found.end()) is None:
        return None
    return _KINDS.get(found.group(1).lower(), "file")


def is_base64(text: str) -> bool:
    """Nothing but base64 (either alphabet), and long enough that it is no word."""
    return len(text) >= 64 and _BASE64.match(text) is not None  # noqa: PLR2004 - shorter ones are cheaper scanned
