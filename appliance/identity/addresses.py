"""The address map: who stands behind which network. Low assurance: an address proves nothing.

Rules: the narrowest network wins; two entries for one network are refused; a look-up costs one probe per prefix length
in use.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

from appliance.identity.method import Answer, IdentityRequest
from appliance.model.errors import OperatorError
from appliance.model.facts import Principal
from appliance.model.names import Assurance


class AddressMapping(msgspec.Struct, frozen=True):
    """One entry: an address or network, and who it stands for."""

    network: str
    user: str
    groups: tuple[str, ...] = ()
    department: str | None = None


class AddressMap:
    """An `IdentityMethod` that always has an answer for a mapped address."""

    def __init__(self, entries: Iterable[AddressMapping]) -> None:
        self._entries: dict[IPv4Network | IPv6Network, AddressMapping] = {}
        for number, entry in enumerate(entries):
            network = _network(entry.network, number)
            if network in self._entries:
                raise OperatorError(f"identity.addresses[{number}]: {entry.network} is mapped already")
            self._entries[network] = entry
        self._prefixes = {
            version: sorted({item.prefixlen for item in self._entries if item.version == version}, reverse=True)
            for version in (4, 6)
        }

    def find(self, address: str) -> AddressMapping | None:
        """The narrowest entry for `address` (IPv4-mapped IPv6 counts as IPv4), or None."""
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        for prefix in self._prefixes[parsed.version]:
            if entry := self._entries.get(ip_network((parsed, prefix), strict=False)):
                return entry
        return None

    async def identify(self, request: IdentityRequest, now: float) -> Answer | None:  # noqa: ARG002 - the interface has it
        """The mapped principal, or None."""
        entry = self.find(request.address)
        if entry is None:
            return None
        return Principal(
            entry.user,
            request.address,
            method="address",
            assurance=Assurance.LOW,
            groups=entry.groups,
            department=entry.department,
        )


def _network(text: str, number: int) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise OperatorError(f"identity.addresses[{number}].network: {text!r} is not a network: {error}") from None
