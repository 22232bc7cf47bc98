"""HTTP/2 in clear: heads of both directions, in any segments, and what would cost too much."""

import itertools
import struct

import hpack
import pytest
from discovery_frames import CLIENT, SERVER, ether, ip, tcp
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.observation import Observation
from discovery.engine import Engine
from discovery.hpack_fields import EACH_BYTE, MAX_TABLE
from discovery.http2 import HEADS_S, MAX_BLOCKS, MAX_HEADS, PREFACE, WEIGHT, Budget, Heads, answers, begins
from discovery.limits import Limits, Weird

SETTINGS = b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0d"


def frame(kind: int, payload: bytes, *, flags: int = 0x04, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def request(encoder: hpack.Encoder, path: str = "/v1/models", **more: str) -> bytes:
    fields = [(":method", "POST"), (":scheme", "http"), (":authority", "llm.example:8000"), (":path", path)]
    return encoder.encode([*fields, ("user-agent", "grpc-python/1.6"), *more.items()])


def up(data: bytes, *, seq: int = 1, ack: int = 1) -> bytes:
    return ether(ip(struct.pack(">HHIIBBHHH", 40_000, 8001, seq, ack, 0x50, 0x18, 0, 0, 0) + data, 6))


def down(data: bytes, *, seq: int = 1) -> bytes:
    return ether(ip(tcp(data, seq=seq, sport=8001, dport=40_000), 6, src=SERVER, dst=CLIENT))


def rows_of(engine: Engine, *frames: bytes) -> list[Observation]:
    rows = [row for each in frames for row in engine.feed(0.0, 1, each)]
    assert "parser_fault" not in engine.counters.weird
    return rows


def test_requests_and_their_answers_on_one_connection() -> None:
    encoder, server = hpack.Encoder(), hpack.Encoder()
    first = PREFACE + SETTINGS + frame(1, request(encoder)) + frame(0, b"x" * 40, flags=1)
    second = frame(1, request(encoder, "/v1/chat"), stream=3)
    told = SETTINGS + frame(1, server.encode([(":status", "200"), ("server", "uvicorn"), ("content-type", "a/b; c")]))
    engine = Engine()
    rows = rows_of(engine, up(first), down(told), up(second, seq=1 + len(first), ack=1 + len(told)))
    rows += rows_of(
        engine, down(frame(1, server.encode([(":status", "404"), ("server", "uvicorn")])), seq=1 + len(told))
    )
    assert [(row.kind.value, row.host, row.path, row.status, row.server) for row in rows] == [
        ("http", "llm.example", "/v1/models", None, None),
        ("http_response", None, None, 200, "uvicorn"),
        ("http", "llm.example", "/v1/chat", None, None),
        ("http_response", None, None, 404, "uvicorn"),
    ]
    assert {row.notes for row in rows} == {("h2",)}
    assert (rows[0].method, rows[0].user_agent, rows[1].content_type) == ("POST", "grpc-python/1.6", "a/b")
    engine.expire(1e9)
    assert not engine.counters.weird


@given(places=st.lists(st.integers(24, 400), max_size=10))
def test_any_segments_will_do(places: list[int]) -> None:
    encoder = hpack.Encoder()
    block = request(encoder, "/v1/models", cookie="x" * 90)
    padded = b"\5" + b"\0\0\0\0\x10" + block[:50] + bytes(5)
    data = PREFACE + SETTINGS + frame(1, padded, flags=0x28) + frame(9, block[50:]) + frame(0, b"y" * 70)
    data += frame(1, request(encoder, "/second"), stream=3)
    edges = sorted({0, len(data), *(place for place in places if place < len(data))})
    engine = Engine()
    rows = rows_of(engine, *(up(data[a:b], seq=1 + a) for a, b in itertools.pairwise(edges)))
    assert [row.path for row in rows] == ["/v1/models", "/second"]


def test_what_cannot_be_decoded_ends_the_reading_and_is_counted() -> None:
    engine = Engine()
    rows_of(engine, up(PREFACE + SETTINGS + frame(1, b"\xff\xff\xff\xff\xff\xff")))
    assert engine.counters.weird == {"bad_http": 1}
    assert not engine._streams.open


def test_blocks_and_heads_are_bounded() -> None:
    assert Heads(sent=True)(PREFACE + frame(1, b"\x82", flags=0) + frame(9, bytes(40_000)))[2] == 0
    bomb = (
        hpack.Encoder().encode([(":method", "GET"), ("a", "b" * 60)]) + b"\xbe" * 20_000
    )  # one field, again and again
    assert Heads(sent=True)(PREFACE + frame(1, bomb))[0] == [Weird.BAD_HTTP]
    encoder = hpack.Encoder()
    many = PREFACE + b"".join(frame(1, request(encoder), stream=2 * n + 1) for n in range(MAX_HEADS + 9))
    heads = Heads(sent=True)
    items, _, need = heads(many)
    assert [type(item).__name__ for item in items] == ["Request"] * MAX_HEADS + ["Weird"] * 9
    assert set(items[MAX_HEADS:]) == {Weird.HEADS_UNREAD}
    assert need
    heads.now = 2 / HEADS_S
    items, _, _ = heads(frame(1, request(encoder)) * 3)
    assert [getattr(item, "path", item) for item in items] == ["/v1/models"] * 2 + [Weird.HEADS_UNREAD]


def test_what_costs_too_much_ends_the_reading_and_is_counted() -> None:
    encoder, heads, large = hpack.Encoder(), Heads(sent=True), "y" * 4_000
    first = PREFACE + frame(1, request(encoder))
    heads(first)
    found = [heads(frame(1, request(encoder, x=f"{number}{large}"))) for number in range(30)]
    ends = [number for number, (_, _, need) in enumerate(found) if not need]
    assert ends[0] == pytest.approx(MAX_BLOCKS / len(request(hpack.Encoder(), x=f"1{large}")), abs=2)
    assert found[ends[0]][0] == [Weird.HEADS_UNREAD]


def test_a_connection_is_read_for_hours() -> None:
    encoder, engine, seq, ts, rows = hpack.Encoder(), Engine(), 1, 0.0, []
    data = PREFACE + SETTINGS
    for number in range(300):
        data += frame(1, request(encoder, f"/{number}"), stream=2 * number + 1) + frame(0, b"z" * 3_000)
        for at in range(0, len(data), 1_400):
            rows += engine.feed(ts, 1, up(data[at : at + 1_400], seq=seq + at))
        seq, data, ts = seq + len(data), b"", ts + 20
        engine.expire(ts)
    assert [row.path for row in rows] == [f"/{number}" for number in range(300)]
    assert not engine.counters.weird


def test_data_that_was_not_seen_hides_no_head() -> None:
    """A live capture leaves out what is no beginning: where a frame ends, its head has told."""
    encoder, engine = hpack.Encoder(), Engine()
    first = PREFACE + SETTINGS + frame(1, request(encoder)) + frame(0, b"z" * 9_000)
    second = frame(1, request(encoder, "/second"), stream=3)
    late = up(second[20:], seq=1 + len(first) + 20)
    rows = rows_of(engine, up(first[:200]), late, up(first[-50:] + second[:20], seq=1 + len(first) - 50))
    assert [row.path for row in rows] == ["/v1/models", "/second"]


@pytest.mark.parametrize(
    ("asked", "there"),
    [([0, 0, 0], [True, True, False]), ([0, 1, 1.5, 9], [True, True, False, True]), ([5, 4], [True] * 2)],
)
def test_a_budget_is_so_much_at_once_and_so_much_a_second(asked, there) -> None:
    budget = Budget(2, 0.5)
    assert [budget.take(now) for now in asked] == there


def many(fields: int, ports: int, total: int) -> Engine:
    """As many connections, each with as many fields in its table, of 56 bytes each."""
    engine = Engine(Limits(held_bytes=total))
    for port in range(ports):
        encoder = hpack.Encoder()
        encoder.header_table_size = MAX_TABLE
        data = PREFACE + SETTINGS + frame(1, encoder.encode([(f"{name:04}", "x" * 20) for name in range(fields)]))
        head = struct.pack(">HHIIBBHHH", 40_000 + port, 8001, 1, 1, 0x50, 0x18, 0, 0, 0)
        rows_of(engine, ether(ip(head + data, 6)))
    return engine


def test_tables_count_as_what_they_hold() -> None:
    full = WEIGHT + EACH_BYTE * 250 * 56
    engine = many(250, 9, 3 * full)
    assert [stream.size for stream in engine._streams.open.values()] == [full] * 3
    assert len(many(1, 400, Limits().held_bytes)._streams.open) == 400, "small ones leave room for each other"


@pytest.mark.parametrize(
    ("data", "is_it"), [(SETTINGS, True), (PREFACE, False), (b"\0\0\6\1\0\0\0\0\1", False), (b"\0", False)]
)
def test_a_server_begins_with_its_settings(data: bytes, *, is_it: bool) -> None:
    assert answers(data) is is_it
    assert begins(PREFACE[:9])


@given(st.binary(max_size=300))
def test_nothing_raises(data: bytes) -> None:
    Heads(sent=True)(PREFACE + data)
    Heads(sent=False)(SETTINGS + frame(1, data) + data)


def test_many_small_frames_hide_no_request():
    many = frame(8, b"\0\0\0\1", stream=0) * 3_000
    items, _, need = Heads(sent=True)(PREFACE + many + frame(1, request(hpack.Encoder())))
    assert [item.host for item in items] == ["llm.example"]
    assert need
