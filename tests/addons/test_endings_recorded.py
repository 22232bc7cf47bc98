"""However an exchange ends, it has exactly one close record, whose bytes are accounted for in both directions."""

import asyncio
import contextlib
import json
import ssl
from types import SimpleNamespace

import pytest
from seam_world import TestAuthority
from socket_world import head_of
from tests_support import HOST
from worker_world import worker_at

from appliance.model.names import Stage

PATH = "/v1/chat/completions"
KEY = "AKIA" + "IOSFODNN7SAMPLED"
EVENT = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
EVENTS = b"content-type: text/event-stream\r\n"
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


class Raw:
    """A provider that writes these bytes for every request, then does as it is told: keep, close or abort."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.said, self.then = b"", "keep"
        self.asked, self.lost = asyncio.Event(), asyncio.Event()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader, writer) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                _, headers = await head_of(reader)
                await reader.readexactly(int(headers.get("content-length", "0")))
                self.asked.set()
                writer.write(self.said)
                await writer.drain()
                if self.then != "keep":
                    break
        if self.then == "abort":
            writer.transport.abort()
        self.lost.set()
        writer.close()


@contextlib.asynccontextmanager
async def world(authority, tmp_path, stage=Stage.ENFORCE, **more):
    """A worker before a raw provider."""
    async with asyncio.timeout(20), Raw(authority.context(HOST, alpn=["http/1.1"])) as raw:
        provider = SimpleNamespace(ca=authority.path, port=raw.port)
        async with worker_at(tmp_path, provider, stage, **more) as worker:
            yield raw, worker


@contextlib.asynccontextmanager
async def client(worker):
    """The two ends of a connection to HOST through the worker."""
    reader, writer = await asyncio.open_connection("127.0.0.1", worker.proxy)
    try:
        writer.write(f"CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        await writer.start_tls(worker.trust, server_hostname=HOST)
        yield reader, writer
    finally:
        writer.transport.abort()


def request(method: str = "POST", path: str = PATH, *, stream: bool = True, version: str = "1.1") -> bytes:
    asked = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    body = b"" if method in ("GET", "HEAD") else json.dumps(asked).encode()
    head = f"{method} {path} HTTP/{version}\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def judge(worker, *outcomes: str) -> list[dict]:
    """The close records, one for each open, in their order."""
    opens, closes = worker.events("open"), worker.events("close")
    assert sorted(one["exchange"] for one in opens) == sorted(one["exchange"] for one in closes)
    for coverage in [*(one["facts"]["coverage"] for one in opens), *(one["coverage"] for one in closes)]:
        read = coverage["structure"] + coverage["text_scanned"]
        unread = sum(coverage["text_unscanned"].values()) + sum(coverage["opaque"].values())
        assert read + unread == coverage["length"]
    if outcomes:
        assert tuple(one["outcome"] for one in closes) == outcomes
    return closes


BODYLESS = [
    ("POST", 204, EVENTS),
    ("POST", 204, b"content-type: application/json\r\n"),
    ("GET", 304, EVENTS + b"content-length: 1000\r\n"),
    ("GET", 304, b"content-type: application/json\r\netag: x\r\n"),
    ("HEAD", 200, EVENTS + b"transfer-encoding: chunked\r\n"),
    ("HEAD", 200, b"content-type: application/json\r\ncontent-length: 1000000000\r\n"),
    ("POST", 200, b"content-type: application/json\r\ncontent-length: 0\r\n"),
    ("POST", 200, EVENTS + b"content-length: 0\r\n"),
]


async def test_what_has_no_body_passes_and_the_connection_goes_on(authority, tmp_path):
    async with world(authority, tmp_path) as (raw, worker):
        for method, status, fields in BODYLESS:
            async with client(worker) as (reader, writer):
                raw.said = b"HTTP/1.1 %d X\r\n%s\r\n" % (status, fields)
                for _ in range(2):
                    writer.write(request(method))
                    first, headers = await head_of(reader)
                    assert first.split()[1] == str(status), (method, status, fields)
                    if status == 200 and method == "POST" and headers.get("transfer-encoding"):
                        assert await reader.readexactly(5) == b"0\r\n\r\n"
                    assert method != "HEAD" or headers.get("content-length") in (None, "1000000000")
    assert {one["response_bytes"] for one in judge(worker)} == {0}
    assert {one["outcome"] for one in worker.events("close")} == {"completed"}


async def test_an_old_provider_gets_its_stream_through(authority, tmp_path):
    """HTTP/1.0: no chunks, the end of the connection is the end."""
    async with world(authority, tmp_path) as (raw, worker), client(worker) as (reader, writer):
        raw.said, raw.then = b"HTTP/1.0 200 OK\r\n" + EVENTS + b"\r\n" + EVENT % KEY.encode() + DONE, "close"
        writer.write(request())
        _, headers = await head_of(reader)
        body = await reader.read()
        assert "transfer-encoding" not in headers
        assert body == EVENT % b"<AWS_ACCESS_KEY_ID>" + DONE
    judge(worker, "completed")


async def test_a_stream_that_ends_before_its_own_end_with_the_connection_says_so(authority, tmp_path):
    async with world(authority, tmp_path) as (raw, worker):
        for end in (b"", DONE):
            async with client(worker) as (reader, writer):
                raw.said, raw.then = b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + EVENTS + b"\r\n", "close"
                raw.said += EVENT % b"half a" + end
                writer.write(request())
                await reader.read()
    closes = judge(worker, "upstream_abort", "completed")
    assert closes[0]["reason"] == "the connection ended before the stream"


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n"
PLAIN = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


STOPS = [
    b"",
    b"HTTP/1.1 200 OK\r\ncontent-ty",
    CHUNKED + EVENTS + b"\r\n",
    CHUNKED + EVENTS + b"\r\n" + chunk(EVENT % b"x")[:-4],
    CHUNKED + EVENTS + b"\r\n" + chunk(EVENT % b"my key is AKIAIOSF"),
    CHUNKED + EVENTS + b"\r\n" + chunk(EVENT % b"x") + b"not a chunk\r\n\r\n",
    HEAD + EVENTS + b"content-length: 5000\r\n\r\n" + EVENT % b"x",
    HEAD + b"content-type: application/json\r\ncontent-length: 5000\r\n\r\n" + PLAIN,
    CHUNKED + b"content-type: application/json\r\n\r\n" + chunk(PLAIN),
    CHUNKED + b"content-type: image/png\r\n\r\n" + chunk(b"\x89PNG"),
    CHUNKED + EVENTS + b"content-encoding: gzip\r\n\r\n" + chunk(b"\x1f\x8b\x08"),
    CHUNKED + b"content-type: text/plain\r\n\r\n" + chunk(b"words"),
]


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("then", ["close", "abort"])
async def test_wherever_the_provider_stops_there_is_one_record(authority, tmp_path, stage, then):
    async with world(authority, tmp_path, stage) as (raw, worker):
        for said in STOPS:
            raw.said, raw.then = said, then
            async with client(worker) as (reader, writer):
                writer.write(request(stream=b"json" not in said))
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    answer = await reader.read()
                    assert stage is Stage.OBSERVE or b"AKIAIOSF" not in answer
    closes = judge(worker)
    assert len(closes) == len(STOPS)
    assert {one["outcome"] for one in closes} <= {"upstream_abort", "upstream_error", "blocked"}


@pytest.mark.parametrize("stage", list(Stage))
async def test_wherever_the_client_leaves_there_is_one_record(authority, tmp_path, stage):
    async with world(authority, tmp_path, stage, drain_s=0.1) as (raw, worker):
        for said in STOPS:
            raw.said, raw.then = said, "keep"
            raw.asked.clear()
            raw.lost.clear()
            async with client(worker) as (reader, writer):
                writer.write(request(stream=b"json" not in said))
                if said.startswith(CHUNKED + EVENTS):
                    await head_of(reader)
                await raw.asked.wait()
            await raw.lost.wait()  # a client that leaves ends the request at the provider too
    closes = judge(worker)
    assert len(closes) == len(STOPS)
    assert {one["outcome"] for one in closes} <= {"client_abort", "upstream_abort", "upstream_error", "blocked"}


async def test_a_client_that_leaves_while_it_is_judged_has_one_record(authority, tmp_path, monkeypatch):
    asked, judged = asyncio.Event(), asyncio.Event()

    async def slow(call, coding, raw, dialect):
        asked.set()
        await judged.wait()
        return found.inspector.request(call, coding, raw, dialect)

    monkeypatch.setattr("addons.exchange.wants", lambda *_: True)
    monkeypatch.setattr("addons.analysing.Analyser.request", lambda _, *job: slow(*job))
    async with world(authority, tmp_path) as (raw, worker):
        raw.said = HEAD + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(PLAIN) + PLAIN
        found = next(one for one in map(worker_of, worker.chain) if one)
        async with client(worker) as (_, writer):
            writer.write(request(stream=False))
            await asked.wait()
        judged.set()
        while not found.telemetry.counts["closed"]:  # noqa: ASYNC110 - a number, and no event
            await asyncio.sleep(0)
    judge(worker, "client_abort")


def worker_of(addon):
    """The collaborators of a worker, out of the closures of its guarded hooks."""
    for hook in vars(type(addon)).values():
        for cell in getattr(getattr(hook, "__func__", None), "__closure__", None) or ():
            bound = getattr(cell.cell_contents, "__self__", None)
            if hasattr(bound, "_worker"):
                return bound._worker
    return None


@pytest.mark.parametrize("stream", [True, False])
async def test_a_drain_ends_what_runs_with_one_record(authority, tmp_path, stream):
    manager = world(authority, tmp_path, drain_s=0.05)
    raw, worker = await manager.__aenter__()
    raw.said = CHUNKED + (EVENTS if stream else b"content-type: application/json\r\n") + b"\r\n"
    raw.said += chunk(EVENT % b"one" if stream else PLAIN)
    async with client(worker) as (reader, writer):
        writer.write(request(stream=stream))
        if stream:
            await head_of(reader)
        await raw.asked.wait()
        await manager.__aexit__(None, None, None)
        answer = await reader.read()
        assert (b'"error"' in answer) or b"503" in answer
    judge(worker, "drained")


async def test_pipelined_requests_are_answered_in_order_after_edits(authority, tmp_path):
    async with world(authority, tmp_path) as (raw, worker), client(worker) as (reader, writer):
        body = PLAIN.replace(b"hi", KEY.encode())
        raw.said = HEAD + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        writer.write(request(stream=False) * 3)
        for _ in range(3):
            _, headers = await head_of(reader)
            answer = await reader.readexactly(int(headers["content-length"]))
            assert answer == PLAIN.replace(b"hi", b"<AWS_ACCESS_KEY_ID>")
    judge(worker, "completed", "completed", "completed")


async def test_of_a_protocol_that_nobody_reads_the_record_says_so(authority, tmp_path):
    async with world(authority, tmp_path, Stage.OBSERVE) as (raw, worker), client(worker) as (reader, writer):
        raw.said = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\nanything"
        asked = request("GET", "/v1/other").replace(b"\r\n\r\n", b"\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n")
        writer.write(asked)
        await head_of(reader)
        assert await reader.readexactly(8) == b"anything"
    (close,) = judge(worker, "completed")
    assert close["reason"] == "protocol switched: what followed was not read"


CRASHES = [
    "addons.upstream.wire.GovernedHttp1Client.read_body",
    "addons.upstream.wire.GovernedHttp1Server.send",
    "addons.upstream.stream.GovernedStream.state_wait_for_response_headers",
    "addons.upstream.stream.GovernedStream.state_stream_response_body",
    "addons.upstream.stream.GovernedStream.send_response",
    "addons.upstream.stream.GovernedStream.flow_done",
]


@pytest.mark.parametrize("place", CRASHES)
async def test_a_crash_of_a_protocol_layer_leaves_one_record(authority, tmp_path, monkeypatch, place):
    async with world(authority, tmp_path, drain_s=0.1) as (raw, worker), client(worker) as (reader, writer):
        raw.said = CHUNKED + EVENTS + b"\r\n" + chunk(EVENT % b"words. ") + chunk(DONE) + b"0\r\n\r\n"

        def crash(*_: object, **__: object):
            raise ZeroDivisionError(KEY)
            yield

        monkeypatch.setattr(place, crash)
        writer.write(request())
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await reader.read()
    judge(worker)
    assert len(worker.events("close")) == 1
