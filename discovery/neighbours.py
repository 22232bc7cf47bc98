"""Hosts of the local network as packets show them: hardware addresses, and what hosts say of themselves.

Owns: observations of kind `host`, made where the engine is asked for them. Rules: pure; only of private addresses, and
only where the frame itself holds the packet, for behind a tunnel the hardware address is the tunnel's; that a host
still has its address is told once in `AGAIN_S`. Whether a hardware address is a router's is judged by who takes them.
"""

from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation
from discovery import announced, dhcp
from discovery.decode import UDP, Place
from discovery.dhcp import Told, address_text
from discovery.held import Recent
from discovery.notes import Note
from discovery.rows import ends_of

AGAIN_S = 300.0
MAX_KEPT = 65_536
DHCP, DHCP6, NETBIOS, SSDP = frozenset({67, 68}), frozenset({546, 547}), 137, 1900
PORTS = DHCP | DHCP6 | {NETBIOS, SSDP}
_TYPES = frozenset({b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8"})  # of the frame: IP, or tags before it
_STARTS = frozenset({22, 26, 30, 34})  # where the addresses of IP begin: behind Ethernet, and up to two tags
_FIRST = frozenset({10, 169, 172, 192, 0xFC, 0xFD, 0xFE})  # bytes that local addresses begin with
_V4, _V6 = 4, 16
_GROUP = 1  # the bit of a hardware address that stands for several


class Neighbours:
    """What one engine remembers of its hosts."""

    def __init__(self, entries: int = MAX_KEPT, again_s: float = AGAIN_S) -> None:
        self._met: Recent[bool] = Recent(entries, again_s)

    def met(self, ts: float, frame: bytes, place: Place) -> Observation | None:
        """The sender of a packet in an Ethernet frame, unless it is known; None too where it is no neighbour."""
        data, _, start, end, _, _ = place
        if data[start] not in _FIRST:
            return None
        source = data[start : (start + end) >> 1]
        key = source + frame[6:12]
        if self._met.recall(key, ts):  # before anything else: most are known
            return None
        if data is not frame or start not in _STARTS or frame[12:14] not in _TYPES or frame[6] & _GROUP:
            return None
        if not is_private(source):
            return None
        self._met.note(key, ts, True)
        return _row(ts, place, Told(mac=frame[6:12]), Note.ETHERNET)

    def told(self, ts: float, place: Place, payload: bytes) -> Observation | None:
        """What a datagram towards one of PORTS tells of a host."""
        data, _, _, _, at, _ = place
        port = data[at + 2] << 8 | data[at + 3]
        if port in DHCP:
            return _row(ts, place, dhcp.told4(payload), Note.DHCP)
        if port in DHCP6:
            return _row(ts, place, dhcp.told6(payload), Note.DHCP6)
        if port == SSDP:
            system = announced.ssdp(payload)
            return _row(ts, place, Told(system=system) if system else None, Note.SSDP)
        registered = announced.netbios(payload)
        told = Told(address_text(registered[1]), b"", registered[0]) if registered else None
        return _row(ts, place, told, Note.NETBIOS)


def is_private(raw: bytes) -> bool:
    """Whether four or sixteen bytes are an address of a local network (RFC 1918, 3927, 4193, 4291)."""
    if len(raw) == _V4:
        first, second = raw[0], raw[1]
        return (
            first == 10  # noqa: PLR2004 - 10.0.0.0/8
            or (first == 172 and second & 0xF0 == 16)  # noqa: PLR2004 - 172.16.0.0/12
            or (first == 192 and second == 168)  # noqa: PLR2004 - 192.168.0.0/16
            or (first == 169 and second == 254)  # noqa: PLR2004 - 169.254.0.0/16
        )
    return len(raw) == _V6 and (raw[0] & 0xFE == 0xFC or (raw[0] == 0xFE and raw[1] & 0xC0 == 0x80))  # noqa: PLR2004


def mac_text(raw: bytes) -> str:
    """Six bytes as `02:00:5e:00:53:01`; empty where they are none, or stand for several hosts or nobody."""
    return raw.hex(":") if len(raw) == 6 and not raw[0] & _GROUP and any(raw) else ""  # noqa: PLR2004


def _row(ts: float, place: Place, told: Told | None, by: Note) -> Observation | None:
    if told is None:
        return None
    ends = ends_of(ts, place, Transport.UDP if place[1] == UDP else Transport.TCP)
    return Observation(
        ts=ts,
        src=told.address or ends.src,
        sport=ends.sport,
        dst=ends.dst,
        dport=ends.dport,
        transport=ends.transport,
        kind=ObservationKind.HOST,
        mac=mac_text(told.mac) or None,
        hostname=told.name or None,
        software=told.system or None,
        notes=(by.value,),
    )
