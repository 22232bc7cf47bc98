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
from discovery.http2 import MAX_HEADS, PREFACE, WEIGHT, Heads, answers, begins
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
    items, _, need = Heads(sent=True)(many)
    assert (len(items), need) == (MAX_HEADS, 0)


def test_tables_count_as_what_they_may_hold() -> None:
    engine = Engine(Limits(held_bytes=3 * WEIGHT + 9_000))
    for port in range(9):
        data = PREFACE + SETTINGS + frame(1, request(hpack.Encoder()))
        head = struct.pack(">HHIIBBHHH", 40_000 + port, 8001, 1, 1, 0x50, 0x18, 0, 0, 0)
        assert rows_of(engine, ether(ip(head + data, 6)))
    assert len(engine._streams.open) == 3
    assert not engine.counters.weird


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
