"""Names in place of what was found: the provider sees them, the caller gets its own values back, nothing is kept."""

import json
from pathlib import Path

import httpx
import pytest
from tests_support import HOST
from worker_world import worker_at

from appliance.config.schema import PolicyConfig
from appliance.config.site_key import derive, load_site_key
from appliance.inspect.pseudonyms import name_of
from appliance.model.names import Stage
from appliance.standin.saying import turned

URL = f"https://{HOST}/v1/chat/completions"
MAIL = "anna.berg@example.com"
KEY = "AKIA" + "IOSFODNN7SAMPLED"
POLICY = """
rules:
  - id: keys
    match: {ai: true, labels: {kinds: [secret]}}
    then: {disposition: redact, redact: {kinds: [secret]}}
  - id: names
    match: {ai: true, labels: {entities: [EMAIL_ADDRESS]}}
    then: {disposition: pseudonymise, redact: {entities: [EMAIL_ADDRESS]}}
"""


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return PolicyConfig(file=str(path))


def named(worker) -> str:
    """The name of MAIL at this site."""
    site_key = load_site_key(Path(worker.config.state_dir))
    return name_of(derive(site_key, b"gnomon-names"), "EMAIL_ADDRESS", MAIL)


def asking(name: str, model: str = "stand-in-say", *, stream: bool = True) -> dict:
    """The stand-in says the last text turned: there the name stands turned, and the value as it is."""
    messages = [
        {"role": "user", "content": f"ask {MAIL} with {KEY}"},
        {"role": "user", "content": turned(name) + " " + MAIL},
    ]
    return {"model": model, "stream": stream, "messages": messages}


async def ask(worker, body: dict) -> str:
    """The text of the answer."""
    async with worker.client() as client:
        answer = await client.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    return words(answer)


def words(answer: httpx.Response) -> str:
    if not answer.headers["content-type"].startswith("text/event-stream"):
        message = answer.json()["choices"][0]["message"]
        return message.get("content") or message["tool_calls"][0]["function"]["arguments"]
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in event.get("choices", [])]
    calls = [call["function"]["arguments"] for delta in deltas for call in delta.get("tool_calls", [])]
    told = [delta.get("content") or delta.get("reasoning_content") or "" for delta in deltas]
    return "".join(told + calls)


CASES = [("stand-in-say", False), ("stand-in-say.1", True), ("stand-in-say.7", True), ("stand-in-say.gzip", True)]


@pytest.mark.parametrize(("model", "stream"), CASES)
async def test_the_provider_sees_a_name_and_the_caller_the_value(provider, tmp_path, policy, model, stream):
    async with worker_at(tmp_path, provider, policy=policy) as worker:
        name = named(worker)
        told = await ask(worker, asking(name, model, stream=stream))
    assert told == f"{MAIL} {turned(name)}", "the value went as a name, and the name came back as the value"
    (opened,), (closed,) = worker.events("open"), worker.events("close")
    assert opened["verdict"]["named"] == ["EMAIL_ADDRESS"]
    assert opened["redactions"] == 3
    labels = {label["entity"]: label["count"] for label in closed["labels"]}
    assert labels["RESTORED_PSEUDONYM"] == 1
    assert closed["redactions"] == 0
    assert MAIL not in worker.journal()
    assert KEY not in worker.journal()


async def test_a_tools_arguments_keep_the_name(provider, tmp_path, policy):
    async with worker_at(tmp_path, provider, policy=policy) as worker:
        name = named(worker)
        told = await ask(worker, asking(name, "stand-in-say.arguments.5"))
    assert name in told
    assert MAIL not in told


async def test_the_next_exchange_does_not_know_the_value(provider, tmp_path, policy):
    async with worker_at(tmp_path, provider, policy=policy) as worker:
        name = named(worker)
        await ask(worker, asking(name))
        body = asking(name)
        body["messages"] = [{"role": "user", "content": turned(name)}]
        told = await ask(worker, body)
    assert name in told
    assert MAIL not in told


async def test_in_stage_observe_no_byte_changes(provider, tmp_path, policy):
    async with worker_at(tmp_path, provider, Stage.OBSERVE, policy=policy) as worker:
        name = named(worker)
        told = await ask(worker, asking(name))
    assert told == f"{name} {turned(MAIL)}"


async def test_no_value_lies_on_disk(provider, tmp_path, policy):
    async with worker_at(tmp_path, provider, policy=policy) as worker:
        await ask(worker, asking(named(worker)))
        held = [path for path in tmp_path.rglob("*") if path.is_file() and MAIL.encode() in path.read_bytes()]
        assert held == []
