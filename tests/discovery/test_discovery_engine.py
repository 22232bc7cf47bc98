"""The engine as a whole: order, counters, the net below it, and the shapes of hostile text."""

import msgspec
import pytest
from discovery_frames import SYN, datagram, hello, query, segment
from hypothesis import given
from hypothesis import strategies as st

from discovery import rows as rows_module
from discovery.engine import Engine
from discovery.held import Held, Recent
from discovery.limits import Counters, Limits, Tally, Weird
from discovery.text import label, printable


def test_rows_come_in_the_order_of_the_capture() -> None:
    engine = Engine()
    frames = [
        datagram(query(b"one.example")),
        segment(hello(b"two.example")),
        segment(b"", sport=9),
        datagram(query(b"three.example")),
    ]
    rows = [row for ts, frame in enumerate(frames) for row in engine.feed(float(ts), 1, frame)]
    assert [(row.ts, row.name) for row in rows] == [(0.0, "one.example"), (1.0, "two.example"), (3.0, "three.example")]
    assert engine.counters == Counters(packets=4, observations=3, weird={})


def test_a_fault_of_ours_is_counted_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()

    def fail(*_: object) -> str:
        raise KeyError

    with monkeypatch.context() as patched:
        patched.setattr(rows_module.ja, "both", fail)
        assert not engine.feed(0.0, 1, segment(hello()))
    assert engine.counters.weird == {"parser_fault": 1}
    assert engine.feed(0.0, 1, segment(hello(), sport=9))


def test_packets_cut_inside_the_transport_header_are_counted() -> None:
    engine = Engine()
    for frame, size in ((segment(b"x"), 50), (datagram(b""), 40)):
        assert not engine.feed(0.0, 1, frame[:size])
    assert engine.counters.weird == {"truncated": 2}


def test_counters_are_a_copy() -> None:
    engine = Engine()
    before = engine.counters
    engine.feed(0.0, 99, b"")
    assert (before.packets, before.weird) == (0, {})
    assert engine.counters.weird == {"unknown_link": 1}


@given(st.binary(max_size=300), st.integers(0, 70_000))
def test_texts_are_printable_and_can_be_written_as_json(raw: bytes, limit: int) -> None:
    text = printable(raw, limit)
    assert text.isprintable()
    assert len(text) <= limit
    msgspec.json.encode(text)
    assert label(raw).isprintable()
    msgspec.json.encode(label(raw))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"a\\b", "a\\b"),
        (b"a\\\n", "a\\\\\\n"),
        ("über".encode(), "über"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
    ],
)
def test_text(raw: bytes, text: str) -> None:
    assert printable(raw, 100) == text


class _Thing:
    def __init__(self, since: float, size: int) -> None:
        self.since, self.size, self.quiet = since, size, False


def test_the_oldest_goes_first() -> None:
    tally = Tally()
    held: Held[int, _Thing] = Held(
        tally, entries=3, total=100, seconds=10, full=Weird.STREAMS_EVICTED, late=Weird.STREAM_EXPIRED
    )
    for key in range(5):
        held.put(key, _Thing(float(key), 10))
    assert list(held) == [2, 3, 4]
    held.put(5, _Thing(5.0, 95))
    assert list(held) == [5]
    held.put(5, _Thing(6.0, 1))
    held.drop(77)
    held.expire(16.0)
    assert list(held) == [5]
    held.expire(16.1)
    assert not held
    assert held._bytes == 0
    assert tally == {Weird.STREAMS_EVICTED: 5, Weird.STREAM_EXPIRED: 1}


def test_a_memory_forgets() -> None:
    recent: Recent[int] = Recent(2, 10)
    for key in (b"a", b"b", b"a", b"c"):
        recent.note(key, 1.0, 7)
    assert list(recent) == [b"a", b"c"]
    assert recent.recall(b"a", 11.0) == 7
    assert recent.recall(b"a", 11.1) is None
    recent.expire(12.0)
    assert not recent


def test_limits_hold_memory_within_what_they_promise() -> None:
    limits = Limits()
    held = 2 * limits.held_bytes + limits.datagram_held_bytes
    remembered = (3 * limits.finished + limits.expected) * 350  # a key, its tuple and a place in the table
    assert held + remembered < 80 * 1024 * 1024


@pytest.mark.parametrize("first", [b"", b"\x16\xfe\xfd", b"\x40", b"\xc0\0\0\0\1", b"\0\7\x81\x80\0\1\0\1\0\0\0\0"])
@given(rest=st.binary(max_size=40), sport=st.sampled_from([53, 443, 5353, 9_999]), dport=st.sampled_from([443, 4_789]))
def test_a_datagram_of_nobody_is_one_that_the_slow_way_leaves_aside(
    first: bytes, rest: bytes, sport: int, dport: int
) -> None:
    fast, slow = Engine(), Engine()
    slow._plain = lambda _: None  # type: ignore[method-assign]
    frame = datagram(first + rest, sport=sport, dport=dport)
    assert fast.feed(0.0, 1, frame) == slow.feed(0.0, 1, frame)
    assert fast.counters == slow.counters


@pytest.mark.parametrize(
    ("rest", "notes"),
    [(30, ("left_early",)), (80, ("left_early",)), (200, ())],
    ids=["an alert", "a handshake", "a request"],
)
def test_a_client_that_leaves_after_a_hello_in_a_tunnel_is_noted(rest: int, notes: tuple[str, ...]) -> None:
    """The hello that counts is the last: what stands before it is the CONNECT."""
    engine, seq = Engine(), 1_001
    frames = [segment(b"", seq=1_000, flags=SYN)]
    for payload in (b"CONNECT api.example.com:443 HTTP/1.1\r\nhost: api.example.com:443\r\n\r\n", hello()):
        frames.append(segment(payload, seq=seq))
        seq += len(payload)
    frames += [segment(bytes(rest), seq=seq), segment(b"", seq=seq + rest, flags=0x14)]
    rows = [row for frame in frames for row in engine.feed(0.0, 1, frame)]
    assert [(row.kind.value, row.notes) for row in rows] == [("http", ()), ("tls", ()), ("flow", notes)]
