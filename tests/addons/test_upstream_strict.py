"""Heads that can be read in one way only: what is let through, and what each oddity is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http

from addons.upstream.strict import objection_to, objection_to_lines, unquoted
from appliance.model.names import RefusalReason

LINE = b"GET / HTTP/1.1"
HOST = b"Host: a.test"


def consumed(lines):
    return len(b"\r\n".join([*lines, b"", b""]))


def made(method="GET", path="/", version="HTTP/1.1", fields=((b"host", b"a.test"),)):
    return http.Request(
        "a.test", 443, method.encode(), b"https", b"", path.encode(), version.encode(), http.Headers(fields),
        None, None, 0.0, 0.0,
    )  # fmt: skip


@given(st.lists(st.from_regex(rb"[A-Za-z-]{1,20}: [ -~\t]{0,40}", fullmatch=True), max_size=8))
def test_ordinary_lines_pass(fields):
    lines = [LINE, HOST, *fields]
    assert objection_to_lines(lines, consumed(lines)) is None


@pytest.mark.parametrize(
    ("lines", "less", "reason"),
    [
        ([LINE, HOST], 1, RefusalReason.SMUGGLING),
        ([LINE, b"X: a\rb"], 0, RefusalReason.SMUGGLING),
        ([LINE, b"X: a\0b"], 0, RefusalReason.SMUGGLING),
        ([LINE, b"X: a", b" b"], 0, RefusalReason.SMUGGLING),
        ([LINE, b"X: a", b"\tb"], 0, RefusalReason.SMUGGLING),
        ([b"GET /\x01 HTTP/1.1", HOST], 0, RefusalReason.MALFORMED_REQUEST),
    ],
)
def test_odd_lines_do_not(lines, less, reason):
    assert objection_to_lines(lines, consumed(lines) - less)[0] is reason


@pytest.mark.parametrize(
    ("request_", "http2"),
    [
        (made(), False),
        (made("OPTIONS", "*"), False),
        (made(version="HTTP/1.0", fields=()), False),
        (made(version="HTTP/2.0", fields=()), True),
        (made(fields=((b"host", b"a"), (b"transfer-encoding", b"Chunked"))), False),
        (made("CONNECT", "", fields=()), False),
    ],
)
def test_sound_heads_pass(request_, http2):
    assert objection_to(request_, http2=http2, max_head=100) is None


@pytest.mark.parametrize(
    ("request_", "http2", "reason"),
    [
        (made("GE T"), False, RefusalReason.MALFORMED_REQUEST),
        (made("GET", "*"), False, RefusalReason.MALFORMED_REQUEST),
        (made(path="/a b"), True, RefusalReason.MALFORMED_REQUEST),
        (made(path="/a#b"), True, RefusalReason.MALFORMED_REQUEST),
        (made(path="/a?b#"), False, RefusalReason.MALFORMED_REQUEST),
        (made(path="https://b.test/"), True, RefusalReason.MALFORMED_REQUEST),
        (made(version="HTTP/2.0"), False, RefusalReason.MALFORMED_REQUEST),
        (made(fields=()), False, RefusalReason.MALFORMED_REQUEST),
        (made(fields=((b"host", b"a"), (b"x", b"b\nc"))), False, RefusalReason.SMUGGLING),
        (made(fields=((b"host", b"a"), (b"transfer-encoding", b"gzip, chunked"))), False, RefusalReason.SMUGGLING),
        (made(fields=((b"host", b"a"), (b"x", b"b" * 100))), True, RefusalReason.HEAD_TOO_LARGE),
    ],
)
def test_each_oddity_has_its_reason(request_, http2, reason):
    found, detail = objection_to(request_, http2=http2, max_head=100)
    assert found is reason
    assert detail


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("Illegal character in header value: b'secret'", "Illegal character in header value"),
        ("Unknown pseudo headers: {b':x'}", "Unknown pseudo headers"),
        ('bad b"secret" thing', "bad"),
        ("line\rfeed", "line?feed"),
    ],
)
def test_nothing_quoted_is_kept(message, kept):
    assert unquoted(message) == kept
