"""gRPC calls to AI services through a whole worker."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from h2_world import H2Server, grpc, h2_client
from seam_world import TestAuthority
from tests_support import HOST
from worker_world import worker_at

from addons.upstream import settings
from appliance.model.names import Stage

GRPC = (("content-type", "application/grpc+proto"), ("te", "trailers"))
DONE = [("grpc-status", "0"), ("grpc-message", "all well")]
PATH = "/pkg.Service/Call"
KEY = "sk-ant-api03-" + "A1b2C3d4E5" * 9 + "x"


def text(words: str) -> bytes:
    """A message with one string field."""
    return b"\x0a" + bytes([len(words)]) + words.encode()


async def echo(end, stream) -> None:
    await end.next(stream)
    end.headers(stream, [(":status", "200"), ("content-type", "application/grpc+proto")])
    while (event := await end.next(stream))[0] == "data":
        end.data(stream, event[1])
    end.headers(stream, DONE, end=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


@contextlib.asynccontextmanager
async def calls(authority, tmp_path, stage=Stage.ENFORCE):
    async with asyncio.timeout(20), H2Server(authority.context(HOST, alpn=["h2"]), echo) as server:
        provider = SimpleNamespace(ca=authority.path, port=server.port)
        async with (
            worker_at(tmp_path, provider, stage) as worker,
            h2_client(worker.proxy, HOST, worker.trust) as client,
        ):
            yield client, worker


async def test_calls_with_one_message_work_whole(authority, tmp_path):
    body = grpc(text("what time is it"))
    async with calls(authority, tmp_path) as (client, worker):
        stream = client.open(HOST, PATH, *GRPC)
        client.data(stream, body, end=True)
        _, answered, trailers = await client.whole(stream)
        assert (answered, trailers) == (body, dict(DONE))
        (opened,), (closed,) = worker.events("open"), worker.events("close")
    assert opened["facts"]["coverage"]["length"] == closed["coverage"]["length"] == len(body)
    assert closed["outcome"] == "completed"


async def test_a_secret_in_a_message_does_not_leave(authority, tmp_path):
    async with calls(authority, tmp_path) as (client, worker):
        stream = client.open(HOST, PATH, *GRPC)
        client.data(stream, grpc(text(f"the key is {KEY}")), end=True)
        headers, answered, _ = await client.whole(stream)
        assert KEY.encode() not in answered
        assert "ANTHROPIC_API_KEY" in str(worker.events("open")[0]["facts"]["labels"])
        assert headers[":status"] in ("200", "403")


async def test_a_streamed_request_is_refused_in_enforce(authority, tmp_path):
    async with calls(authority, tmp_path) as (client, worker):
        for kind, status in (("application/grpc", "12"), ("application/connect+proto", None)):
            stream = client.open(HOST, PATH, ("content-type", kind))
            client.data(stream, grpc(text("hello")))
            headers, body, _ = await client.whole(stream)
            assert headers.get("grpc-status") == status
            assert body[:1] == (b"" if status else b"\x02")
        assert [event["reason"] for event in worker.events("refusal")] == ["request_stream"] * 2
        assert worker.events("open") == []


async def test_a_streamed_request_passes_and_is_counted_in_observe(authority, tmp_path):
    first, second = grpc(text("hello")), grpc(text("and more"))
    async with calls(authority, tmp_path, Stage.OBSERVE) as (client, worker):
        stream = client.open(HOST, PATH, *GRPC)
        client.data(stream, first)
        assert (await client.next(stream))[0] == "headers"
        assert await client.next(stream) == ("data", first)
        client.data(stream, second)
        assert await client.next(stream) == ("data", second)
        client.data(stream, b"", end=True)
        assert await client.next(stream) == ("trailers", dict(DONE))
        assert await client.next(stream) == ("end",)
        (opened,), (closed,) = worker.events("open"), worker.events("close")
    assert opened["facts"]["coverage"]["length"] == len(first)
    assert closed["sent"]["opaque"] == {"request_stream": len(second)}
    assert closed["outcome"] == "completed"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(settings, "CALL_SILENCE_S", 0.05)
