"""Answers in clear, bodies that show more, and the connections they come on."""

import itertools
import struct

import pytest
from discovery_frames import CLIENT, SERVER, ether, hello, ip, tcp
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.observation import Observation
from discovery import http, marks
from discovery.beginnings import Requests
from discovery.engine import Engine
from discovery.http_answers import Answers, parse

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
OLLAMA = b'{"models":[{"name":"llama3:latest","digest":"0","details":{"parameter_size":"8B"}}]}'


def up(data: bytes, *, seq: int = 1, ack: int = 1, dport: int = 80) -> bytes:
    return ether(ip(struct.pack(">HHIIBBHHH", 40_000, dport, seq, ack, 0x50, 0x18, 0, 0, 0) + data, 6))


def down(data: bytes, *, seq: int = 1, sport: int = 80) -> bytes:
    return ether(ip(tcp(data, seq=seq, sport=sport, dport=40_000), 6, src=SERVER, dst=CLIENT))


def said(*frames: bytes, engine: Engine | None = None) -> list[Observation]:
    engine = engine or Engine()
    rows = [row for frame in frames for row in engine.feed(0.0, 1, frame)]
    assert not engine.counters.weird
    return [row for row in rows if row.kind.value == "http_response"]


def head(status: int = 200, **fields: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Word\r\n{lines}\r\n".encode()


def test_a_head_tells_status_server_and_content_type() -> None:
    told = head(server="uvicorn", content_type="Application/JSON; charset=utf-8", content_length="2") + b"{}"
    (row,) = said(up(GET), down(told))
    assert (row.src, row.sport, row.status, row.server, row.content_type) == (
        SERVER,
        80,
        200,
        "uvicorn",
        "application/json",
    )


@given(places=st.lists(st.integers(1, 300), max_size=8))
def test_a_body_may_come_in_any_segments(places: list[int]) -> None:
    data = head(content_type="application/json", content_length=str(len(OLLAMA))) + OLLAMA
    edges = sorted({0, len(data), *(place for place in places if place < len(data))})
    pieces = [down(data[a:b], seq=1 + a) for a, b in itertools.pairwise(edges)]
    rows = said(up(GET), *pieces)
    assert 1 <= len(rows) <= 2
    assert rows[-1].marks
    assert rows[-1].marks == said(up(GET), down(data))[-1].marks


def test_a_body_that_shows_nothing_more_is_no_second_row() -> None:
    data = head(content_type="text/html") + b"<p>"
    engine = Engine()
    assert len(said(up(GET), down(data), down(b"more", seq=1 + len(data)), engine=engine)) == 1
    engine.expire(1e9)
    assert not engine.counters.weird


def test_an_answer_of_no_client_and_one_after_its_end_are_not_read() -> None:
    assert not said(down(head()))
    engine = Engine()
    assert len(said(up(GET), down(head(204)), down(head(500), seq=1 + len(head(204))), engine=engine)) == 1
    assert not engine._streams.open


def test_each_request_of_a_connection_has_its_answer() -> None:
    first, second = head(content_length="0"), head(404, content_length="0")
    frames = (up(GET), down(first), up(GET, seq=1 + len(GET), ack=1 + len(first)), down(second, seq=1 + len(first)))
    assert [row.status for row in said(*frames)] == [200, 404]


def test_interim_answers_are_read_over_and_an_upgrade_is_noted() -> None:
    assert [row.status for row in said(up(GET), down(head(100) + head(201)))] == [201]
    upgrade = b"GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    engine = Engine()
    (row,) = said(up(upgrade), down(head(101, upgrade="websocket", connection="Upgrade")), engine=engine)
    assert (row.status, row.notes) == (101, ("websocket",))
    asked = http.parse(upgrade)
    assert asked is not None
    assert asked.notes == ("websocket",)


def test_a_tunnel_has_its_answer_and_then_the_server_s() -> None:
    connect = b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n"
    told = head()
    inner = b"\x16\x03\x03\0\x2a\x02\0\0\x26\x03\x03" + bytes(32) + b"\0\xc0\x2f\0"
    engine = Engine()
    frames = (
        up(connect, dport=3128),
        down(told, sport=3128),
        up(hello(), seq=1 + len(connect), ack=1 + len(told), dport=3128),
        down(inner, seq=1 + len(told), sport=3128),
    )
    rows = [row for frame in frames for row in engine.feed(0.0, 1, frame)]
    assert [row.kind.value for row in rows] == ["http", "http_response", "tls", "tls_server"]


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 999 No\r\n\r\n", b"HTTP/1.x\r\n", b"HTTP/1.1 200" + b"x" * 5_000, b"SSH-2.0-x\r\n"]
)
def test_what_is_no_answer_is_let_go(data: bytes) -> None:
    engine = Engine()
    assert not said(up(GET), down(data), engine=engine)
    assert not engine._streams.open


def test_a_request_is_told_at_once_and_again_where_its_body_shows_more() -> None:
    body = b'{"model":"llama3","messages":[]}'
    ask = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    ask += b"Content-Length: %d\r\n\r\n" % len(body)
    engine = Engine()
    rows = [*engine.feed(0.0, 1, up(ask)), *engine.feed(0.0, 1, up(body, seq=1 + len(ask)))]
    assert [(row.path, row.model) for row in rows] == [
        ("/v1/chat/completions", None),
        ("/v1/chat/completions", "llama3"),
    ]
    (whole,) = Engine().feed(0.0, 1, up(ask + body))
    assert whole.model == "llama3"
    again = [*engine.feed(1.0, 1, up(body, seq=1 + len(ask))), *engine.feed(1.0, 1, up(GET, seq=1 + len(ask + body)))]
    assert [row.path for row in again] == ["/"]


def test_a_body_that_never_comes_costs_no_row_and_is_no_loss() -> None:
    ask = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
    engine = Engine()
    assert len(engine.feed(0.0, 1, up(ask))) == 1
    engine.expire(1e9)
    assert not engine.counters.weird
    assert not engine._streams.open


@given(st.binary(max_size=400))
def test_nothing_raises(data: bytes) -> None:
    for raw in (data, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + data, b"HTTP/1.1 " + data):
        Answers()(raw)
        parse(raw)
    Requests()(b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + data)


def test_no_more_of_a_body_is_looked_at_than_its_first_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def note(_status: int, _head: bytes, body: bytes) -> marks.Shown:
        seen.append(len(body))
        return marks.NOTHING

    monkeypatch.setattr(marks, "of_response", note)
    said(up(GET), down(head(content_type="text/plain") + b"x" * 60_000))
    said(up(GET), down(head(content_type="image/png") + b"x" * 60_000))
    assert seen == [http.BODY, 0]
