"""What policy wants done to a request beside hiding, through a whole worker."""

import gzip
import json
from types import SimpleNamespace

import msgspec
import pytest
from tests_support import HOST
from worker_world import worker_at

from addons.hiding import CannotHide
from addons.obliging import check_message
from appliance.config.schema import PolicyConfig
from appliance.model.facts import Obligations, Verdict
from appliance.model.names import Disposition, Stage
from appliance.standin.saying import turned

URL = f"https://{HOST}/v1/chat/completions"
RULES = """rules:
  - id: lean
    match: {services: [openai]}
    then:
      disposition: allow
      strip: {headers: [X-Debug], tools: ["shell*"], logprobs: true}
      inject: {X-Department: research}
      limit: {max_tokens: 50, request_bytes: 4000}
    reason: Small and without a shell.
"""
SHELL = {"type": "function", "function": {"name": "shell_run", "parameters": {}}}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {}}}
BODY = {
    "model": "stand-in",
    "messages": [{"role": "user", "content": "hello"}],
    "tools": [SHELL, WEATHER],
    "max_tokens": 900,
    "logprobs": True,
}


def rules(folder, text=RULES):
    path = folder / "policy.yaml"
    path.write_text(text)
    return PolicyConfig(file=str(path))


async def ask(provider, folder, stage=Stage.ENFORCE, body=BODY, **headers):
    before = len(provider.arrivals())
    async with worker_at(folder, provider, stage, policy=rules(folder)) as worker:
        async with worker.client() as client:
            answer = await client.post(URL, json=body, headers={"x-debug": "1", **headers})
        return answer, provider.arrivals()[before:], worker.events("open")[0]


async def test_a_request_goes_without_what_policy_takes_out(provider, tmp_path):
    answer, (arrival,), opened = await ask(provider, tmp_path)
    sent = json.loads(arrival["body"])
    assert answer.status_code == 200
    assert ([tool["function"]["name"] for tool in sent["tools"]], sent["max_tokens"]) == (["weather"], 50)
    assert "logprobs" not in sent
    assert "x-department" in arrival["headers"]
    assert "x-debug" not in arrival["headers"]
    declared = {"headers_stripped", "headers_set", "tools_removed", "logprobs_removed", "max_tokens"}
    assert declared <= set(opened["edits"])
    assert opened["verdict"]["obliges"]["rules"] == ["lean"]


async def test_in_stage_observe_the_request_goes_as_it_came(provider, tmp_path):
    _, (arrival,), opened = await ask(provider, tmp_path, Stage.OBSERVE)
    assert json.loads(arrival["body"]) == BODY
    assert "x-department" not in arrival["headers"]
    assert "x-debug" in arrival["headers"]
    assert not opened.get("edits")
    assert opened["verdict"]["obliges"]["max_tokens"] == 50


async def test_what_is_too_large_is_blocked_and_says_so(provider, tmp_path):
    long = {**BODY, "messages": [{"role": "user", "content": "word " * 1000}]}
    answer, arrivals, opened = await ask(provider, tmp_path, body=long)
    assert (answer.status_code, arrivals, opened["verdict"]["rule"]) == (403, [], "lean")
    assert opened["verdict"]["reason"].startswith("The request is larger than 4000 bytes.")


@pytest.mark.parametrize(("signed", "word"), [("host;x-amz-date", "signed_body"), ("host;x-debug", "signed_headers")])
async def test_what_is_signed_is_blocked_rather_than_sent_broken(provider, tmp_path, signed, word):
    value = f"AWS4-HMAC-SHA256 Credential=AK/20260101/eu/bedrock/aws4_request, SignedHeaders={signed}, Signature=00"
    answer, arrivals, opened = await ask(provider, tmp_path, authorization=value)
    assert (answer.status_code, arrivals) == (403, [])
    assert opened["verdict"]["reason"].startswith(word)


async def test_a_compressed_body_is_edited_and_compressed_again(provider, tmp_path):
    async with worker_at(tmp_path, provider, policy=rules(tmp_path)) as worker, worker.client() as client:
        raw = gzip.compress(json.dumps(BODY).encode())
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        await client.post(URL, content=raw, headers=headers)
        opened = worker.events("open")[0]
    assert opened["verdict"]["effective"] == "allow", opened["verdict"]["reason"]
    assert {"tools_removed", "max_tokens"} <= set(opened["edits"])
    assert opened["sent_digest"] not in {"", opened["body_digest"]}


@pytest.mark.parametrize(
    ("wanted", "raises"),
    [
        (Obligations(strip_tools=("shell*",)), True),
        (Obligations(strip_tools=("weather",)), False),
        (Obligations(max_tokens=50), True),
        (Obligations(max_tokens=900), False),
        (Obligations(strip_logprobs=True), True),
        (Obligations(inject=(("x-a", "b"),)), False),
    ],
)
def test_a_message_of_a_websocket_is_blocked_where_it_would_have_to_be_edited(wanted, raises):
    view = SimpleNamespace(tools_declared=("Shell_Run",), max_tokens=900)
    message = SimpleNamespace(api="openai.responses", view=view, body=b'{"top_logprobs": 3}')
    verdict = Verdict(Disposition.ALLOW, Disposition.ALLOW, Stage.ENFORCE, obliges=wanted)
    if raises:
        with pytest.raises(CannotHide, match="WebSocket"):
            check_message(verdict, message)
    else:
        check_message(verdict, message)
    check_message(msgspec.structs.replace(verdict, stage=Stage.OBSERVE), message)
    check_message(msgspec.structs.replace(verdict, obliges=None), message)


async def test_a_watched_tool_that_an_answer_calls_is_a_label_of_its_record(provider, tmp_path):
    watching = (
        "rules:\n- id: shells\n  match: {ai: true, tools_called: ['*'], directions: [response]}\n"
        "  then: {disposition: observe}\n"
    )
    body = {"model": "stand-in-say.arguments", "messages": [{"role": "user", "content": turned('{"a":1}')}]}
    async with worker_at(tmp_path, provider, policy=rules(tmp_path, watching)) as worker, worker.client() as client:
        await client.post(URL, json={**body, "stream": True})
        await client.post(URL, json={**BODY, "stream": True})
    called, plain = worker.events("close")
    assert called["tools_called"]
    assert "WATCHED_TOOL" in {label["entity"] for label in called["labels"]}
    assert "WATCHED_TOOL" not in {label["entity"] for label in plain.get("labels", ())}


async def test_no_spelling_and_no_crowd_hides_what_is_to_be_taken_out(provider, tmp_path):
    crowd = [{"type": "function", "function": {"name": f"tool_{number}"}} for number in range(300)]
    raw = json.dumps({**BODY, "tools": [*crowd, SHELL], "max_completion_tokens": 1})
    rule = RULES.replace(", request_bytes: 4000", "")
    async with worker_at(tmp_path, provider, policy=rules(tmp_path, rule)) as worker, worker.client() as client:
        body = raw.replace('"logprobs"', r'"log\u0070robs"').encode()
        await client.post(URL, content=body, headers={"content-type": "application/json"})
        arrival = provider.arrivals()[-1]
    sent = json.loads(arrival["body"])
    assert "logprobs" not in sent
    assert (sent["max_tokens"], sent["max_completion_tokens"]) == (50, 1)
    assert "shell_run" not in json.dumps(sent["tools"])


async def test_a_tool_behind_many_others_is_seen(provider, tmp_path):
    crowd = [{"type": "function", "function": {"name": f"tool_{number}"}} for number in range(300)]
    stop = "rules:\n- {id: no-shell, match: {tools: ['shell*']}, then: {disposition: block}}\n"
    async with worker_at(tmp_path, provider, policy=rules(tmp_path, stop)) as worker, worker.client() as client:
        answer = await client.post(URL, json={**BODY, "tools": [*crowd, SHELL]})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/v1/%65mbeddings", "/v1//embeddings", "/v1/x/%2e%2e/embeddings", "/v1/Embeddings"])
async def test_a_call_is_seen_however_its_path_is_spelt(provider, tmp_path, path):
    stop = "rules:\n- {id: no-vectors, match: {apis: [openai.embeddings]}, then: {disposition: block}}\n"
    async with worker_at(tmp_path, provider, policy=rules(tmp_path, stop)) as worker, worker.client() as client:
        answer = await client.post(f"https://{HOST}{path}", json={"model": "m", "input": "hello"})
    assert answer.status_code == 403


async def test_a_model_is_seen_however_its_path_is_spelt(provider, tmp_path):
    stop = "rules:\n- {id: no-o1, match: {models: ['o1*']}, then: {disposition: block}}\n"
    path = "/openai/%64eployments/o1-pro/chat/completions"
    async with worker_at(tmp_path, provider, policy=rules(tmp_path, stop)) as worker, worker.client() as client:
        answer = await client.post(f"https://{HOST}{path}", json={"messages": BODY["messages"]})
    assert answer.status_code == 403
