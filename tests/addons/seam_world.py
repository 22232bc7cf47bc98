"""Real loopback upstreams (TLS, HTTP/1 and HTTP/2) and a real lean master, for the tests of the seam.

Rules: everything is awaited by event; an upstream records what reached it: connections, names, heads, bodies, resets.
"""

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

with warnings.catch_warnings():
    # pyparsing 3.3 warns about how mitmproxy 12.2.3 calls it, once, at import.
    warnings.simplefilter("ignore", DeprecationWarning)
    import mitmproxy.addons  # noqa: F401
from mitmproxy import http, tls
from mitmproxy.addons.core import Core
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.proxy import layers  # noqa: F401 - for the tests, which import mitmproxy through this module
from mitmproxy.proxy.layers.http import HTTPMode  # noqa: F401 - the same

from addons.listen import Listener
from addons.upstream import CLEARED, Dialler, Layering, LeanMaster, Refusal
from addons.upstream.settings import SeamSettings
from appliance.net.addresses import Allowance

NOW = dt.datetime.now(dt.UTC)


class TestAuthority:
    """A root and leaves for stand-in upstreams."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in root")])
        builder = _builder(name, name, self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
        self.cert = builder.sign(self.key, hashes.SHA256())
        self.path = folder / "root.pem"
        self.path.write_bytes(self.cert.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: str, alpn: list[str]) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        builder = _builder(subject, self.cert.subject, key.public_key())
        san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        leaf = builder.add_extension(san, critical=False).sign(self.key, hashes.SHA256())
        path = self.folder / f"{names[0]}.pem"
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(private + leaf.public_bytes(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.set_alpn_protocols(alpn)
        return context


def _builder(subject, issuer, key):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(hours=1))
        .not_valid_after(NOW + dt.timedelta(days=2))
    )


@dataclass
class Seen:
    """One request as an upstream saw it."""

    connection: int
    sni: str | None
    method: str
    path: str
    host: str
    headers: dict[str, str]
    body: bytes
    reset: asyncio.Event = field(default_factory=asyncio.Event)


class Reply:
    """What a scripted upstream answers with."""

    def __init__(self, head, chunk, end) -> None:
        self.head, self.chunk, self.end = head, chunk, end

    async def whole(self, status: int, body: bytes = b"{}", content_type: str = "application/json") -> None:
        await self.head(status, {"content-type": content_type, "content-length": str(len(body))})
        await self.chunk(body)
        await self.end()


Script = Callable[[Seen, Reply], Awaitable[None]]


class Upstream:
    """A TLS (or plain) stand-in; `script` answers each request."""

    def __init__(self, authority: TestAuthority, script: Script, *names: str, alpn: str = "http/1.1", tls: bool = True):
        self.script = script
        self.seen: list[Seen] = []
        self.connections = 0
        self._alpn = alpn
        self._sni: dict[ssl.SSLObject, str] = {}
        self._tls = authority.context(*(names or ("plain.test",)), alpn=[alpn]) if tls else None
        if self._tls is not None:
            self._tls.sni_callback = self._name
        self._tasks: set[asyncio.Task] = set()

    def _name(self, obj, name, _context) -> None:
        self._sni[obj] = name

    async def __aenter__(self) -> Self:
        serve = self._serve_h2 if self._alpn == "h2" else self._serve_h1
        self._server = await asyncio.start_server(self._guard(serve), "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _guard(self, serve):
        async def run(reader, writer):
            self._tasks.add(asyncio.current_task())
            self.connections += 1
            number = self.connections
            obj = writer.get_extra_info("ssl_object")
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await serve(reader, writer, number, self._sni.get(obj))
            finally:
                writer.close()
                self._tasks.discard(asyncio.current_task())

        return run

    async def _serve_h1(self, reader, writer, number, sni) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            if headers.get("transfer-encoding") == "chunked":
                body = await _chunked(reader)
            method, path, _ = lines[0].split(" ")
            seen = Seen(number, sni, method, path, headers.get("host", ""), headers, body)
            self.seen.append(seen)
            watch = asyncio.ensure_future(self._watch_h1(reader, seen))
            try:
                await self.script(seen, _h1_reply(writer))
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    async def _watch_h1(self, reader, seen) -> None:
        while not reader.at_eof():
            if reader._exception is not None:
                break
            waiter = asyncio.ensure_future(reader._wait_for_data("watch"))
            await waiter
            if reader._buffer:
                return
        seen.reset.set()

    async def _serve_h2(self, reader, writer, number, sni) -> None:
        conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        conn.initiate_connection()
        writer.write(conn.data_to_send())
        bodies: dict[int, bytearray] = {}
        open_: dict[int, Seen] = {}
        while data := await reader.read(65536):
            for event in conn.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    headers = {k.decode(): v.decode() for k, v in event.headers}
                    host = headers.get(":authority", "")
                    seen = Seen(number, sni, headers[":method"], headers[":path"], host, headers, b"")
                    open_[event.stream_id], bodies[event.stream_id] = seen, bytearray()
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    seen = open_[event.stream_id]
                    seen.body = bytes(bodies[event.stream_id])
                    self.seen.append(seen)
                    task = asyncio.ensure_future(self.script(seen, _h2_reply(conn, writer, event.stream_id)))
                    self._tasks.add(task)
                elif isinstance(event, h2.events.StreamReset):
                    open_[event.stream_id].reset.set()
            writer.write(conn.data_to_send())
        for seen in open_.values():
            seen.reset.set()


async def _chunked(reader) -> bytes:
    body = b""
    while size := int((await reader.readline()).strip() or b"0", 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def _h1_reply(writer) -> Reply:
    chunked = False

    async def head(status: int, headers: dict[str, str]) -> None:
        nonlocal chunked
        chunked = "content-length" not in headers
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
        if chunked:
            lines.append("transfer-encoding: chunked")
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()

    async def chunk(data: bytes) -> None:
        writer.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        await writer.drain()

    async def end(trailers: bytes = b"") -> None:
        if chunked:
            writer.write(b"0\r\n" + trailers + b"\r\n")
            await writer.drain()

    return Reply(head, chunk, end)


def _h2_reply(conn, writer, stream_id: int) -> Reply:
    async def head(status: int, headers: dict[str, str]) -> None:
        conn.send_headers(stream_id, [(":status", str(status)), *headers.items()])
        writer.write(conn.data_to_send())

    async def chunk(data: bytes) -> None:
        conn.send_data(stream_id, data)
        writer.write(conn.data_to_send())

    async def end() -> None:
        conn.end_stream(stream_id)
        writer.write(conn.data_to_send())

    return Reply(head, chunk, end)


class Chain:
    """The least that a chain does: clear every flow, stream every answer, keep what happened."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.flows: list[http.HTTPFlow] = []
        self.ends: list[tuple[str, http.HTTPFlow]] = []
        self.tunnels: list[object] = []
        self.on_request: Callable[[http.HTTPFlow], None] = lambda _flow: None
        self.stream: Callable[[http.HTTPFlow], object] = lambda _flow: True
        self.clear = True
        self.tunnel_ended = asyncio.Event()

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        if b"h2" in (data.client_hello.alpn_protocols or []):
            data.context.client.alpn = b"h2"

    def request(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        if self.clear:
            flow.metadata[CLEARED] = True
        self.on_request(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        flow.response.stream = self.stream(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        self.ends.append(("response", flow))

    def error(self, flow: http.HTTPFlow) -> None:
        self.ends.append(("error", flow))

    def refused(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    def tunnel_closed(self, tunnel: object) -> None:
        self.tunnels.append(tunnel)
        self.tunnel_ended.set()


@dataclass
class World:
    """A running worker."""

    chain: Chain
    listener: Listener
    master: LeanMaster
    confdir: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.address[1]}"

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.confdir / "mitmproxy-ca-cert.pem"))


@contextlib.asynccontextmanager
async def running(
    authority: TestAuthority,
    confdir: Path,
    hosts: dict[str, str],
    *,
    resolver=None,
    settings: SeamSettings | None = None,
    allowance: Allowance | None = None,
    extra: tuple[object, ...] = (),
) -> AsyncIterator[World]:
    chain = Chain()
    master = LeanMaster(
        [Core(), chain, *extra, Layering(), TlsConfig()],
        confdir=str(confdir),
        ssl_verify_upstream_trusted_ca=str(authority.path),
    )
    sock = socket.create_server(("127.0.0.1", 0))
    dialler = Dialler(hosts, allowance, resolver=resolver or _nowhere, timeout_s=5)
    listener = Listener(master, sock, settings or SeamSettings(), dialler)
    started = asyncio.Event()

    async def start() -> None:
        await listener.start()
        started.set()

    master.registry.starters = [start]
    task = asyncio.ensure_future(master.run())
    await started.wait()
    try:
        yield World(chain, listener, master, confdir)
    finally:
        await listener.drain(0)
        master.should_exit.set()
        await task


async def _nowhere(host: str, port: int) -> list[str]:
    raise OSError(f"{host}:{port} must not be resolved")
