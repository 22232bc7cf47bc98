"""Request heads: whom, what, with which client; and what only looks like one."""

import re

import pytest
from discovery_frames import segment
from hypothesis import given
from hypothesis import strategies as st

from discovery.beginnings import read_http
from discovery.engine import Engine
from discovery.http import Request, begins, blank_line, body_size, head_end, host_of, parse


def test_a_request_of_an_sdk() -> None:
    head = (
        b"POST /v1/chat/completions?beta=true HTTP/1.1\r\nhost: LLM.Example.com:8000\r\n"
        b"Authorization: Bearer sk-secret\r\nUSER-AGENT:  OpenAI/Python 3.54.0 \r\nContent-Length: 12\r\n\r\n"
    )
    request = parse(head)
    assert request == Request("POST", "llm.example.com", "/v1/chat/completions?beta=true", "OpenAI/Python 3.54.0")
    assert "secret" not in str(Engine().feed(0.0, 1, segment(head, dport=8000)))
    assert body_size(head) == 12


@pytest.mark.parametrize(
    ("line", "host", "path"),
    [
        (b"GET / HTTP/1.1", "header.example", "/"),
        (b"OPTIONS * HTTP/1.1", "header.example", "*"),
        (b"GET http://Target.example:80/a?b HTTP/1.1", "target.example", "/a?b"),
        (b"GET https://user:pass@target.example HTTP/1.1", "target.example", "/"),
        (b"CONNECT target.example:443 HTTP/1.1", "target.example", None),
        (b"CONNECT [2001:DB8::1]:443 HTTP/1.1", "2001:db8::1", None),
        (b"CONNECT / HTTP/1.1", "header.example", "/"),
        (b"GET / HTTP/1.", "header.example", "/"),
        (b"GET /", "header.example", "/"),
        (b"PROPFIND /dav HTTP/1.0", "header.example", "/dav"),
        (b"GET /\xff\x1b[2J[b] HTTP/1.1", "header.example", "/\\xff\\x1b[2J[b]"),
        (b"GET /" + b"x" * 5_000 + b" HTTP/1.1", "header.example", "/" + "x" * 2_047),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_targets_of_every_form(line: bytes, host: str, path: str | None, end: bytes) -> None:
    request = parse(line + end + b"Host: header.example" + end + end)
    assert request is not None
    assert (request.host, request.path) == (host, path)


@pytest.mark.parametrize(
    ("line", "weird"),
    [
        (b"GET  / HTTP/1.1", 1),
        (b"GET / HTTP/2", 1),
        (b"OPTIONS sip:a@b SIP/2.0", 1),
        (b"DESCRIBE rtsp://a RTSP/1.0", 0),
        (b"GETTING / HTTP/2.0", 0),
        (b"POST/ HTTP/1.1", 1),
        (b"GET it done", 1),
        (b"HEAD over heels", 1),
        (b"get / HTTP/1.1", 0),
        (b"HTTP/1.1 200 OK", 0),
        (b"PRI * HTTP/2.0", 0),
    ],
)
def test_what_is_no_request_makes_no_row(line: bytes, weird: int) -> None:
    engine = Engine()
    assert not engine.feed(0.0, 1, segment(line + b"\r\nHost: a.example\r\n\r\n", dport=80))
    assert engine.counters.weird == ({"bad_http": weird} if weird else {})


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (b"A.example", "a.example"),
        (b" a.example:8080 ", "a.example"),
        (b"[::1]:80", "::1"),
        (b"[::1", "::1"),
        (b"::1", "::1"),
        (b"u@a:1", "a"),
        (b"", None),
        (b":80", None),
        (b"a\x1b[31m", "a\\x1b[31m"),
        (b"x" * 10_000, "x" * 255),
        (b"[api.openai.com]x", "[api.openai.com]x"),
        (b"[red]<b>", "[red]<b>"),
    ],
)
def test_hosts(authority: bytes, host: str | None) -> None:
    assert host_of(authority) == host


def test_two_hosts_are_noted() -> None:
    request = parse(b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n")
    assert request is not None
    assert (request.host, request.notes) == ("a.example", ("two_hosts",))


def test_a_request_without_host_or_client() -> None:
    (row,) = Engine().feed(0.0, 1, segment(b"GET /x HTTP/1.0\r\n\r\n", dport=80))
    assert (row.kind.value, row.method, row.host, row.path, row.user_agent) == ("http", "GET", None, "/x", None)


def test_where_a_head_ends() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert [head_end(head[:size], 0) for size in range(4, len(head))] == [0] * (len(head) - 4)
    assert head_end(head + b"more", 0) == len(head)
    assert head_end(b"GET / HTTP/2\r\nHost", 0) is None
    assert head_end(b"GET /" + b"x" * 20_000, 0) is None


def test_a_body_is_read_over() -> None:
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    post = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(get)
    items, consumed, need = read_http(post + get + get)
    assert [item.method for item in items if isinstance(item, Request)] == ["POST", "GET"]
    assert (consumed, need) == (len(post + get + get), 0)


def test_beginnings() -> None:
    assert begins(b"G")
    assert begins(b"GET")
    assert begins(b"DELETE")
    assert not begins(b"GOT ")
    assert not begins(b"")


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    request = parse(b"GET /" + data + b" HTTP/1.1\r\nHost: " + data + b"\r\nUser-Agent: " + data + b"\r\n\r\n")
    if request is not None:
        assert all(text is None or text.isprintable() for text in (request.host, request.path, request.user_agent))
    read_http(data)


@given(st.text("\r\nx", max_size=14).map(str.encode), st.integers(0, 4))
def test_an_empty_line_ends_as_a_regular_expression_has_it(text: bytes, at: int) -> None:
    found = re.compile(rb"\r?\n\r?\n").search(text, at)
    assert blank_line(text, at) == (found.end() if found else 0)
