"""Hellos of DTLS, whole and in fragments."""

from itertools import pairwise

from discovery_frames import datagram, hello_body
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.observation import Observation
from discovery.engine import Engine
from discovery.limits import Limits

BODY = hello_body(b"voice.example.com", version=0xFEFD, cookie=b"", extensions=b"\0\x15\2\0" + bytes(512))


def fragment(start: int, end: int, *, body: bytes = BODY, sequence: int = 0, number: int = 0) -> bytes:
    head = b"\x01" + len(body).to_bytes(3) + sequence.to_bytes(2) + start.to_bytes(3) + (end - start).to_bytes(3)
    piece = head + body[start:end]
    return b"\x16\xfe\xfd\0\0" + number.to_bytes(6) + len(piece).to_bytes(2) + piece


def said(engine: Engine, *payloads: bytes) -> list[Observation]:
    rows = [row for each in payloads for row in engine.feed(0.0, 1, datagram(each, dport=5_061))]
    assert "parser_fault" not in engine.counters.weird
    return rows


@given(places=st.lists(st.integers(1, len(BODY) - 1), max_size=8), order=st.randoms(use_true_random=False))
def test_fragments_in_any_order_make_one_row(places: list[int], order: st.DataObject) -> None:
    edges = sorted({0, len(BODY), *places})
    pieces = [fragment(a, b, number=a) for a, b in pairwise(edges)]
    order.shuffle(pieces)  # type: ignore[attr-defined]
    engine = Engine()
    (row,) = said(engine, *pieces)
    (whole,) = said(Engine(), fragment(0, len(BODY)))
    assert (row.server_name, row.ja4, row.ja3) == ("voice.example.com", whole.ja4, whole.ja3)
    assert not engine._dtls._open
    assert not engine.counters.weird


def test_fragments_in_one_datagram_are_joined() -> None:
    (row,) = said(Engine(), fragment(0, 100) + fragment(100, len(BODY)))
    assert row.server_name == "voice.example.com"


def test_a_repetition_is_no_row_and_the_hello_with_a_cookie_is_another() -> None:
    engine = Engine()
    second = hello_body(b"voice.example.com", version=0xFEFD, cookie=b"cookie")
    again = fragment(0, len(BODY), number=3)
    assert len(said(engine, fragment(0, len(BODY)), again, fragment(0, len(second), body=second, sequence=1))) == 2


def test_fragments_are_bounded_and_what_cannot_be_is_counted() -> None:
    engine = Engine(Limits(datagrams=4))
    for sequence in range(9):
        said(engine, fragment(0, 50, sequence=sequence))
    assert len(engine._dtls._open) == 4
    assert engine.counters.weird == {"streams_evicted": 5}
    engine = Engine()
    said(engine, *(fragment(2 * n, 2 * n + 1) for n in range(80)))
    assert engine.counters.weird["stream_too_long"] == 1
    engine = Engine()
    assert not said(engine, fragment(0, 60, body=BODY[:50]))
    assert engine.counters.weird == {"bad_hello": 1}
    engine.expire(1e9)


@given(st.integers(0, 640), st.integers(0, 255))
def test_nothing_raises(place: int, byte: int) -> None:
    whole = fragment(0, 200) + fragment(200, len(BODY))
    said(Engine(), whole[:place], whole[:place] + bytes((byte,)) + whole[place + 1 :])
