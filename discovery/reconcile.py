"""How a connection to an AI service came past the appliance, and what the ledger's tokens say of its bytes.

Owns: the order of causes, the memory of certificates that clients rejected, and the bounds of bytes for tokens. Rules:
pure, time as an argument; a connection to one of our listeners has no cause, and a question to a resolver tells no way.
"""

import ipaddress
from collections import OrderedDict
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.model.names import Cause, Governance, Leg, ObservationKind

# RFC 8446 6.2: with these a client says that it does not accept the certificate.
REJECTIONS: Final = frozenset(
    {"bad_certificate", "unsupported_certificate", "certificate_unknown", "unknown_ca", "access_denied"}
)
PINNED_S: Final = 900.0  # for so long a rejection explains why a client goes past the appliance
MAX_PINNED: Final = 8_192
LOCAL: Final = frozenset({"local_model", "mcp", "vector_store"})  # what people run themselves
WAYS: Final = frozenset({ObservationKind.TLS, ObservationKind.QUIC, ObservationKind.HTTP})


class Way(NamedTuple):
    """How a connection was seen. `hidden`: its name was encrypted; `connect`: it asked somebody to be its proxy."""

    leg: Leg
    kind: ObservationKind
    server: str
    category: str
    connect: bool = False
    hidden: bool = False
    pinned: bool = False


def governance(way: Way) -> Governance:
    """What one connection says by itself."""
    if way.leg is Leg.PROXY:
        return Governance.GOVERNED
    return Governance.BYPASS if way.kind in WAYS else Governance.UNKNOWN


def cause(way: Way) -> Cause | None:
    """Why it is past the appliance: the most telling first; None where it is not, or where no way was seen."""
    if governance(way) is not Governance.BYPASS:
        return None
    if way.category in LOCAL and private(way.server):
        return Cause.LAN_MODEL
    for holds, found in ((way.connect, Cause.TUNNEL), (way.pinned, Cause.PINNED), (way.hidden, Cause.ECH)):
        if holds:
            return found
    return Cause.QUIC if way.kind is ObservationKind.QUIC else Cause.DIRECT_ADDRESS


def private(address: str) -> bool:
    """Not an address of the public network (RFC 6890)."""
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


class Rejections:
    """Which clients have rejected the appliance's certificate for which services, and when."""

    def __init__(self, limit: int = MAX_PINNED) -> None:
        self._limit = limit
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def note(self, now: float, client: str, service: str) -> None:
        """The client did, just now."""
        self._seen[client, service] = now
        self._seen.move_to_end((client, service))
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)

    def pinned(self, now: float, client: str, service: str) -> bool:
        """It did, not long before `now`."""
        at = self._seen.get((client, service))
        return at is not None and 0 <= now - at <= PINNED_S


class Plausibility(StrEnum):
    """What bytes on the wire say of the tokens in the ledger."""

    PLAUSIBLE = "plausible"
    MORE_BYTES = "more_bytes"  # more went up than such prompts take: files, pictures, or something that is no prompt
    MORE_TOKENS = "more_tokens"  # more tokens than the bytes can hold: context kept by the provider, or a wrong count


# A token is 1-16 bytes of text in every common vocabulary; compression and cached contexts make less of it, JSON
# escapes of non-Latin text (\uXXXX, 6 bytes a character) more. Head, handshake and framing come on top per request.
LEAST_BYTES_PER_TOKEN: Final = 0.25
MOST_BYTES_PER_TOKEN: Final = 48.0
BYTES_PER_REQUEST: Final = 16_384


def plausible(bytes_up: int, input_tokens: int, requests: int, *, at_least: bool = False) -> Plausibility:
    """Whether `input_tokens` in `requests` can have been what `bytes_up` carried. `at_least`: it may have been more.

    A hint for people, never a verdict: pictures take few tokens for many bytes.
    """
    if bytes_up > input_tokens * MOST_BYTES_PER_TOKEN + requests * BYTES_PER_REQUEST:
        return Plausibility.MORE_BYTES
    if not at_least and bytes_up < input_tokens * LEAST_BYTES_PER_TOKEN:
        return Plausibility.MORE_TOKENS
    return Plausibility.PLAUSIBLE
