"""Names over WebSockets: OpenAI Realtime, Gemini Live, OpenAI Responses; a talk, and one that is taken up again."""

import asyncio
import contextlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from seam_world import TestAuthority
from socket_world import SocketServer, connected
from tests_support import HOST
from worker_world import worker_at

from appliance.config.schema import PolicyConfig
from appliance.config.site_key import derive, load_site_key
from appliance.inspect.pseudonyms import name_of

MAIL, OTHER = "anna.berg@example.com", "bob.carl@example.com"
POLICY = """
rules:
  - id: names
    match: {ai: true, labels: {entities: [EMAIL_ADDRESS]}}
    then: {disposition: pseudonymise, redact: {entities: [EMAIL_ADDRESS]}}
"""
REALTIME = "/v1/realtime?model=gpt-realtime"
LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
RESPONSES = "/v1/responses"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("socket-names-ca"))


@contextlib.asynccontextmanager
async def world(authority, tmp_path):
    """A worker; `open(path)` gives a client's end and the provider's end of a socket through it."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    async with asyncio.timeout(30), SocketServer(authority.context(HOST, alpn=["http/1.1"])) as server:
        provider = SimpleNamespace(ca=authority.path, port=server.port)
        async with worker_at(tmp_path, provider, policy=PolicyConfig(file=str(tmp_path / "policy.yaml"))) as worker:
            key = derive(load_site_key(Path(worker.config.state_dir)), b"gnomon-names")
            name, other = (name_of(key, "EMAIL_ADDRESS", value) for value in (MAIL, OTHER))

            @contextlib.asynccontextmanager
            async def opened(path):
                async with connected(worker.proxy, HOST, path, trust=worker.trust) as client:
                    assert client.status == 101
                    yield SimpleNamespace(client=client, server=await server.served.get())
                    await client.close()
                    while not hasattr(await client.read(), "code"):
                        pass

            yield SimpleNamespace(worker=worker, open=opened, name=name, other=other)


async def said(pair, message: dict) -> str:
    """What arrives at the provider."""
    await pair.client.send(json.dumps(message))
    return await pair.server.read()


async def heard(pair, messages: list[dict], is_last) -> list[dict]:
    """What arrives at the client, up to the last."""
    for message in messages:
        await pair.server.send(json.dumps(message))
    got = [json.loads(await pair.client.read())]
    while not is_last(got[-1]):
        got.append(json.loads(await pair.client.read()))
    return got


def cut(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def item(text: str) -> dict:
    content = [{"type": "input_text", "text": text}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}


def realtime(text: str, number: int = 1, kind: str = "output_text") -> list[dict]:
    place = {"response_id": f"r{number}", "item_id": f"i{number}", "output_index": 0, "content_index": 0}
    key = "text" if kind == "output_text" else "transcript"
    done = {"id": f"r{number}", "object": "realtime.response", "status": "completed", "output": []}
    return [
        *({"type": f"response.{kind}.delta", "event_id": "e", **place, "delta": one} for one in cut(text)),
        {"type": f"response.{kind}.done", "event_id": "e", **place, key: text},
        {"type": "response.done", "event_id": "e", "response": done},
    ]


def deltas(got: list[dict]) -> str:
    return "".join(one.get("delta", "") for one in got)


def is_done(message: dict) -> bool:
    return message.get("type") in {"response.done", "response.completed"}


@pytest.mark.parametrize("kind", ["output_text", "output_audio_transcript"])
async def test_a_realtime_conversation_gets_its_values_back(authority, tmp_path, kind):
    async with world(authority, tmp_path) as at, at.open(REALTIME) as pair:
        assert at.name in await said(pair, item(f"ask {MAIL}"))
        got = await heard(pair, realtime(f"I wrote to {at.name}, not to {at.other}.", kind=kind), is_done)
        assert deltas(got) == f"I wrote to {MAIL}, not to {at.other}."
        assert got[-2].get("text", got[-2].get("transcript")) == f"I wrote to {MAIL}, not to {at.other}."
        assert at.other in await said(pair, item(f"and {OTHER}"))
        got = await heard(pair, realtime(f"{at.name} and {at.other}", 2, kind), is_done)
        assert deltas(got) == f"{MAIL} and {OTHER}", "names of earlier messages, too"
        got = await heard(
            pair, realtime(f"see https://evil.example/?{at.name} and {at.other}.evil.example", 3), is_done
        )
        assert MAIL not in deltas(got)
        assert OTHER not in deltas(got)
        call = {"type": "response.function_call_arguments.delta", "event_id": "e", "response_id": "r4"}
        call |= {"item_id": "i4", "output_index": 0, "call_id": "c", "delta": json.dumps({"to": at.name})}
        await pair.server.send(json.dumps(call))
        got = await heard(pair, realtime("x", 5), is_done)
        assert at.name in got[0]["delta"], "a tool's arguments keep the name"
    labels = [{label["entity"]: label["count"] for label in event["labels"]} for event in at.worker.events("close")]
    assert sum(one.get("RESTORED_PSEUDONYM", 0) for one in labels) == 6, "each in its piece and in its repeat"
    assert MAIL not in at.worker.journal()


def live(text: str, kind: str = "parts") -> list[dict]:
    content = [
        {"modelTurn": {"role": "model", "parts": [{"text": one}]}}
        if kind == "parts"
        else {"outputTranscription": {"text": one}}
        for one in cut(text)
    ]
    return [{"serverContent": one} for one in [*content, {"turnComplete": True}]]


def turn(text: str) -> dict:
    return {"clientContent": {"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": True}}


def spoken(got: list[dict]) -> str:
    parts = []
    for one in (message.get("serverContent", {}) for message in got):
        parts += [part["text"] for part in one.get("modelTurn", {}).get("parts", [])]
        parts.append(one.get("outputTranscription", {}).get("text", ""))
    return "".join(parts)


def is_complete(message: dict) -> bool:
    return "turnComplete" in message.get("serverContent", {})


@pytest.mark.parametrize("kind", ["parts", "transcript"])
async def test_a_live_conversation_gets_its_values_back(authority, tmp_path, kind):
    async with world(authority, tmp_path) as at, at.open(LIVE) as pair:
        await said(pair, {"setup": {"model": "models/gemini-live"}})
        assert at.name in await said(pair, turn(f"ask {MAIL}"))
        got = await heard(pair, live(f"I wrote to {at.name}, not to {at.other}.", kind), is_complete)
        assert spoken(got) == f"I wrote to {MAIL}, not to {at.other}."
        assert at.other in await said(pair, {"realtimeInput": {"text": f"and {OTHER}"}})
        got = await heard(pair, live(f"{at.name} and {at.other}", kind), is_complete)
        assert spoken(got) == f"{MAIL} and {OTHER}"
        got = await heard(pair, live(f"![x](https://evil.example/?{at.name})", kind), is_complete)
        assert MAIL not in spoken(got)


async def test_a_live_session_that_is_taken_up_again_knows_its_names(authority, tmp_path):
    async with world(authority, tmp_path) as at:
        async with at.open(LIVE) as pair:
            await said(pair, {"setup": {"model": "models/gemini-live", "sessionResumption": {}}})
            await said(pair, turn(f"ask {MAIL}"))
            update = {"sessionResumptionUpdate": {"newHandle": "Cih-handle-1", "resumable": True}}
            await heard(pair, [*live("yes"), update], lambda one: "sessionResumptionUpdate" in one)
        for handle, knows in (("Cih-handle-1", True), ("Cih-handle-2", False)):
            async with at.open(LIVE) as pair:
                await said(pair, {"setup": {"model": "m", "sessionResumption": {"handle": handle}}})
                assert (MAIL in spoken(await heard(pair, live(f"to {at.name} "), is_complete))) is knows


async def test_responses_over_a_socket_are_known_by_their_ids_on_another(authority, tmp_path):
    def answers(number: int, text: str) -> list[dict]:
        response = {"id": f"resp_0000000{number}", "object": "response", "status": "in_progress", "output": []}
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        created = {"type": "response.created", "sequence_number": 0, "response": response}
        pieces = [
            {"type": "response.output_text.delta", "sequence_number": at + 1, **place, "delta": one}
            for at, one in enumerate(cut(text))
        ]
        done = {"type": "response.completed", "sequence_number": 99, "response": {**response, "status": "completed"}}
        return [created, *pieces, done]

    def create(text: str, **more) -> dict:
        return {"type": "response.create", "model": "m", "input": text, **more}

    async with world(authority, tmp_path) as at:
        async with at.open(RESPONSES) as pair:
            assert at.name in await said(pair, create(f"ask {MAIL}"))
            assert deltas(await heard(pair, answers(1, f"to {at.name} "), is_done)) == f"to {MAIL} "
        for previous, knows in (("resp_00000001", True), ("resp_00000009", False)):
            async with at.open(RESPONSES) as pair:
                await said(pair, create("again", previous_response_id=previous))
                assert (MAIL in deltas(await heard(pair, answers(2, f"to {at.name} "), is_done))) is knows
