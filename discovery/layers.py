"""What stands around the packets of a capture: link types, tags, labels and tunnels, counted.

Owns: the names of link types and encapsulations. Rules: the decoder itself walks, so what is counted is what was
followed; each packet counts once for each of them, a tunnel only where a transport was found inside.
"""

from collections import Counter
from typing import TYPE_CHECKING, Final

from discovery.decode import LINK_TYPES, TAGS, Decoder, Place
from discovery.limits import Limits, Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from discovery.tunnels import Reader

LINKS: Final = {
    0: "null",
    1: "ethernet",
    9: "ppp",
    12: "raw",
    14: "raw",
    50: "ppp",
    101: "raw",
    105: "802.11",
    108: "loop",
    113: "sll",
    127: "radiotap",
    228: "ipv4",
    229: "ipv6",
    239: "nflog",
    276: "sll2",
}
ETHERTYPES: Final = {
    0x8847: "mpls",
    0x8848: "mpls",
    0x8864: "pppoe",
    0x880B: "ppp",
    0x6558: "bridged ethernet",
    0x88BE: "erspan",
    0x22EB: "erspan",
}
PROTOCOLS: Final = {4: "ip in ip", 41: "ipv6 in ip", 47: "gre", 137: "mpls"}
PORTS: Final = {
    2152: "gtp-u",
    4754: "gre in udp",
    4789: "vxlan",
    8472: "vxlan",
    5247: "capwap",
    6081: "geneve",
    6635: "mpls in udp",
}
_TAGGED: Final = ("", "vlan", "qinq")


def link_name(link: int) -> str:
    """Of a LINKTYPE_ number; one that nobody reads here says so."""
    return LINKS.get(link, str(link)) if link in LINK_TYPES else f"{link} (not read)"


class Layers(Decoder):
    """Walks every packet a second time; for statistics only."""

    def __init__(self) -> None:
        super().__init__(Limits(), Tally())
        self.encapsulations: Counter[str] = Counter()
        self.untold = 0  # packets in which no TCP or UDP was found
        self._here: set[str] = set()
        self._ethertypes = self._counting(self._ethertypes, ETHERTYPES)
        self._protocols = self._counting(self._protocols, PROTOCOLS)
        self._ports = self._counting(self._ports, PORTS)

    def take(self, ts: float, link: int, data: bytes) -> None:
        """Count one packet."""
        self._here.clear()
        if self.locate(ts, link, data) is None:
            self.untold += 1
        self.encapsulations.update(self._here)

    def ethertype(self, data: bytes, at: int, kind: int, depth: int) -> Place | None:
        """As the decoder has it; tags are counted by how many there are."""
        tags, place, inner = 0, at, kind
        while inner in TAGS and tags < len(_TAGGED) - 1 and place + 4 <= len(data):
            inner, place, tags = int.from_bytes(data[place + 2 : place + 4]), place + 4, tags + 1
        if tags:
            self._here.add(_TAGGED[tags])
        return super().ethertype(data, at, kind, depth)

    def _counting(self, readers: "Mapping[int, Reader]", names: "Mapping[int, str]") -> "dict[int, Reader]":
        return {kind: self._named(reader, names.get(kind)) for kind, reader in readers.items()}

    def _named(self, reader: "Reader", name: str | None) -> "Reader":
        if name is None:
            return reader

        def read(decoder: Decoder, data: bytes, at: int, depth: int) -> Place | None:
            place = reader(decoder, data, at, depth)
            if place is not None:
                self._here.add(name)
            return place

        return read
