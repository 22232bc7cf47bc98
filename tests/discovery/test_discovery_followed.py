"""Packets cut after their heads: the way, the numbers, the length that was sent; and whatever else may come."""

import struct

import pytest
from discovery_frames import CLIENT, ETHERNET, SERVER, ether, ip, tcp, udp
from hypothesis import given
from hypothesis import strategies as st

from discovery.follow_filter import SNAPLEN
from discovery.followed import segment
from discovery.kernel_filter import RAW_IP

RECORD = struct.pack(">BHH", 0x17, 0x0303, 1000) + bytes(1000)


@pytest.mark.parametrize(("linktype", "link"), [(ETHERNET, ether), (RAW_IP, bytes)], ids=["ethernet", "bare"])
@pytest.mark.parametrize("ends", [(CLIENT, SERVER), ("2001:db8::7", "2001:db8::9")], ids=["v4", "v6"])
def test_the_heads_tell_what_the_cut_took(linktype, link, ends):
    sent = link(ip(tcp(RECORD, seq=77), 6, src=ends[0], dst=ends[1]))
    found = segment(linktype, sent[:SNAPLEN])
    assert (found.sport, found.dport, found.seq, found.ack, found.length) == (40_000, 443, 77, 0, len(RECORD))
    assert RECORD.startswith(found.begins)
    assert len(found.begins) >= 16
    turned = segment(linktype, link(ip(tcp(b"", sport=443, dport=40_000), 6, src=ends[1], dst=ends[0])))
    assert (turned.there, turned.back, turned.length) == (found.back, found.there, 0)


def test_what_fills_the_frame_up_is_no_payload():
    assert segment(ETHERNET, ether(ip(tcp(b"abc"), 6)) + bytes(20))[-2:] == (3, b"abc")


@pytest.mark.parametrize(
    "packet",
    [
        ip(udp(b"x" * 40), 17),
        ip(tcp(b"x" * 40), 6, fragment=1),
        ip(tcp(b"x"), 6)[:39],
        ip(tcp(b"x"), 6, src="2001:db8::7", dst="2001:db8::9")[:59],
        b"\x45" + bytes(1) + b"\0\x14" + ip(tcp(b"x"), 6)[4:],
        ip(tcp(b"")[:12] + b"\x10" + tcp(b"")[13:], 6),
        b"",
    ],
    ids=["udp", "fragment", "short", "short6", "says less", "no head", "nothing"],
)
def test_what_is_no_segment_is_none(packet):
    assert segment(RAW_IP, packet) is None
    assert segment(ETHERNET, ether(packet) if packet else b"") is None


@given(st.binary(max_size=120), st.sampled_from([ETHERNET, RAW_IP]))
def test_no_bytes_harm_it(data, linktype):
    found = segment(linktype, data)
    assert found is None or found.length >= 0
