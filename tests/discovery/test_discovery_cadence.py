"""Written answers are known by their pace, and what is paced otherwise is not."""

import struct

import pytest
from discovery_frames import CLIENT, SERVER, SYN, SYN_ACK, hello, ip, tcp
from hypothesis import given
from hypothesis import strategies as st

from discovery.cadence import MAX_RECORDS, Answer, Cadence, records_of, rhythm
from discovery.engine import Engine

BACK = {"src": SERVER, "dst": CLIENT}


def paced(count=80, gap=0.05, size=150, start=10.0):
    return [start + number * gap for number in range(count)], [size] * count


def test_a_steady_train_of_small_records_is_a_written_answer():
    found = rhythm(*paced())
    assert (found.records, found.gap, found.variation) == (80, pytest.approx(0.05), pytest.approx(0, abs=1e-6))
    assert found.seconds == pytest.approx(79 * 0.05)


@pytest.mark.parametrize(
    "train",
    [
        paced(count=30, gap=0.14),
        paced(gap=0.03),
        paced(gap=0.2),
        paced(count=1200, gap=0.003),
        paced(size=1400),
        paced(size=30),
        ([10.0] * 70 + [14.0, 15.0], [150] * 72),
        ([float(at) + part * 0.01 for at in range(8) for part in range(10)], [150] * 80),
        ([], []),
    ],
    ids=["few", "short", "slow", "fast", "large", "tiny", "burst", "bursts", "none"],
)
def test_other_trains_are_not(train):
    assert rhythm(*train) is None


def test_an_answer_needs_a_question_and_ends_with_the_next():
    times, sizes = paced()
    silent, asked = Answer(), Answer()
    asked.up(2000)
    told = [asked.down(ts, [size]) for ts, size in zip(times, sizes, strict=True)]
    assert sum(one is not None for one in told) == 1, "told once"
    assert not any(silent.down(ts, [size]) for ts, size in zip(times, sizes, strict=True))
    talking = Answer()
    for ts, size in zip(times, sizes, strict=True):
        talking.up(2000)
        assert talking.down(ts, [size]) is None


def test_records_are_counted_where_they_begin():
    def record(size, kind=0x17):
        return struct.pack(">BHH", kind, 0x0303, size) + bytes(size)

    assert records_of(record(10) + record(20)) == [10, 20]
    assert records_of(record(10)[:8]) == [10]
    assert records_of(record(10, 0x16)) == []
    assert records_of(b"") == records_of(bytes(100)) == []


@given(st.binary(max_size=200))
def test_no_bytes_harm_it(segment):
    assert all(0 <= size <= 0xFFFF for size in records_of(segment))


def place(payload, *, up):
    ports = {"sport": 40_000, "dport": 443} if up else {"sport": 443, "dport": 40_000}
    ends = {"src": CLIENT, "dst": SERVER} if up else {"src": SERVER, "dst": CLIENT}
    packet = ip(tcp(payload, **ports), 6, **ends)
    return (packet, 6, 12, 20, 20, len(packet)), 40


def test_a_connection_is_told_once_by_its_packets():
    table = Cadence()
    record = struct.pack(">BHH", 0x17, 0x0303, 150) + bytes(150)
    assert table.take(1.0, *place(record, up=False)) is None
    assert len(table) == 0, "who was asked nothing is not watched"
    table.take(1.0, *place(struct.pack(">BHH", 0x17, 0x0303, 1400) + bytes(1400), up=True))
    found = [table.take(2.0 + number * 0.05, *place(record, up=False)) for number in range(MAX_RECORDS + 50)]
    [told] = [one for one in found if one is not None]
    assert (told.src, told.sport, told.dst, told.dport) == (CLIENT, 40_000, SERVER, 443)
    assert told.notes == ("cadence of 62 records, 50 ms apart",)
    assert len(table) == 1


@pytest.mark.parametrize(("linktype", "head"), [(101, b""), (1, bytes(12) + b"\x08\x00")], ids=["raw", "ethernet"])
def test_an_engine_looks_for_it_only_where_it_is_switched_on(linktype, head):
    record = struct.pack(">BHH", 0x17, 0x0303, 150) + bytes(150)
    asked = ip(tcp(struct.pack(">BHH", 0x17, 0x0303, 1400) + bytes(1400)), 6)
    said = ip(tcp(record, sport=443, dport=40_000), 6, src=SERVER, dst=CLIENT)
    packets = [(1.0, asked), *((2.0 + number * 0.05, said) for number in range(100))]
    for switched in (False, True):
        engine = Engine(cadence=switched)
        rows = [row for ts, packet in packets for row in engine.feed(ts, linktype, head + packet)]
        assert len(rows) == switched
        assert engine.counters.weird == {}


def test_a_question_that_was_not_seen_counts_where_its_bytes_are_known():
    for asked, expected in ((0, 0), (1024, 0), (1025, 1)):
        table = Cadence()
        found = [table.answers(2.0 + number * 0.05, bytes(12), [150], asked) for number in range(80)]
        assert sum(one is not None for one in found) == expected


def test_a_stream_is_known_from_the_second_ring_alone():
    engine = Engine(cadence=True)
    start = ip(tcp(b"", seq=99, flags=SYN), 6), ip(tcp(b"", seq=499, sport=443, dport=40_000, flags=SYN_ACK), 6, **BACK)
    for packet in start:
        engine.feed(1.0, 101, packet)
    engine.feed(1.0, 101, ip(tcp(hello(None), seq=100), 6))
    said = struct.pack(">HHIIBBHHH", 443, 40_000, 500, 100 + 4000, 0x50, 0x18, 0, 0, 0)
    piece = struct.pack(">BHH", 0x17, 0x0303, 150) + bytes(150)
    before = engine.counters.packets
    rows = [row for n in range(100) for row in engine.follow(2.0 + n * 0.05, 101, ip(said + piece, 6, **BACK)[:96])]
    assert [row.notes[0][:10] for row in rows] == ["cadence of"]
    assert engine.counters.packets == before, "of the first ring"
    assert engine.counters.weird == {}
    (flow,) = engine.expire(50.0)
    assert (flow.bytes_up, flow.bytes_down, flow.ended) == (4000, 155, "open")
