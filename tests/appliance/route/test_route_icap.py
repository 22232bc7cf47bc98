"""What is asked of an external data-loss system, and what its answer means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import OperatorError, PeerError
from appliance.route import icap
from appliance.route.icap import (
    Answer,
    Options,
    Returned,
    answer,
    chunk_size,
    options_of,
    question,
    read_head,
    same_head,
    service_of,
)

SERVICE = service_of("icap://dlp.example.com/reqmod")
URL = "https://api.openai.com/v1/chat/completions"


def asked(*told):
    made = question(*told)
    assert made.rest == []
    return made.pieces


def test_an_address_has_a_port_of_its_own():
    assert SERVICE == ("dlp.example.com", 1344, "icap://dlp.example.com:1344/reqmod")
    assert service_of("icap://[::1]:11344/x").port == 11344


@pytest.mark.parametrize(
    "url", ["", "http://x/y", "icap://", "icap://x", "icap://x/", "icap://x:99999/y", "icap://x/y?z"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(OperatorError, match=r"inspect\.icap\.address"):
        service_of(url)


def test_a_request_is_encapsulated():
    sent = b"".join(asked(SERVICE, "POST", URL, [("Host", "api.openai.com"), ("Authorization", "Bearer k")], b"body"))
    head, _, rest = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"REQMOD icap://dlp.example.com:1344/reqmod ICAP/1.0\r\nHost: dlp.example.com\r\n")
    inside = b"POST https://api.openai.com/v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n\r\n"
    assert f"Encapsulated: req-hdr=0, req-body={len(inside)}".encode() in head
    assert rest == inside + b"4\r\nbody\r\n0\r\n\r\n"
    assert b"Bearer" not in sent


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("https://g.example/v1beta/m:generateContent?key=AIza-own-key-0&alt=sse", []),
        (URL, [("cf-access-client-secret", "own-key-0")]),
        (URL, [("X-Amz-Security-Token", "own-key-0")]),
        (URL, [("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.own-key-0")]),
        (URL, [("authorization", "Bearer own-key-0"), ("x-copy", "own-key-0")]),
    ],
)
def test_no_credential_goes_along_wherever_it_stands(url, headers):
    assert b"own-key-0" not in b"".join(asked(SERVICE, "POST", url, headers, b"body"))


def test_an_address_in_numbers_stays_one():
    assert service_of("icap://[::1]:11344/x").url == "icap://[::1]:11344/x"


def test_a_request_without_a_body_says_so():
    sent = b"".join(asked(SERVICE, "GET", URL, [], b""))
    assert b"null-body=" in sent
    assert sent.endswith(b"HTTP/1.1\r\n\r\n")


def test_no_header_ends_its_line():
    sent = b"".join(asked(SERVICE, "POST", URL, [("x", "a\r\nREQMOD evil")], b"b"))
    assert b"\r\nREQMOD evil" not in sent


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"ICAP/1.0 204 No Content\r\nISTag: x\r\n\r\n", Answer(clean=True)),
        (b"ICAP/1.0 204 x\r\nX-Violations-Found: 0\r\n\r\n", Answer(clean=True)),
        (b"ICAP/1.0 204 x\r\nX-Violations-Found: 1\r\n\r\n", Answer(clean=False, reason="1")),
        (b"ICAP/1.0 200 OK\r\nX-Violations-Found: 1 <b>cards</b>\r\n\r\n", Answer(clean=False, reason="1 bcards/b")),
        (b"ICAP/1.1 200 OK\r\n\r\n", Answer(clean=False)),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=90\r\n\r\n", Answer(clean=False)),
        (b"ICAP/1.0 206 x\r\nEncapsulated: req-hdr=0, req-body=90\r\n\r\n", Answer(clean=False)),
        (
            b"ICAP/1.0 200 OK\r\nX-Response-Info: BLOCKED\r\nEncapsulated: res-hdr=0, null-body=90\r\n\r\n",
            Answer(clean=False, reason="BLOCKED"),
        ),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, req-body=9\r\n\r\n", Returned(9, body=True)),
        (b"ICAP/1.0 200 OK\r\nencapsulated: req-hdr=0, null-body=9\r\n\r\n", Returned(9, body=False)),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, req-body=9999999\r\n\r\n", Answer(clean=False)),
    ],
)
def test_an_answer_is_clean_or_it_is_not(head, said):
    assert answer(read_head(head)) == said


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"ICAP/1.0 500 x\r\n\r\n", b"ICAP/1.0 100 Continue\r\n\r\n"]
)
def test_what_is_no_verdict_is_told_apart(head):
    with pytest.raises(PeerError):
        answer(read_head(head))


def test_a_preview_keeps_the_rest_back_until_it_is_asked_for():
    made = question(SERVICE, "POST", URL, [], b"abcdefgh", 3)
    first = b"".join(made.pieces)
    assert b"\r\nPreview: 3\r\n" in first
    assert first.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert b"".join(made.rest) == b"5\r\ndefgh\r\n0\r\n\r\n"


def test_a_preview_that_is_all_says_so():
    made = question(SERVICE, "POST", URL, [], b"abc", 3)
    assert b"".join(made.pieces).endswith(b"3\r\nabc\r\n0; ieof\r\n\r\n")
    assert made.rest == []
    nothing = question(SERVICE, "POST", URL, [], b"abc", 0)
    assert b"".join(nothing.pieces).endswith(b"\r\n\r\n0\r\n\r\n")
    assert b"".join(nothing.rest) == b"3\r\nabc\r\n0\r\n\r\n"


def test_what_a_service_says_of_itself():
    assert icap.options(SERVICE).startswith(b"OPTIONS icap://dlp.example.com:1344/reqmod ICAP/1.0\r\n")
    for said, told in (
        ("200 OK\r\nMethods: RESPMOD, REQMOD\r\nPreview: 1024\r\nOptions-TTL: 60", Options(1024, 60)),
        ("200 OK\r\nMethods: REQMOD\r\nPreview: 99999999\r\nOptions-TTL: 99999999", Options(65536, 86400)),
        ("200 OK\r\nMethods: REQMOD\r\nPreview: -1\r\nOptions-TTL: soon", Options(None, 3600)),
        ("404 no", Options(None, 3600)),
    ):
        assert options_of(read_head(f"ICAP/1.0 {said}\r\n\r\n".encode())) == told
    with pytest.raises(PeerError, match="REQMOD"):
        options_of(read_head(b"ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\n\r\n"))


HEAD = b"POST https://x.example/ HTTP/1.1\r\nHost: x\r\nContent-Type: a\r\n\r\n"


@pytest.mark.parametrize(
    ("returned", "same"),
    [
        (HEAD, True),
        (b"POST https://x.example/ HTTP/1.1\r\ncontent-type:a\r\nHOST: x\r\nVia: ICAP/1.0 dlp\r\n\r\n", True),
        (HEAD.replace(b"x.example", b"y.example"), False),
        (HEAD.replace(b"Host: x", b"Host: y"), False),
        (HEAD.replace(b"Content-Type: a\r\n", b""), False),
    ],
)
def test_whether_a_head_came_back_as_it_was(returned, same):
    assert same_head(HEAD, returned) is same


def test_chunks_are_read_strictly():
    assert [chunk_size(b"0\r\n"), chunk_size(b"fF; x=y\r\n")] == [0, 255]
    for line in (b"\r\n", b"-1\r\n", b"0x1\r\n", b"123456789\r\n"):
        with pytest.raises(PeerError):
            chunk_size(line)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"ICAP/1.0 200 OK\r\n" + data))
def test_any_bytes_are_taken(data):
    try:
        assert answer(read_head(data))
    except PeerError as fault:
        assert str(fault)  # noqa: PT017 - any bytes may come
