"""Tunnels that stay sealed: every byte as it was, no name of theirs kept; and names that are never opened."""

import os
import socket
import ssl
from contextlib import closing

import duckdb
import pytest
from hostile_world import AI, Place, Records, bare, configured, connect, inside, prompt, request, rows_of, say, tunnel

pytestmark = pytest.mark.system
PLAIN, GREETING, NEVER, GONE = "plain.example.test", "mail.example.test", "api.mistral.ai", "gone.example.test"
SEALED = "chat.example.test"  # the stand-in provider has a certificate for it


@pytest.fixture(scope="module")
def places():
    made = Place(), Place(b"220 mail.example.test ready\r\n")
    yield made
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def box(provider, places, closed_port, tmp_path_factory, appliance_class):
    plain, greeting = places
    ports = {PLAIN: plain.port, GREETING: greeting.port, NEVER: plain.port, GONE: closed_port, SEALED: provider.port}
    hosts = {f"{name}:443": port for name, port in ports.items()}
    made = configured(
        appliance_class(tmp_path_factory.mktemp("tunnels"), provider), hosts, f"  never: [{NEVER}, .bank.example]\n"
    )
    try:
        yield made.up()
    finally:
        made.down()


def hello(name: str) -> bytes:
    """A real ClientHello."""
    out = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def exchange(sock: socket.socket, data: bytes) -> bytes:
    """Send, and read as many bytes back."""
    sock.sendall(data)
    back = b""
    while len(back) < len(data):
        chunk = sock.recv(65536)
        assert chunk, f"closed after {len(back)} of {len(data)} bytes"
        back += chunk
    return back


@pytest.mark.parametrize(
    "first",
    [
        b"SSH-2.0-client\r\n",
        b"\x00" * 40,
        hello(PLAIN),
        hello(PLAIN)[:7],
        bare("GET / HTTP/1.1", f"Host: {PLAIN}", "X-Odd:   spaces   "),
        b"GET key\r\n",
        b"\x16\x03",
    ],
    ids=["ssh", "zeros", "TLS", "part of TLS", "HTTP", "no HTTP", "two bytes"],
)
def test_a_plain_tunnel_passes_every_byte(box, places, first):
    place = places[0]
    start = len(place.came)
    with tunnel(box, f"{PLAIN}:443") as sock:
        sock.sendall(first)
        rest = b"" if len(first) > 7 else hello(PLAIN)[len(first) :]
        sock.sendall(rest)
        sent = first + rest
        back = b""
        while len(back) < len(sent):
            back += sock.recv(65536)
        for _ in range(3):
            noise = os.urandom(30_000)
            sent += noise
            back += exchange(sock, noise)
    assert bytes(place.came[start:]) == sent
    assert sorted(back) == sorted(sent)


def test_a_server_that_speaks_first_is_heard(box):
    with tunnel(box, f"{GREETING}:443") as sock:
        assert sock.recv(100) == b"220 mail.example.test ready\r\n"
        assert exchange(sock, b"EHLO") == b"OLHE"


def test_tls_inside_is_the_servers_own(box, provider):
    context = ssl.create_default_context(cafile=str(provider.ca))
    before = len(provider.arrivals())
    with context.wrap_socket(tunnel(box, f"{SEALED}:443"), server_hostname=SEALED) as sock:
        assert say(sock, request(prompt("to maria.keller@corp-mail.com"), host=SEALED)).status == 200
    (arrival,) = provider.arrivals()[before:]
    assert "maria.keller@corp-mail.com" in arrival["body"]


def test_never_wins_over_the_catalogue(box, places):
    start = len(places[0].came)
    records = Records(box)
    with tunnel(box, f"{NEVER}:443") as sock:
        exchange(sock, hello(NEVER))
    came = bytes(places[0].came[start:])
    assert came[:2] == b"\x16\x03"
    assert NEVER.encode() in came
    assert records.all("refusals") == []


def test_never_is_no_way_around_for_another_service(box, provider):
    before = len(provider.arrivals())
    records = Records(box)
    with inside(box, f"{NEVER}:443", AI) as sock:
        assert say(sock, request(prompt())).status == 421
    records.refusal("name_disagreement", host=NEVER)
    assert provider.arrivals()[before:] == []


@pytest.mark.parametrize(("name", "code"), [(GONE, "connect_failed"), ("no-such.invalid", "name_not_resolved")])
def test_a_place_that_cannot_be_reached_is_told_before_the_tunnel_is_promised(box, name, code):
    with connect(box) as sock:
        found = say(sock, bare(f"CONNECT {name}:443 HTTP/1.1", f"host: {name}:443"), "CONNECT")
    assert (found.status, found.headers["x-gnomon-refusal"]) == (502, code)


def test_no_name_of_a_tunnel_is_kept(provider, places, tmp_path, appliance_class):
    hosts = {f"{PLAIN}:443": places[0].port}
    box = configured(appliance_class(tmp_path, provider), hosts)
    try:
        box.up()
        for _ in range(3):
            with tunnel(box, f"{PLAIN}:443") as sock:
                exchange(sock, hello(PLAIN))
        with connect(box) as sock:
            assert say(sock, bare("GET http://no-such.invalid/ HTTP/1.1", "host: no-such.invalid"), "GET").status == 502
    finally:
        box.down()
    kept = "\n".join(map(str, rows_of(box.folder / "state" / "store" / "gnomon.duckdb")))
    assert "tunnels" in kept
    files = b"".join(file.read_bytes() for file in (box.folder / "state").rglob("*") if file.is_file())
    for name in (PLAIN, "no-such.invalid"):
        assert name not in kept
        assert name not in "\n".join(box.lines)
        assert name.encode() not in files
    with closing(duckdb.connect(str(box.folder / "state" / "store" / "gnomon.duckdb"), read_only=True)) as database:
        count, up, down = database.execute(
            "SELECT sum(tunnels), sum(bytes_up), sum(bytes_down) FROM tunnels"
        ).fetchone()
    assert count == 3
    assert up > 3 * 500
    assert down > 3 * 500
