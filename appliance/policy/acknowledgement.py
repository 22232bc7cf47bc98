"""Acknowledged notices: who has read why a service is coached, and may go on for a while.

Rules: pure; a token proves that the appliance showed a notice to this caller for this service and surface a short while
ago: it is keyed by the site, compared in constant time before it is read, and good for the one who was shown it only. A
caller is the principal where one is known, else the address that the request came from.
"""

import base64
import binascii
import hashlib
import hmac

import msgspec

from appliance.model.facts import Facts
from appliance.model.names import Surface

TOKEN_LIFE_S = 900
MAX_TOKEN = 1024
UNKNOWN = "this address is not one of ours; load the page that was stopped once more"
TOO_LATE = "this address is too old; load the page that was stopped once more"
SOMEBODY_ELSE = "this notice was shown to somebody else, or on another machine; acknowledge it there"
_MAC_BYTES = 16


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """Whom a notice was shown to and for what. `until`: epoch seconds; `who`, `client`: digests."""

    until: int
    service: str
    surface: Surface
    who: str
    client: str

    def is_of(self, principal: str, client: str) -> bool:
        """Whether a caller with these digests is the one who was shown it."""
        return self.who == principal or self.client == client


class Acknowledged(msgspec.Struct, frozen=True):
    """One acknowledgement as it is kept. `ts`: epoch seconds."""

    ts: float
    who: str
    service: str
    surface: Surface

    def holds(self, facts: Facts, life_s: float, now: float) -> bool:
        """Whether it lets a request with these facts go on now."""
        same = (self.who, self.service, self.surface) == (who_of(facts), facts.service, facts.surface)
        return same and self.ts <= now < self.ts + life_s


def who_of(facts: Facts) -> str:
    """The digest that stands for the caller."""
    return facts.client if facts.identity_method == "none" else facts.principal


def claim_of(facts: Facts, now: float) -> Claim:
    """What a token for these facts says."""
    return Claim(int(now) + TOKEN_LIFE_S, facts.service or "", facts.surface, who_of(facts), facts.client)


def mint(claim: Claim, key: bytes) -> str:
    """The claim as one word for a path: base64url, no padding."""
    said = msgspec.json.encode(claim)
    return _word(_mac(said, key) + said)


def read(token: str, key: bytes, now: float) -> Claim | str:
    """The claim of a token, or in words why it is none. Never raises."""
    if len(token) > MAX_TOKEN or not token.isascii():
        return UNKNOWN
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return UNKNOWN
    mac, said = data[:_MAC_BYTES], data[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(said, key)) or _word(data) != token:
        return UNKNOWN
    claim = msgspec.json.decode(said, type=Claim)
    return claim if now < claim.until else TOO_LATE


def place(who: str, service: str, surface: Surface, key: bytes) -> str:
    """The name under which an acknowledgement is kept: 32 hexadecimal characters."""
    text = f"{who}\0{service}\0{surface}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, key=key, digest_size=16, person=b"gnomon-acknow").hexdigest()


def _word(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _mac(said: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"gnomon acknowledge\0" + said, "sha256")[:_MAC_BYTES]
