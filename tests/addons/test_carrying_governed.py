"""What policy and budgets do to a call that is carried over: up before it is, down after it was."""

import json
from pathlib import Path

import pytest
from carried_world import CHAT, CLIENTS_KEY, MESSAGES, SAID, answers, asked, path_of, says, site_of
from seam_world import TestAuthority

from appliance.config.schema import BudgetEntry, Metering
from appliance.config.site_key import derive, load_site_key
from appliance.inspect.pseudonyms import name_of
from appliance.model.names import Stage

MAIL = "anna.berg@example.com"
TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("governed-ca"))


def prompt(text, **more):
    return asked(CHAT, "stream") | {"messages": [{"role": "user", "content": text}]} | more


def spoken(*texts, thought=""):
    """A stream of Anthropic's that says texts, in deltas of three characters."""

    async def script(seen, reply):
        await reply.head(200, {"content-type": "text/event-stream"})
        message = {"id": "m", "type": "message", "role": "assistant", "model": "model-b", "content": []}
        usage = {"input_tokens": 10, "output_tokens": 1}
        events = [{"type": "message_start", "message": message | {"stop_reason": None, "usage": usage}}]
        events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        said = "".join(text(seen) if callable(text) else text for text in texts)
        for at in range(0, len(said), 3):
            delta = {"type": "text_delta", "text": said[at : at + 3]}
            events.append({"type": "content_block_delta", "index": 0, "delta": delta})
        events.append({"type": "content_block_stop", "index": 0})
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        events += [{"type": "message_delta", "delta": end, "usage": {"output_tokens": 9}}, {"type": "message_stop"}]
        for event in events:
            await reply.chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        await reply.end()

    return script


def words(answer):
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event.get("choices", []))


async def ask(site, body):
    return await site.client.post(path_of(CHAT), json=body)


async def test_what_is_hidden_is_hidden_both_ways(tmp_path, authority):
    scripts = {"anthropic": spoken("Take ", TOKEN, " and keep it.")}
    async with site_of(tmp_path, authority, scripts) as site:
        answer = await ask(site, prompt(f"keep {TOKEN} for me"))
        assert TOKEN.encode() not in site.seen("anthropic").body
        assert b"GITHUB_TOKEN" in site.seen("anthropic").body
        assert words(answer) == "Take <GITHUB_TOKEN> and keep it."
        assert (site.opened["redactions"], site.closed["redactions"]) == (1, 1)


NAMED = """rules:
- id: names
  match: {ai: true, labels: {entities: [EMAIL_ADDRESS]}}
  then: {disposition: pseudonymise, redact: {entities: [EMAIL_ADDRESS]}}
"""


async def test_names_come_back_as_what_they_stand_for(tmp_path, authority):
    def named(seen):
        return json.loads(seen.body)["messages"][0]["content"][0]["text"].partition(" ")[2]

    async with site_of(tmp_path, authority, {"anthropic": spoken("I wrote to ", named, ".")}, policy=NAMED) as site:
        answer = await ask(site, prompt(f"ask {MAIL}"))
        key = derive(load_site_key(Path(site.worker.config.state_dir)), b"gnomon-names")
        assert name_of(key, "EMAIL_ADDRESS", MAIL).encode() in site.seen("anthropic").body
        assert words(answer) == f"I wrote to {MAIL}."


async def test_an_answer_is_cut_where_its_budget_ends(tmp_path, authority):
    entries = (BudgetEntry(name="t", what="output_tokens", amount=60, window="day"),)
    more = {"budgets": entries, "metering": Metering(output_tokens=20, step_tokens=20)}
    scripts = {"anthropic": spoken("one two three four five " * 60)}
    async with site_of(tmp_path, authority, scripts, more=more) as site:
        body = prompt("hi")
        del body["max_completion_tokens"]
        answer = await ask(site, body)
        assert answer.text.endswith("data: [DONE]\n\n")
        assert 0 < len(words(answer)) < len("one two three four five " * 60)
        assert (site.closed["outcome"], site.closed["reason"]) == ("blocked", "budget")


LIMITED = """rules:
- id: short
  match: {ai: true}
  then: {disposition: allow, limit: {max_tokens: 50}}
"""


async def test_a_limit_is_written_in_each_targets_words(tmp_path, authority):
    models = {"openai": {}, "anthropic": {"*": "model-b"}, "mistral": {}}
    scripts = {"openai": says(503), "anthropic": says(503), "mistral": answers(CHAT)}
    async with site_of(tmp_path, authority, scripts, models=models, policy=LIMITED) as site:
        body = asked(CHAT)
        del body["max_completion_tokens"]
        assert (await ask(site, body)).status_code == 200
        arrived = {name: json.loads(site.seen(name).body) for name in scripts}
        told = {name: {key: one[key] for key in one if key.startswith("max")} for name, one in arrived.items()}
        assert told == {
            "openai": {"max_completion_tokens": 50}, "anthropic": {"max_tokens": 50}, "mistral": {"max_tokens": 50}
        }  # fmt: skip


BY_MODEL = """rules:
- id: no-opus
  match: {models: [claude-opus*]}
  reason: too dear
  then: {disposition: block}
- id: only-what-is-listed
  match: {models_except: [fast, slow]}
  then: {disposition: block}
"""


@pytest.mark.parametrize(
    ("asks", "status"), [("slow", 403), ("fast", 200), ("claude-opus-4", 403), ("claude-haiku-4", 403)]
)
async def test_no_name_of_a_model_is_a_way_round_a_rule(tmp_path, authority, asks, status):
    models = {"slow": "claude-opus-4", "fast": "claude-haiku-4"}
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}, models=models, policy=BY_MODEL) as site:
        answer = await ask(site, asked(CHAT) | {"model": asks})
        assert answer.status_code == status
        assert len(site.ups["anthropic"].seen) == (status == 200)
        if asks == "slow":
            assert "too dear" in answer.json()["error"]["message"]


@pytest.mark.parametrize("names", [{}, {"model": None}, {"model": ""}])
async def test_to_name_no_model_is_no_way_round_a_rule_either(tmp_path, authority, names):
    models, policy = {"*": "claude-opus-4"}, BY_MODEL.partition("- id: only")[0]
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}, models=models, policy=policy) as site:
        body = asked(CHAT)
        del body["model"]
        answer = await ask(site, body | names)
        assert answer.status_code == 400
        assert "names no model" in answer.json()["error"]["message"]
        assert site.ups["anthropic"].seen == []
        assert site.closed["outcome"] == "blocked"


@pytest.mark.parametrize("config", [
    {"maxOutputTokens": 10, "max_outputTokens": 9999},
    {"maxOutputTokens": 10, "maxOutput_tokens": 9999},
    {"maxOutputTokens": 10, "max_output_tokens": 9999},
])  # fmt: skip
async def test_no_spelling_is_a_way_round_a_limit(tmp_path, authority, config):
    async with site_of(tmp_path, authority, {"openai": answers(CHAT)}, policy=LIMITED) as site:
        body = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": config}
        answer = await site.client.post("/smart/v1beta/models/a:generateContent", json=body)
        assert answer.status_code in (400, 403)
        assert site.ups["openai"].seen == []


MOVED = """rules:
- id: away
  match: {services: [mistral]}
  then: {disposition: redirect, route: smart}
"""
LESSON = """- id: lesson
  match: {services: [anthropic]}
  reason: read this
  then: {disposition: coach}
"""


@pytest.mark.parametrize("stream", [False, True])
async def test_a_redirect_is_carried_over(tmp_path, authority, stream):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}, policy=MOVED) as site:
        async with site.worker.client(headers={"authorization": f"Bearer {CLIENTS_KEY}"}) as client:
            body = asked(CHAT, *(("stream",) if stream else ()))
            answer = await client.post("https://api.mistral.ai/v1/chat/completions", json=body)
        assert (answer.status_code, answer.headers["x-gnomon-route"]) == (200, "smart")
        assert SAID in (words(answer) if stream else answer.json()["choices"][0]["message"]["content"])
        seen = site.seen("anthropic")
        assert (seen.path, seen.headers["x-api-key"]) == ("/v1/messages", "sk-anthropic")
        assert CLIENTS_KEY not in str(seen.headers)
        assert {"route:smart", "credentials_stripped", "dialect:anthropic.messages"} <= set(site.opened["edits"])
        assert site.closed["attempts"][0]["service"] == "anthropic"


async def test_a_redirect_of_what_cannot_be_carried_is_refused_with_the_reason(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}, policy=MOVED) as site:
        async with site.worker.client(headers={"authorization": f"Bearer {CLIENTS_KEY}"}) as client:
            whole = await client.post("https://api.mistral.ai/v1/chat/completions", json=asked(CHAT) | {"n": 2})
            other = await client.post("https://api.mistral.ai/v1/embeddings", json={"model": "x", "input": "y"})
        assert (whole.status_code, other.status_code) == (400, 403)
        assert "n: " in whole.text
        assert "cannot be carried over to Anthropic API" in other.text
        assert site.ups["anthropic"].seen == []
        assert [one["outcome"] for one in site.worker.events("close")] == ["blocked", "blocked"]


async def test_a_redirect_to_what_has_to_be_read_about_first_stops(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}, policy=MOVED + LESSON) as site:
        async with site.worker.client(headers={"authorization": f"Bearer {CLIENTS_KEY}"}) as client:
            answer = await client.post("https://api.mistral.ai/v1/chat/completions", json=asked(CHAT))
        assert answer.status_code == 403
        assert "read this" in answer.text
        assert site.ups["anthropic"].seen == []


async def test_in_stage_observe_a_route_works_all_the_same(tmp_path, authority):
    scripts = {"anthropic": spoken("Take ", TOKEN, ".")}
    async with site_of(tmp_path, authority, scripts, stage=Stage.OBSERVE) as site:
        answer = await ask(site, prompt("hi"))
        assert words(answer) == f"Take {TOKEN}."
        assert site.closed["outcome"] == "completed"
