"""A packet of the second ring, cut after its heads: whose it is, how far the connection has come, and its first record.

Rules: pure; believes the kernel's filter in nothing; what is no whole head of TCP in plain IP is None. The length of
the payload is what the IP head says, because the payload itself is not here.
"""

from struct import Struct
from typing import Final, NamedTuple

from discovery.kernel_filter import ETHERNET

_TYPE: Final = Struct(">H").unpack_from
_V4: Final = Struct(">BxHxxHxB").unpack_from  # version and size, length, fragment, protocol
_V6: Final = Struct(">BxxxHB").unpack_from  # version, length, next head
_TCP: Final = Struct(">HHIIBB").unpack_from
_IPV4, _IPV6, _OF_TCP = 0x0800, 0x86DD, 6
_TCP_BYTES, _V4_BYTES, _V6_BYTES = 20, 20, 40


class Segment(NamedTuple):
    """`there`: addresses and ports as the packet has them, `back`: turned. `length`: bytes of its payload.

    `begins`: those of the payload that were kept.
    """

    there: bytes
    back: bytes
    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    length: int
    begins: bytes


def segment(linktype: int, data: bytes) -> Segment | None:
    """What a captured frame holds; `linktype` as in capture files."""
    at = 14 if linktype == ETHERNET else 0
    if len(data) < at + _V4_BYTES + _TCP_BYTES:
        return None
    kind = _TYPE(data, 12)[0] if at else (_IPV4 if data[0] >> 4 == 4 else _IPV6)  # noqa: PLR2004 - a version
    if kind == _IPV4:
        head, total, fragment, protocol = _V4(data, at)
        size = (head & 0xF) << 2
        if head >> 4 != 4 or size < _V4_BYTES or fragment & 0x3FFF or protocol != _OF_TCP:  # noqa: PLR2004
            return None
        return _of_tcp(data, data[at + 12 : at + 16], data[at + 16 : at + 20], at + size, total - size)
    if kind == _IPV6 and len(data) >= at + _V6_BYTES + _TCP_BYTES:
        head, total, protocol = _V6(data, at)
        if head >> 4 == 6 and protocol == _OF_TCP:  # noqa: PLR2004
            return _of_tcp(data, data[at + 8 : at + 24], data[at + 24 : at + 40], at + _V6_BYTES, total)
    return None


def _of_tcp(data: bytes, src: bytes, dst: bytes, at: int, size: int) -> Segment | None:
    """`at`: where the TCP head begins; `size`: bytes from there to the packet's end on the wire."""
    if len(data) < at + _TCP_BYTES or size < _TCP_BYTES:
        return None
    sport, dport, seq, ack, offset, flags = _TCP(data, at)
    head = (offset >> 4) << 2
    length = size - head
    if head < _TCP_BYTES or length < 0:
        return None
    ports = data[at : at + 4]
    begins = data[at + head : at + size]
    return Segment(src + dst + ports, dst + src + ports[2:] + ports[:2], sport, dport, seq, ack, flags, length, begins)
