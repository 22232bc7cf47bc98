"""Calls of one dialect to targets of another, over real sockets: what arrives, what comes back, what is recorded."""

import gzip
import json

import httpx
import pytest
from carried_world import (
    CHAT,
    CLIENTS_KEY,
    FAILURE,
    GEMINI,
    MESSAGES,
    OLLAMA,
    RESPONSES,
    SAID,
    answers,
    asked,
    failure,
    path_of,
    says,
    site_of,
    streamed,
    whole,
)
from seam_world import TestAuthority

from addons.carrying import MAX_LOST, is_stream, lost, usage_of
from appliance.model.names import Stage
from appliance.route.translate import Loss
from appliance.route.translate.carriers import DIALECTS
from appliance.route.translate.conversation import Usage as Tokens
from appliance.route.translate.losses import Losses
from appliance.route.translate.said import gathered

SERVICE = {MESSAGES: "anthropic", GEMINI: "gemini", OLLAMA: "ollama", CHAT: "openai"}


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("carried-ca"))


def said(api, answer, *, stream):
    """What an answer in the dialect `api` says, read by its own reader."""
    if not stream:
        return DIALECTS[api].read_answer(answer.content, Losses())
    reader, events = DIALECTS[api].reader(Losses()), []
    for line in answer.content.split(b"\n"):
        payload = line.removeprefix(b"data: ").strip()
        if payload.startswith((b"{", b"[DONE]")):
            events += reader.read(payload)
    return gathered(events)


@pytest.mark.parametrize(
    ("source", "target"), [(CHAT, MESSAGES), (CHAT, GEMINI), (RESPONSES, OLLAMA), (MESSAGES, CHAT), (GEMINI, CHAT)]
)
async def test_a_call_arrives_in_the_targets_dialect_and_its_answer_in_the_callers(tmp_path, authority, source, target):
    name = SERVICE[target]
    async with site_of(tmp_path, authority, {name: answers(target, size=23)}) as site:
        for stream in (False, True):
            answer = await site.ask(source, *(("system", "stream") if stream else ("system",)))
            assert answer.status_code == 200
            told = said(source, answer, stream=stream)
            assert [part.text for part in told.parts][-1] == SAID
            assert told.model == "model-b"
            seen = site.ups[name].seen[-1]
            arrived = DIALECTS[target].read(seen.path, seen.body, Losses())
            assert (arrived.model, arrived.system, arrived.stream) == ("model-b", ("Be brief.",), stream)
            assert seen.headers["content-type"] == "application/json"
            assert CLIENTS_KEY not in str(seen.headers) + seen.path
            opened, closed = site.opened, site.closed
            assert opened["facts"]["api"] == source
            assert {f"dialect:{target}", f"target:{name}", "model:model-b"} <= set(opened["edits"])
            (attempt,) = closed["attempts"]
            assert (attempt["service"], attempt["model"], attempt["status"]) == (name, "model-b", 200)
            usage = closed["usage"]
            assert (usage["input_tokens"], usage["output_tokens"]) == (100, 20)
            assert usage.get("cached_tokens", 0) == (0 if target == OLLAMA else 40)
            assert (closed["outcome"], closed["model_served"], closed.get("labels", [])) == ("completed", "model-b", [])


async def test_a_callers_own_key_goes_where_the_target_looks_for_it(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}, credential="client") as site:
        assert (await site.ask()).status_code == 200
        headers = site.seen("anthropic").headers
        assert headers["x-api-key"] == CLIENTS_KEY
        assert "authorization" not in headers


async def test_who_asks_for_no_usage_gets_none_and_the_ledger_has_it(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}) as site:
        answer = await site.ask(CHAT, "stream", stream_options=None)
        assert "prompt_tokens" not in answer.text
        assert site.closed["usage"]["cached_tokens"] == 40
        asks = await site.ask(CHAT, "stream")
        assert '"prompt_tokens":100' in asks.text
        headers = site.ups["anthropic"].seen[0].headers
        assert (headers["x-api-key"], headers["anthropic-version"]) == ("sk-anthropic", "2023-06-01")
        assert "authorization" not in headers


async def test_over_to_a_target_of_another_dialect_before_the_first_byte(tmp_path, authority):
    models = {"openai": {"*": "gpt-x"}, "anthropic": {"*": "model-b"}}
    scripts = {"openai": says(503, failure(CHAT)), "anthropic": answers(MESSAGES)}
    async with site_of(tmp_path, authority, scripts, models=models) as site:
        answer = await site.ask(CHAT, "stream", user="somebody")
        assert answer.status_code == 200
        assert said(CHAT, answer, stream=True).model == "model-b"
        assert json.loads(site.seen("openai").body)["model"] == "gpt-x"
        assert site.seen("openai").headers["authorization"] == "bearer sk-openai"
        assert site.seen("anthropic").path == "/v1/messages"
        opened, closed = site.opened, site.closed
        assert not any(edit.startswith(("dialect:", "lost:")) for edit in opened["edits"])
        assert "dialect:anthropic.messages" in closed["edits"]
        assert [one["service"] for one in closed["attempts"]] == ["openai", "anthropic"]


async def test_over_to_a_target_that_takes_the_call_as_it_is(tmp_path, authority):
    models = {"anthropic": {"*": "model-b"}, "openai": {}}
    scripts = {"anthropic": says(529, failure(MESSAGES)), "openai": answers(CHAT)}
    async with site_of(tmp_path, authority, scripts, models=models) as site:
        body = asked(CHAT, "stream")
        answer = await site.client.post("/smart/v1/chat/completions", json=body)
        assert said(CHAT, answer, stream=True).model == "model-b"
        assert json.loads(site.seen("openai").body) == body
        assert site.seen("openai").headers["authorization"] == "bearer sk-openai"
        assert "x-api-key" not in site.seen("openai").headers
        assert site.closed["edits"] == []


@pytest.mark.parametrize("target", [GEMINI, MESSAGES])
async def test_an_error_comes_in_the_callers_shape(tmp_path, authority, target):
    status = 0

    async def failing(seen, reply):
        await says(status, failure(target), retry_after="7", location="https://elsewhere.test/")(seen, reply)

    async with site_of(tmp_path, authority, {SERVICE[target]: failing}) as site:
        for source in (CHAT, RESPONSES, MESSAGES, GEMINI, OLLAMA):
            for status, told in ((429, 429), (529, 503), (401, 401), (302, 502)):
                answer = await site.ask(source)
                if source == target:
                    assert answer.status_code == status
                    continue
                assert answer.status_code == told
                assert "location" not in answer.headers
                assert answer.headers["retry-after"] == "7"
                shape = answer.json()
                assert isinstance(shape["error"], str if source == OLLAMA else dict)
                assert (shape.get("type") == "error") == (source == MESSAGES)
                assert FAILURE in str(shape["error"])
                assert [one["status"] for one in site.closed["attempts"]] == [status]


async def test_compressed_answers_are_carried_over(tmp_path, authority):
    async def packed(seen, reply):
        stream = bool(json.loads(seen.body).get("stream"))
        data = streamed(MESSAGES, "chat") if stream else whole(MESSAGES, "chat")
        kind, sent = "text/event-stream" if stream else "application/json", gzip.compress(data)
        await reply.head(200, {"content-type": kind, "content-encoding": "gzip", "digest": "sha-256=x"})
        for at in range(0, len(sent), 50):
            await reply.chunk(sent[at : at + 50])
        await reply.end()

    async with site_of(tmp_path, authority, {"anthropic": packed}) as site:
        for stream in (False, True):
            answer = await site.ask(CHAT, *(("stream",) if stream else ()))
            assert not {"content-encoding", "digest"} & set(answer.headers)
            assert SAID in said(CHAT, answer, stream=stream).parts[-1].text


@pytest.mark.parametrize("stage", list(Stage))
async def test_what_cannot_be_unpacked_never_goes_on(tmp_path, authority, stage):
    async def broken(seen, reply):
        stream = bool(json.loads(seen.body).get("stream"))
        await reply.head(200, {"content-type": "text/event-stream" if stream else "application/json",
                               "content-encoding": "gzip"})  # fmt: skip
        await reply.chunk(b"message_start is not gzip")
        await reply.end()

    async with site_of(tmp_path, authority, {"anthropic": broken}, stage=stage) as site:
        whole_answer = await site.ask()
        assert whole_answer.status_code == 502
        answer = await site.ask(CHAT, "stream")
        assert "message_start" not in whole_answer.text + answer.text
        assert [one["outcome"] for one in site.worker.events("close")] == ["blocked", "blocked"]


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_torn_stream_ends_in_an_error_of_the_callers_dialect(tmp_path, authority, stage):
    how = ""

    async def torn(_seen, reply):
        await reply.head(200, {"content-type": "text/event-stream"})
        data = streamed(MESSAGES, "chat")
        await reply.chunk(data[: len(data) * 2 // 3])
        if how == "reset":
            raise ConnectionError
        await reply.end()

    async with site_of(tmp_path, authority, {"anthropic": torn}, stage=stage) as site:
        for how in ("ended", "reset"):
            found = []
            try:
                async with site.client.stream("POST", "/v1/chat/completions", json=asked(CHAT, "stream")) as answer:
                    async for line in answer.aiter_lines():
                        found.append(line)  # noqa: PERF401 - it may end in an exception
            except httpx.RemoteProtocolError:
                assert how == "reset"
            assert any('"error"' in line for line in found)
            assert '"finish_reason":"stop"' not in "".join(found)
            assert site.closed["outcome"] == "upstream_abort"


async def test_what_cannot_be_read_ends_the_stream_and_the_connection_to_the_target(tmp_path, authority):
    async def odd(seen, reply):
        await reply.head(200, {"content-type": "text/event-stream"})
        await reply.chunk(b'event: message_start\ndata: {"type": "message_start"\n\n')
        await seen.reset.wait()

    async with site_of(tmp_path, authority, {"anthropic": odd}) as site:
        answer = await site.ask(CHAT, "stream")
        assert '"error"' in answer.text
        assert (site.closed["outcome"], site.closed["reason"]) == ("upstream_abort", "torn")


async def test_a_target_that_answers_in_one_piece_where_a_stream_was_asked_for(tmp_path, authority):
    async def whole_only(_seen, reply):
        await reply.whole(200, whole(MESSAGES, "chat"))

    async with site_of(tmp_path, authority, {"anthropic": whole_only}) as site:
        answer = await site.ask(CHAT, "stream")
        assert answer.status_code == 502
        assert "in one piece" in answer.json()["error"]["message"]


async def test_what_was_answered_and_cannot_be_carried_is_counted_all_the_same(tmp_path, authority):
    odd = {
        "candidates": [{"finishReason": "OTHER"}],
        "usageMetadata": {"promptTokenCount": 70, "candidatesTokenCount": 9},
    }
    scripts = {"gemini": says(200, json.dumps(odd).encode())}
    async with site_of(tmp_path, authority, scripts) as site:
        assert (await site.ask()).status_code == 502
        usage = site.closed["usage"]
        assert (usage["input_tokens"], usage["output_tokens"], usage.get("estimated", False)) == (70, 9, False)


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
async def test_what_was_answered_and_cannot_be_read_is_estimated(tmp_path, authority, kind):
    async with site_of(tmp_path, authority, {"anthropic": says(200, b"<p>", content_type=kind)}) as site:
        for features in ((), ("stream",)):
            assert (await site.ask(CHAT, *features)).status_code >= 500
            assert site.closed["usage"]["estimated"]
            assert site.closed["usage"]["input_tokens"] > 0


async def test_what_cannot_be_carried_is_refused_before_anything_is_sent(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}) as site:
        for body, words in (
            ({"n": 2}, "n: "),
            ({"logit_bias": {"1": 5}}, "logit_bias"),
            ({"tools": [{"type": "web_search"}]}, "web_search"),
            ({"an_unknown_field": 1}, "an_unknown_field"),
        ):
            answer = await site.ask(CHAT, **body)
            assert answer.status_code == 400
            assert words in answer.json()["error"]["message"]
            assert answer.headers["x-gnomon-refusal"] == "not_carried_over"
            assert site.ups["anthropic"].seen == []
            assert (site.opened["verdict"]["effective"], site.opened["sent_digest"]) == ("block", "")
            assert words in site.opened["verdict"]["reason"]
            assert (site.closed["outcome"], site.closed["status"]) == ("blocked", 400)


async def test_who_takes_a_call_as_it_is_gets_what_cannot_be_carried(tmp_path, authority):
    models = {"anthropic": {"*": "model-b"}, "openai": {}}
    scripts = {"anthropic": answers(MESSAGES), "openai": answers(CHAT)}
    async with site_of(tmp_path, authority, scripts, models=models) as site:
        assert (await site.ask(CHAT, n=2)).status_code == 200
        assert site.ups["anthropic"].seen == []
        assert json.loads(site.seen("openai").body)["n"] == 2


async def test_a_model_without_a_name_there_is_refused_with_the_key_to_set(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}, models={"other": "model-b"}) as site:
        answer = await site.ask()
        assert answer.status_code == 404
        message = answer.json()["error"]["message"]
        assert "gateway.routes.smart.models" in message
        assert "model-a" in message
        assert site.ups["anthropic"].seen == []
        assert (await site.ask(CHAT, model="other")).status_code == 200


async def test_what_is_left_out_is_told_and_hides_what_policy_hides(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}) as site:
        answer = await site.client.post(
            "/v1/chat/completions?trace=1", json=asked(CHAT) | {"seed": 5, "service_tier": "auto", "store": False}
        )
        assert answer.status_code == 200
        assert {"lost:seed", "lost:service_tier", "lost:query.trace"} <= set(site.opened["edits"])


async def test_other_calls_are_not_carried(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}) as site:
        for call in ("/v1/embeddings", "/v1/files"):
            answer = await site.client.post(call, json={"model": "model-a", "input": "x"})
            assert answer.status_code == 403
            assert site.opened["verdict"]["effective"] == "block"
            assert site.ups["anthropic"].seen == []


async def test_a_body_that_can_be_read_in_two_ways_is_not_carried(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}) as site:
        twice = b'{"model":"model-a","model":"model-a","messages":[{"role":"user","content":"hi"}]}'
        answer = await site.client.post(
            "/v1/chat/completions", content=twice, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 403
        assert "two ways" in answer.json()["error"]["message"]
        assert site.ups["anthropic"].seen == []


async def test_a_path_of_the_services_own_is_left_to_it(tmp_path, authority):
    async with site_of(tmp_path, authority, {"gemini": answers(CHAT)}, models={}) as site:
        answer = await site.client.post("/smart/v1beta/openai/chat/completions", json=asked(CHAT))
        assert answer.status_code == 200
        assert site.seen("gemini").path == "/v1beta/openai/chat/completions"
        assert json.loads(site.seen("gemini").body) == asked(CHAT)


async def test_compressed_requests_are_carried_over(tmp_path, authority):
    async with site_of(tmp_path, authority, {"anthropic": answers(MESSAGES)}) as site:
        packed = gzip.compress(json.dumps(asked(CHAT)).encode())
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        assert (await site.client.post(path_of(CHAT), content=packed, headers=headers)).status_code == 200
        seen = site.seen("anthropic")
        assert "content-encoding" not in seen.headers
        assert json.loads(seen.body)["model"] == "model-b"


@pytest.mark.parametrize(
    ("dialect", "kind", "is_one"),
    [
        (MESSAGES, "text/event-stream; charset=utf-8", True),
        (MESSAGES, "application/json", False),
        (GEMINI, "application/json", True),
        (OLLAMA, "application/x-ndjson", True),
        (CHAT, "", False),
    ],
)
def test_what_is_a_stream(dialect, kind, is_one):
    assert is_stream(dialect, kind) == is_one


def test_what_a_target_counts_is_bounded():
    assert usage_of(None) is None
    told = usage_of(Tokens(input=10**30, output=-5, cached=3, audio_input=2))
    assert (told.input_tokens, told.output_tokens, told.cached_tokens) == (2**48, 0, 3)
    assert told.audio_input_tokens == 2


def test_losses_are_few_and_looked_at():
    many = [Loss(f"field{number}", "") for number in range(1000)]
    assert len(lost(many, str)) == MAX_LOST
    assert lost([Loss("a-secret", ""), Loss("a-secret", "")], lambda _: "<KEY>") == ("lost:<KEY>",)
