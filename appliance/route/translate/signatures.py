"""Signatures of reasoning on their way through another dialect and back.

Theory: a provider that signs its reasoning wants it back with the next turn, and no other provider takes it. So a
signature that leaves in another dialect is wrapped with the name of the dialect that it came from, and on the way back
it is unwrapped for that dialect alone. Where a dialect has no place for it, it rides in the id of the call.

Rules: pure; a wrapped signature is base64 (Gemini's are bytes) and URL-safe without padding inside an id.
"""

import base64
import binascii
from typing import Final

_MARK: Final = b"gnomon:"
_RIDES: Final = "__sig_"


def wrapped(dialect: str, signature: str) -> str:
    """A signature of `dialect` for a client that speaks another."""
    return base64.b64encode(_MARK + dialect.encode() + b":" + signature.encode()).decode() if signature else ""


def unwrapped(dialect: str, signature: str) -> str:
    """What `dialect` signed; empty: another did, or nobody."""
    try:
        inside = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return ""
    if not inside.startswith(_MARK + dialect.encode() + b":"):
        return ""
    return inside.removeprefix(_MARK + dialect.encode() + b":").decode("utf-8", "replace")


def riding(call: str, signature: str) -> str:
    """The id of a call that carries a wrapped signature."""
    return call + _RIDES + signature.replace("+", "-").replace("/", "_").rstrip("=") if signature else call


def parted(call: str) -> tuple[str, str]:
    """The id of a call, and the wrapped signature that it carries."""
    name, rides, rest = call.partition(_RIDES)
    if not rides:
        return call, ""
    plain = rest.replace("-", "+").replace("_", "/")
    return name, plain + "=" * (-len(plain) % 4)
