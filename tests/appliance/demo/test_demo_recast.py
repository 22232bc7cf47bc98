"""A capture moved to the present: times move, packets stay; what is no whole capture is refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.demo.recast import recast
from appliance.model.errors import OperatorError

NOW = 1_800_000_000.5
PACKETS = st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 999_999), st.binary(max_size=40)), min_size=1)
ORDERS = st.sampled_from([("<", 0xA1B2C3D4), (">", 0xA1B2C3D4), ("<", 0xA1B23C4D), (">", 0xA1B23C4D)])


def capture(order, magic, packets) -> bytes:
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack(f"{order}IIII", s, f, len(data), 1500) + data for s, f, data in packets)


def records(order, data) -> list[tuple[int, int, bytes]]:
    found, at = [], 24
    while at < len(data):
        seconds, fraction, length, _ = struct.unpack_from(f"{order}IIII", data, at)
        found.append((seconds, fraction, data[at + 16 : at + 16 + length]))
        at += 16 + length
    return found


@given(ORDERS, PACKETS)
def test_the_last_packet_is_now_and_nothing_else_changes(kind, packets):
    order, magic = kind
    before = capture(order, magic, packets)
    after = recast(before, NOW, "x.pcap")
    assert after[:24] == before[:24]
    told = records(order, after)
    by = int(NOW) - 1 - max(seconds for seconds, _, _ in packets)
    assert told == [(max(seconds + by, 0), fraction, data) for seconds, fraction, data in packets]
    assert max(seconds for seconds, _, _ in told) < NOW


@given(ORDERS, PACKETS, st.data())
def test_a_capture_that_is_cut_short_is_refused(kind, packets, data):
    whole = capture(*kind, packets)
    ends = {24 + sum(16 + len(packet) for _, _, packet in packets[:count]) for count in range(1, len(packets) + 1)}
    cut = data.draw(st.integers(0, len(whole) - 1).filter(lambda at: at not in ends))
    with pytest.raises(OperatorError, match=r"x\.pcap: "):
        recast(whole[:cut], NOW, "x.pcap")


@pytest.mark.parametrize("junk", [b"", b"GIF89a" * 20, b"\n\r\r\n" + bytes(60)])
def test_what_is_no_capture_is_refused(junk):
    with pytest.raises(OperatorError, match="not a pcap file"):
        recast(junk, NOW, "x.pcap")
