"""From a captured frame to the transport header inside it, through link layers, tags, labels and tunnels.

Rules: integers and offsets only, nothing is copied but datagrams that came in pieces; addresses become text when a row
is made, not here. Depth and every loop are bounded by `Limits.depth`. A frame that ends early raises nothing to the
caller: it is counted. Link types are those of https://www.tcpdump.org/linktypes.html.
"""

import struct
from collections.abc import Callable
from struct import Struct

from discovery import tunnels
from discovery.fragments import Fragments
from discovery.limits import Limits, Tally, Weird

# data, protocol, start and end of the two addresses in data, start of the transport header, end of the packet.
# A plain tuple: one is made for every packet.
type Place = tuple[bytes, int, int, int, int, int]

TCP, UDP = 6, 17
ETHERNET = 1

_IPV4_TYPE = b"\x08\x00"
_IPV4 = Struct(">BxHHHxB").unpack_from  # version and length, total, identification, fragment, protocol
_IPV6 = Struct(">BxxxHB").unpack_from  # version, payload length, next header
_U16 = Struct(">H").unpack_from
_EXTENSIONS = frozenset({0, 43, 51, 60, 135, 139, 140})  # read over; 44 (fragment) is handled
_FRAGMENT = 44
_V4, _V6 = 4, 6
_PLAIN = 0x45  # version 4, no options
TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})


class Decoder:
    """`locate` is called for every packet of the wire."""

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._limits, self._tally = limits, tally
        self._fragments = Fragments(limits, tally)
        self._now = 0.0
        self._ethertypes, self._protocols, self._ports = tunnels.ETHERTYPES, tunnels.PROTOCOLS, tunnels.UDP_PORTS

    def locate(self, now: float, linktype: int, data: bytes) -> Place | None:
        """Where the innermost TCP or UDP header is; None for what is neither, or cannot be read (counted)."""
        self._now = now
        try:
            if linktype == ETHERNET and data[12:14] == _IPV4_TYPE:
                return self.ipv4(data, 14, 0)
            reader = _LINKS.get(linktype)
            if reader is None:
                self._tally[Weird.UNKNOWN_LINK] += 1
                return None
            return reader(self, data)
        except (IndexError, struct.error):
            self._tally[Weird.TRUNCATED] += 1
            return None

    def expire(self, now: float) -> None:
        """Let go what is too old."""
        self._fragments.expire(now)

    def ip(self, data: bytes, at: int, depth: int) -> Place | None:
        """An IP header of whichever version stands there."""
        return self.ipv6(data, at, depth) if data[at] >> 4 == _V6 else self.ipv4(data, at, depth)

    def ipv4(self, data: bytes, at: int, depth: int) -> Place | None:
        """RFC 791. A total length of 0 is that of segmentation offload: all that was captured."""
        head, total, _, fragment, protocol = _IPV4(data, at)
        transport = at + 20
        if head != _PLAIN:
            transport = at + ((head & 15) << 2)
            if head >> 4 != _V4 or transport < at + 20:
                return self.lost(Weird.BAD_IP)
        end = at + total
        if end > len(data) or not total:
            end = len(data)
        if end < transport:
            return self.lost(Weird.BAD_IP)
        if fragment & 0x3FFF:
            key = data[at + 4 : at + 6] + data[at + 9 : at + 10]
            place = (data, protocol, at + 12, at + 20, transport, end)
            return self._piece(place, key, (fragment & 0x1FFF) << 3, not fragment & 0x2000, depth)
        if protocol == TCP:
            return data, TCP, at + 12, at + 20, transport, end
        return self._upper((data, protocol, at + 12, at + 20, transport, end), depth)

    def ipv6(self, data: bytes, at: int, depth: int) -> Place | None:
        """RFC 8200, with its extension headers."""
        head, length, protocol = _IPV6(data, at)
        if head >> 4 != _V6:
            return self.lost(Weird.BAD_IP)
        transport = at + 40
        end = min(transport + length, len(data)) if length else len(data)
        for _ in range(self._limits.depth):
            if protocol == _FRAGMENT:
                field = _U16(data, transport + 2)[0]
                inner = data[transport]
                place = (data, inner, at + 8, at + 40, transport + 8, end)
                if field & 0xFFF9:
                    key = data[transport + 4 : transport + 8] + bytes((inner,))
                    return self._piece(place, key, field & 0xFFF8, not field & 1, depth)
                protocol, transport = inner, transport + 8
            elif protocol in _EXTENSIONS:
                size = (data[transport + 1] + 2) << 2 if protocol == 51 else (data[transport + 1] + 1) << 3  # noqa: PLR2004 - RFC 4302: in words of 4
                protocol, transport = data[transport], transport + size
            else:
                return self._upper((data, protocol, at + 8, at + 40, transport, end), depth)
        return self.lost(Weird.TOO_DEEP)

    def ethernet(self, data: bytes, at: int, depth: int = 0) -> Place | None:
        """An Ethernet II or 802.3 header."""
        return self.ethertype(data, at + 14, _U16(data, at + 12)[0], depth)

    def ethertype(self, data: bytes, at: int, kind: int, depth: int) -> Place | None:
        """What follows an EtherType, tags and all; also a length of 802.3 with LLC and SNAP."""
        for _ in range(self._limits.depth):
            if kind not in TAGS:
                break
            kind, at = _U16(data, at + 2)[0], at + 4
        if kind < 0x0600 and data[at : at + 2] == b"\xaa\xaa":  # noqa: PLR2004 - a length, so LLC follows
            kind, at = _U16(data, at + 6)[0], at + 8
        if kind == 0x0800:  # noqa: PLR2004 - IPv4
            return self.ipv4(data, at, depth)
        reader = self._ethertypes.get(kind)
        if reader is None:
            return None
        return reader(self, data, at, depth + 1) if depth < self._limits.depth else self.lost(Weird.TOO_DEEP)

    def lost(self, why: Weird) -> Place | None:
        """Count what is not followed further; always None."""
        self._tally[why] += 1
        return None

    def _upper(self, place: Place, depth: int) -> Place | None:
        """A transport or a tunnel. A datagram to a tunnel's port that holds no tunnel stays a datagram."""
        data, protocol, _, _, at, end = place
        if protocol == TCP:
            return place
        if protocol == UDP:
            reader = self._ports.get(_U16(data, at + 2)[0])
            at += 8
        else:
            reader = self._protocols.get(protocol)
        outer = place if protocol == UDP else None
        if reader is None or at >= end:
            return outer
        if depth >= self._limits.depth:
            self.lost(Weird.TOO_DEEP)
            return outer
        try:
            return reader(self, data[:end] if end < len(data) else data, at, depth + 1) or outer
        except (IndexError, struct.error):
            if outer is None:
                raise
            return outer

    def _piece(self, place: Place, key: bytes, offset: int, last: bool, depth: int) -> Place | None:
        data, protocol, address, address_end, at, end = place
        addresses = data[address:address_end]
        whole = self._fragments.add(addresses + key, self._now, offset, data[at:end], last=last)
        if whole is None:
            return None
        size = len(addresses)
        return self._upper((addresses + whole, protocol, 0, size, size, size + len(whole)), depth)


def _nflog(decoder: Decoder, data: bytes) -> Place | None:
    """Netfilter's log: attributes of length, type (host order: little-endian here) and value; type 9 is the packet."""
    at = 4
    for _ in range(64):  # a log entry has about ten attributes
        size = data[at] | data[at + 1] << 8
        if data[at + 2] | data[at + 3] << 8 == 9:  # noqa: PLR2004 - NFULA_PAYLOAD
            return decoder.ip(data, at + 4, 0)
        at += max(4, (size + 3) & ~3)
    return None


def _linktype_sll(decoder: Decoder, data: bytes) -> Place | None:
    return decoder.ethertype(data, 16, _U16(data, 14)[0], 0)


def _linktype_sll2(decoder: Decoder, data: bytes) -> Place | None:
    return decoder.ethertype(data, 20, _U16(data, 0)[0], 0)


def _linktype_radiotap(decoder: Decoder, data: bytes) -> Place | None:
    return tunnels.wifi(decoder, data, data[2] | data[3] << 8, 0)


def _from(
    at: int, reader: Callable[[Decoder, bytes, int, int], Place | None]
) -> Callable[[Decoder, bytes], Place | None]:
    return lambda decoder, data: reader(decoder, data, at, 0)


_RAW = _from(0, Decoder.ip)
_LOOP = _from(4, Decoder.ip)  # 4 bytes of address family, in the order of whoever captured
_LINKS: dict[int, Callable[[Decoder, bytes], Place | None]] = {
    0: _LOOP,
    ETHERNET: _from(0, Decoder.ethernet),
    9: _from(0, tunnels.ppp),
    12: _RAW,
    14: _RAW,
    50: _from(0, tunnels.ppp),
    101: _RAW,
    105: _from(0, tunnels.wifi),
    108: _LOOP,
    113: _linktype_sll,
    127: _linktype_radiotap,
    228: _from(0, Decoder.ipv4),
    229: _from(0, Decoder.ipv6),
    239: _nflog,
    276: _linktype_sll2,
}
LINK_TYPES = frozenset(_LINKS)
