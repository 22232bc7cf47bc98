"""Which edge says it, and may it: from the certificate of a connection and a signed header to a principal.

Rules: sans-io, time as argument; a peer is who its certificate names (DNS names, else the common name), and that must
be exactly one of the peers that are configured; only a peer with the role edge says who asks, only what its
`may_assert` holds, only with the key of that certificate, and each word once: what was said is remembered for as long
as it could be said again, and where there is no room left nothing more is believed. Everything else refuses the
request; nobody becomes anonymous by it.
"""

import hmac
from collections import OrderedDict, deque
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from appliance.config.placement_schema import AcceptEntry
from appliance.identity.asserted import (
    PUBLIC_KEYS,
    WINDOW_S,
    AssertedError,
    Assertion,
    PublicKey,
    Way,
    decode,
    late,
    request_digest,
)
from appliance.identity.method import ANONYMOUS
from appliance.model.facts import Principal
from appliance.model.names import Assurance
from appliance.net.hostname import canonical_host

MAX_KNOWN: Final = 1024
MAX_SAID: Final = 200_000  # assertions within KEPT_S
KEPT_S: Final = 2 * WINDOW_S + 1  # from the earliest moment at which one holds to the last


class Said(msgspec.Struct, frozen=True):
    """An assertion that holds. `edge`: the peer's name; `host` and what stands beside it: where the client asked."""

    edge: str
    exchange: str
    principal: Principal
    way: Way
    scheme: str = "https"
    host: str = ""
    port: int = 0


class NotSaid(msgspec.Struct, frozen=True):
    """Why it does not hold, in words that name the peer; they quote nothing that was not signed."""

    why: str
    edge: str = ""


class _Peer(msgspec.Struct, frozen=True):
    name: str
    key: PublicKey | None
    begins: float
    ends: float


class Once:
    """Words that were said, until they could not be said again. `limit`: how many are held."""

    def __init__(self, limit: int = MAX_SAID) -> None:
        self._limit = limit
        self._known: set[bytes] = set()
        self._ends: deque[tuple[float, bytes]] = deque()

    def __len__(self) -> int:
        return len(self._known)

    def first(self, word: bytes, now: float) -> bool | None:
        """Whether a word is new; None: there is no room to remember it."""
        while self._ends and self._ends[0][0] <= now:
            self._known.discard(self._ends.popleft()[1])
        if word in self._known:
            return False
        if len(self._known) >= self._limit:
            return None
        self._known.add(word)
        self._ends.append((now + KEPT_S, word))
        return True


class Edges:
    """The edges that one worker of a central appliance believes."""

    def __init__(self, accept: Mapping[str, AcceptEntry], *, required: bool = False, limit: int = MAX_SAID) -> None:
        self._accept = accept
        self._required = required
        self._peers: OrderedDict[bytes, _Peer | None] = OrderedDict()
        self._once = Once(limit)

    def judge(  # noqa: PLR0911 - one for each thing that can be wrong
        self, certificate: bytes | None, values: tuple[bytes, ...], method: bytes, target: bytes, now: float
    ) -> Said | NotSaid:
        """`certificate`: DER, its chain verified by TLS; `values`: of the header, as often as it stands there."""
        peer = self._peer(certificate)
        if peer is None or peer.key is None:
            return NotSaid("the certificate of the connection names no configured peer")
        if not peer.begins <= now < peer.ends:
            return NotSaid(f"the certificate of {peer.name} is out of date", peer.name)
        if "edge" not in self._accept[peer.name].roles:
            return NotSaid(f"{peer.name} is not configured as an edge (peers.accept.{peer.name}.roles)", peer.name)
        if len(values) != 1:
            how = "none" if not values else "several"
            return NotSaid(f"{peer.name}: one header says who asks; there is {how}", peer.name)
        try:
            assertion = decode(values[0], peer.key)
        except AssertedError as error:
            return NotSaid(f"{peer.name}: the header that says who asks: {error}", peer.name)
        if why := self._fault(peer.name, assertion, method, target, now):
            return NotSaid(f"{peer.name}: {why}", peer.name)
        return _said(peer.name, assertion)

    def _fault(self, name: str, assertion: Assertion, method: bytes, target: bytes, now: float) -> str:
        if not hmac.compare_digest(assertion.edge.encode(), name.encode()):
            return "the header was signed as another edge's"
        if not hmac.compare_digest(assertion.digest, request_digest(method, target)):
            return "the header was signed for another request"
        if assertion.way == "proxy" and (canonical_host(assertion.host) is None or not assertion.port):
            return "the header names no destination"
        if why := late(assertion, now) or self._beyond(name, assertion):
            return why
        new = self._once.first(assertion.nonce + name.encode(), now)
        if new is None:
            return f"more than {MAX_SAID} requests within {KEPT_S:.0f} s; no more can be told from repeated ones"
        return "" if new else "the header has been used before"

    def _beyond(self, name: str, assertion: Assertion) -> str:  # noqa: PLR0911 - as above
        """What it says beyond what that edge may."""
        may, key = self._accept[name].may_assert, f"peers.accept.{name}.may_assert"
        anonymous = assertion.user == ANONYMOUS
        if anonymous and assertion.assurance is not Assurance.NONE:
            return f"nobody may be called {ANONYMOUS}"
        if not anonymous and "users" not in may:
            return f"it says who asks, which it may not (users in {key})"
        if assertion.key is not None and "users" not in may:  # limits and budgets go by it
            return f"it says whose virtual key was shown, which it may not (users in {key})"
        if assertion.groups and "groups" not in may:
            return f"it says in which groups somebody is, which it may not (groups in {key})"
        if assertion.department is not None and "departments" not in may:
            return f"it says to which department somebody belongs, which it may not (departments in {key})"
        if anonymous and self._required:
            return "it does not know who asks, and identity is required here"
        try:
            ip_address(assertion.address)
        except ValueError:
            return "the client's address is none"
        return ""

    def _peer(self, der: bytes | None) -> _Peer | None:
        if der is None:
            return None
        if der not in self._peers:
            self._peers[der] = _read(der, self._accept)
            while len(self._peers) > MAX_KNOWN:
                self._peers.popitem(last=False)
        return self._peers[der]


def peer_name(certificate: x509.Certificate, accept: Mapping[str, AcceptEntry]) -> str | None:
    """The one configured peer that a certificate names; None: none, or several. ValueError: it cannot be read."""
    try:
        more = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = list(more.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        names = []
    if not names:
        names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    found = {name.lower() for name in names} & accept.keys()
    return found.pop() if len(found) == 1 else None


def _read(der: bytes, accept: Mapping[str, AcceptEntry]) -> _Peer | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        name, key = peer_name(certificate, accept), certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    if name is None or not isinstance(key, PUBLIC_KEYS):
        return None
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return _Peer(name, key, begins, ends)


def _said(edge: str, one: Assertion) -> Said:
    principal = Principal(one.user, one.address, one.method, one.assurance, tuple(one.groups), one.department, one.key)
    if one.way == "gateway":
        return Said(edge, one.exchange, principal, "gateway")
    return Said(edge, one.exchange, principal, "proxy", one.scheme, canonical_host(one.host) or "", one.port)
