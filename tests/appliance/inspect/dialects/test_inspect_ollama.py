"""Ollama beside its fixtures: what asks for a stream, paths that others use too, and the end that we put."""

import json

import pytest

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.ollama import CHAT, EMBED, GENERATE
from appliance.inspect.dialects.ollama_events import OllamaEvents, read_usage
from appliance.inspect.dialects.ollama_words import NAMES
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.stream.events import Event, Framing
from appliance.model.event import Usage

CALL = Call("POST", "/api/chat", "application/json")


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/api/chat", "ollama.chat"),
        ("/ollama/api/chat/", "ollama.chat"),
        ("/api/generate", "ollama.generate"),
        ("/api/embed", "ollama.embed"),
        ("/api/embeddings", "ollama.embed"),
        ("/api/chats", None),
        ("/api/tags", None),
        ("/v1/embeddings", None),
    ],
)
def test_paths(path, api):
    speaking = [dialect.api for dialect in (CHAT, GENERATE, EMBED) if dialect.matches("POST", path)]
    assert speaking == ([api] if api else [])


@pytest.mark.parametrize(("given", "stream"), [({}, True), ({"stream": True}, True), ({"stream": False}, False)])
def test_a_stream_is_what_happens_unasked(given, stream):
    body = json.dumps({"model": "m", **given}).encode()
    assert CHAT.request(body, CALL).stream is stream
    assert EMBED.request(body, CALL).stream is False


def test_what_names_no_model_is_read_by_the_walker():
    view = CHAT.request(b'{"text": "Ann"}', Call("POST", "/api/chat", ""))
    assert (view.api, [one.text for one in view.segments]) == (None, ["text", "Ann"])


def test_what_is_no_json_though_it_says_so():
    with pytest.raises(MalformedBody):
        CHAT.request(b'{"model":', CALL)
    with pytest.raises(MalformedBody):
        CHAT.response(b"[]", CALL, "application/json")


def test_rows_of_few_numbers_are_no_token_ids():
    body = json.dumps({"model": "m", "prompt": "p", "options": {"x": [1, 2]}, "context": list(range(20))}).encode()
    view = GENERATE.request(body, CALL)
    assert [(span.reason, body[span.start : span.end][:4]) for span in view.opaque] == [("token_ids", b"0, 1")]


def test_token_ids_of_an_answer_repeat_it_and_those_of_an_argument_do_not():
    reader = OllamaEvents(Framing.NDJSON)
    call = {"function": {"name": "f", "arguments": {"context": [1, 2], "who": '{"a":"b"}'}}}
    payload = json.dumps({"message": {"tool_calls": [call]}, "context": [5, 6], "done": True}).encode()
    view = reader.read(Event("", payload))
    assert [payload[start:end] for start, end in view.repeats] == [b"[5, 6]"]
    assert [(text.kind, text.text) for text in view.texts if text.kind != "name"] == [("arguments", '{"a":"b"}')]
    assert view.closes == ("",)


def test_usage_of_a_prompt_that_was_cached():
    assert read_usage({"eval_count": 3}) == Usage(output_tokens=3)
    assert read_usage({}) is None


@pytest.mark.parametrize(("framing", "lead"), [(Framing.NDJSON, b""), (Framing.SSE, b"data: ")])
def test_an_early_end_is_an_error_line(framing, lead):
    ending = OllamaEvents(framing).ending("policy")
    assert ending.endswith(b"\n")
    assert "policy" in json.loads(ending.removeprefix(lead))["error"]


def test_a_refusal_is_an_error_string():
    assert json.loads(CHAT.refusal(403, "blocked", "Not here", stream=True)[1]) == {"error": "Not here (blocked)"}
    assert {b"context", b"logprobs"} & set(NAMES) == set(), "they must be seen, so that they can be taken out"
