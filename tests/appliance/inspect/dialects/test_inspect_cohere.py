"""Cohere's dialects beyond their fixtures: paths of both versions, what repeats, what is billed, ends of streams."""

import json

import pytest
from fixtures_world import cut

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.cohere import CHAT, EMBED, RERANK, Cohere
from appliance.inspect.dialects.cohere_events import ChatEvents, read_usage
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.stream.events import Event, Framing
from appliance.model.event import Usage


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v2/chat", CHAT),
        ("/gateway/v1/chat/", CHAT),
        ("/v2/embed", EMBED),
        ("/v1/rerank", RERANK),
        ("/v2/chat/completions", None),
        ("/chat", None),
        ("/v3/chat", None),
    ],
)
def test_which_calls_are_its_own(path, api):
    every = [Cohere(one) for one in (CHAT, EMBED, RERANK)]
    assert [one.api for one in every if one.matches("POST", path)] == ([api] if api else [])
    assert not any(one.matches("GET", path) for one in every)


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"billed_units": {"input_tokens": 1.0, "output_tokens": 2}, "tokens": {"input_tokens": 9}}, Usage(1, 2)),
        ({"tokens": {"input_tokens": 9, "output_tokens": 8}, "cached_tokens": 4.0}, Usage(9, 8, cached_tokens=4)),
        ({"billed_units": {"search_units": 1}}, None),
        ({"billed_units": {"input_tokens": 1.5, "output_tokens": -2}}, None),
        (7, None),
        (None, None),
    ],
)
def test_what_is_billed_goes_before_what_was_counted(told, usage):
    assert read_usage(told) == usage


def test_log_probabilities_are_marked_as_a_repeat_and_are_no_text():
    payload = json.dumps(
        {
            "type": "content-delta",
            "index": 0,
            "delta": {"message": {"content": {"text": "Ann"}}},
            "logprobs": {"text": "Ann", "token_ids": [4], "odd": {"x]": "Ann"}},
        }
    ).encode()
    view = ChatEvents(Framing.SSE).read(Event("content-delta", payload))
    assert [(text.text, text.channel) for text in view.texts] == [("Ann", "0/content")]
    ((start, end),) = view.repeats
    assert json.loads(payload[start:end])["odd"] == {"x]": "Ann"}


def test_an_argument_of_that_name_is_text():
    payload = b'{"event_type":"tool-calls-generation","tool_calls":[{"name":"f","parameters":{"logprobs":"Ann"}}]}'
    view = ChatEvents(Framing.NDJSON).read(Event("", payload))
    assert ("Ann", "arguments") in [(text.text, text.kind) for text in view.texts]
    assert view.repeats == ()


@pytest.mark.parametrize(("framing", "kind"), [(Framing.SSE, "message-end"), (Framing.NDJSON, "stream-end")])
def test_a_stream_that_we_end_is_read_as_an_error(framing, kind):
    reader = ChatEvents(framing)
    (event,) = cut(framing, reader.ending("policy"))
    told = json.loads(event.payload)
    assert kind in {told.get("type"), told.get("event_type")}
    assert any("policy" in text.text for text in reader.read(event).texts)
    assert (reader.told().error, reader.told().done) == (True, True)


def test_files_in_data_urls_are_handed_over():
    url = "data:text/plain;base64,VGhlIHRlbmFudCBpcyBBbm4gRXhhbXBsZSBvZiBCb25uLCBmaXJzdCBmbG9vci4="
    body = json.dumps({"inputs": [{"content": [{"type": "image_url", "image_url": {"url": url}}]}]}).encode()
    view = Cohere(EMBED).request(body, Call("POST", "/v2/embed"))
    assert any("Ann Example" in segment.text and segment.fixed for segment in view.segments)
    assert len(view.parts) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"7"])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(MalformedBody):
        Cohere(CHAT).request(body, Call("POST", "/v2/chat"))
