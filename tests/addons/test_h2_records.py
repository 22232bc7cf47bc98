"""Several exchanges on one HTTP/2 connection: what ends one leaves the others alone, and each has its record."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

import pytest
from h2_world import H2Server, grpc, h2_client
from seam_world import TestAuthority
from tests_support import HOST
from worker_world import worker_at

from appliance.config.schema import PolicyConfig

CHAT = "/v1/chat/completions"
KEY = "AKIA" + "IOSFODNN7SAMPLED"
EVENT = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
JSON = ("content-type", "application/json")
GRPC = (("content-type", "application/grpc+proto"), ("te", "trailers"))
HEADERS = [(":status", "200"), ("content-type", "text/event-stream")]
CALLED = [(":status", "200"), ("content-type", "application/grpc+proto")]
WELL = [("grpc-status", "0"), ("grpc-message", "all well")]
ENDING = """
rules:
  - id: no-keys-back
    match: {ai: true, labels: {kinds: [secret], min_score: 0.5}, directions: [response]}
    then: {disposition: block}
    reason: Keys do not come out of models.
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


@contextlib.asynccontextmanager
async def world(authority, tmp_path, script, rules=""):
    """A client, the worker and the server, which serves each stream with `script`."""
    sections = {}
    if rules:
        (tmp_path / "policy.yaml").write_text(rules)
        sections["policy"] = PolicyConfig(file=str(tmp_path / "policy.yaml"))
    async with asyncio.timeout(20), H2Server(authority.context(HOST, alpn=["h2"]), script) as server:
        provider = SimpleNamespace(ca=authority.path, port=server.port)
        async with (
            worker_at(tmp_path, provider, **sections) as worker,
            h2_client(worker.proxy, HOST, worker.trust) as client,
        ):
            yield client, worker


def ask(client, text: str) -> int:
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]})
    stream = client.open(HOST, CHAT, JSON)
    client.data(stream, body.encode(), end=True)
    return stream


async def asked(end, stream) -> bytes:
    body = b""
    while (event := await end.next(stream))[0] != "end":
        body += event[1] if event[0] == "data" else b""
    return body


async def test_a_rule_ends_one_stream_and_stops_its_provider_and_no_other(authority, tmp_path):
    stopped = asyncio.Event()

    async def script(end, stream) -> None:
        bad = b"bad" in await asked(end, stream)
        end.headers(stream, HEADERS)
        end.data(stream, EVENT % b"first words, ")
        if bad:
            end.data(stream, EVENT % KEY.encode() + EVENT % b" was it")
            while (await end.next(stream))[0] != "reset":
                pass
            stopped.set()
            return
        await stopped.wait()
        end.data(stream, EVENT % b"last words." + DONE, end=True)

    async with world(authority, tmp_path, script, ENDING) as (client, worker):
        good, bad = ask(client, "good"), ask(client, "bad")
        _, ended, _ = await client.whole(bad)
        _, body, _ = await client.whole(good)
    assert body == EVENT % b"first words, " + EVENT % b"last words." + DONE
    assert KEY[:8].encode() not in ended
    assert ended.endswith(DONE)
    assert b'"error"' in ended
    assert sorted(event["outcome"] for event in worker.events("close")) == ["blocked", "completed"]


async def test_a_client_that_cancels_one_stream_stops_its_provider_and_no_other(authority, tmp_path):
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def script(end, stream) -> None:
        bad = b"bad" in await asked(end, stream)
        end.headers(stream, HEADERS)
        end.data(stream, EVENT % b"words. ")
        if bad:
            begun.set()
            while (await end.next(stream))[0] != "reset":
                pass
            stopped.set()
            return
        await stopped.wait()
        end.data(stream, DONE, end=True)

    async with world(authority, tmp_path, script) as (client, worker):
        good, bad = ask(client, "good"), ask(client, "bad")
        await begun.wait()
        client.wire.reset_stream(bad, 8)
        client._flush()
        _, body, _ = await client.whole(good)
    assert body == EVENT % b"words. " + DONE
    assert sorted(event["outcome"] for event in worker.events("close")) == ["client_abort", "completed"]


async def test_a_provider_that_resets_or_leaves_is_recorded_for_each_stream(authority, tmp_path):
    async def script(end, stream) -> None:
        body = await asked(end, stream)
        if b"head" in body:
            end.headers(stream, HEADERS)
        if b"some" in body:
            end.data(stream, EVENT % b"words. ")
        if b"leave" in body:
            end.writer.transport.abort()
        else:
            end.wire.reset_stream(stream, 2)
            end._flush()

    async with world(authority, tmp_path, script) as (client, worker):
        for words in ("nothing", "head", "head some", "head some leave", "leave"):
            stream = ask(client, words)
            while (await client.next(stream))[0] not in ("end", "reset"):
                pass
    closes = worker.events("close")
    assert len(closes) == len(worker.events("open")) == 5
    assert {event["outcome"] for event in closes} == {"upstream_abort", "upstream_error"}


async def test_a_server_stream_of_grpc_comes_through_with_its_trailers(authority, tmp_path):
    async def script(end, stream) -> None:
        await asked(end, stream)
        end.headers(stream, CALLED)
        for number in range(3):
            end.data(stream, grpc(b"\x0a\x08message%d" % number, b"\xff\xfe%d" % number))
        end.headers(stream, WELL, end=True)

    async with world(authority, tmp_path, script) as (client, worker):
        stream = client.open(HOST, "/pkg.Service/List", *GRPC)
        client.data(stream, grpc(b"\x0a\x02hi"), end=True)
        _, body, trailers = await client.whole(stream)
    assert body == b"".join(grpc(b"\x0a\x08message%d" % n, b"\xff\xfe%d" % n) for n in range(3))
    assert trailers == dict(WELL)
    (close,) = worker.events("close")
    assert (close["outcome"], close["response_bytes"]) == ("completed", len(body))
    assert close["coverage"]["length"] == len(body)
