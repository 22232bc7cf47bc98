"""Responses and realtime: pieces find their text by output or item, done events close it, repeats stand alone."""

import json
import typing

import pytest
from openai.types.beta.realtime import realtime_server_event as beta
from openai.types.realtime import realtime_client_event, realtime_server_event
from openai.types.responses import response_stream_event, responses_server_event

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.openai_event_forms import ENDS
from appliance.inspect.dialects.openai_event_words import EVENTS
from appliance.inspect.dialects.openai_items import NAMES, speaker
from appliance.inspect.dialects.openai_realtime import OpenAIRealtime
from appliance.inspect.dialects.openai_responses import OpenAIResponses
from appliance.inspect.dialects.openai_usage import read_timings, read_usage
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.stream.events import Event, Framing, Told
from appliance.model.event import Usage

RESPONSES, REALTIME = OpenAIResponses(), OpenAIRealtime()
CALL = Call("POST", "/v1/responses", "application/json")
TALK = Call("GET", "/v1/realtime?model=gpt-realtime")


def event(type_, **said):
    return Event(type_, json.dumps({"type": type_, **said}).encode())


def on_stream():
    return RESPONSES.events(CALL, "text/event-stream")


def in_talk():
    return REALTIME.events(TALK, "websocket")


def pieces(view):
    return [(text.channel, text.kind, text.role, text.text) for text in view.texts if text.channel]


PLACE = {"output_index": 2, "content_index": 1, "item_id": "i", "sequence_number": 7}


@pytest.mark.parametrize(
    ("stem", "channel", "kind"),
    [
        ("output_text", "2/1/content", "content"),
        ("refusal", "2/1/refusal", "refusal"),
        ("reasoning_text", "2/1/reasoning", "reasoning"),
        ("reasoning_summary_text", "2/1/summary", "reasoning"),
        ("function_call_arguments", "2/1/arguments", "arguments"),
        ("mcp_call_arguments", "2/1/arguments", "arguments"),
        ("custom_tool_call_input", "2/1/custom_tool_call_input", "content"),
        ("code_interpreter_call_code", "2/1/code_interpreter_call_code", "content"),
        ("audio.transcript", "2/1/transcript", "content"),
        ("kind_of_next_year", "2/1/kind_of_next_year", "content"),
    ],
)
def test_a_delta_belongs_to_its_channel_and_its_done_event_closes_it(stem, channel, kind):
    reader = on_stream()
    view = reader.read(event(f"response.{stem}.delta", delta="pie", **PLACE))
    assert pieces(view) == [(channel, kind, "assistant", "pie")]
    assert view.numbered
    done = reader.read(event(f"response.{stem}.done", text="piece", **PLACE))
    assert done.closes == (channel,)
    assert ("assistant", kind, "piece") in [(text.role, text.kind, text.text) for text in done.texts]


@pytest.mark.parametrize(
    ("type_", "said", "closes"),
    [
        ("response.content_part.done", PLACE, ("2/1/",)),
        (
            "response.reasoning_summary_part.done",
            {**PLACE, "summary_index": 3, "content_index": None},
            ("2/3/summary",),
        ),
        ("response.output_item.done", {"output_index": 2, "item": {"id": "x"}}, ("2/",)),
        ("response.completed", {"response": {}}, ("",)),
        ("response.failed", {"response": {}}, ("",)),
        ("error", {"message": "m"}, ("",)),
        ("response.completed", {"response": {}, "stream_id": "a/b"}, ("a_b:",)),
        ("response.web_search_call.completed", {"output_index": 1}, ("1/0/web_search_call",)),
        ("response.in_progress", {"response": {}}, ()),
    ],
)
def test_what_ends_on_a_stream(type_, said, closes):
    assert on_stream().read(event(type_, **said)).closes == closes


def test_what_ends_on_a_shared_connection():
    reader = in_talk()
    output = [{"id": "a", "type": "message"}, {"id": "b"}, {"type": "message"}, "stray"]
    assert reader.read(event("response.done", response={"output": output})).closes == ("a/", "b/")
    assert reader.read(event("error", error={"message": "m"})).closes == ()
    assert reader.read(event("session.closed")).closes == ("",)
    heard = "conversation.item.input_audio_transcription"
    assert reader.read(event(f"{heard}.completed", item_id="a", content_index=0)).closes == ("a/0/heard",)


def test_what_a_part_begins_with_is_a_piece():
    part = {"type": "output_text", "text": "Be", "annotations": []}
    view = on_stream().read(event("response.content_part.added", part=part, **PLACE))
    assert pieces(view) == [("2/1/content", "content", "assistant", "Be")]
    spoken = in_talk().read(event("response.content_part.added", part={"type": "audio", "transcript": "Be"}, **PLACE))
    assert pieces(spoken) == [("i/1/transcript", "content", "assistant", "Be")]


def test_sound_is_opaque_only_while_it_is_sound():
    reader = in_talk()
    sound = reader.read(event("response.output_audio.delta", delta="UklGRg==", item_id="i"))
    assert [span.reason for span in sound.opaque] == ["audio"]
    spoken = reader.read(event("response.output_audio.delta", delta="to bob@x.test", item_id="i"))
    assert [text[3] for text in pieces(spoken)] == ["to bob@x.test"]


def test_what_a_person_said_is_the_person_s():
    said = event("conversation.item.input_audio_transcription.delta", item_id="i", content_index=0, delta="I am Bob")
    assert pieces(in_talk().read(said)) == [("i/0/heard", "content", "user", "I am Bob")]


def test_token_lists_of_events_are_repeats():
    logprobs = [{"token": "se", "logprob": -1, "top_logprobs": []}]
    one = event("response.output_text.delta", delta="se", logprobs=logprobs, **PLACE)
    view = on_stream().read(one)
    assert [json.loads(one.payload[start:end]) for start, end in view.repeats] == [logprobs]
    assert on_stream().read(event("response.output_text.delta", delta="se", logprobs=[], **PLACE)).repeats == ()


@pytest.mark.parametrize("payload", [b"{", b"[DONE", b'{"type":"\xff"}', b"[" * 9999])
def test_what_cannot_be_read_is_said(payload):
    reader = on_stream()
    assert reader.read(Event("", payload)).malformed
    assert reader.told() == Told()


@pytest.mark.parametrize("payload", [b"[]", b"7", b'"x"', b'{"type":[],"response":7,"item":[],"part":"x","delta":{}}'])
def test_odd_shapes_are_read_not_stumbled_over(payload):
    assert not on_stream().read(Event("", payload)).malformed
    assert not in_talk().read(Event("", payload)).malformed


def test_an_ending_is_an_error_that_sdks_raise():
    reader = on_stream()
    reader.read(event("response.created", response={}, sequence_number=0))
    head, _, data = reader.ending("drain").partition(b"\ndata: ")
    said = json.loads(data)
    assert (head, data[-2:]) == (b"event: error", b"\n\n")
    assert said["error"]["message"] == said["message"] == "The stream was ended: drain"
    assert said["sequence_number"] == 1
    again = on_stream()
    again.read(Event("error", data.strip()))
    assert again.told().error
    message = json.loads(in_talk().ending("policy_block"))
    assert (message["type"], message["error"]["code"]) == ("error", "policy_block")


def test_which_streams_have_a_reader():
    assert RESPONSES.events(CALL, "application/json") is None
    assert on_stream().framing is Framing.SSE
    assert RESPONSES.events(CALL, "websocket").framing is Framing.MESSAGE
    assert REALTIME.events(TALK, "text/event-stream") is None


@pytest.mark.parametrize("dialect", [RESPONSES, REALTIME])
@pytest.mark.parametrize("body", [b"[]", b'"x"', b"", b"{"])
def test_what_is_no_request_is_refused(dialect, body):
    with pytest.raises(MalformedBody):
        dialect.request(body, CALL)


def test_whatever_stands_in_an_input_is_text():
    asked = {"input": ["user", {"type": "unheard_of", "deep": {"x": ["words"]}}, 7], "instructions": "auto"}
    view = RESPONSES.request(json.dumps(asked).encode(), CALL)
    told = {(segment.role, segment.channel, segment.text) for segment in view.segments}
    assert {("user", "content", "user"), ("unknown", "content", "words"), ("system", "content", "auto")} <= told
    assert RESPONSES.request(b'{"input":"user"}', CALL).segments[0].text == "user"


def test_a_cipher_of_the_service_is_no_upload_and_a_file_is():
    cipher = {"type": "reasoning", "encrypted_content": "gAAAAABo" * 12, "summary": []}
    file = {"type": "input_file", "file_data": "data:application/x-cv;base64,AAECAwQ="}
    view = RESPONSES.request(json.dumps({"input": [cipher, {"role": "user", "content": [file]}]}).encode(), CALL)
    assert [span.reason for span in view.opaque] == ["encrypted", "file"]
    assert [part.media_type for part in view.parts] == ["application/x-cv"]


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 3}, Usage(5, 3)),
        ({"input_tokens": 5, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 2}}, Usage(5, 3, 2)),
        ({"input_tokens": 5, "input_token_details": {"cached_tokens": 2}}, Usage(5, 0, 2)),
        ({"prompt_tokens": 5, "prompt_cache_hit_tokens": 4}, Usage(5, 0, 4)),
        ({"prompt_tokens": 5, "cached_tokens": 4}, Usage(5, 0, 4)),
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            Usage(32, 103, 0, 0, 94),
        ),
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 103,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            Usage(32, 103, 0, 0, 94),
        ),
        ({}, None),
        ({"type": "duration", "seconds": 2.5}, None),
        ({"input_tokens": True, "output_tokens": "3"}, None),
    ],
)
def test_usage_has_one_measure(told, usage):
    assert read_usage(told) == usage


def test_timings_are_usage_too():
    assert read_timings({"prompt_n": 5, "cache_n": 10, "predicted_n": 2}) == Usage(15, 2, 10)
    assert read_timings({"prompt_n": -5}) is read_timings(None) is None


def members(union):
    """The records of a union of the SDK's."""
    inside = typing.get_args(union)
    if typing.get_origin(union) is typing.Annotated:
        return members(inside[0])
    return [record for one in inside for record in members(one)] if inside else [union]


SDK = {
    record
    for union in (
        response_stream_event.ResponseStreamEvent,
        responses_server_event.ResponsesServerEvent,
        realtime_server_event.RealtimeServerEvent,
        realtime_client_event.RealtimeClientEvent,
        beta.RealtimeServerEvent,
    )
    for record in members(union)
}


def test_the_sdk_s_events_are_words():
    types = {word for record in SDK for word in typing.get_args(record.model_fields["type"].annotation)}
    assert len(types) > 90
    assert types - EVENTS == set()
    assert set() == ENDS - EVENTS


def test_the_sdk_s_members_of_events_are_names_or_repeats():
    names = {field.alias or name for record in SDK for name, field in record.model_fields.items()}
    assert names - set(NAMES.values()) == {"logprobs"}


@pytest.mark.parametrize(
    ("item", "role"),
    [
        ({"role": "user"}, "user"),
        ({"type": "message", "role": "wizard"}, "unknown"),
        ({"type": "function_call_output"}, "tool"),
        ({"type": "web_search_call"}, "assistant"),
        ({"type": "input_text"}, "user"),
        ({"type": "item_reference"}, "unknown"),
        ({"type": []}, "unknown"),
        ("stray", "unknown"),
    ],
)
def test_who_says_an_item(item, role):
    assert speaker(item) == role


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/v1/responses/resp_1", True),
        ("/openai/v1/responses/resp_1/", True),
        ("/v1/conversations/conv_1/items", True),
        ("/v1/conversations/conv_1/items/msg_1", True),
        ("/v1/conversations/conv_1", False),
        ("/v1/responses/compact", False),
        ("/v1/responses/resp_1/input_items", False),
    ],
)
def test_what_is_kept_is_read_when_it_is_asked_for_again(path, known):
    assert RESPONSES.matches("GET", path) is known
    assert not RESPONSES.matches("DELETE", path)


@pytest.mark.parametrize(("path", "member"), [("/v1/responses/r", "output"), ("/v1/conversations/c/items", "data")])
def test_what_was_said_is_read_again_and_not_counted_again(path, member):
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    body = json.dumps({"status": "completed", "usage": usage, member: [said, call]}).encode()
    view = RESPONSES.response(body, Call("GET", path), "application/json")
    assert [one.role for one in view.segments if one.text == "hello"] == ["assistant"]
    assert (view.usage, view.finish, view.tools_called) == (None, (), ())
    if member == "output":
        again = RESPONSES.response(body, CALL, "application/json")
        assert (again.usage.output_tokens, again.finish, again.tools_called) == (2, ("completed",), ("f",))
