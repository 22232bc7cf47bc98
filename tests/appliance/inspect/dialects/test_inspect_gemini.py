"""Gemini beside its fixtures: both ways of writing names, hostile shapes, and the ends that we put ourselves."""

import json

import pytest

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.gemini import EMBED, GENERATE
from appliance.inspect.dialects.gemini_events import MAX_INDEX, GeminiEvents, error_body, read_usage
from appliance.inspect.dialects.gemini_live import LIVE, LiveEvents
from appliance.inspect.dialects.gemini_places import carried, roots
from appliance.inspect.dialects.gemini_words import NAMES, SNAKE
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.events import Event, Framing
from appliance.inspect.stream.watch import Decided
from appliance.model.detection import Selector

CALL = Call("POST", "/v1beta/models/g-1:generateContent")


def texts_of(body):
    view = GENERATE.request(json.dumps(body).encode(), CALL)
    return {(one.role, one.channel, one.text) for one in view.segments}, view


@pytest.mark.parametrize(
    ("path", "api", "model"),
    [
        ("/v1beta/models/gemini-2.5-pro:generateContent", "gemini.generate", "gemini-2.5-pro"),
        ("/v1alpha/models/g:streamGenerateContent", "gemini.generate", "g"),
        ("/v1/projects/p/locations/l/publishers/google/models/g%2D2:countTokens", "gemini.generate", "g-2"),
        ("/v1/projects/p/locations/l/endpoints/123:generateContent", "gemini.generate", "123"),
        ("/gateway/v1beta/tunedModels/mine:generateContent", "gemini.generate", "mine"),
        ("/v1internal:generateContent", "gemini.generate", None),
        ("/v1beta/cachedContents", "gemini.generate", None),
        ("/v1beta/models/e:batchEmbedContents", "gemini.embed", "e"),
        ("/v1beta/models/g:predict", None, None),
        ("/v1beta/models/g:generateContent/x", None, None),
    ],
)
def test_paths(path, api, model):
    speaking = [dialect for dialect in (GENERATE, EMBED) if dialect.matches("POST", path)]
    assert [dialect.api for dialect in speaking] == ([api] if api else [])
    assert not any(dialect.matches("GET", path) for dialect in speaking)
    for dialect in speaking:
        assert dialect.request(b"{}", Call("POST", path)).model == model


def test_both_ways_of_writing_a_name_are_one():
    camel = {"systemInstruction": {"parts": [{"text": "s"}]}, "generationConfig": {"maxOutputTokens": 5}}
    snake = {"system_instruction": {"parts": [{"text": "s"}]}, "generation_config": {"max_output_tokens": 5}}
    assert texts_of(camel)[0] == texts_of(snake)[0] == {("system", "content", "s")}
    assert texts_of(camel)[1].max_tokens == texts_of(snake)[1].max_tokens == 5
    assert texts_of({**camel, **snake})[1].problem == "duplicate_key"
    assert {SNAKE[name].encode() for name in SNAKE} <= set(NAMES)


def test_one_object_stands_for_a_list_of_one():
    told, _ = texts_of({"contents": {"role": "model", "parts": {"text": "alone"}}})
    assert told == {("assistant", "content", "alone")}


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"7", b"{", b""])
def test_what_is_no_request(body):
    with pytest.raises(MalformedBody):
        GENERATE.request(body, CALL)


def test_a_property_called_parts_is_a_declaration():
    schema = {"properties": {"parts": {"description": "which parts"}}}
    told, _ = texts_of({"tools": [{"functionDeclarations": [{"name": "f", "parameters": schema}]}]})
    assert told == {("developer", "name", "f"), ("developer", "description", "which parts")}


def test_wrapping_has_an_end():
    body = {"contents": [{"parts": [{"text": "deep"}]}]}
    for _ in range(30):
        body = {"request": body}
    assert len(roots(body)) < 12
    assert ("unknown", "content", "deep") in texts_of(body)[0]
    assert carried(roots(body)).roles == {}


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        (None, None),
        ({}, None),
        ({"promptTokenCount": 3, "responseTokenCount": 2}, (3, 2)),
        ({"prompt_token_count": 3, "candidates_token_count": 2, "thoughts_token_count": 4}, (3, 6)),
        ({"promptTokenCount": -1, "candidatesTokenCount": 2**60}, None),
        ({"promptTokenCount": "7"}, None),
    ],
)
def test_usage(told, tokens):
    usage = read_usage(told)
    assert (usage and (usage.input_tokens, usage.output_tokens)) == tokens


@pytest.mark.parametrize("index", [-5, True, "x", None, 10**12, 1.5])
def test_an_index_that_is_none(index):
    reader = GeminiEvents(Framing.SSE)
    first = {"index": index, "content": {"parts": [{"text": "t"}]}, "finishReason": "STOP"}
    view = reader.read(Event("", json.dumps({"candidates": [first, {"index": 7, "finishReason": "STOP"}]}).encode()))
    number = MAX_INDEX if index == 10**12 else 0
    assert [text.channel for text in view.texts if text.text == "t"] == [f"{number}/content"]
    assert view.closes == (f"{number}/", "7/")
    assert reader.told().done


def test_a_reason_to_finish_in_every_chunk_ends_no_text():
    reader = GeminiEvents(Framing.SSE)
    chunk = {"candidates": [{"content": {"parts": [{"text": "t"}]}, "finishReason": "STOP"}]}
    assert [reader.read(Event("", json.dumps(chunk).encode())).closes for _ in range(3)] == [()] * 3


def test_an_argument_of_the_next_call_begins_anew():
    def piece(text, *, more):
        argument = {"jsonPath": "$.city", "stringValue": text} | ({"willContinue": True} if more else {})
        part = {"functionCall": {"name": "f", "partialArgs": [argument]}}
        event = Event("", json.dumps({"candidates": [{"content": {"parts": [part]}}]}).encode())
        view = reader.read(event)
        return next(one.channel for one in view.texts if one.text == text), view.closes

    reader = GeminiEvents(Framing.SSE)
    first, second = "0/arguments/$.city", "0/arguments/$.city.1"
    assert piece("Par", more=True) == (first, ())
    assert piece("is", more=False) == (first, (first,))
    assert piece("Rome", more=False) == (second, (second,))


def test_an_early_end_is_an_error_in_its_form():
    sse, array = GeminiEvents(Framing.SSE), GeminiEvents(Framing.JSON_ARRAY)
    assert json.loads(sse.ending("policy").removeprefix(b"data: "))["error"]["status"] == "FAILED_PRECONDITION"
    assert json.loads(array.ending("policy"))[0]["error"]["code"] == 499
    array.read(Event("", b"{}"))
    assert len(json.loads(b"[{}" + array.ending("policy"))) == 2


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("before", [b"", b"[", b'[{"a":1}', b'[{"a":1},\r\n', b'[{"a":1},{"a":2}\n'])
def test_an_array_that_is_cut_is_an_array(before, size):
    edit = StreamEditor(GeminiEvents(Framing.JSON_ARRAY), Anything(), hides=(Selector(kinds=("secret",)),), ends=())
    out = [piece for at in range(0, len(before), size) for piece in edit.feed(before[at : at + size])]
    answer = json.loads(b"".join([*out, *edit.cut("policy")]))
    assert answer[:-1] == [{"a": 1}, {"a": 2}][: before.count(b"{")]
    assert answer[-1]["error"]["code"] == 499


class Anything:
    """Finds nothing."""

    classes = ("secret",)
    restores = False

    def watch(self, *_):
        raise AssertionError("nothing grows here")

    def whole(self, _, text, *__):
        return Decided(len(text)), ()


def test_a_refusal_is_a_status():
    kind, body = GENERATE.refusal(403, "blocked", "Not here", stream=True)
    error = json.loads(body)["error"]
    assert (kind, error["code"], error["status"], error["message"]) == (
        "application/json",
        403,
        "PERMISSION_DENIED",
        "Not here",
    )
    assert json.loads(error_body(500, "c", "m"))["error"]["status"] == "INTERNAL"


@pytest.mark.parametrize(
    ("method", "path", "speaks"),
    [
        ("GET", "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", True),
        ("GET", "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent", True),
        ("POST", "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", False),
        ("GET", "/v1beta/models", False),
    ],
)
def test_the_live_api_begins_with_a_get(method, path, speaks):
    assert LIVE.matches(method, path) is speaks
    assert LIVE.events(Call(method, path), "text/event-stream") is None


def test_a_live_connection_ends_with_an_error_message():
    reader = LiveEvents()
    assert reader.read(Event("", b"[")).malformed
    assert json.loads(reader.ending("policy"))["error"]["code"] == 499
    blob = {"realtimeInput": {"mediaChunks": [{"mimeType": "image/png", "data": "iVBORw0KGgoA" * 9}]}}
    view = LIVE.request(json.dumps(blob).encode(), Call("GET", "/ws/BidiGenerateContent"))
    assert [span.reason for span in view.opaque] == ["image"]
