"""Names in memories of a provider: they come back to whom they belong, and nothing of theirs lies anywhere in clear."""

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from seam_world import TestAuthority
from tests_support import HOST
from worker_world import worker_at

from appliance.config.kept_names import FOLDER
from appliance.config.schema import InspectConfig, PolicyConfig
from appliance.config.site_key import derive, load_site_key
from appliance.inspect.pseudonyms import name_of
from appliance.model.names import Stage

MAIL, OTHER = "anna.berg@example.com", "bob.carl@example.com"
POLICY = """
rules:
  - id: names
    match: {ai: true, labels: {entities: [EMAIL_ADDRESS]}}
    then: {disposition: pseudonymise, redact: {entities: [EMAIL_ADDRESS]}}
"""
RESPONSES = f"https://{HOST}/v1/responses"
CONVERSATIONS = f"https://{HOST}/v1/conversations"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("memory-ca"))


def message(text: str) -> list[dict]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}]


def whole(number: int, text: str) -> bytes:
    said = {"id": f"resp_{number:08}", "object": "response", "status": "completed", "model": "m"}
    return json.dumps({**said, "output": message(text)}).encode()


def streamed(number: int, text: str) -> bytes:
    response = {"id": f"resp_{number:08}", "object": "response", "status": "in_progress", "output": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events = [
        {"type": "response.created", "sequence_number": 0, "response": response},
        *(
            {"type": "response.output_text.delta", "sequence_number": at + 1, **place, "delta": text[at : at + 5]}
            for at in range(0, len(text), 5)
        ),
        {"type": "response.completed", "sequence_number": 999, "response": {**response, "status": "completed"}},
    ]
    return b"".join(b"event: %s\ndata: %s\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in events)


@asynccontextmanager
async def remembering(authority, tmp_path, stage=Stage.ENFORCE, *, kept_s=3600.0):
    """A worker in front of a provider that says what it was given at the beginning, whenever it is asked."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    state = SimpleNamespace(said="", asked=[])

    async def serve(reader, writer):
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            state.asked.append((head.split(" ")[1], body.decode()))
            kind, answer = answered(head, body, len(state.asked), state.said)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (kind, len(answer)))
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.context(HOST, alpn=["http/1.1"]))
    provider = SimpleNamespace(ca=authority.path, port=server.sockets[0].getsockname()[1])
    policy, inspect = PolicyConfig(file=str(tmp_path / "policy.yaml")), InspectConfig(pseudonyms_kept_s=kept_s)
    async with server, worker_at(tmp_path, provider, stage, policy=policy, inspect=inspect) as worker:
        key = derive(load_site_key(Path(worker.config.state_dir)), b"gnomon-names")
        worker.name, worker.other = (name_of(key, "EMAIL_ADDRESS", value) for value in (MAIL, OTHER))
        worker.provider = state
        state.said = f"Write to {worker.name} and {worker.other}"
        yield worker


def answered(head: str, body: bytes, number: int, text: str) -> tuple[bytes, bytes]:
    if "/conversations" in head:
        items = {"object": "list", "data": message(text)}
        return b"application/json", json.dumps({"id": "conv_00000007"} if "POST" in head else items).encode()
    if b'"stream": true' in body or b'"stream":true' in body:
        return b"text/event-stream", streamed(number, text)
    return b"application/json", whole(number, text)


async def ask(worker, body=None, url=RESPONSES, **headers) -> str:
    async with worker.client() as client:
        answer = await (client.post(url, json=body, headers=headers) if body else client.get(url, headers=headers))
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] != "text/event-stream":
        return words(answer.json())
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return "".join(one.get("delta", "") for one in events)


def words(told: dict) -> str:
    items = told.get("output") or told.get("data") or []
    return "".join(part["text"] for item in items for part in item["content"])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_that_follows_another_knows_its_names(authority, tmp_path, stream):
    async with remembering(authority, tmp_path) as worker:
        first = await ask(worker, {"model": "m", "stream": stream, "input": f"ask {MAIL}"})
        assert first == f"Write to {MAIL} and {worker.other}", "the exchange's own names"
        body = {"model": "m", "stream": stream, "input": f"and {OTHER}", "previous_response_id": "resp_00000001"}
        assert await ask(worker, body) == f"Write to {MAIL} and {OTHER}", "its own, and those of the one before"
        body = {"model": "m", "stream": stream, "input": "again", "previous_response_id": "resp_00000002"}
        assert await ask(worker, body) == f"Write to {MAIL} and {OTHER}", "all of the chain"
        assert await ask(worker, url=f"{RESPONSES}/resp_00000002") == f"Write to {MAIL} and {OTHER}", "read again"
        body = {"model": "m", "stream": stream, "input": "again", "previous_response_id": "resp_00009999"}
        assert MAIL not in await ask(worker, body), "another memory"
        sent = "".join(body for _, body in worker.provider.asked)
    assert MAIL not in sent
    assert OTHER not in sent
    labels = {label["entity"]: label["count"] for label in worker.events("close")[2]["labels"]}
    assert labels["RESTORED_PSEUDONYM"] == 2


async def test_a_conversation_knows_what_was_said_in_it(authority, tmp_path):
    async with remembering(authority, tmp_path) as worker:
        await ask(worker, {"items": [{"role": "user", "content": f"I am {MAIL}"}]}, CONVERSATIONS)
        body = {"model": "m", "input": f"and {OTHER}", "conversation": {"id": "conv_00000007"}}
        assert await ask(worker, body) == f"Write to {MAIL} and {OTHER}"
        assert await ask(worker, {"model": "m", "input": "x", "conversation": "conv_00000007"}) == (
            f"Write to {MAIL} and {OTHER}"
        )
        assert await ask(worker, url=f"{CONVERSATIONS}/conv_00000007/items") == f"Write to {MAIL} and {OTHER}"


async def test_it_survives_a_restart_and_lies_nowhere_in_clear(authority, tmp_path):
    body = {"model": "m", "input": "again", "previous_response_id": "resp_00000001"}
    async with remembering(authority, tmp_path) as worker:
        await ask(worker, {"model": "m", "input": f"ask {MAIL}"})
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if path.parent.name == FOLDER]
    assert [path for path in files if MAIL.encode() in path.read_bytes()] == []
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "state" / FOLDER).iterdir())
    async with remembering(authority, tmp_path) as worker:
        assert MAIL in await ask(worker, body)


async def test_another_program_gets_none_of_it(authority, tmp_path):
    body = {"model": "m", "input": "again", "previous_response_id": "resp_00000001"}
    async with remembering(authority, tmp_path) as worker:
        await ask(worker, {"model": "m", "input": f"ask {MAIL}"})
        assert MAIL not in await ask(worker, body, **{"user-agent": "other/1"})
        assert MAIL in await ask(worker, body)


@pytest.mark.parametrize("stored", [{"store": False}, {}])
async def test_what_is_not_remembered_is_not_kept(authority, tmp_path, stored):
    kept_s = 3600.0 if stored else 0.0
    async with remembering(authority, tmp_path, kept_s=kept_s) as worker:
        await ask(worker, {"model": "m", "input": f"ask {MAIL}", **stored})
    folder = tmp_path / "state" / FOLDER
    assert not folder.exists() or not list(folder.iterdir())


async def test_in_stage_observe_nothing_comes_back(authority, tmp_path):
    async with remembering(authority, tmp_path) as worker:
        await ask(worker, {"model": "m", "input": f"ask {MAIL}"})
    shutil.rmtree(tmp_path / "state" / "policy")
    async with remembering(authority, tmp_path, Stage.OBSERVE) as worker:
        body = {"model": "m", "input": "again", "previous_response_id": "resp_00000001"}
        assert MAIL not in await ask(worker, body)


async def test_a_disk_that_takes_nothing_costs_the_way_back_and_nothing_else(authority, tmp_path):
    async with remembering(authority, tmp_path) as worker:
        (tmp_path / "state" / FOLDER).write_text("no folder")
        for _ in range(2):
            assert MAIL in await ask(worker, {"model": "m", "input": f"ask {MAIL}"})
        notices = [event["note"] for event in worker.events("notice")]
    assert notices.count("names_not_kept") == 1
