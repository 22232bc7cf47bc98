"""Which addresses may be dialled, and where a listener may be bound.

Owns: the refusal of private and special addresses, and the safe-bind rule. Rules: pure; an address is judged after the
name was resolved and before it is dialled; an exception names one network and one port and says why; addresses that
wrap another (IPv4-mapped, NAT64, 6to4, Teredo) are judged by what they wrap as well, so that no spelling gets past.
Sources: IANA special-purpose address registries (RFC 6890, 2024-11), RFC 6598 (CGNAT), RFC 6052 and 8215 (NAT64), cloud
metadata addresses of AWS, GCP, Azure, Oracle and Alibaba.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

from appliance.model.errors import OperatorError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Order matters: the first that holds an address names the reason.
_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), reason)
    for network, reason in (
        ("169.254.169.254/32", "metadata"),
        ("169.254.170.2/32", "metadata"),
        ("100.100.100.200/32", "metadata"),
        ("168.63.129.16/32", "metadata"),
        ("192.0.0.192/32", "metadata"),
        ("fd00:ec2::/32", "metadata"),
        ("fd20:ce::254/128", "metadata"),
        ("0.0.0.0/8", "unspecified"),
        ("::/128", "unspecified"),
        ("127.0.0.0/8", "loopback"),
        ("::1/128", "loopback"),
        ("169.254.0.0/16", "link_local"),
        ("fe80::/10", "link_local"),
        ("fec0::/10", "private"),
        ("10.0.0.0/8", "private"),
        ("172.16.0.0/12", "private"),
        ("192.168.0.0/16", "private"),
        ("fc00::/7", "private"),
        ("100.64.0.0/10", "carrier_nat"),
        ("224.0.0.0/4", "multicast"),
        ("ff00::/8", "multicast"),
        ("::ffff:0:0/96", "ipv4_mapped"),
        ("::/96", "ipv4_compatible"),
        ("64:ff9b::/96", "nat64"),
        ("64:ff9b:1::/48", "nat64"),
        ("2002::/16", "6to4"),
        ("2001::/32", "teredo"),
        ("240.0.0.0/4", "reserved"),
    )
)
_NEVER = frozenset({"multicast", "unspecified"})


class Exemption(msgspec.Struct, frozen=True):
    """A special address that may be dialled: network, one port, and what for."""

    network: Network
    port: int
    purpose: str


class AddressVerdict(msgspec.Struct, frozen=True):
    """Whether an address may be dialled. `reason`: public, exempt, own_listener, or the kind that refuses it."""

    allowed: bool
    reason: str
    purpose: str = ""


class Allowance(msgspec.Struct, frozen=True):
    """What `judge` may let through, and what it never may: `own` are this appliance's listeners."""

    exemptions: tuple[Exemption, ...] = ()
    own: frozenset[tuple[Address, int]] = frozenset()


def exemptions_of(entries: Iterable[tuple[str, int, str]]) -> tuple[Exemption, ...]:
    """Parse (network, port, purpose); OperatorError for a bad network, a bad port or an empty purpose."""
    found = []
    for network, port, purpose in entries:
        place = f"egress.allow_private: {network}:{port}"
        try:
            parsed = ip_network(network)
        except ValueError as error:
            raise OperatorError(f"{place}: not a network ({error}); write for example 10.1.2.0/24") from error
        if not 0 < port < 1 << 16:
            raise OperatorError(f"{place}: the port must be 1-65535")
        if not purpose.strip():
            raise OperatorError(f"{place}: say in `purpose` why this address may be reached")
        found.append(Exemption(parsed, port, purpose))
    return tuple(found)


def judge(address: Address, port: int, allowance: Allowance) -> AddressVerdict:
    """Judge one resolved address before it is dialled."""
    inner = embedded(address)
    if any(_is_own(candidate, port, allowance) for candidate in (address, inner) if candidate is not None):
        return AddressVerdict(False, "own_listener")
    verdict = _judge_one(address, port, allowance)
    if verdict.allowed and inner is not None:
        within = _judge_one(inner, port, allowance)
        return verdict if within.allowed else within
    return verdict


def embedded(address: Address) -> Address | None:
    """The IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4, Teredo's client), or None."""
    if isinstance(address, IPv4Address):
        return None
    kind = special(address)
    packed = address.packed
    if kind in {"ipv4_mapped", "ipv4_compatible", "nat64"}:
        return IPv4Address(packed[12:])
    if kind == "6to4":
        return IPv4Address(packed[2:6])
    if kind == "teredo":
        return IPv4Address(bytes(byte ^ 0xFF for byte in packed[12:]))
    return None


def special(address: Address) -> str | None:
    """The kind of a special address; None: a public one."""
    plain = IPv6Address(address.packed) if isinstance(address, IPv6Address) and address.scope_id else address
    for network, reason in _SPECIAL:
        if plain.version == network.version and plain in network:
            return reason
    return None if plain.is_global else "reserved"


def check_bind(
    host: str,
    port: int,
    *,
    clients: Iterable[str],
    identity: bool,
    tls: bool,
    listener: str = "proxy",
    passwords: bool = False,
) -> None:
    """OperatorError when binding `host`:`port` would let strangers in.

    Off loopback a listener needs client networks or an identity method; a gateway, and anything that takes credentials,
    needs TLS there. `identity`: one is required; `passwords`: they are taken, required or not.
    """
    place = f"listen.{listener}: {host}:{port}"
    if not 0 <= port < 1 << 16:
        raise OperatorError(f"{place}: the port must be 0-65535")
    if _is_loopback(host, place):
        return
    networks = tuple(clients)
    if not networks and not identity:
        raise OperatorError(
            f"{place} is reachable from other machines and nothing says who may use it; "
            "set listen.clients to networks, or identity.required, or bind 127.0.0.1"
        )
    if any(ip_network(network, strict=False).prefixlen == 0 for network in networks) and not identity:
        raise OperatorError(f"{place}: listen.clients admits every address; name your networks or require identity")
    if not tls and (listener == "gateway" or identity or passwords):
        raise OperatorError(
            f"{place} would carry credentials in clear text between machines; "
            "set listen.certificate and listen.key, or bind 127.0.0.1"
        )


def _judge_one(address: Address, port: int, allowance: Allowance) -> AddressVerdict:
    kind = special(address)
    if kind is None:
        return AddressVerdict(True, "public")
    if kind not in _NEVER:
        for entry in allowance.exemptions:
            if entry.port == port and entry.network.version == address.version and address in entry.network:
                return AddressVerdict(True, "exempt", entry.purpose)
    return AddressVerdict(False, kind)


def _is_own(address: Address, port: int, allowance: Allowance) -> bool:
    """A listener bound to every address is ours at every loopback address too."""
    for own, own_port in allowance.own:
        if own_port != port:
            continue
        if own == address or (own.is_unspecified and (address.is_loopback or address.is_unspecified)):
            return True
        if own.is_loopback and address.is_unspecified:
            return True
    return False


def _is_loopback(host: str, place: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        raise OperatorError(f"{place}: not an address; write an IP address such as 127.0.0.1") from None
