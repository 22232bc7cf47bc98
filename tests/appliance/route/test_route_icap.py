"""What is asked of an external data-loss system, and what its answer means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import OperatorError, PeerError
from appliance.route.icap import Answer, answer, request, service_of

SERVICE = service_of("icap://dlp.example.com/reqmod")
URL = "https://api.openai.com/v1/chat/completions"


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
    sent = b"".join(request(SERVICE, "POST", URL, [("Host", "api.openai.com"), ("Authorization", "Bearer k")], b"body"))
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
    assert b"own-key-0" not in b"".join(request(SERVICE, "POST", url, headers, b"body"))


def test_an_address_in_numbers_stays_one():
    assert service_of("icap://[::1]:11344/x").url == "icap://[::1]:11344/x"


def test_a_request_without_a_body_says_so():
    sent = b"".join(request(SERVICE, "GET", URL, [], b""))
    assert b"null-body=" in sent
    assert sent.endswith(b"HTTP/1.1\r\n\r\n")


def test_no_header_ends_its_line():
    sent = b"".join(request(SERVICE, "POST", URL, [("x", "a\r\nREQMOD evil")], b"b"))
    assert b"\r\nREQMOD evil" not in sent


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"ICAP/1.0 204 No Content\r\nISTag: x\r\n\r\n", Answer(clean=True)),
        (b"ICAP/1.0 200 OK\r\nX-Violations-Found: 1 <b>cards</b>\r\n\r\n", Answer(clean=False, reason="1 bcards/b")),
        (b"ICAP/1.1 200 OK\r\n\r\n", Answer(clean=False)),
    ],
)
def test_an_answer_is_clean_or_it_is_not(head, said):
    assert answer(head) == said


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"ICAP/1.0 500 x\r\n\r\n", b"ICAP/1.0 100 Continue\r\n\r\n"]
)
def test_what_is_no_verdict_is_told_apart(head):
    with pytest.raises(PeerError):
        answer(head)


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data):
    try:
        assert len(answer(data).reason) <= 64
    except PeerError as fault:
        assert str(fault)  # noqa: PT017 - any bytes may come
