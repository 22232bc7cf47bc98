"""What hosts tell of themselves in DHCP and DHCPv6; messages made by dpkt where it can."""

import struct
from ipaddress import ip_address
from pathlib import Path

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.names import ObservationKind
from discovery import files
from discovery.dhcp import Told, told4, told6
from discovery.engine import Engine

MAC = bytes.fromhex("02005e005301")
CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "pcaps"
NOWHERE = str(ip_address(0))
REQUEST, ACK, DISCOVER, NAK, RELEASE, INFORM = b"\x03", b"\x05", b"\x01", b"\x06", b"\x07", b"\x08"


def message(kind, options=(), *, ciaddr=NOWHERE, yiaddr=NOWHERE, op=1, hrd=1):
    made = dpkt.dhcp.DHCP(
        op=op, hrd=hrd, hln=6, xid=7, chaddr=MAC, ciaddr=int(ip_address(ciaddr)), yiaddr=int(ip_address(yiaddr)),
        opts=((dpkt.dhcp.DHCP_OPT_MSGTYPE, kind), *options),
    )  # fmt: skip
    return bytes(made)


NAME = (dpkt.dhcp.DHCP_OPT_HOSTNAME, b"anns-laptop")
VENDOR = (dpkt.dhcp.DHCP_OPT_VENDOR_ID, b"MSFT 5.0")
ASKED = (dpkt.dhcp.DHCP_OPT_REQ_IP, bytes([10, 0, 0, 7]))


def fqdn(flags, name):
    return (81, bytes([flags, 0, 0]) + name)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (message(REQUEST, (ASKED, NAME, VENDOR)), Told("10.0.0.7", MAC, "anns-laptop", "MSFT 5.0")),
        (message(REQUEST, (NAME,), ciaddr="10.0.0.8"), Told("10.0.0.8", MAC, "anns-laptop")),
        (message(INFORM, (NAME,), ciaddr="10.0.0.8"), Told("10.0.0.8", MAC, "anns-laptop")),
        (message(ACK, (NAME,), yiaddr="10.0.0.9", op=2), Told("10.0.0.9", MAC, "anns-laptop")),
        (message(ACK, (), ciaddr="10.0.0.9", op=2), Told("10.0.0.9", MAC)),
        (message(REQUEST, (ASKED, NAME, fqdn(0, b"ann.corp.example"))), Told("10.0.0.7", MAC, "ann.corp.example")),
        (message(REQUEST, (ASKED, fqdn(4, b"\x03ann\x04corp\0"))), Told("10.0.0.7", MAC, "ann.corp")),
        (message(REQUEST, (ASKED, fqdn(4, b"\x03ann"))), Told("10.0.0.7", MAC, "ann")),
        (message(REQUEST, (ASKED, NAME), hrd=6), Told("10.0.0.7", b"", "anns-laptop")),
        (message(DISCOVER, (ASKED, NAME)), None),
        (message(NAK, (NAME,)), None),
        (message(RELEASE, (NAME,), ciaddr="10.0.0.7"), None),
        (message(REQUEST, (NAME,)), None),
        (message(REQUEST, ((dpkt.dhcp.DHCP_OPT_REQ_IP, b"\x0a"), NAME)), None),
        (b"", None),
        (bytes(240), None),
        (message(REQUEST, (ASKED,))[:236] + b"abcd", None),
    ],
)
def test_what_a_message_tells(said, told):
    assert told4(said) == told


def test_hostile_values_are_made_printable_and_bounded():
    told = told4(message(REQUEST, (ASKED, (12, b"\x1b[2Jx\0"), (60, b"A" * 255))))
    assert told is not None
    assert told.name == r"\x1b[2Jx"
    assert len(told.system) == 128


def option6(kind, value):
    return struct.pack(">HH", kind, len(value)) + value


LLT, LL = b"\0\1\0\1\0\0\0\7" + MAC, b"\0\3\0\1" + MAC
FQDN6 = option6(39, b"\0\x03ann\x04corp\0")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"\1abc" + option6(1, LLT) + FQDN6, Told("", MAC, "ann.corp")),
        (b"\3abc" + option6(1, LL), Told("", MAC)),
        (b"\1abc" + FQDN6 + option6(16, b"\0\0\1\x37\0\x08MSFT 5.0"), Told("", b"", "ann.corp", "MSFT 5.0")),
        (b"\1abc" + option6(1, b"\0\2\0\0\0\1abcdef"), None),
        (b"\1abc" + option6(1, LL + b"x"), None),
        (b"\2abc" + option6(1, LL) + FQDN6, None),
        (b"\1abc" + option6(1, LL)[:-1], None),
        (b"\1abc", None),
        (b"", None),
    ],
)
def test_what_a_message_of_version_6_tells(said, told):
    assert told6(said) == told


@given(st.binary(max_size=400), st.integers(0, 600))
def test_no_message_fails(junk, cut):
    whole = message(REQUEST, (ASKED, NAME, VENDOR, fqdn(4, b"\x03ann\x04corp\0")))
    told4(whole[:cut] + junk)
    told4(whole[:240] + junk)
    told6(b"\1abc" + junk)


@pytest.mark.skipif(not CAPTURES.exists(), reason="the shared captures are not here")
@pytest.mark.parametrize(
    ("file", "by", "name", "mac"),
    [
        ("ndpi__wechat.pcap", "dhcp", "iPhonediMonica", "b8:78:2e:e2:da:07"),
        ("zeek__erspan.pcap", "dhcp6", "TFDSP.sp.local", "00:50:56:82:08:d1"),
        ("ndpi__zoom.pcap", "netbios", "LUCAS-IMAC", None),
    ],
)
def test_hosts_in_captures_of_others(file, by, name, mac):
    engine = Engine(hosts=True)
    seen = [one for frame in files.read(CAPTURES / file) for one in engine.feed(*frame)]
    hosts = [one for one in seen if one.kind is ObservationKind.HOST and by in one.notes]
    assert {(one.hostname, one.mac) for one in hosts} == {(name, mac)}
