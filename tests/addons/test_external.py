"""An external data-loss system is asked before the verdict; what it says is a label, and it never fails in silence."""

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from seam_world import TestAuthority
from socket_world import SocketServer, connected
from tests_support import HOST
from worker_world import worker_at

from addons.external import FAILED, FOUND
from appliance.config.schema import IcapConfig, InspectConfig, PolicyConfig
from appliance.model.names import Stage

URL = f"https://{HOST}/v1/chat/completions"
BODY = {"model": "stand-in-echo", "messages": [{"role": "user", "content": "the plan"}]}
POLICY = """
rules:
  - id: external
    match: {ai: true, labels: {entities: [EXTERNAL_DLP]}}
    then: {disposition: block}
"""


@asynccontextmanager
async def icap(answer: bytes):
    """A data-loss system that always says the same; yields its address and what it was asked."""
    asked = []

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        inside = await reader.readuntil(b"0\r\n\r\n") if b"req-body" in head else b""
        asked.append(head + inside)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"icap://127.0.0.1:{server.sockets[0].getsockname()[1]}/reqmod", asked


async def ask(tmp_path, provider, address, *, stage=Stage.ENFORCE, deadline_s=5, **more):
    (tmp_path / "policy.yaml").write_text(POLICY)
    inspect = InspectConfig(icap=IcapConfig(address=address, deadline_s=deadline_s, **more))
    policy = PolicyConfig(file=str(tmp_path / "policy.yaml"))
    headers = {"authorization": "Bearer own-key"}
    async with (
        worker_at(tmp_path, provider, stage, policy=policy, inspect=inspect) as worker,
        worker.client() as client,
    ):
        answer = await client.post(URL, json=BODY, headers=headers)
    return answer, worker


def labels(worker):
    return {label["entity"] for label in worker.events("open")[0]["facts"].get("labels", ())}


async def test_what_it_finds_is_a_label_and_policy_decides(provider, tmp_path):
    async with icap(b"ICAP/1.0 200 OK\r\nX-Violations-Found: 1\r\n\r\n") as (address, asked):
        answer, worker = await ask(tmp_path, provider, address)
    assert answer.status_code == 403
    assert FOUND in labels(worker)
    assert b"the plan" in asked[0]
    assert b"own-key" not in asked[0], "the caller's credentials stay here"


async def test_what_is_clean_goes_on(provider, tmp_path):
    async with icap(b"ICAP/1.0 204 No Content\r\n\r\n") as (address, asked):
        answer, worker = await ask(tmp_path, provider, address)
    assert answer.status_code == 200
    assert len(asked) == 1
    assert not labels(worker) & {FOUND, FAILED}


@pytest.mark.parametrize("said", [b"ICAP/1.0 500 x\r\n\r\n", b"nonsense\r\n\r\n", b""])
async def test_a_failure_closes_unless_the_operator_says_otherwise(provider, tmp_path, said):
    async with icap(said) as (address, _):
        for name in ("closes", "passes"):
            (tmp_path / name).mkdir()
        answer, _ = await ask(tmp_path / "closes", provider, address)
        assert answer.status_code == 503
        answer, worker = await ask(tmp_path / "passes", provider, address, on_failure="pass")
    assert answer.status_code == 200
    assert FAILED in labels(worker)


async def test_in_stage_observe_a_failure_passes_and_stands_in_the_record(provider, tmp_path):
    answer, worker = await ask(tmp_path, provider, "icap://127.0.0.1:1/reqmod", stage=Stage.OBSERVE)
    assert answer.status_code == 200
    assert FAILED in labels(worker)


HEAD = b"ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, req-body=%d\r\n\r\n"


@asynccontextmanager
async def server(serve):
    """A data-loss system that speaks as `serve(read, writer)` does; `read` gives a head, or the chunks of a body."""

    async def serving(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    made = await asyncio.start_server(serving, "127.0.0.1", 0)
    async with made:
        yield f"icap://127.0.0.1:{made.sockets[0].getsockname()[1]}/reqmod"


async def asked_of(reader) -> tuple[bytes, bytes]:
    """The outer head and the head inside."""
    outer = await reader.readuntil(b"\r\n\r\n")
    return outer, b"" if outer.startswith(b"OPTIONS") else await reader.readuntil(b"\r\n\r\n")


async def chunks_of(reader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda body: body, 200),
        (lambda body: body.replace(b"plan", b"****"), 403),
        (lambda body: body[:-9], 403),
        (lambda body: body + b" ", 403),
    ],
)
async def test_what_comes_back_is_compared(provider, tmp_path, change, status):
    async def serve(reader, writer):
        _, inside = await asked_of(reader)
        body = change(await chunks_of(reader))
        writer.write(HEAD % len(inside) + inside + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        await writer.drain()

    async with server(serve) as address:
        answer, worker = await ask(tmp_path, provider, address)
    assert answer.status_code == status
    assert (FOUND in labels(worker)) is (status == 403)


@pytest.mark.parametrize("continues", [True, False])
async def test_a_large_body_goes_with_a_preview(provider, tmp_path, monkeypatch, continues):
    monkeypatch.setattr("addons.external.WHOLE", 10)
    seen = []

    async def serve(reader, writer):
        outer, _ = await asked_of(reader)
        if outer.startswith(b"OPTIONS"):
            writer.write(b"ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nPreview: 7\r\n\r\n")
            return await writer.drain()
        assert b"\r\nPreview: 7\r\n" in outer
        seen.append(await chunks_of(reader))
        if continues:
            writer.write(b"ICAP/1.0 100 Continue\r\n\r\n")
            seen.append(await chunks_of(reader))
        writer.write(b"ICAP/1.0 204 No Content\r\n\r\n")
        return await writer.drain()

    async with server(serve) as address:
        answer, worker = await ask(tmp_path, provider, address)
    assert answer.status_code == 200
    assert not labels(worker) & {FOUND, FAILED}
    assert len(seen[0]) == 7
    assert b"".join(seen).endswith(b"}") is continues, "what was not asked for was not sent"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"ICAP/1.0 100 Continue\r\n\r\n", 503),  # nothing was kept back
        (HEAD % 90 + b"short", 503),
        (HEAD % 4 + b"nope", 403),  # another request came back
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_clean_one(provider, tmp_path, said, status):
    async with icap(said) as (address, _):
        answer, _ = await ask(tmp_path, provider, address)
    assert answer.status_code == status


async def test_a_system_that_says_nothing_fails_at_its_deadline(provider, tmp_path):
    async def serve(reader, _writer):
        await reader.read(-1)  # until the other side leaves

    async with server(serve) as address:
        answer, worker = await ask(tmp_path, provider, address, deadline_s=0.2, on_failure="pass")
    assert answer.status_code == 200
    assert FAILED in labels(worker)


def message(text: str) -> str:
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    return json.dumps({"type": "conversation.item.create", "item": item})


async def test_messages_of_a_socket_are_asked_about_too_but_not_sound(tmp_path):
    authority = TestAuthority(tmp_path)
    seen = []

    async def serve(reader, writer):
        outer, inside = await asked_of(reader)
        body = await chunks_of(reader) if b"req-body" in outer else b""
        seen.append((inside.partition(b" HTTP")[0], body))
        writer.write(b"ICAP/1.0 %s\r\n\r\n" % (b"200 OK" if b"the plan" in body else b"204 No Content"))
        await writer.drain()

    (tmp_path / "policy.yaml").write_text(POLICY)
    async with (
        asyncio.timeout(20),
        server(serve) as address,
        SocketServer(authority.context(HOST, alpn=["http/1.1"])) as far,
        worker_at(
            tmp_path,
            SimpleNamespace(ca=authority.path, port=far.port),
            policy=PolicyConfig(file=str(tmp_path / "policy.yaml")),
            inspect=InspectConfig(icap=IcapConfig(address=address, deadline_s=5)),
        ) as worker,
        connected(worker.proxy, HOST, "/v1/realtime?model=m", trust=worker.trust) as client,
    ):
        there = await far.served.get()
        sound = json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 400})
        for said in (message("hello"), sound):
            await client.send(said)
            assert await there.read() == said
        await client.send(message("the plan"))
        while not hasattr(ended := await client.read(), "code"):
            pass
    assert ended.code == 1008
    assert [body for _, body in seen if body] == [message("hello").encode(), message("the plan").encode()]
    assert seen[-1][0] == f"POST https://{HOST}/v1/realtime?model=m".encode()
    found = [{label["entity"] for label in event["facts"].get("labels", ())} for event in worker.events("open")]
    assert [FOUND in one for one in found] == [False, False, True]
