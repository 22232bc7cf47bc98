"""Bytes from the network as text that no terminal, log or JSON reader stumbles over.

Rules: what is returned is printable, free of surrogates and bounded. It is still hostile (markup, look-alikes): whoever
shows it sends it through `appliance.sanitise` first.
"""

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop

NAME_CHARS = 255  # RFC 1035 section 2.3.4; also more than any valid server name
VALUE_CHARS = 2_048  # of a path
AGENT_CHARS = 512
_V4_BYTES = 4


@lru_cache(maxsize=8_192)  # few addresses say most
def address(raw: bytes) -> str:
    """Four or sixteen bytes of an IP address as text."""
    return inet_ntop(AF_INET if len(raw) == _V4_BYTES else AF_INET6, raw)


def printable(raw: bytes, limit: int) -> str:
    r"""`raw` as text of at most `limit` characters.

    UTF-8 that can be shown stands as it is; every other byte or character as `\xNN`, `\uNNNN` or `\UNNNNNNNN`, and a
    backslash as two where anything had to be written so.
    """
    raw = raw[: limit * 4]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and (text or not raw):
        return text[:limit]
    decoded = raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in decoded)[:limit]


def label(raw: bytes) -> str:
    r"""One label of a DNS name as in a master file (RFC 1035 section 5.1): `\.`, `\\` and `\DDD` for what is odd.

    UTF-8 that can be shown stands as it is: multicast DNS is UTF-8 (RFC 6762 section 16).
    """
    if raw.isalnum():  # ASCII letters and digits only: nothing to escape
        return raw.decode("ascii")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and text.isprintable():
        return text.replace("\\", "\\\\").replace(".", "\\.")
    return "".join(map(_OCTETS.__getitem__, raw))


def _octet(byte: int) -> str:
    char = chr(byte)
    if char in ".\\":
        return "\\" + char
    return char if 0x20 <= byte <= 0x7E else f"\\{byte:03d}"  # noqa: PLR2004 - the printable part of ASCII


_OCTETS = tuple(map(_octet, range(256)))  # pointers make tens of thousands out of one message
