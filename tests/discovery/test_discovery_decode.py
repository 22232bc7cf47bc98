"""The way from a frame to its transport header, through every layer that is read."""

import struct

import pytest
from discovery_frames import ETHERNET, ether, hello, ip, listed, query, segment, tcp, udp
from hypothesis import given
from hypothesis import strategies as st

import discovery.tunnels
from discovery.decode import LINK_TYPES, Decoder
from discovery.engine import Engine
from discovery.limits import Limits, Tally, Weird

INNER = ip(tcp(hello(b"inner.example")), 6)
INNER6 = ip(tcp(hello(b"inner.example")), 6, src="2001:db8::7", dst="2001:db8::9")
QUERY = ip(udp(query(b"inner.example")), 17)


def names(linktype: int, *frames: bytes) -> list[str | None]:
    engine = Engine()
    rows = [row for frame in frames for row in engine.feed(0.0, linktype, frame)]
    assert "parser_fault" not in engine.counters.weird
    return [row.server_name for row in rows]


def tagged(kind: int, packet: bytes, *tags: int) -> bytes:
    return bytes(12) + b"".join(struct.pack(">HH", tag, 5) for tag in tags) + kind.to_bytes(2) + packet


def in_udp(port: int, payload: bytes) -> bytes:
    return ether(ip(udp(payload, dport=port), 17))


def gre(kind: int, packet: bytes, flags: int = 0, extra: bytes = b"") -> bytes:
    return ether(ip(struct.pack(">HH", flags, kind) + extra + packet, 47))


def wlan(packet: bytes, kind: int = 0x08, flags: int = 1) -> bytes:
    extra = bytes(2) if kind & 0x80 else b""
    return bytes((kind, flags)) + bytes(22) + extra + b"\xaa\xaa\x03\0\0\0\x08\0" + packet


PPP = b"\0\x21" + INNER

LINKS = [
    pytest.param(1, ether(INNER), id="ethernet"),
    pytest.param(1, ether(INNER6), id="ethernet ipv6"),
    pytest.param(1, tagged(0x0800, INNER, 0x8100), id="vlan"),
    pytest.param(1, tagged(0x0800, INNER, 0x88A8, 0x8100), id="qinq"),
    pytest.param(1, tagged(0x86DD, INNER6, 0x9100, 0x8100), id="qinq ipv6"),
    pytest.param(1, bytes(12) + b"\0\x40\xaa\xaa\x03\0\0\0\x08\0" + INNER, id="802.3 with llc and snap"),
    pytest.param(1, tagged(0x8864, b"\x11\0\0\1" + listed(PPP) + PPP), id="pppoe"),
    pytest.param(1, tagged(0x8847, b"\0\0\1\x40" + INNER), id="mpls"),
    pytest.param(1, tagged(0x8847, b"\0\0\0\x40\0\0\1\x40" + INNER6), id="mpls, two labels"),
    pytest.param(1, tagged(0x8847, b"\0\0\1\x40\0\0\0\0" + ether(INNER)), id="mpls, ethernet with control word"),
    pytest.param(113, bytes(14) + b"\x08\0" + INNER, id="sll"),
    pytest.param(276, b"\x08\0" + bytes(18) + INNER, id="sll2"),
    pytest.param(276, b"\x86\xdd" + bytes(18) + INNER6, id="sll2 ipv6"),
    *[pytest.param(kind, INNER, id=f"raw {kind}") for kind in (12, 14, 101, 228)],
    *[pytest.param(kind, INNER6, id=f"raw ipv6 {kind}") for kind in (12, 14, 101, 229)],
    pytest.param(0, b"\x02\0\0\0" + INNER, id="null"),
    pytest.param(108, b"\0\0\0\x18" + INNER6, id="loop"),
    pytest.param(9, b"\xff\x03" + PPP, id="ppp"),
    pytest.param(50, b"\x21" + INNER, id="ppp, short"),
    pytest.param(105, wlan(INNER), id="802.11"),
    pytest.param(105, wlan(INNER, 0x88), id="802.11 qos"),
    pytest.param(127, b"\0\0\x08\0" + bytes(4) + wlan(INNER), id="radiotap"),
    pytest.param(239, b"\2\0\0\0\x08\0\1\0" + bytes(4) + struct.pack("<HH", 4 + len(INNER), 9) + INNER, id="nflog"),
    pytest.param(1, gre(0x0800, INNER), id="gre"),
    pytest.param(1, gre(0x86DD, INNER6, 0xB000, bytes(12)), id="gre with checksum, key, number"),
    pytest.param(1, gre(0x880B, PPP, 0x3081, bytes(12)), id="gre version 1"),
    pytest.param(1, gre(0x6558, ether(INNER)), id="gre ethernet"),
    pytest.param(1, gre(0x88BE, ether(INNER)), id="erspan 1"),
    pytest.param(1, gre(0x88BE, bytes(8) + ether(INNER), 0x1000, bytes(4)), id="erspan 2"),
    pytest.param(1, gre(0x22EB, bytes(12) + ether(INNER), 0x1000, bytes(4)), id="erspan 3"),
    pytest.param(1, gre(0x22EB, bytes(11) + b"\1" + bytes(8) + ether(INNER), 0x1000, bytes(4)), id="erspan 3, long"),
    pytest.param(1, ether(ip(INNER, 4)), id="ip in ip"),
    pytest.param(1, ether(ip(INNER6, 41)), id="6in4"),
    pytest.param(1, ether(ip(INNER, 4, src="2001:db8::1", dst="2001:db8::2")), id="4in6"),
    pytest.param(1, ether(ip(b"\0\0\1\x40" + INNER, 137)), id="mpls in ip"),
    pytest.param(1, in_udp(4789, b"\x08" + bytes(7) + ether(INNER)), id="vxlan"),
    pytest.param(1, in_udp(6081, b"\x02\0\x65\x58" + bytes(12) + ether(INNER)), id="geneve with options"),
    pytest.param(1, in_udp(2152, b"\x30\xff" + bytes(6) + INNER), id="gtp"),
    pytest.param(1, in_udp(2152, b"\x34\xff" + bytes(9) + b"\x85\1\0\0\0" + INNER), id="gtp with an extension"),
    pytest.param(1, in_udp(2152, b"\x34\xff" + bytes(9) + b"\x85\1\0\0\xc0\1\0\0\0" + INNER), id="gtp with two"),
    pytest.param(1, in_udp(4754, b"\0\0\x08\0" + INNER), id="gre in udp"),
    pytest.param(1, in_udp(5247, b"\0\x10\0\0" + bytes(4) + ether(INNER)), id="capwap 802.3"),
    pytest.param(1, in_udp(5247, b"\0\x10\1\0" + bytes(4) + wlan(INNER)), id="capwap 802.11"),
    pytest.param(1, in_udp(5247, b"\0\x10\1\0" + bytes(4) + b"\1\x08" + wlan(INNER)[2:]), id="capwap, control swapped"),
]


@pytest.mark.parametrize(("linktype", "frame"), LINKS)
def test_the_name_is_found_through(linktype: int, frame: bytes) -> None:
    assert names(linktype, frame) == ["inner.example"]


def test_every_link_type_that_is_read_is_tried_here() -> None:
    assert {param.values[0] for param in LINKS} == LINK_TYPES
    assert set(discovery.tunnels.UDP_PORTS) >= {2152, 4754, 4789, 5247, 6081}


def options(size: int) -> bytes:
    packet = bytearray(INNER)
    packet[0] = 0x45 + size // 4
    packet[2:4] = (len(INNER) + size).to_bytes(2)
    return bytes(packet[:20]) + b"\1" * size + bytes(packet[20:])


def header6(kind: int, following: int, words: int = 0) -> bytes:
    size = (words + 2) * 4 if kind == 51 else (words + 1) * 8
    return bytes((following, words)) + bytes(size - 2)


def chain6(*kinds: int) -> bytes:
    body = INNER6[40:]
    following = 6
    for kind in reversed(kinds):
        body, following = header6(kind, following) + body, kind
    return ip(body, following, src="2001:db8::7", dst="2001:db8::9")


@pytest.mark.parametrize(
    "packet",
    [options(8), options(40), chain6(0), chain6(0, 43, 60), chain6(51), chain6(44)],
    ids=["ipv4 options", "most ipv4 options", "hop by hop", "three headers", "authentication", "atomic fragment"],
)
def test_ip_headers_of_every_length(packet: bytes) -> None:
    assert names(ETHERNET, ether(packet)) == ["inner.example"]


def test_padding_is_no_payload_and_a_length_of_zero_is_all() -> None:
    assert names(ETHERNET, ether(ip(tcp(b""), 6)) + hello(b"padding.example")) == []
    unknown = bytearray(ether(INNER))
    unknown[16:18] = b"\0\0"
    assert names(ETHERNET, bytes(unknown)) == ["inner.example"]


def test_addresses_and_ports_are_those_of_the_innermost_packet() -> None:
    (row,) = Engine().feed(1.5, ETHERNET, in_udp(4789, b"\x08" + bytes(7) + ether(INNER6)))
    assert (row.ts, row.src, row.sport, row.dst, row.dport) == (1.5, "2001:db8::7", 40_000, "2001:db8::9", 443)


def fragments4(packet: bytes, size: int) -> list[bytes]:
    body = packet[20:]
    pieces = []
    for at in range(0, len(body), size):
        more = 0x2000 if at + size < len(body) else 0
        pieces.append(ether(ip(body[at : at + size], packet[9], fragment=at >> 3 | more)))
    return pieces


def fragments6(size: int) -> list[bytes]:
    body, pieces = INNER6[40:], []
    for at in range(0, len(body), size):
        head = struct.pack(">BBHI", 6, 0, at | (at + size < len(body)), 99)
        pieces.append(ether(ip(head + body[at : at + size], 44, src="2001:db8::7", dst="2001:db8::9")))
    return pieces


@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "backwards"])
@pytest.mark.parametrize("pieces", [fragments4(INNER, 24), fragments4(QUERY, 8), fragments6(24)])
def test_fragments_make_a_datagram_in_any_order(pieces: list[bytes], turn: int) -> None:
    assert len(pieces) > 2
    assert names(ETHERNET, *pieces[::turn]) == ["inner.example"]
    assert names(ETHERNET, *pieces[:-1]) == names(ETHERNET, *pieces[1:]) == []


def test_too_deep_is_counted_and_not_followed() -> None:
    packet = INNER
    for _ in range(Limits().depth + 1):
        packet = ip(packet, 4)
    engine = Engine()
    assert not engine.feed(0.0, ETHERNET, ether(packet))
    assert engine.counters.weird == {"too_deep": 1}
    assert names(ETHERNET, ether(packet[20:])) == ["inner.example"]


@pytest.mark.parametrize(
    ("frame", "weird"),
    [
        (b"", "truncated"),
        (ether(INNER)[:20], "truncated"),
        (ether(INNER)[:40], "truncated"),
        (ether(b"\x55" + INNER[1:]), "bad_ip"),
        (ether(b"\x41" + INNER[1:]), "bad_ip"),
        (ether(INNER[:2] + b"\0\x10" + INNER[4:]), "bad_ip"),
        (tagged(0x86DD, b"\x40" + INNER6[1:]), "bad_ip"),
        (ether(chain6(*[60] * 9)), "too_deep"),
        (tagged(0x8847, b"\0\0\0\x40" * 9 + INNER), "too_deep"),
    ],
)
def test_what_cannot_be_read_is_counted(frame: bytes, weird: str) -> None:
    engine = Engine()
    assert not engine.feed(0.0, ETHERNET, frame)
    assert engine.counters.weird == {weird: 1}


def test_a_link_type_that_nobody_knows_is_counted() -> None:
    engine = Engine()
    assert not engine.feed(0.0, 147, ether(INNER))
    assert engine.counters.weird == {"unknown_link": 1}


def test_a_datagram_to_a_tunnels_port_is_still_a_datagram() -> None:
    tally = Tally()
    for payload in (b"", b"\x08", bytes(40), b"\x08" + bytes(7)):
        place = Decoder(Limits(), tally).locate(0.0, ETHERNET, in_udp(4789, payload))
        assert place is not None
        assert place[1] == 17
    assert tally[Weird.TRUNCATED] == 0


@given(linktype=st.sampled_from(sorted(LINK_TYPES)), data=st.binary(max_size=200))
def test_no_bytes_raise(linktype: int, data: bytes) -> None:
    names(linktype, data)


@given(
    frame=st.sampled_from([param.values for param in LINKS]),
    cut=st.integers(0, 400),
    at=st.integers(0, 400),
    byte=st.integers(0, 255),
)
def test_no_cut_and_no_changed_byte_raises(frame: tuple[int, bytes], cut: int, at: int, byte: int) -> None:
    linktype, data = frame
    names(linktype, data[:cut], data[:at] + bytes((byte,)) + data[at + 1 :])


def test_a_segment_is_where_it_is_said_to_be() -> None:
    data = segment(b"payload")
    place = Decoder(Limits(), Tally()).locate(0.0, ETHERNET, data)
    assert place == (data, 6, 26, 34, 34, len(data))
