"""Host names as they come off the wire, brought to one comparable form.

Owns: the canonical spelling. Rules: pure; ASCII, lower case, A-labels, no trailing dot; an address literal is told
from a name and never taken for one; what is neither is refused rather than guessed at. Sources: RFC 1123 2.1 (syntax),
RFC 5890 (A-labels), RFC 3986 3.2.2 (brackets), WHATWG URL 3.5 (a name that ends in a number is an address).
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

MAX_NAME = 253

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")


def address_literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` spells (brackets allowed, IPv4-mapped IPv6 unwrapped), or None."""
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" not in text and not text[-1:].isdigit():
        return None  # spares nearly every name the cost of an exception
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def canonical_name(host: str) -> str | None:
    """The comparable form of a DNS name, or None for addresses and for what is no name at all."""
    # Bounded before anything looks at it: IDNA work grows with the length, and so would the cache.
    return _canonical(host) if 0 < len(host) <= MAX_NAME + 1 else None


@lru_cache(maxsize=4096)
def _canonical(host: str) -> str | None:
    name = _to_ascii(host)
    if name is None or address_literal(name) is not None:
        return None
    labels = name.split(".")
    if not all(_LABEL.match(label) for label in labels) or _NUMBER.match(labels[-1]):
        return None
    return name


def canonical_host(host: str) -> str | None:
    """The comparable form of a name or of an address literal, or None."""
    literal = address_literal(host)
    return canonical_name(host) if literal is None else str(literal)


def split_authority(authority: str) -> tuple[str, int | None] | None:
    """`host`, `host:port` or `[v6]:port` of a Host header or :authority as (host, port); None where it is malformed."""
    host, port = authority, ""
    if authority.startswith("["):
        closing = authority.find("]")
        host, rest = authority[: closing + 1], authority[closing + 1 :]
        if closing < 0 or (rest and not rest.startswith(":")):
            return None
        port = rest[1:]
    elif authority.count(":") == 1:
        host, _, port = authority.partition(":")
    if not host or (port and not _PORT.match(port)):
        return None
    number = int(port) if port else None
    return None if number is not None and number > 65535 else (host, number)  # noqa: PLR2004 - the last port


def is_at_or_below(name: str, domain: str) -> bool:
    """Whether `name` is `domain` or one of its descendants: how X.509 name constraints and suffix lists match."""
    return name == domain or name.endswith("." + domain)


def _to_ascii(host: str) -> str | None:
    name = host
    if not host.isascii():
        try:
            name = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    name = name.lower().removesuffix(".")
    return name if 0 < len(name) <= MAX_NAME else None
