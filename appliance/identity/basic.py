"""The Basic scheme (RFC 7617): credentials out of a header, and the challenge that asks for them.

Rules: pure; UTF-8; the first colon parts user and password, so a password may hold more of them; control characters are
refused as the RFC asks; bounded before anything is decoded.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field

MAX_HEADER = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # C0 and DEL


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and what is to prove it."""

    user: str
    password: str = field(repr=False)


def parse_basic(header: str) -> Credential | None:
    """The credential in a Proxy-Authorization value, or None: another scheme, or malformed."""
    scheme, _, rest = header[: MAX_HEADER + 1].partition(" ")
    if scheme.lower() != "basic" or len(header) > MAX_HEADER:
        return None
    try:
        text = base64.b64decode(rest.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    if not colon or not user or _CONTROL.search(text):
        return None
    return Credential(user, password)


def basic_challenge(realm: str) -> str:
    """The Proxy-Authenticate value."""
    safe = "".join(letter for letter in realm if letter.isascii() and letter.isprintable() and letter not in '"\\')
    return f'Basic realm="{safe}", charset="UTF-8"'
