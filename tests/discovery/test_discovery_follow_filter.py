"""The second ring's program on a machine for it: what is asked for passes, cut; everything else does not."""

from itertools import product

import pytest
from discovery_frames import ACK, CLIENT, ETHERNET, SERVER, SYN, ether, ip, tcp, udp
from filter_machine import instructions, passes
from hypothesis import given
from hypothesis import strategies as st

from discovery.follow_filter import SNAPLEN, program
from discovery.kernel_filter import RAW_IP

PUSHED = ACK | 0x08
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS of linux/bpf_common.h
CLIENT6, SERVER6, NEAR6 = "2001:db8::7", "2001:db8::9", "2001:db8:0:1::9"
LINKS = [(ETHERNET, ether), (RAW_IP, bytes)]
links = pytest.mark.parametrize(("linktype", "link"), LINKS, ids=["ethernet", "bare"])


def packet(src=CLIENT, dst=SERVER, flags=PUSHED, **more):
    return ip(tcp(b"x" * 400, flags=flags), 6, src=src, dst=dst, **more)


@links
@pytest.mark.parametrize("others", [0, 31], ids=["alone", "among many"])
def test_what_a_server_of_interest_pushes_passes_in_both_directions(linktype, link, others):
    many = [f"198.51.100.{number}" for number in range(others)] + [f"2001:db8:1::{number}" for number in range(others)]
    code = instructions(program(linktype, [*many, SERVER, SERVER6]))
    assert len(code) <= MAX_INSTRUCTIONS
    for src, dst in ((CLIENT, SERVER), (CLIENT6, SERVER6)):
        assert passes(code, link(packet(src, dst)))
        assert passes(code, link(packet(dst, src)))
    for src, dst in (("192.0.2.1", CLIENT), (NEAR6, CLIENT6), (CLIENT6, "2001:db8::109")):
        assert not passes(code, link(packet(src, dst)))


@links
def test_each_of_many_addresses_passes(linktype, link):
    four, six = [f"198.51.{n}.9" for n in range(32)], [f"2001:db8:{n:x}::9" for n in range(32)]
    code = instructions(program(linktype, [*four, *six]))
    assert len(code) <= MAX_INSTRUCTIONS
    assert all(passes(code, link(packet(dst=address))) for address in four)
    assert all(passes(code, link(packet(src=address, dst=CLIENT6))) for address in six)


@links
@pytest.mark.parametrize("family", [(CLIENT, SERVER), (CLIENT6, SERVER6)], ids=["v4", "v6"])
def test_what_begins_ends_or_pushes_nothing_does_not_pass(linktype, link, family):
    code = instructions(program(linktype, [SERVER, SERVER6]))
    for flags in (ACK, 0, SYN, SYN | ACK, ACK | 0x01, PUSHED | 0x01, PUSHED | 0x04):
        assert not passes(code, link(packet(*family, flags=flags)))
    assert not passes(code, link(ip(udp(b"x" * 100), 17, src=family[0], dst=family[1])))


@links
def test_fragments_and_other_links_do_not_pass(linktype, link):
    code = instructions(program(linktype, [SERVER]))
    assert not passes(code, link(packet(fragment=0x2000)))
    assert not passes(code, link(packet(fragment=7)))
    whole = link(packet())
    assert not any(passes(code, whole[:size]) for size in range(len(link(b"\x45")) + 32))
    if linktype == ETHERNET:
        assert not passes(code, whole[:12] + b"\x81\0\0\x07" + whole[12:]), "the kernel takes the outer tag off"


@links
def test_without_an_address_nothing_passes(linktype, link):
    code = instructions(program(linktype, []))
    assert not any(passes(code, link(packet(*family))) for family in ((CLIENT, SERVER), (CLIENT6, SERVER6)))


def test_no_more_than_heads_is_ever_kept():
    for (linktype, _), addresses in product(LINKS, ([], [SERVER], [SERVER6], [SERVER, SERVER6])):
        kept = {k for code, _, _, k in instructions(program(linktype, addresses)) if code & 7 == 6}
        assert kept <= {0, SNAPLEN}


@given(st.binary(max_size=120), st.sampled_from([ETHERNET, RAW_IP]))
def test_any_bytes_are_judged(data, linktype):
    passes(instructions(program(linktype, [SERVER, SERVER6])), data)
