"""Keys that the appliance holds: how a route names one, what holds it in memory, in which header it travels.

Rules: pure; a key is seen only by who calls `reveal`: its repr, str, format, hash and equality tell nothing of it, and
it can be neither pickled nor encoded. Sources of the headers: the API references of Anthropic, Azure OpenAI, Google,
ElevenLabs; all others take a bearer token (RFC 6750).
"""

import hmac
import re
from typing import NoReturn

from appliance.model.catalogue import Service

PREFIX = "held:"
NAME = re.compile(r"[a-z0-9_-]{1,64}\Z")
MAX_KEY_BYTES = 8192
_VISIBLE = re.compile(rb"[!-~]+")
BEARER = b"authorization"
# By service, then by the family of a dialect (for services that an operator's own catalogue adds).
_BY_SERVICE = {
    "anthropic": b"x-api-key",
    "azure_openai": b"api-key",
    "azure_ai": b"api-key",
    "gemini": b"x-goog-api-key",
    "elevenlabs": b"xi-api-key",
}
_BY_FAMILY = {"anthropic": b"x-api-key", "azure": b"api-key", "gemini": b"x-goog-api-key"}


class HeldKey:
    """A key in memory."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The key itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "HeldKey(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HeldKey) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a held key is never written anywhere")


def held_name(credential: str) -> str | None:
    """NAME of `held:NAME`; None for the other modes and for a name that is none."""
    name = credential.removeprefix(PREFIX)
    return name if name != credential and NAME.match(name) else None


def key_header(service: Service, key: HeldKey) -> tuple[bytes, bytes]:
    """The header, name in lower case, in which `service` expects its key."""
    family = (service.dialect or "").partition(".")[0]
    name = _BY_SERVICE.get(service.id) or _BY_FAMILY.get(family, BEARER)
    return name, b"Bearer " + key.reveal() if name == BEARER else key.reveal()


def is_sendable(value: bytes) -> bool:
    """The key may stand in a header: visible ASCII only (RFC 9110 5.5), neither empty nor too long."""
    return len(value) <= MAX_KEY_BYTES and _VISIBLE.fullmatch(value) is not None
