"""Observations of hosts: whose hardware address a frame tells, and whose it does not."""

import struct

import pytest
from discovery_frames import hello, ip, query, tcp, udp
from test_discovery_dhcp import ASKED, NAME, NOWHERE, REQUEST, message

from appliance.model.names import ObservationKind
from discovery.engine import Engine
from discovery.neighbours import MAX_KEPT, Neighbours, is_private, mac_text

MAC = bytes.fromhex("02005e005301")


def framed(packet, *, mac=MAC, tags=b""):
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    return bytes(6) + mac + tags + kind + packet


def hosts(*frames, engine=None, linktype=1, ts=1000.0):
    engine = engine or Engine(hosts=True)
    seen = [one for at, frame in enumerate(frames) for one in engine.feed(ts + at, linktype, frame)]
    return [one for one in seen if one.kind is ObservationKind.HOST]


def hail(src="10.0.0.7", sport=40_000):
    return ip(tcp(hello(), sport=sport), 6, src=src)


@pytest.mark.parametrize("tags", [b"", b"\x81\x00\0\7", b"\x88\xa8\0\7\x81\x00\0\7"])
@pytest.mark.parametrize("src", ["10.0.0.7", "172.20.1.1", "192.168.1.1", "169.254.1.1", "fd00::7", "fe80::7"])
def test_a_frame_tells_who_sent_it(tags, src):
    packet = ip(tcp(hello()), 6, src=src, dst="2001:db8::1") if ":" in src else hail(src)
    [met] = hosts(framed(packet, tags=tags))
    assert (met.src, met.mac, met.notes) == (src, "02:00:5e:00:53:01", ("ethernet",))


@pytest.mark.parametrize(
    "frame",
    [
        framed(hail("203.0.113.7")),
        framed(hail("172.32.0.1")),
        framed(ip(tcp(hello()), 6, src="2001:db8::7", dst="2001:db8::1")),
        framed(hail(), mac=bytes.fromhex("01005e005301")),
        framed(ip(ip(tcp(hello()), 6), 4, src="10.1.0.1")),
        framed(ip(udp(b"\x08\0\0\0\0\0\7\0" + framed(hail()), dport=4789), 17, src="10.1.0.1")),
        framed(ip(tcp(b""), 6, src="10.0.0.7")),
    ],
    ids=["public", "nearly private", "public6", "group", "ipip", "vxlan", "nothing read"],
)
def test_a_frame_that_tells_nothing_of_a_neighbour(frame):
    assert hosts(frame) == []


def test_other_link_types_have_no_hardware_address():
    assert hosts(hail(), linktype=101) == []


def test_it_is_told_once_in_a_while_and_only_where_asked_for():
    engine = Engine(hosts=True)
    frames = [framed(ip(udp(query(b"a.example"), sport=port), 17, src="10.0.0.7")) for port in range(2_000, 2_020)]
    assert len(hosts(*frames, engine=engine)) == 1
    assert len(hosts(*frames, engine=engine, ts=1_290.0)) == 1
    assert hosts(*frames, engine=Engine()) == []


def test_what_is_remembered_is_bounded():
    known = Neighbours(entries=10)
    engine = Engine(hosts=True)
    engine._neighbours = known
    for at in range(50):
        hosts(framed(hail(f"10.0.1.{at}")), engine=engine)
    assert len(known._met) == 10
    assert MAX_KEPT == 65_536


def test_a_message_of_dhcp_is_told_with_the_address_that_it_is_about():
    packet = ip(udp(message(REQUEST, (ASKED, NAME)), sport=68, dport=67), 17, src=NOWHERE, dst="255.255.255.255")
    [told] = hosts(framed(packet))
    assert (told.src, told.dst, told.mac, told.hostname) == (
        *("10.0.0.7", "255.255.255.255"),
        *("02:00:5e:00:53:01", "anns-laptop"),
    )
    assert hosts(framed(packet), engine=Engine()) == []


def test_a_datagram_of_version_6_is_about_its_sender():
    duid = b"\0\3\0\1" + MAC
    said = b"\1abc" + struct.pack(">HH", 1, len(duid)) + duid
    packet = ip(udp(said, sport=546, dport=547), 17, src="fe80::7", dst="ff02::1:2")
    told, met = hosts(framed(packet))
    assert met.notes == ("ethernet",)
    assert (told.src, told.mac, told.notes) == ("fe80::7", "02:00:5e:00:53:01", ("dhcp6",))


def test_what_is_no_hardware_address_has_no_text():
    assert mac_text(MAC) == "02:00:5e:00:53:01"
    assert mac_text(bytes(6)) == mac_text(b"\xff" * 6) == mac_text(b"x") == ""
    assert not is_private(b"")
