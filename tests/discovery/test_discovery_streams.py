"""Beginnings of TCP streams in every order in which packets may come."""

from itertools import pairwise

import pytest
from discovery_frames import (
    ETHERNET,
    SYN,
    SYN_ACK,
    hello,
    hello_body,
    listed,
    message,
    openssl_hello,
    query,
    record,
    segment,
)
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.observation import Observation
from discovery.beginnings import read_tls, reader_of
from discovery.engine import Engine
from discovery.limits import Limits, Tally, Weird
from discovery.streams import Streams

START = 0xFFFF_FF00  # sequence numbers pass zero inside each beginning
REQUEST = b"POST /v1/chat HTTP/1.1\r\nHost: llm.example\r\nUser-Agent: probe/1\r\nContent-Length: 4\r\n\r\nbody"
QUESTIONS = listed(query(b"one.example")) + listed(query(b"two.example"))
BEGINNINGS = [
    pytest.param(openssl_hello("api.example.com"), 443, ["api.example.com"], id="hello"),
    pytest.param(hello(size=17), 443, ["api.example.com"], id="hello over records"),
    pytest.param(b"\x14\x03\x03\0\x01\x01" + hello(), 443, ["api.example.com"], id="hello after a change of cipher"),
    pytest.param(REQUEST, 80, ["llm.example"], id="request"),
    pytest.param(QUESTIONS, 53, ["one.example", "two.example"], id="questions"),
]


def feed(engine: Engine, *frames: bytes, ts: float = 0.0) -> list[Observation]:
    rows = [row for frame in frames for row in engine.feed(ts, ETHERNET, frame)]
    assert "parser_fault" not in engine.counters.weird
    return rows


def found(rows: list[Observation]) -> list[str | None]:
    return [row.name for row in rows]


def cut(data: bytes, *places: int, dport: int = 443) -> list[bytes]:
    edges = sorted({0, len(data), *(place % len(data) for place in places)})
    return [segment(data[a:b], seq=START + a, dport=dport) for a, b in pairwise(edges) if b > a]


@pytest.mark.parametrize(("data", "dport", "names"), BEGINNINGS)
def test_a_beginning_may_be_cut_anywhere(data: bytes, dport: int, names: list[str]) -> None:
    for place in range(1, len(data)):
        engine = Engine()
        rows = feed(engine, *cut(data, place, dport=dport))
        assert found(rows) == names, place
        assert not engine.counters.weird


@given(
    beginning=st.sampled_from([param.values for param in (*BEGINNINGS[:2], BEGINNINGS[3])]),
    places=st.lists(st.integers(1, 5_000), max_size=12),
    order=st.randoms(use_true_random=False),
)
def test_after_a_syn_any_order_and_repetition_will_do(
    beginning: tuple[bytes, int, list[str]], places: list[int], order: st.DataObject
) -> None:
    data, dport, names = beginning
    pieces = cut(data, *places, dport=dport)
    sent = pieces + pieces[: len(pieces) // 2]
    order.shuffle(sent)  # type: ignore[attr-defined]
    engine = Engine()
    syn = segment(b"", seq=START - 1, dport=dport, flags=SYN)
    assert sorted(map(str, found(feed(engine, syn, *sent)))) == sorted(names)
    assert not engine.counters.weird


@pytest.mark.parametrize(("data", "dport", "names"), BEGINNINGS)
def test_what_overlaps_and_what_is_repeated_makes_no_second_row(data: bytes, dport: int, names: list[str]) -> None:
    middle = len(data) // 2
    first, rest = segment(data[:middle], seq=START, dport=dport), segment(data[9:], seq=START + 9, dport=dport)
    whole = segment(data, seq=START, dport=dport)
    engine = Engine()
    assert found(feed(engine, first, first, rest, rest, first, whole)) == names
    assert found(feed(engine, whole, ts=100.0)) == []
    assert not engine.counters.weird


def test_one_byte_after_the_other() -> None:
    engine = Engine()
    data = openssl_hello("a.example")
    assert found(feed(engine, *cut(data, *range(len(data))))) == ["a.example"]
    request = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert found(feed(engine, *cut(request, *range(64), dport=80))) == ["a.example"]


def test_the_second_hello_after_a_retry_is_a_second_row() -> None:
    first, second = hello(b"a.example"), b"\x14\x03\x03\0\x01\x01" + hello(b"a.example", extensions=b"\0\x2c\0\0")
    engine = Engine()
    frames = [segment(first, seq=1), segment(second, seq=1 + len(first))]
    rows = feed(engine, *frames, *frames)
    assert found(rows) == ["a.example", "a.example"]
    assert [row.notes for row in rows] == [(), ("hello_retry",)]


def test_a_hello_after_a_request_is_no_retry() -> None:
    connect = b"CONNECT api.example.com:443 HTTP/1.1\r\n\r\n"
    rows = feed(Engine(), segment(connect, seq=1, dport=3128), segment(hello(), seq=1 + len(connect), dport=3128))
    assert [(row.kind.value, row.name, row.notes) for row in rows] == [
        ("http", "api.example.com", ()),
        ("tls", "api.example.com", ()),
    ]


def test_pieces_beyond_a_gap_are_bounded() -> None:
    engine = Engine()
    syn = segment(b"", seq=START - 1, flags=SYN)
    feed(engine, syn, *[segment(b"x", seq=START + 2 * at) for at in range(1, 100)])
    assert engine.counters.weird == {"stream_too_long": 1}
    assert not engine._streams.open


@pytest.mark.parametrize("place", [1, 9, 42, 43, 44, 60, 110])
def test_a_hello_that_waits_for_no_answer_to_connect(place: int) -> None:
    sent = b"CONNECT api.example.com:443 HTTP/1.1\r\nContent-Length: 9\r\n\r\n" + hello()
    engine = Engine()
    rows = feed(engine, *cut(sent, place, dport=3128))
    assert [(row.kind.value, row.name, row.notes) for row in rows] == [
        ("http", "api.example.com", ()),
        ("tls", "api.example.com", ()),
    ]
    assert not engine.counters.weird


@pytest.mark.parametrize("places", [(), (60,), (90, 200), (131,), (200, 332)])
def test_a_body_is_no_request_wherever_it_is_cut(places: tuple[int, ...]) -> None:
    post = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 250\r\n\r\n"
    body = b"GET / HTTP/1.1\r\nHost: no.example\r\n\r\n".ljust(125, b"x") * 2
    sent = post + body + b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n"
    engine = Engine()
    frames = cut(sent, len(post), len(post) + 125, *places, dport=80)
    assert found(feed(engine, *frames, *frames)) == ["a.example", "b.example"]
    assert not engine.counters.weird
    coded = post.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    later = segment(REQUEST, seq=1 + len(coded) + 40, sport=9, dport=80)
    assert found(feed(engine, segment(coded, sport=9, dport=80), later)) == ["a.example", "llm.example"]


def test_a_body_that_never_came_hides_no_new_connection() -> None:
    post = b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n"
    syn = segment(b"", seq=900_000_000, flags=SYN)
    rows = feed(Engine(), segment(post, seq=1), syn, segment(hello(), seq=900_000_001))
    assert [row.kind.value for row in rows] == ["http", "tls"]


def test_requests_on_one_connection_each_make_a_row() -> None:
    one, two = REQUEST, REQUEST.replace(b"llm", b"other")
    engine = Engine()
    later = segment(one, seq=1 + len(one + two), dport=80)
    assert found(feed(engine, segment(one + two, dport=80), later)) == ["llm.example", "other.example", "llm.example"]
    get = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
    split = [segment(get + get[:9], seq=1, sport=5, dport=80), segment(get[9:] + get, seq=45, sport=5, dport=80)]
    assert found(feed(engine, *split)) == ["a.example"] * 3


def test_a_new_connection_on_old_ports_is_read_anew() -> None:
    engine = Engine()
    assert found(feed(engine, segment(hello(b"a.example"), seq=5_000))) == ["a.example"]
    syn = segment(b"", seq=9_000_000, flags=SYN)
    assert found(feed(engine, syn, segment(hello(b"b.example"), seq=9_000_001))) == ["b.example"]
    assert found(feed(engine, segment(hello(b"c.example"), seq=0x7000_0000))) == ["c.example"]
    half = segment(hello(b"d.example")[:40], seq=0x0100_0000)
    assert found(feed(engine, half, segment(hello(b"e.example"), seq=0x5000_0000))) == ["e.example"]


def test_the_same_syn_once_more_changes_nothing() -> None:
    engine = Engine()
    syn, data = segment(b"", seq=8, flags=SYN), segment(hello(), seq=9)
    assert len(feed(engine, syn, syn, data, syn, data)) == 1
    half = [
        segment(hello()[:30], seq=9, sport=7),
        segment(b"", seq=8, sport=7, flags=SYN),
        segment(hello()[30:], seq=39, sport=7),
    ]
    assert len(feed(engine, *half)) == 1


def test_data_in_the_syn_counts_from_the_number_after_it() -> None:
    engine = Engine()
    assert len(feed(engine, segment(hello()[:30], seq=8, flags=SYN), segment(hello()[30:], seq=39))) == 1


def test_what_begins_nothing_leaves_nothing() -> None:
    engine = Engine()
    others = [
        b"\x17\x03\x03\0\x10" + bytes(16),
        b"SSH-2.0-x\r\n",
        b"\x16\x03\x03\0\x50\x02" + bytes(80),
        b"GET",
        bytes(1),
    ]
    others += [b"\x16\x03\x03\0\x10\x0b" + bytes(9), b"GOT / HTTP/2.0\r\n\r\n", b"\x14\x03\x03\0\x01\x01" + bytes(40)]
    feed(engine, *[segment(other, sport=port) for port, other in enumerate(others, 2_000)])
    assert len(engine._streams.open) == 1  # `GET` may go on
    assert not engine.counters.weird
    syn = segment(b"", seq=0, flags=SYN)
    feed(engine, syn, segment(b"\x17\x03\x03", seq=1), segment(b"", seq=0, flags=SYN_ACK, sport=9))
    assert not engine._streams.expected


def test_bytes_that_contradict_are_counted_and_the_first_hold() -> None:
    data = hello(b"first.example")
    other = hello(b"other.example")
    engine = Engine()
    rows = feed(engine, segment(data[:70], seq=1), segment(other[60:], seq=61))
    assert found(rows) == ["first.example"]
    assert engine.counters.weird == {"overlap_differs": 1}


def test_tables_are_bounded_and_what_that_costs_is_counted() -> None:
    engine = Engine(Limits(streams=10, expected=10, finished=10))
    for port in range(100):
        feed(engine, segment(b"", seq=0, sport=port, flags=SYN), segment(hello()[:40], seq=1, sport=port))
        feed(engine, segment(b"", seq=0, sport=port + 1_000, flags=SYN), segment(hello(), sport=port + 2_000))
    assert (len(engine._streams.open), len(engine._streams.expected), len(engine._streams._finished)) == (10, 10, 10)
    assert engine.counters.weird == {"streams_evicted": 90}


def test_held_bytes_are_bounded() -> None:
    engine = Engine(Limits(held_bytes=10_000))
    start = b"POST / HTTP/1.1\r\n" + b"x: y\r\n" * 150
    feed(engine, *[segment(start, sport=port, dport=80) for port in range(100)])
    assert sum(stream.size for stream in engine._streams.open.values()) <= 10_000
    assert engine.counters.weird["streams_evicted"] > 80


def test_a_beginning_that_never_ends_is_let_go() -> None:
    engine = Engine()
    start = b"POST / HTTP/1.1\r\n"
    feed(engine, segment(start, seq=0, dport=80))
    for at in range(60):
        feed(engine, segment(b"x: " + b"y" * 1_400 + b"\r\n", seq=len(start) + 1_405 * at, dport=80))
    assert engine.counters.weird == {"stream_too_long": 1}
    feed(engine, segment(start, sport=9, dport=80), ts=1.0)
    engine.expire(31.5)
    assert engine.counters.weird == {"stream_too_long": 1, "stream_expired": 1}
    assert not engine._streams.open


def test_a_repetition_is_forgotten_after_its_time() -> None:
    engine = Engine()
    assert len(feed(engine, segment(hello()), ts=0.0)) == 1
    assert len(feed(engine, segment(hello()), ts=119.0)) == 0
    engine.expire(300.0)
    assert len(feed(engine, segment(hello()), ts=300.0)) == 1


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 1_200), st.sampled_from([0, 17, 90, 400]), st.floats(0, 5)),
        max_size=60,
    )
)
def test_the_sum_of_what_is_held_is_right(steps: list[tuple[int, int, int, float]]) -> None:
    streams, now = Streams(Limits(streams=3, held_bytes=2_000), Tally()), 0.0
    data = record(message(hello_body(b"a.example", extensions=b"\0\x15\3\xe8" + bytes(1_000))), 300)
    for key, at, size, pause in steps:
        now += pause
        streams.take(bytes((key,)), now, at, data[at : at + size], 443)
        assert streams.open._bytes == sum(each.size for each in streams.open.values()) <= 2_000
        assert len(streams.open) <= 3


def test_readers_are_chosen_by_the_first_bytes() -> None:
    assert reader_of(b"\x16", 443) is read_tls
    assert reader_of(hello(), 53) is read_tls
    assert reader_of(b"\x16\x02", 443) is None
    assert read_tls(b"\x16\x03\x01\0\0") == ([Weird.BAD_HELLO], 0, 0)


@pytest.mark.parametrize(
    "said",
    [
        [b"EHLO client.example\r\n", b"STARTTLS\r\n"],
        [b"a1 CAPABILITY\r\n", b"a2 STARTTLS\r\n"],
        [b"<?xml version='1.0'?><stream:stream>", b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
        [b"\0\0\0\x08\x04\xd2\x16\x2f"],
        [b"\x20\0\0\1\x85\xae\xff\0" + bytes(28)],
        [b"\x03\0\0\x13\x0e\xe0" + bytes(13)],
        [b"0\x1d\x02\x01\x01w\x18\x80\x161.3.6.1.4.1.1466.20037"],
    ],
    ids=["smtp", "imap", "xmpp", "postgresql", "mysql", "rdp", "ldap"],
)
@pytest.mark.parametrize("size", [40, 200, 10_000])
@pytest.mark.parametrize("begun", [True, False], ids=["from its SYN on", "from the middle on"])
def test_a_hello_in_the_middle_of_a_connection_is_read(said: list[bytes], size: int, *, begun: bool) -> None:
    """STARTTLS and its like: what goes before it is no beginning."""
    engine, seq = Engine(), 1_000
    frames = [segment(b"", seq=seq - 1, dport=587, flags=SYN)] if begun else []
    data = hello(b"mail.example.com")
    for piece in [*said, *(data[at : at + size] for at in range(0, len(data), size))]:
        frames.append(segment(piece, seq=seq, dport=587))
        seq += len(piece)
    rows = [row for frame in frames for row in engine.feed(0.0, 1, frame)]
    assert [(row.kind.value, row.server_name) for row in rows] == [("tls", "mail.example.com")]
    assert not engine.counters.weird
