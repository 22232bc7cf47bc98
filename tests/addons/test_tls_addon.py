"""TLS and identity through a real mitmproxy master: real handshakes on loopback, both sides."""

import asyncio
import base64
import contextlib
import socket
import ssl
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt
import pytest
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL

with warnings.catch_warnings():
    # pyparsing 3.3 warns about how mitmproxy 12.2.3 calls it, once, at import.
    warnings.simplefilter("ignore", DeprecationWarning)
    from mitmproxy import master, options
    from mitmproxy.addons.core import Core
    from mitmproxy.addons.next_layer import NextLayer
    from mitmproxy.addons.proxyserver import Proxyserver

from addons.identity import IdentityAddon
from addons.tls import TlsAddon, failure_detail, listener_context, upstream_context
from appliance.ca.authority import make_intermediate, make_leaf, make_root, new_key
from appliance.ca.leaf_cache import LeafCache
from appliance.ca.reach import Reach, reach_of
from appliance.config.schema import Identity
from appliance.identity.assemble import make_identification
from appliance.model.errors import OperatorError
from appliance.model.names import RefusalReason

NOW = float(int(time.time()))
ROOT = make_root(NOW)
# "localhost" has one label, which a reach from a catalogue may not have; here it saves a resolver.
ISSUER = make_intermediate(ROOT, Reach(domains=("localhost", "other.openai.example")), NOW)
SECOND = make_intermediate(ROOT, Reach(domains=("eu.openai.example",)), NOW, key=ISSUER.key)
ISSUERS = (ISSUER, SECOND)
UPSTREAM_ROOT = make_root(NOW)
UPSTREAM_ISSUER = make_intermediate(UPSTREAM_ROOT, Reach(domains=("localhost", "other.example")), NOW)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def chain_file(folder, issuer, host):
    key = new_key()
    leaf = make_leaf(issuer, host, key.public_key(), NOW)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{host}.pem"
    path.write_bytes(private + pem(leaf) + pem(issuer.certificate))
    return path


@dataclass
class World:
    port: int
    upstream: int
    tls: TlsAddon
    heads: list[bytes] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    unservable: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[RefusalReason, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    principals: list[str] = field(default_factory=list)
    leaked: bool = False


@contextlib.asynccontextmanager
async def running(folder: Path, *, upstream_host="localhost", identity=None):
    bundle = folder / "bundle.pem"
    bundle.write_bytes(pem(UPSTREAM_ROOT.certificate))
    world = World(0, 0, None)
    world.tls = TlsAddon(
        LeafCache(ISSUERS), unservable=lambda _, host, detail: world.unservable.append((host, detail)), ca_bundle=bundle
    )
    async with contextlib.AsyncExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(2))
        world.upstream = await stack.enter_async_context(stand_in(world, folder, upstream_host))
        addons = [world.tls, Watcher(world)]
        if identity is not None:
            who = IdentityAddon(
                make_identification(identity, pool),
                lambda reason, _p, host, _port, _d, _l: world.refused.append((reason, host)),
            )
            addons = [who, Recorder(world, who), *addons]
        world.port = await stack.enter_async_context(proxy(folder, addons))
        yield world


@contextlib.asynccontextmanager
async def stand_in(world, folder, host):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain_file(folder, UPSTREAM_ISSUER, host))
    context.sni_callback = lambda _s, name, _c: world.names.append(name)

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                world.heads.append(head)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def proxy(folder, addons):
    found = options.Options(listen_host="127.0.0.1", listen_port=0, confdir=str(folder / "mitmproxy"))
    lean = master.Master(found, event_loop=asyncio.get_running_loop())
    server = Proxyserver()
    lean.addons.add(Core(), server, NextLayer(), *addons)
    lean.options.update(connection_strategy="lazy")
    assert await server.setup_servers()
    try:
        yield server.listen_addrs()[0][1]
    finally:
        lean.options.update(server=False)
        await server.setup_servers()


class Watcher:
    """Stands in for the addon that records failed handshakes."""

    def __init__(self, world):
        self.world = world

    def tls_failed_client(self, data):
        self.world.errors.append(failure_detail(data.conn.error))
        self.world.failed.set()


class Recorder:
    """Sees what the addons after identity see."""

    def __init__(self, world, who):
        self.world, self.who = world, who

    def http_connect(self, flow):
        self.world.leaked |= "proxy-authorization" in flow.request.headers

    def requestheaders(self, flow):
        self.world.leaked |= "proxy-authorization" in flow.request.headers
        self.world.principals.append(self.who.principal(flow).name)


def trusting(*alpn):
    context = ssl.create_default_context(cadata=pem(ROOT.certificate).decode())
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


async def connect(world, authority=None, extra=""):
    authority = authority or f"localhost:{world.upstream}"
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{extra}\r\n".encode())
    return await reader.readuntil(b"\r\n\r\n"), reader, writer


async def tunnel(world, name="localhost", context=None, authority=None, extra=""):
    head, reader, writer = await connect(world, authority, extra)
    assert head.split()[1] == b"200"
    await writer.start_tls(context or trusting(), server_hostname=name)
    return reader, writer


async def ask(reader, writer, extra=""):
    writer.write(f"GET /v1 HTTP/1.1\r\nhost: localhost\r\n{extra}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return int(head.split()[1]), await reader.readexactly(length)


async def test_a_request_goes_through_both_sides(tmp_path):
    async with running(tmp_path) as world:
        reader, writer = await tunnel(world)
        session = writer.get_extra_info("ssl_object")
        assert session.getpeercert()["subjectAltName"] == (("DNS", "localhost"),)
        assert session.version() == "TLSv1.3"
        assert await ask(reader, writer) == (200, b"ok")
        assert world.names == ["localhost"]
        writer.close()


@pytest.mark.parametrize(("offered", "chosen"), [(("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), ((), None)])
async def test_alpn_follows_the_client(tmp_path, offered, chosen):
    async with running(tmp_path) as world:
        _, writer = await tunnel(world, context=trusting(*offered))
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
        writer.close()


async def test_one_context_per_host_and_a_new_one_with_a_new_leaf(tmp_path):
    async with running(tmp_path) as world:
        for _ in range(3):
            _, writer = await tunnel(world)
            writer.close()
        (kept,) = world.tls._contexts.values()
        world.tls._leaves._leaves.clear()  # as if it had come close to its end
        _, writer = await tunnel(world)
        writer.close()
        assert next(iter(world.tls._contexts.values()))[1] is not kept[1]
        _, writer = await tunnel(world, name="eu.openai.example", authority="eu.openai.example:443")
        writer.close()
        assert list(world.tls._contexts) == ["localhost", "eu.openai.example"]
        world.tls.use(LeafCache(ISSUERS))
        assert not world.tls._contexts


async def test_a_session_is_resumed_for_its_own_host(tmp_path):
    # In TLS 1.2 the ticket comes with the handshake, so no byte of the application is needed.
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with running(tmp_path) as world:
        _, writer = await tunnel(world, context=context)
        session = writer.get_extra_info("ssl_object").session
        writer.close()

        def again(name):
            sock = raw_tunnel(world.port, f"{name}:443")
            with context.wrap_socket(sock, server_hostname=name, session=session) as wrapped:
                return wrapped.session_reused

        assert await asyncio.to_thread(again, "localhost")
        assert not await asyncio.to_thread(again, "eu.openai.example")


def raw_tunnel(port, authority):
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.sendall(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n".encode())
    assert sock.recv(4096).split()[1] == b"200"
    return sock


async def test_a_client_that_does_not_trust_us_is_closed_and_told(tmp_path):
    async with running(tmp_path) as world:
        stranger = ssl.create_default_context(cadata=pem(UPSTREAM_ROOT.certificate).decode())
        # A blocking client sends its alert; asyncio's hangs up without one.
        sock = await asyncio.to_thread(raw_tunnel, world.port, f"localhost:{world.upstream}")
        with sock, pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(stranger.wrap_socket, sock, server_hostname="localhost")
        await asyncio.wait_for(world.failed.wait(), 10)
        assert world.errors == ["the client does not trust the certificate authority of the appliance"]
        assert world.names == []  # nothing reached the upstream


async def test_a_client_that_hangs_up_is_told_too(tmp_path):
    async with running(tmp_path) as world:
        _, reader, writer = await connect(world)
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = trusting().wrap_bio(received, sent, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            hello.do_handshake()
        writer.write(sent.read())
        assert await reader.read(1)
        writer.close()
        await asyncio.wait_for(world.failed.wait(), 10)
        assert world.errors[0].startswith("the client left during the handshake")


async def test_old_tls_is_refused(tmp_path):
    async with running(tmp_path) as world:
        old = trusting()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await tunnel(world, context=old)


@pytest.mark.parametrize(("name", "authority"), [("bank.example", "bank.example:443"), (None, "127.0.0.1:443")])
async def test_what_no_leaf_can_be_made_for_is_closed(tmp_path, name, authority):
    async with running(tmp_path) as world:
        context = trusting()
        context.check_hostname = False
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await tunnel(world, name=name, context=context, authority=authority)
        assert [host for host, _ in world.unservable] == [authority.partition(":")[0]]
        assert world.names == []


async def test_an_address_connect_is_served_by_its_sni_and_verified_by_it(tmp_path):
    async with running(tmp_path) as world:
        reader, writer = await tunnel(world, authority=f"127.0.0.1:{world.upstream}")
        assert await ask(reader, writer) == (200, b"ok")
        assert world.names == ["localhost"]
        writer.close()


async def test_an_upstream_with_another_name_is_not_believed(tmp_path):
    async with running(tmp_path, upstream_host="other.example") as world:
        reader, writer = await tunnel(world)
        status, body = await ask(reader, writer)
        assert status == 502
        assert b"mismatch" in body.lower()
        assert world.heads == []
        writer.close()


async def test_an_upstream_of_a_stranger_is_not_believed(tmp_path):
    async with running(tmp_path) as world:
        world.tls._upstream = upstream_context(None)
        reader, writer = await tunnel(world)
        status, body = await ask(reader, writer)
        assert status == 502
        assert b"certificate" in body.lower()
        assert world.heads == []
        writer.close()


def basic(text):
    return "proxy-authorization: Basic " + base64.b64encode(text.encode()).decode() + "\r\n"


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people"
    path.write_text("ann:" + bcrypt.hashpw(b"s3:cret", bcrypt.gensalt(4)).decode() + "\n")
    return Identity(required=True, htpasswd=str(path), realm="office")


async def test_a_tunnel_needs_a_principal_and_keeps_it(tmp_path, people):
    async with running(tmp_path, identity=people) as world:
        for extra in ("", basic("ann:wrong"), basic("bob:s3:cret"), "proxy-authorization: Bearer x\r\n"):
            head, _, writer = await connect(world, extra=extra)
            assert head.split()[1] == b"407"
            assert b'proxy-authenticate: basic realm="office"' in head.lower()
            writer.close()
        assert [reason for reason, _ in world.refused] == [
            RefusalReason.IDENTITY_REQUIRED,
            *[RefusalReason.IDENTITY_FAILED] * 3,
        ]
        reader, writer = await tunnel(world, extra=basic("ann:s3:cret"))
        for _ in range(2):
            assert (await ask(reader, writer, extra=basic("eve:x")))[0] == 200
        assert world.principals == ["ann", "ann"]
        assert len(world.heads) == 2
        assert not world.leaked
        assert not any(b"authorization" in head.lower() for head in world.heads)
        writer.close()


async def test_a_plain_request_is_identified_each_time(tmp_path, people):
    async with running(tmp_path, identity=people) as world:
        target = f"http://127.0.0.1:{world.upstream}/"
        for extra, status in (("", b"407"), (basic("ann:s3:cret"), b"502"), ("", b"407")):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n{extra}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            # The stand-in speaks TLS only: 502 shows that the request was let through to it.
            assert head.split()[1] == status
            writer.close()
        assert world.heads == []
        assert world.principals == ["anonymous", "ann", "anonymous"]
        assert not world.leaked


async def test_the_listeners_own_certificate(tmp_path):
    path = chain_file(tmp_path, ISSUER, "localhost")
    assert isinstance(listener_context(path, path), SSL.Context)
    (tmp_path / "bad").write_text("nothing")
    for certificate, key in ((path, tmp_path / "bad"), (tmp_path / "none", path)):
        with pytest.raises(OperatorError, match=r"listen\.certificate"):
            listener_context(certificate, key)
    with pytest.raises(OperatorError, match=r"egress\.ca_bundle"):
        upstream_context(tmp_path / "bad")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("OpenSSL Error([('SSL routines', '', 'ssl/tls alert certificate unknown')])", "does not trust"),
        ("tlsv1 alert unknown ca", "does not trust"),
        ("Cannot parse ClientHello: 16", "no TLS hello"),
        ("The client disconnected during the handshake. [...] does not trust the proxy's", "left during"),
        ("connection closed", "left during the handshake"),
        ("OpenSSL Error([('SSL routines', '', 'unsupported protocol')])", "no TLS version"),
        ("OpenSSL Error([('SSL routines', '', 'no shared cipher')])", "no TLS version"),
        (None, "did not complete"),
    ],
)
def test_words_for_failures(error, words):
    assert words in failure_detail(error)


def test_a_reach_from_a_catalogue_is_what_workers_get():
    assert LeafCache((make_intermediate(ROOT, reach_of(["openai.example"]), NOW),)).get("openai.example", NOW)
