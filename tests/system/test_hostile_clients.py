"""Clients that lie, malform, overflow and leave: the right answer or a closed door, and a record of it every time.

One appliance in stage enforce serves all of these; whatever a test sends, nothing of it may reach the provider unless
the test says so.
"""

import gzip
import json
import ssl
import zlib

import brotli
import h2.config
import h2.connection
import h2.events
import pytest
import zstandard
from hostile_world import (
    AI,
    CLOSED,
    Place,
    Records,
    answer,
    at_end,
    bare,
    configured,
    connect,
    inside,
    prompt,
    request,
    say,
    tunnel,
)
from tests_support import Provider

pytestmark = pytest.mark.system
MAX_HEAD, MAX_BODY = 8192, 100_000
MAIL = "maria.keller@corp-mail.com"
LIMITS = f"  max_head_bytes: {MAX_HEAD}\n  max_body_bytes: {MAX_BODY}\n"
CHAT = "POST /v1/chat/completions HTTP/1.1"


@pytest.fixture(scope="module")
def place():
    made = Place()
    yield made
    made.close()


@pytest.fixture(scope="module")
def box(provider: Provider, place: Place, tmp_path_factory, appliance_class):
    hosts = {"plain.example.test:443": place.port}
    made = configured(
        appliance_class(tmp_path_factory.mktemp("hostile"), provider), hosts, LIMITS, "clients: ['127.0.0.1/32'], "
    )
    try:
        yield made.up()
    finally:
        made.down()


@pytest.fixture
def records(box):
    return Records(box)


@pytest.fixture
def nothing_arrives(provider):
    before = len(provider.arrivals())
    yield
    assert provider.arrivals()[before:] == []


def chunked(body: bytes) -> bytes:
    head = f"{CHAT}\r\nhost: {AI}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    return head.encode() + body


# Heads and bodies that are malformed, or that two readers would read in two ways.
MALFORMED = {
    "no request line": (b"HELO box\r\n\r\n", 400, "malformed_request"),
    "binary": (b"\x00\x01\x02\r\n\r\n", 400, "malformed_request"),
    "no Host": (bare(CHAT, "content-length: 2", body=b"{}"), 400, "malformed_request"),
    "HTTP/2.0 in clear": (request(prompt(), line="POST /v1/chat/completions HTTP/2.0"), 400, "malformed_request"),
    "HTTP/0.9": (request(prompt(), line="POST /v1/chat/completions HTTP/0.9"), 400, "malformed_request"),
    "method is no token": (request(prompt(), line="PO{ST /v1/chat/completions HTTP/1.1"), 400, "malformed_request"),
    "control in path": (request(prompt(), line="POST /v1/\x01 HTTP/1.1"), 400, "malformed_request"),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\nhost: x\r\n\r\nSM\r\n\r\n", 400, "malformed_request"),
    "CONNECT in a tunnel": (bare("CONNECT evil.example:443 HTTP/1.1", f"host: {AI}"), 400, "malformed_request"),
    "JSON cut short": (request(b'{"model": "stand-in"'), 400, "malformed_request"),
    "unknown coding": (request(b"xx", "content-encoding: rot13"), 400, "malformed_request"),
    "bomb": (request(gzip.compress(b" " * 20_000_000), "content-encoding: gzip"), 400, "malformed_request"),
    "length and chunks": (request(b"0\r\n\r\n", "transfer-encoding: chunked"), 400, "smuggling"),
    "two lengths": (request(prompt(), "content-length: 5"), 400, "malformed_request"),
    "list of lengths": (bare(CHAT, f"host: {AI}", "content-length: 2, 2", body=b"{}"), 400, "malformed_request"),
    "signed length": (bare(CHAT, f"host: {AI}", "content-length: +2", body=b"{}"), 400, "malformed_request"),
    "blank before colon": (request(prompt(), "transfer-encoding : chunked"), 400, "smuggling"),
    "folded line": (request(prompt(), "x-a: b", " transfer-encoding: chunked"), 400, "smuggling"),
    "bare LF everywhere": (request(prompt()).replace(b"\r\n", b"\n"), 400, "smuggling"),
    "one bare LF": (request(prompt(), "x-a: b\ntransfer-encoding: chunked"), 400, "smuggling"),
    "bare CR": (request(prompt(), "x-a: b\rtransfer-encoding: chunked"), 400, "smuggling"),
    "NUL in a value": (request(prompt(), "x-a: b\0c"), 400, "smuggling"),
    "coding below chunks": (
        bare(CHAT, f"host: {AI}", "transfer-encoding: gzip, chunked", body=b"0\r\n\r\n"), 400, "smuggling"
    ),
    "vertical tab": (bare(CHAT, f"host: {AI}", "transfer-encoding: \x0bchunked"), 400, "smuggling"),
    "unknown transfer coding": (bare(CHAT, f"host: {AI}", "transfer-encoding: xchunked"), 400, "malformed_request"),
    "chunks in HTTP/1.0": (
        bare("POST /v1/chat/completions HTTP/1.0", f"host: {AI}", "transfer-encoding: chunked", body=b"0\r\n\r\n"),
        400,
        "smuggling",
    ),
    "negative chunk": (chunked(b"-5\r\nhello\r\n0\r\n\r\n"), 400, "malformed_request"),
    "hexadecimal prefix": (chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), 400, "malformed_request"),
    "chunk longer than told": (chunked(b"5\r\nhelloXX0\r\n\r\n"), 400, "malformed_request"),
    "chunk header with LF": (chunked(b"5\nhello\n0\n\n"), 400, "malformed_request"),
    "large head": (request(prompt(), "x: " + "a" * MAX_HEAD), 431, "head_too_large"),
    "large body by length": (request(b"x" * (MAX_BODY + 1)), 413, "body_too_large"),
    "large body, only announced": (bare(CHAT, f"host: {AI}", "content-length: 100001"), 413, "body_too_large"),
    "large body in chunks": (chunked(b"19000\r\n" + b"x" * 0x19000 + b"\r\n0\r\n\r\n"), 413, "body_too_large"),
    "two hosts": (request(prompt(), "host: evil.example"), 421, "name_disagreement"),
    "other Host": (request(prompt(), host="evil.example"), 421, "name_disagreement"),
    "Host of another service": (request(prompt(), host="api.anthropic.com"), 421, "name_disagreement"),
    "absolute target": (
        request(prompt(), line="POST https://evil.example/v1/chat/completions HTTP/1.1"), 421, "name_disagreement"
    ),
    "WebSocket": (
        request(b"", "connection: upgrade", "upgrade: websocket", line="GET /v1/realtime HTTP/1.1"), 403, "websocket"
    ),
    "WebSocket in a list": (
        request(b"", "connection: upgrade", "upgrade: h2c, WebSocket", line="GET /v1/realtime HTTP/1.1"),
        403,
        "websocket",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_bad_request_to_an_ai_host_is_answered_and_recorded(box, records, nothing_arrives, name):
    data, status, reason = MALFORMED[name]
    with inside(box) as sock:
        found = say(sock, data)
    assert found.status == status
    assert "x-gnomon-refusal" in found.headers
    assert MAIL.encode() not in found.body
    row = records.refusal(reason, port=443, listener="proxy")
    assert row.host == ("evil.example" if name == "CONNECT in a tunnel" else AI)
    assert records.all("exchanges") == []


@pytest.mark.parametrize(
    ("door", "data", "status", "reason"),
    [
        ("proxy", b"HELO box\r\n\r\n", 400, "malformed_request"),
        ("proxy", b"GET http://plain.example.test/ HTTP/1.1\r\nx: " + b"a" * MAX_HEAD, 431, "head_too_large"),
        ("gateway", b"\x16\x03\x01\x02\x00\r\n\r\n", 400, "malformed_request"),
        ("gateway", b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: x\r\n\r\n", 400, "malformed_request"),
        ("gateway", request(b"{", "transfer-encoding: chunked", host="gw"), 400, "smuggling"),
        ("gateway", request(b"{", host="gw"), 400, "malformed_request"),
        ("gateway", request(b"x" * (MAX_BODY + 1), host="gw"), 413, "body_too_large"),
        ("gateway", request(b"", line="GET /nosuch/v1/models HTTP/1.1", host="gw"), 404, "unknown_route"),
        ("gateway", request(b"", line="GET /mcp HTTP/1.1", host="gw"), 404, "unknown_route"),
        ("gateway", request(b"", line="GET /.well-known/x HTTP/1.1", host="gw"), 404, "unknown_route"),
        ("gateway", request(b"", line="GET /openai/../healthz HTTP/1.1", host="gw"), 400, "unknown_route"),
        ("gateway", request(b"", line="GET /openai/%2e%2e/x HTTP/1.1", host="gw"), 400, "unknown_route"),
        ("gateway", request(b"", line="GET /v1/../../etc/passwd HTTP/1.1", host="gw"), 400, "unknown_route"),
        ("gateway", request(b"", line="GET //evil.example/ HTTP/1.1", host="gw"), 400, "unknown_route"),
        ("gateway", request(b"", line="GET /openai\\x HTTP/1.1", host="gw"), 400, "unknown_route"),
        ("gateway", request(b"", line="GET http://gw/openai/v1/models HTTP/1.1", host="gw"), 400, "malformed_request"),
        ("gateway", request(b"", line="GET http://gw/healthz HTTP/1.1", host="gw"), 400, "malformed_request"),
        ("gateway", request(b"", line="GET /openai/v1/models#x HTTP/1.1", host="gw"), 400, "malformed_request"),
        ("gateway", request(b"", line="GET /healthz/x HTTP/1.1", host="gw"), 404, "unknown_route"),
    ],
)
def test_a_bad_request_at_a_listener_is_answered_and_recorded(
    box, records, nothing_arrives, door, data, status, reason
):
    with connect(box, door) as sock:
        assert say(sock, data).status == status
    records.refusal(reason, listener=door)


def test_healthz_is_answered_without_a_record(box, records, nothing_arrives):
    with connect(box, "gateway") as sock:
        found = say(sock, request(b"", line="GET /healthz HTTP/1.1", host="gw"), "GET")
        assert (found.status, found.body) == (200, b'{"status":"ok"}\n')
        say(sock, b"HELO\r\n\r\n")
    assert [row.reason for row in (records.refusal("malformed_request"), *records.all("refusals")[1:])] == [
        "malformed_request"
    ]


@pytest.mark.parametrize(
    ("authority", "sni", "told"),
    [
        (f"{AI}:443", "api.anthropic.com", 421),
        ("plain.example.test:443", AI, 421),
        (f"{AI}:443", "plain.example.test", 0),  # no certificate can be made for that name: closed
    ],
)
def test_connect_and_sni_that_disagree(box, records, nothing_arrives, authority, sni, told):
    try:
        with inside(box, authority, sni) as sock:
            status = say(sock, request(prompt(), host=sni)).status
    except (ssl.SSLError, ConnectionError):
        status = 0
    assert status == told
    records.refusal("name_disagreement", host=authority.partition(":")[0], port=443)
    assert "certificate_rejected" not in [row.reason for row in records.all("refusals")]


@pytest.mark.parametrize("target", [f"http://{AI}/v1/models", "http://plain.example.test/"])
def test_request_target_and_host_that_disagree(box, records, nothing_arrives, target):
    other = "plain.example.test" if AI in target else AI
    with connect(box) as sock:
        assert say(sock, bare(f"GET {target} HTTP/1.1", f"host: {other}"), "GET").status == 421
    records.refusal("name_disagreement", port=80)


def test_an_ai_host_named_in_clear_inside_a_plain_tunnel(box, records, nothing_arrives, place):
    came = len(place.came)
    with tunnel(box, "plain.example.test:443") as sock:
        assert say(sock, request(prompt(f"to {MAIL}"))).status == 421
    records.refusal("name_disagreement", host="plain.example.test")
    assert len(place.came) == came


def test_neither_tls_nor_http_in_a_tunnel_to_an_ai_host(box, records, nothing_arrives):
    with tunnel(box, f"{AI}:443") as sock:
        sock.sendall(b"SSH-2.0-client\r\n")
        assert at_end(sock)
    records.refusal("not_tls_in_tunnel", host=AI, port=443)


def test_a_client_that_rejects_our_certificate(box, records, nothing_arrives):
    with tunnel(box, f"{AI}:443") as sock, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(sock, server_hostname=AI)
    records.refusal("certificate_rejected", host=AI, port=443)


PRIVATE = {
    "loopback": "127.0.0.1:9",
    "a name for loopback": "localhost:9",
    "mapped loopback": "[::ffff:127.0.0.1]:9",
    "IPv6 loopback": "[::1]:9",
    "any address": "0.0.0.0:9",
    "metadata": "169.254.169.254:80",
    "link local": "169.254.7.7:80",
    "private": "10.1.2.3:80",
}


@pytest.mark.parametrize("name", PRIVATE)
def test_private_destinations_are_refused_both_ways(box, records, name):
    place = PRIVATE[name]
    host, _, port = place.rpartition(":")
    with connect(box) as sock:
        found = say(sock, f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n\r\n".encode(), "CONNECT")
        assert (found.status, found.headers["x-gnomon-refusal"]) == (403, "private_address")
    records.refusal("private_address", host=host.strip("[]"), port=int(port))
    again = Records(box)
    with connect(box) as sock:
        assert say(sock, bare(f"GET http://{place}/latest HTTP/1.1", f"host: {place}"), "GET").status == 403
    again.refusal("private_address", host=host.strip("[]"), port=int(port))


def test_a_number_is_not_a_way_around_the_address_rules(box, records):
    with connect(box) as sock:
        assert say(sock, bare("CONNECT 2130706433:9 HTTP/1.1", "host: 2130706433:9"), "CONNECT").status == 403
    records.refusal("private_address", host="2130706433", port=9)


@pytest.mark.parametrize("door", ["proxy", "gateway"])
def test_the_appliance_does_not_dial_itself(box, records, door):
    place = f"127.0.0.1:{getattr(box, door)}"
    with connect(box) as sock:
        assert say(sock, bare(f"CONNECT {place} HTTP/1.1", f"host: {place}"), "CONNECT").status == 403
    assert "own_listener" in records.refusal("private_address").detail


def test_a_client_outside_listen_clients_is_not_heard(box, records):
    with connect(box, source="127.0.0.9") as sock:
        assert say(sock, bare("GET http://plain.example.test/ HTTP/1.1", "host: plain.example.test")) == CLOSED
    records.refusal("client_not_allowed")


@pytest.mark.parametrize(
    ("coding", "pack", "unpack"),
    [
        ("gzip", gzip.compress, gzip.decompress),
        ("deflate", zlib.compress, zlib.decompress),
        ("br", brotli.compress, brotli.decompress),
        ("zstd", zstandard.compress, zstandard.decompress),
    ],
)
def test_a_compressed_body_arrives_redacted_and_compressed(box, records, provider, coding, pack, unpack):
    before = len(provider.arrivals())
    with inside(box) as sock:
        assert say(sock, request(pack(prompt(f"to {MAIL}")), f"content-encoding: {coding}")).status == 200
    (arrival,) = provider.arrivals()[before:]
    sent = unpack(bytes.fromhex(arrival["raw"]))
    assert MAIL.encode() not in sent
    assert json.loads(sent)["messages"][0]["content"] == "to <EMAIL_ADDRESS>"
    assert records.exchange("completed").redactions == 1


def test_an_upgrade_is_never_passed_on(box, provider):
    before = len(provider.arrivals())
    with inside(box) as sock:
        assert say(sock, request(prompt(), "connection: upgrade", "upgrade: h2c")).status == 200
    (arrival,) = provider.arrivals()[before:]
    assert "upgrade" not in arrival["headers"]


# What providers may do.


def test_alt_svc_is_stripped(box):
    with inside(box) as sock:
        found = say(sock, request(prompt()))
    assert found.status == 200
    assert found.headers["x-request-id"] == "standin"
    assert "alt-svc" not in found.headers


def test_trailers_do_not_hang_either_way(box, records):
    body = prompt(model="stand-in-trailers")
    with inside(box) as sock:
        found = say(sock, chunked(b"%x\r\n%s\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(body), body)))
        assert (found.status, found.body) == (200, b"{}")
        assert say(sock, request(prompt())).status == 200
    records.exchange("completed")


@pytest.mark.parametrize(
    ("model", "status", "outcome"),
    [
        ("stand-in-garbage", 502, "upstream_error"),
        ("stand-in-switch", 502, "upstream_error"),
        ("stand-in-two-lengths", 502, "upstream_error"),
    ],
)
def test_an_answer_that_is_no_answer(box, records, model, status, outcome):
    with inside(box) as sock:
        assert say(sock, request(prompt(model=model))).status == status
    records.exchange(outcome)


def test_an_upstream_that_ends_half_way_leaves_a_record(box, records):
    with inside(box) as sock:
        sock.sendall(request(prompt(model="stand-in-cut", stream=True)))
        seen = b""
        while chunk := _received(sock):
            seen += chunk
    assert b"when " in seen
    assert not seen.endswith(b"0\r\n\r\n")
    assert records.exchange("upstream_abort").status == 200


def test_a_client_that_leaves_in_mid_stream_leaves_a_record(box, records):
    with inside(box) as sock:
        sock.sendall(request(prompt(model="stand-in-hold", stream=True)))
        assert b"200" in sock.recv(65536)
    assert records.exchange("client_abort").status == 200


def _received(sock) -> bytes:
    try:
        return sock.recv(65536)
    except (ConnectionError, ssl.SSLError):
        return b""


# The same over HTTP/2.


def fields(*more: tuple[bytes, bytes], **changed: bytes) -> list[tuple[bytes, bytes]]:
    """Pseudo headers, with `path=...` and the like replaced, then `more`."""
    pseudo = {"method": b"POST", "scheme": b"https", "authority": AI.encode(), "path": b"/v1/chat/completions"}
    named = [(b":" + name.encode(), value) for name, value in (pseudo | changed).items()]
    return [*named, (b"content-type", b"application/json"), *more]


def over_http2(
    sock: ssl.SSLSocket,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    trailers: list[tuple[bytes, bytes]] | None,
    *,
    whole: bool = True,
) -> int:
    """The status of one request on a fresh connection; 0: the stream or the connection was ended without one."""
    config = h2.config.H2Configuration(
        header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
    )
    wire = h2.connection.H2Connection(config)
    wire.initiate_connection()
    wire.send_headers(1, headers)
    wire.send_data(1, body)
    if trailers:
        wire.send_headers(1, trailers, end_stream=True)
    elif whole:
        wire.end_stream(1)
    sock.sendall(wire.data_to_send())
    while chunk := _received(sock):
        for event in wire.receive_data(chunk):
            if isinstance(event, h2.events.ResponseReceived):
                return int(dict(event.headers)[b":status"])
            if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                return 0
        sock.sendall(wire.data_to_send())
    return 0


HTTP2 = {
    "CRLF in a value": (fields((b"x", b"y\r\ntransfer-encoding: chunked")), 0, "malformed_request"),
    "CRLF in a name": (fields((b"x\r\ntransfer-encoding", b"chunked")), 0, "malformed_request"),
    "LF in a value": (fields((b"x", b"y\nz: w")), 0, "malformed_request"),
    "CRLF in the path": (fields(path=b"/ HTTP/1.1\r\nx: y\r\n\r\nGET /smuggled"), 0, "malformed_request"),
    "CRLF in the method": (fields(method=b"POST / HTTP/1.1\r\nx: y\r\n\r\nGET"), 0, "malformed_request"),
    "CRLF in the authority": (fields(authority=AI.encode() + b"\r\nx: y"), 0, "malformed_request"),
    "blank in the path": (fields(path=b"/v1/models HTTP/1.1 x"), 400, "malformed_request"),
    "blank in the method": (fields(method=b"GET /x"), 400, "malformed_request"),
    "control in the path": (fields(path=b"/v1/\x01"), 400, "malformed_request"),
    "path without slash": (fields(path=b"v1/models"), 400, "malformed_request"),
    "whole URL as path": (fields(path=b"https://evil.example/v1"), 400, "malformed_request"),
    "transfer-encoding": (fields((b"transfer-encoding", b"chunked")), 0, "malformed_request"),
    "connection": (fields((b"connection", b"close")), 0, "malformed_request"),
    "wrong length": (fields((b"content-length", b"3")), 0, "malformed_request"),
    "two lengths": (fields((b"content-length", b"2"), (b"content-length", b"2")), 400, "smuggling"),
    "two methods": ([(b":method", b"GET"), *fields()], 0, "malformed_request"),
    "Host beside authority": (fields((b"host", b"evil.example")), 0, "malformed_request"),
    "other authority": (fields(authority=b"evil.example"), 421, "name_disagreement"),
    "CONNECT": ([(b":method", b"CONNECT"), (b":authority", b"evil.example:443")], 0, "malformed_request"),
    "WebSocket": (fields((b":protocol", b"websocket"), method=b"CONNECT"), 0, "malformed_request"),
    "large head": (fields(*((b"x-%d" % n, b"a" * 900) for n in range(10))), 431, "head_too_large"),
}


@pytest.mark.parametrize("name", HTTP2)
def test_a_bad_request_over_http2_is_answered_or_closed_and_recorded(box, records, nothing_arrives, name):
    headers, status, reason = HTTP2[name]
    with inside(box, alpn="h2") as sock:
        assert over_http2(sock, headers, b"{}", None) == status
    row = records.refusal(reason, host=AI, port=443)
    assert row.detail.isprintable()
    assert "y: w" not in row.detail
    assert records.all("exchanges") == []


def test_a_large_body_over_http2_is_refused(box, records, nothing_arrives):
    with inside(box, alpn="h2") as sock:
        assert over_http2(sock, fields((b"content-length", b"100001")), b"x" * 1000, None, whole=False) == 413
    records.refusal("body_too_large", host=AI)


def test_trailers_of_a_client_are_not_passed_on(box, records, provider):
    before = len(provider.arrivals())
    with inside(box, alpn="h2") as sock:
        assert over_http2(sock, fields(), prompt(), [(b"x-mail", MAIL.encode())]) == 200
    (arrival,) = provider.arrivals()[before:]
    assert "x-mail" not in arrival["headers"]
    records.exchange("completed")


def test_the_box_still_serves_after_all_this(box, records):
    with inside(box) as sock:
        assert say(sock, request(prompt(f"to {MAIL}"))).status == 200
        sock.sendall(request(prompt()) + request(prompt()))  # pipelined: answered one after the other
        assert [answer(sock).status, answer(sock).status] == [200, 200]
    assert records.exchange("completed", redactions=1)
    assert "crashed" not in "\n".join(box.lines)
