"""What an intermediate may sign for: a set of domains, or everything.

Owns: the normal form of the domain set and its way into and out of nameConstraints. Rules: pure; an empty set is
refused because X.509 reads "no permitted name" as "every name"; a domain covers itself and everything below (RFC 5280
4.2.1.10); addresses are excluded always, also from an unconstrained intermediate.
"""

from collections.abc import Iterable
from ipaddress import ip_network

import msgspec
from cryptography import x509

from appliance.model.errors import OperatorError
from appliance.net.hostname import canonical_name

_NO_ADDRESSES = [x509.IPAddress(ip_network("0.0.0.0/0")), x509.IPAddress(ip_network("::/0"))]


class Reach(msgspec.Struct, frozen=True):
    """`domains`: sorted, none below another. `everything`: no constraint on names; then `domains` is empty."""

    domains: tuple[str, ...] = ()
    everything: bool = False

    def covers(self, host: str) -> bool:
        """Whether a leaf for `host` (canonical) will be accepted by clients."""
        return self.everything or not {host, *_ancestors(host)}.isdisjoint(self.domains)

    def includes(self, other: "Reach") -> bool:
        """Whether all that `other` covers is covered here too."""
        return self.everything or (not other.everything and not self.lacks(other))

    def lacks(self, other: "Reach") -> tuple[str, ...]:
        """Names of `other` that are not covered here. Of one for everything no name can be told: none."""
        held = frozenset(self.domains)
        uncovered = (name for name in other.domains if held.isdisjoint({name, *_ancestors(name)}))
        return () if self.everything else tuple(uncovered)


UNCONSTRAINED = Reach(everything=True)


def union(reaches: Iterable[Reach]) -> Reach:
    """What several may sign for together; of none: nothing."""
    found = list(reaches)
    if any(reach.everything for reach in found):
        return UNCONSTRAINED
    return Reach(domains=_outermost([name for reach in found for name in reach.domains]))


def candidates(host: str) -> tuple[str, ...]:
    """The names whose constraint would cover `host` (canonical): itself and what is above it."""
    return (host, *_ancestors(host))


def reach_of(domains: Iterable[str]) -> Reach:
    """The normal form of a domain set. OperatorError: empty, no host name, or so short that it covers the world."""
    names: list[str] = []
    for domain in domains:
        name = canonical_name(domain.removeprefix("."))
        if name is None or "." not in name:
            raise OperatorError(
                f"certificate authority: {domain!r} cannot be permitted; it must be a name of two labels or more"
            )
        names.append(name)
    if not names:
        raise OperatorError(
            "certificate authority: no domain to constrain the intermediate to; an empty constraint would permit every "
            "name. Load a catalogue with at least one domain"
        )
    return Reach(domains=_outermost(names))


def constraints(reach: Reach) -> x509.NameConstraints:
    """The extension for an intermediate of this reach."""
    permitted = None if reach.everything else [x509.DNSName(domain) for domain in reach.domains]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=_NO_ADDRESSES)


def reach_in(certificate: x509.Certificate) -> Reach:
    """What a stored intermediate may sign for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return UNCONSTRAINED
    names = [name.value for name in found.permitted_subtrees or [] if isinstance(name, x509.DNSName)]
    return Reach(domains=tuple(sorted(names))) if names else UNCONSTRAINED


def _outermost(names: list[str]) -> tuple[str, ...]:
    kept: set[str] = set()
    for name in sorted(set(names), key=lambda item: item.count(".")):
        parents = _ancestors(name)
        if kept.isdisjoint(parents):
            kept.add(name)
    return tuple(sorted(kept))


def _ancestors(name: str) -> set[str]:
    labels = name.split(".")
    return {".".join(labels[start:]) for start in range(1, len(labels))}
