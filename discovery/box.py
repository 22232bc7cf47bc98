"""Which addresses are this machine's own, and where the appliance listens on them.

Owns: the judgement of a way: to one of our listeners (leg proxy), or past us. Rules: pure but for `own_addresses`,
which reads what the kernel tells everybody; a listener on all addresses is one on each of ours.
"""

from __future__ import annotations

import contextlib
import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.model.names import Leg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FIB_TRIE: Final = Path("/proc/net/fib_trie")  # IPv4: every local address stands there as `|-- A` over `/32 host LOCAL`
_IF_INET6: Final = Path("/proc/net/if_inet6")  # IPv6: 32 hexadecimal digits, then columns
_LOCAL4: Final = re.compile(r"\|-- ([\d.]+)\s+/32 host LOCAL")


def own_addresses() -> frozenset[str]:
    """Addresses of all interfaces, in their shortest text. Empty where the system does not tell."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        found.update(_LOCAL4.findall(_FIB_TRIE.read_text()))
    with contextlib.suppress(OSError, ValueError):
        rows = _IF_INET6.read_text().splitlines()
        found.update(str(ip_address(bytes.fromhex(row.split()[0]))) for row in rows if row)
    return frozenset(found)


def split(listener: str) -> tuple[str, int]:
    """`127.0.0.1:8080` or `[::1]:8080` as address and port. ValueError: neither."""
    host, _, port = listener.rpartition(":")
    return str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port)


class Box:
    """This machine as the wire shows it. `listeners`: name (proxy, gateway) to address and port."""

    def __init__(self, listeners: Mapping[str, tuple[str, int]], addresses: Iterable[str] = ()) -> None:
        self._listeners = {place: name for name, place in listeners.items()}
        self._ports = {port for _, port in self._listeners}
        self.addresses = frozenset(addresses)

    def renewed(self, addresses: Iterable[str]) -> Box:
        """The same listeners on a machine whose addresses have changed."""
        return Box({name: place for place, name in self._listeners.items()}, addresses)

    @property
    def ports(self) -> frozenset[int]:
        """Where the appliance listens."""
        return frozenset(self._ports)

    def listener(self, address: str, port: int) -> str | None:
        """Which of our listeners is reached at that place."""
        if port not in self._ports:
            return None
        if found := self._listeners.get((address, port)):
            return found
        anywhere = ("::", port) if ":" in address else ("0.0.0.0", port)  # noqa: S104 - compared, not bound
        return self._listeners.get(anywhere) if address in self.addresses else None

    def leg(self, address: str, port: int) -> Leg:
        """Whether what goes there passes the appliance."""
        return Leg.PROXY if self.listener(address, port) else Leg.DIRECT
