"""Answers on their way down: what policy hides does not arrive, all else as it came, and the record says both."""

import json

import httpx
import pytest
from tests_support import HOST
from worker_world import worker_at

from addons.streaming import StreamingAddon
from appliance.config.schema import Egress, PolicyConfig
from appliance.inspect.dialects.openai_chat import OpenAIChat
from appliance.inspect.inspection import Inspector, ResponseInspection
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.watching import Watching
from appliance.model.names import Stage
from appliance.standin.saying import TOOL, turned

URL = f"https://{HOST}/v1/chat/completions"
KEY = "AKIA" + "IOSFODNN7SAMPLED"
TEXT = f'It is "{KEY}", naïve 😀 — take care of it.'
CHANNELS = {"content": "content", "reasoning": "reasoning_content"}


def asking(text: str, model: str = "stand-in-say", *, stream: bool = True, **more) -> dict:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": turned(text)}], **more}


async def ask(worker, body: dict, **headers: str) -> httpx.Response:
    async with worker.client() as client:
        return await client.post(URL, json=body, headers=headers)


def closed(worker, outcome: str | None = None) -> dict:
    """The one close record of a worker that has stopped."""
    (found,) = worker.events("close")
    assert outcome is None or found["outcome"] == outcome
    return found


def told(answer: httpx.Response, channel: str) -> str:
    """What the deltas of a channel make together."""
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in event.get("choices", [])]
    if channel == "arguments":
        calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
        return "".join(call["function"]["arguments"] for call in calls)
    return "".join(delta.get(CHANNELS[channel]) or "" for delta in deltas)


async def test_a_key_split_over_deltas_does_not_arrive(provider, tmp_path):
    cases = [(channel, size) for channel in ("content", "reasoning", "arguments") for size in (1, 3, 7, 500)]
    async with worker_at(tmp_path, provider) as worker:
        for channel, size in cases:
            text = json.dumps({"note": TEXT}) if channel == "arguments" else TEXT
            answer = await ask(worker, asking(text, f"stand-in-say.{channel}.{size}"))
            assert told(answer, channel) == text.replace(KEY, "<AWS_ACCESS_KEY_ID>"), (channel, size)
            assert answer.text.endswith("data: [DONE]\n\n")
            assert "content-length" not in answer.headers
            assert "content-digest" not in answer.headers
            assert answer.headers["etag"] == "one"
    records = worker.events("close")
    assert len(records) == len(cases)
    for record in records:
        secrets = [label for label in record["labels"] if label["kind"] == "secret"]
        assert [(label["entity"], label["count"]) for label in secrets] == [("AWS_ACCESS_KEY_ID", 1)]
        assert (record["outcome"], record["redactions"]) == ("completed", 1)
        assert record["coverage"]["length"] == record["response_bytes"]
    assert KEY not in worker.journal()


async def test_what_holds_nothing_arrives_byte_for_byte(provider, tmp_path):
    body = asking("Nothing to see here, naïve 😀.", stream_options={"include_usage": True})
    async with httpx.AsyncClient(verify=False) as direct:  # noqa: S501 - the stand-in itself
        straight = await direct.post(
            f"https://127.0.0.1:{provider.port}/v1/chat/completions", json=body, headers={"host": HOST}
        )
    async with worker_at(tmp_path, provider) as worker:
        assert (await ask(worker, body)).content == straight.content
    record = closed(worker, "completed")
    assert record["coverage"]["text_scanned"] > 0
    assert record.get("edits", []) == []
    assert record["usage"]["output_tokens"] == 8


@pytest.mark.parametrize("model", ["stand-in-say", "stand-in-say.gzip", "stand-in-say.odd"])
async def test_stage_observe_changes_no_byte_and_records(provider, tmp_path, model):
    body = asking(TEXT, model)
    place = f"https://127.0.0.1:{provider.port}/v1/chat/completions"
    async with (
        httpx.AsyncClient(verify=False, headers={"host": HOST}) as direct,  # noqa: S501 - the stand-in itself
        direct.stream("POST", place, json=body) as straight,
    ):
        raw = b"".join([chunk async for chunk in straight.aiter_raw()])
    async with (
        worker_at(tmp_path, provider, Stage.OBSERVE) as worker,
        worker.client() as client,
        client.stream("POST", URL, json=body) as answer,
    ):
        assert b"".join([chunk async for chunk in answer.aiter_raw()]) == raw
        assert answer.headers.get("content-encoding", "") == model.partition("say")[2].strip(".")
    record = closed(worker, "completed")
    assert record["redactions"] == 0
    if model.endswith("odd"):
        assert record["coverage"]["opaque"] == {"encoded": len(raw)}
    else:
        assert {label["entity"] for label in record["labels"]} >= {"AWS_ACCESS_KEY_ID"}
    assert worker.events("open")[0]["verdict"]["answer_hides"]


async def test_usage_is_asked_for_and_does_not_reach_who_did_not_ask(provider, tmp_path):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker:
        answer = await ask(worker, asking("Plain."))
    record = closed(worker)
    (arrival,) = provider.arrivals()[before:]
    assert json.loads(arrival["body"])["stream_options"] == {"include_usage": True}
    assert '"usage"' not in answer.text
    assert record["usage"] == {"input_tokens": 12, "output_tokens": 8}
    assert record["edits"] == ["usage_dropped"]
    assert worker.events("open")[0]["edits"] == ["include_usage"]


async def test_an_encoded_stream_is_edited_and_an_unknown_coding_refused(provider, tmp_path):
    async with worker_at(tmp_path / "gzip", provider) as worker:
        answer = await ask(worker, asking(TEXT, "stand-in-say.gzip"))
    record = closed(worker)
    assert told(answer, "content") == TEXT.replace(KEY, "<AWS_ACCESS_KEY_ID>")
    assert "content-encoding" not in answer.headers
    assert "decoded" in record["edits"]
    async with worker_at(tmp_path / "odd", provider) as worker:
        answer = await ask(worker, asking(TEXT, "stand-in-say.odd"))
    record = closed(worker, "blocked")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "unreadable_answer")
    assert record["reason"] == "unreadable: unknown_encoding"


@pytest.mark.parametrize("coding", ["", ".gzip"])
async def test_an_answer_in_one_piece_is_edited_in_place(provider, tmp_path, coding):
    async with worker_at(tmp_path, provider) as worker:
        answer = await ask(worker, asking(TEXT, f"stand-in-say{coding}", stream=False))
    record = closed(worker, "completed")
    assert answer.json()["choices"][0]["message"]["content"] == TEXT.replace(KEY, "<AWS_ACCESS_KEY_ID>")
    assert "content-digest" not in answer.headers
    assert record["redactions"] == 1
    assert record["coverage"]["text_scanned"] > 0
    assert record["usage"]["input_tokens"] == 12


async def test_a_large_answer_in_one_piece_is_read_beside_the_loop(provider, tmp_path):
    text = "word " * 20_000 + KEY
    async with worker_at(tmp_path, provider) as worker:
        answer = await ask(worker, asking(text, stream=False))
    record = closed(worker, "completed")
    assert answer.json()["choices"][0]["message"]["content"] == text.replace(KEY, "<AWS_ACCESS_KEY_ID>")
    assert record["redactions"] == 1


async def test_a_plain_answer_that_nobody_can_read_is_not_let_through(provider, tmp_path):
    async with worker_at(tmp_path, provider) as worker:
        answer = await ask(worker, asking(TEXT, "stand-in-say.odd", stream=False))
    record = closed(worker, "blocked")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "unreadable_answer")
    assert KEY not in answer.text
    assert record["reason"] == "unreadable: unknown_encoding"


@pytest.mark.parametrize("coding", ["", ".chunked"])
async def test_an_answer_that_is_too_large_to_be_held_is_not_let_through(provider, tmp_path, coding):
    hosts = {f"{HOST}:443": f"127.0.0.1:{provider.port}"}
    egress = Egress(ca_bundle=str(provider.ca), hosts=hosts, max_body_bytes=4096)
    async with worker_at(tmp_path, provider, egress=egress) as worker:
        assert (await ask(worker, asking("word " * 600, f"stand-in-say{coding}", stream=False))).status_code == 200
        answer = await ask(worker, asking("word " * 785, f"stand-in-say{coding}", stream=False))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "unreadable_answer")
    record = worker.events("close")[1]
    assert (record["outcome"], record["reason"]) == ("blocked", "unreadable: too_large")


ENDING = """
rules:
  - id: no-keys-back
    match: {ai: true, labels: {kinds: [secret], min_score: 0.5}, directions: [response]}
    then: {disposition: block}
    reason: Keys do not come out of models.
"""


@pytest.mark.parametrize("stream", [True, False])
async def test_a_rule_ends_the_answer_before_what_it_is_about(provider, tmp_path, stream):
    (tmp_path / "policy.yaml").write_text(ENDING)
    rules = PolicyConfig(file=str(tmp_path / "policy.yaml"))
    async with worker_at(tmp_path, provider, policy=rules) as worker:
        answer = await ask(worker, asking(TEXT, stream=stream))
    record = closed(worker, "blocked")
    assert KEY[:8] not in answer.text
    if stream:
        assert told(answer, "content") == "It is "  # what shares an event with the key goes with it
        assert answer.text.endswith("data: [DONE]\n\n")
        assert '"error"' in answer.text
    else:
        assert answer.status_code == 403
        assert answer.json()["error"]["message"] == "Keys do not come out of models."
        assert record["reason"] == "rule: no-keys-back"


async def test_a_function_that_nobody_declared_is_a_label(provider, tmp_path):
    tool = {"type": "function", "function": {"name": TOOL, "parameters": {}}}
    async with worker_at(tmp_path / "undeclared", provider) as worker:
        await ask(worker, asking('{"a":1}', "stand-in-say.arguments"))
    record = closed(worker)
    assert record["tools_called"] == [TOOL]
    assert ("UNDECLARED_TOOL", "output") in [(label["entity"], label["kind"]) for label in record["labels"]]
    async with worker_at(tmp_path / "declared", provider) as worker:
        await ask(worker, asking('{"a":1}', "stand-in-say.arguments", stream=False, tools=[tool]))
    record = closed(worker)
    assert record["tools_called"] == [TOOL]
    assert "UNDECLARED_TOOL" not in {label["entity"] for label in record["labels"]}
    assert worker.events("open")[0]["facts"]["tools_declared"] == [TOOL]


async def test_an_upstream_that_stops_half_way_leaves_a_record_that_says_so(provider, tmp_path):
    async with worker_at(tmp_path, provider) as worker:
        with pytest.raises(httpx.HTTPError):
            await ask(worker, asking("x", "stand-in-cut"))
    record = closed(worker, "upstream_abort")
    assert record["response_bytes"] > 0
    assert record["coverage"]["length"] == record["response_bytes"]
    assert record["usage"]["estimated"]


class BrokenError(Exception):
    """What is thrown."""


def broken(*_: object, **__: object) -> None:
    raise BrokenError(f"a message that holds {KEY}")


BREAKABLE = [
    (StreamingAddon, "responseheaders", True),
    (StreamingAddon, "responseheaders", False),
    (StreamingAddon, "response", False),
    (Inspector, "response", False),
    (ResponseInspection, "edited", False),
    (StreamEditor, "feed", True),
    (Watching, "watch", True),
    (OpenAIChat, "events", True),
    (OpenAIChat, "response", False),
]


CASES = [(*fault, Stage.ENFORCE) for fault in BREAKABLE]
CASES += [(*fault, Stage.OBSERVE) for fault in BREAKABLE if fault[1] in ("responseheaders", "feed")]
CASES += [(Inspector, "response", False, Stage.OBSERVE)]


@pytest.mark.parametrize(
    ("owner", "name", "stream", "stage"), CASES, ids=lambda part: getattr(part, "__name__", str(part))
)
async def test_a_fault_on_the_way_down_closes_or_passes_and_is_recorded(
    provider, tmp_path, monkeypatch, owner, name, stream, stage
):
    def break_it() -> None:
        monkeypatch.setattr(owner, name, broken)

    hook = owner is StreamingAddon
    if hook:  # hooks are looked up when the chain is made
        break_it()
    started = None if hook else break_it
    async with worker_at(tmp_path, provider, stage, started=started) as worker:
        try:
            answer = await ask(worker, asking(TEXT, "stand-in-say.500", stream=stream))
        except httpx.HTTPError:
            answer = None
    assert "guard_fault" in worker.journal()
    assert KEY not in worker.journal()
    if stage is Stage.OBSERVE:
        assert KEY in answer.text
    elif answer is not None:
        assert KEY[:8] not in answer.text
        assert stream or answer.status_code == 503
    if name != "response" or not hook:
        assert closed(worker)["outcome"] == ("failed_closed" if stage is Stage.ENFORCE else "completed")


async def test_after_a_fault_a_stream_ends_with_an_error_of_its_own_form(provider, tmp_path, monkeypatch):
    async with worker_at(
        tmp_path, provider, started=lambda: monkeypatch.setattr(StreamEditor, "feed", broken)
    ) as worker:
        answer = await ask(worker, asking(TEXT))
    assert answer.text.startswith('\n\ndata: {"error":')
    assert closed(worker, "failed_closed")["coverage"]["opaque"].keys() == {"inspection_failed"}
