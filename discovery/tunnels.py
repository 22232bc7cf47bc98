"""What may stand between the link and the IP header that matters: labels, PPP, 802.11 and tunnels.

Rules: each reader gets (decoder, data, offset, depth) and goes on with one of the decoder's; the decoder counts depth
and catches what is cut short (IndexError). Sources: RFC 1661 and 2516 (PPP, PPPoE), 3032 (MPLS), 2784 and 2890 (GRE),
7348 (VXLAN), 8926 (Geneve), 5415 (CAPWAP), 3GPP TS 29.281 (GTP-U), draft-foschiano-erspan.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from discovery.limits import Weird

if TYPE_CHECKING:
    from discovery.decode import Decoder, Place

type Reader = Callable[["Decoder", bytes, int, int], "Place | None"]

_MAX_LABELS = 8
_VNI = 0x08  # the flag that says that a network identifier is there
_MAX_GTP_EXTENSIONS = 8
_DATA = 0x08  # an 802.11 data frame with a body


def _u16(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def ppp(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    """A PPP frame, with or without address and control, protocol of one byte or two."""
    if data[at] == 0xFF and data[at + 1] == 3:  # noqa: PLR2004 - RFC 1662 section 3.1
        at += 2
    if data[at] & 1:
        kind, at = data[at], at + 1
    else:
        kind, at = _u16(data, at), at + 2
    reader = _PPP.get(kind)
    return None if reader is None else reader(decoder, data, at, depth)


def _pppoe(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    return ppp(decoder, data, at + 6, depth)


def wifi(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    """An 802.11 data frame that is not encrypted; an aggregate's first part only."""
    control, flags = data[at], data[at + 1]
    if control & 0x4C != _DATA or flags & 0x40:  # not data, without a body, or protected
        return None
    body = at + 24 + (6 if flags & 3 == 3 else 0) + (2 if control & 0x80 else 0)  # noqa: PLR2004 - four addresses
    if data[body : body + 2] != b"\xaa\xaa":
        return None
    return decoder.ethertype(data, body + 8, _u16(data, body + 6), depth)


def _mpls(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    """A label stack; what follows is told by its first nibble, an Ethernet pseudo-wire's control word is skipped."""
    for _ in range(_MAX_LABELS):
        at += 4
        if data[at - 2] & 1:
            break
    else:
        return decoder.lost(Weird.TOO_DEEP)
    if data[at] >> 4 in {4, 6}:
        return decoder.ip(data, at, depth)
    return decoder.ethernet(data, at + 4 if data[at] >> 4 == 0 else at, depth)


def _gre(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    flags, kind = _u16(data, at), _u16(data, at + 2)
    body = at + 4
    for flag in (0xC000, 0x2000, 0x1000):  # checksum or routing, key, sequence number
        body += 4 if flags & flag else 0
    if flags & 0x87 == 0x81:  # noqa: PLR2004 - version 1 (RFC 2637) with an acknowledgement
        body += 4
    if kind == 0x88BE and not flags & 0x1000:  # noqa: PLR2004 - ERSPAN type I has no header of its own
        return decoder.ethernet(data, body, depth)
    return decoder.ethertype(data, body, kind, depth)


def _erspan2(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    return decoder.ethernet(data, at + 8, depth)


def _erspan3(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    return decoder.ethernet(data, at + (20 if data[at + 11] & 1 else 12), depth)


def _vxlan(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    return decoder.ethernet(data, at + 8, depth) if data[at] & _VNI else None


def _geneve(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    if data[at] >> 6:  # a version that is not known
        return None
    return decoder.ethertype(data, at + 8 + ((data[at] & 0x3F) << 2), _u16(data, at + 2), depth)


def _gtp(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    flags = data[at]
    if flags >> 4 != 3 or data[at + 1] != 0xFF:  # noqa: PLR2004 - version 1, a G-PDU
        return None
    body = at + 8
    if flags & 7:
        body += 4
        following = data[body - 1] if flags & 4 else 0
        for _ in range(_MAX_GTP_EXTENSIONS):
            if not following:
                break
            body += max(1, data[body]) << 2
            following = data[body - 1]
    return decoder.ip(data, body, depth)


def _capwap(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    """CAPWAP data, in clear and not fragmented: an 802.11 or an 802.3 frame, by the T flag."""
    flags = data[at + 3]
    if data[at] or flags & 0x80:
        return None
    body = at + (data[at + 1] >> 3 << 2)
    return _wifi_swapped(decoder, data, body, depth) if data[at + 2] & 1 else decoder.ethernet(data, body, depth)


def _wifi_swapped(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    """An 802.11 frame whose two bytes of frame control may stand in either order, as some controllers send them."""
    return wifi(decoder, data, at, depth) or wifi(
        decoder, data[:at] + data[at : at + 2][::-1] + data[at + 2 :], at, depth
    )


def _ip(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    return decoder.ip(data, at, depth)


def _ipv6(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    return decoder.ipv6(data, at, depth)


def _ethernet(decoder: "Decoder", data: bytes, at: int, depth: int) -> "Place | None":
    return decoder.ethernet(data, at, depth)


_PPP: dict[int, Reader] = {0x21: _ip, 0x57: _ipv6}

ETHERTYPES: dict[int, Reader] = {
    0x86DD: _ipv6,
    0x8847: _mpls,
    0x8848: _mpls,
    0x8864: _pppoe,
    0x880B: ppp,
    0x6558: _ethernet,
    0x88BE: _erspan2,
    0x22EB: _erspan3,
}
PROTOCOLS: dict[int, Reader] = {4: _ip, 41: _ipv6, 47: _gre, 137: _mpls}
UDP_PORTS: dict[int, Reader] = {
    2152: _gtp,
    4754: _gre,
    4789: _vxlan,
    8472: _vxlan,
    5247: _capwap,
    6081: _geneve,
    6635: _mpls,
}
