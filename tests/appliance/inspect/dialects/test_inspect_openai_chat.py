"""Chat Completions: every carrier of text with its role, usage from plain answers and streams, errors SDKs can read."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inspect.dialects.openai_chat import OpenAIChat
from appliance.inspect.dialects.registry import by_api, choose
from appliance.inspect.jsonspans import MalformedBody
from appliance.model.event import Usage

CHAT = OpenAIChat()
PIXELS = "data:image/png;base64," + "iVBORw0KGgoA" * 9
SOUND = "UklGR" * 40
REQUEST = {
    "model": "gpt-x",
    "stream": True,
    "max_tokens": 5,
    "max_completion_tokens": 7,
    "stream_options": {"include_usage": True},
    "messages": [
        {"role": "developer", "content": "rules"},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": PIXELS, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://x.test/ann.png"}},
                {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}},
                {"type": "file", "file": {"filename": "cv.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "refusal": "no",
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"to":"bob"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        {"role": "function", "name": "old", "content": "older"},
        {"role": "wizard", "content": "spell"},
        "stray",
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "sends", "parameters": {"x-note": "why"}}},
        {"type": "custom", "custom": {"name": "g"}},
    ],
    "functions": [{"name": "h"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"description": "shape"}}},
    "prediction": {"type": "content", "content": "maybe"},
    "metadata": {"ticket": "T-1"},
    "user": "u-1",
    "vendor_extension": {"deep": ["hidden"]},
}


def view_of(value):
    return CHAT.request(json.dumps(value).encode())


def test_every_carrier_is_yielded_with_its_role_and_channel():
    told = {(s.text, s.role, s.channel) for s in view_of(REQUEST).segments}
    assert told == {
        ("gpt-x", "unknown", "metadata"),
        ("rules", "developer", "content"),
        ("ann", "user", "name"),
        ("look", "user", "content"),
        ("low", "user", "content"),
        ("https://x.test/ann.png", "user", "content"),
        ("wav", "user", "content"),
        ("cv.pdf", "user", "name"),
        ("no", "assistant", "content"),
        ("hm", "assistant", "reasoning"),
        ("call_1", "assistant", "metadata"),
        ("f", "assistant", "name"),
        ('{"to":"bob"}', "assistant", "arguments"),
        ("call_1", "tool", "metadata"),
        ("done", "tool", "content"),
        ("old", "tool", "name"),
        ("older", "tool", "content"),
        ("wizard", "unknown", "content"),
        ("spell", "unknown", "content"),
        ("stray", "unknown", "content"),
        ("f", "developer", "name"),
        ("sends", "developer", "description"),
        ("x-note", "unknown", "name"),
        ("why", "developer", "description"),
        ("g", "developer", "name"),
        ("h", "developer", "name"),
        ("answer", "developer", "name"),
        ("shape", "developer", "description"),
        ("maybe", "assistant", "content"),
        ("ticket", "unknown", "name"),
        ("T-1", "unknown", "metadata"),
        ("u-1", "user", "metadata"),
        ("vendor_extension", "unknown", "name"),
        ("deep", "unknown", "name"),
        ("hidden", "unknown", "content"),
    }


def test_media_is_opaque_by_kind():
    assert [span.reason for span in view_of(REQUEST).opaque] == ["image", "audio", "file"]


def test_what_only_claims_to_be_media_is_text():
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,mail bob@x.test"}}
    sound = {"type": "input_audio", "input_audio": {"data": "mail bob@x.test " * 9}}
    view = view_of({"messages": [{"role": "user", "content": [part, sound]}]})
    assert view.opaque == ()
    assert sum("bob" in segment.text for segment in view.segments) == 2


def test_the_parameters_of_a_request():
    view = view_of(REQUEST)
    assert (view.api, view.model, view.stream, view.max_tokens, view.include_usage) == (
        "openai.chat",
        "gpt-x",
        True,
        7,
        True,
    )
    assert view.tools_declared == ("h", "f", "g")
    plain = view_of({"messages": [], "max_tokens": 3})
    assert (plain.model, plain.stream, plain.max_tokens, plain.include_usage) == (None, False, 3, False)


def test_a_conversation_keeps_its_seed_as_it_grows():
    opening = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    grown = [*opening, {"role": "assistant", "content": "a"}, {"role": "user", "content": "v"}]
    seeds = [view_of({"messages": turns}).conversation_seed for turns in (opening, grown, grown[1:], [])]
    assert seeds[0] == seeds[1] != seeds[2]
    assert seeds[3] is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    ["model", "stream", "messages", "tools", "functions", "stream_options", "usage", "choices", "max_tokens"]
)
shapes = st.dictionaries(
    names,
    json_values
    | st.lists(
        st.dictionaries(
            st.sampled_from(
                ["role", "content", "function", "custom", "type", "delta", "message", "finish_reason", "tool_calls"]
            ),
            json_values,
        )
    ),
    max_size=6,
)


@settings(max_examples=60)
@given(shapes)
def test_odd_shapes_are_read_not_stumbled_over(value):
    body = json.dumps(value).replace("NaN", "0").replace("-Infinity", "0").replace("Infinity", "0").encode()
    CHAT.request(body)
    CHAT.response(body, "application/json")
    CHAT.add_include_usage(body)
    reader = CHAT.stream()
    reader.feed(b"data: " + body + b"\n\n")
    assert reader.result().problem is None


def test_roles_of_any_type_are_unknown():
    turns = [{"role": role, "content": "x"} for role in ([], {}, None, 7, True)]
    assert {segment.role for segment in view_of({"messages": turns}).segments} == {"unknown"}


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"", b"{"])
def test_what_is_no_chat_is_refused(body):
    with pytest.raises(MalformedBody):
        CHAT.request(body)


USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 2, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 4},
}


def test_a_plain_answer():
    choices = [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": None}, "finish_reason": "length"},
    ]
    view = CHAT.response(json.dumps({"model": "m", "choices": choices, "usage": USAGE}).encode(), "application/json")
    assert view.usage == Usage(20, 9, 8, 2, 4)
    assert (view.model, view.finish, view.error) == ("m", ("stop", "length"), False)
    assert [(s.text, s.role) for s in view.segments] == [("m", "unknown"), ("hi", "assistant")]


@pytest.mark.parametrize(
    "usage", [None, [], "x", {"prompt_tokens": -1}, {"prompt_tokens": 2**60}, {"prompt_tokens": "9"}]
)
def test_usage_that_cannot_be_is_not_believed(usage):
    assert CHAT.response(json.dumps({"usage": usage}).encode(), "").usage is None


def chunk(**fields):
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "model": "m-served", **fields}).encode() + b"\n\n"


def delta(reason=None, **fields):
    return chunk(choices=[{"index": 0, "delta": fields, "finish_reason": reason}], usage=None)


STREAM = (
    delta(role="assistant", content="")
    + delta(content="grüß")
    + delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a'}}])
    + delta("stop")
    + chunk(choices=[], usage=USAGE)
    + chunk(choices=[])
    + b"data: [DONE]\n\n"
)


@given(st.sets(st.integers(0, len(STREAM)), max_size=8))
def test_a_stream_is_followed_however_it_is_cut(cuts):
    reader = CHAT.stream()
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        reader.feed(STREAM[start:end])
    assert reader.at_boundary
    view = reader.result()
    assert (view.model, view.usage, view.finish, view.done) == ("m-served", Usage(20, 9, 8, 2, 4), ("stop",), True)
    assert (view.text_chars, view.text_bytes, view.length, view.events) == (7, 9, len(STREAM), 7)
    assert view.problem is None


def test_a_stream_that_breaks_off_tells_what_it_had():
    reader = CHAT.stream()
    reader.feed(delta(content="half") + b'data: {"choi')
    assert not reader.at_boundary
    view = reader.result()
    assert (view.text_chars, view.usage, view.done, view.problem) == (4, None, False, "malformed_event")


def test_an_oversized_event_is_told():
    reader = CHAT.stream()
    reader.feed(b"data: " + b"x" * 2_000_000 + b"\n\n" + chunk(choices=[], usage=USAGE))
    assert (reader.result().problem, reader.result().usage.input_tokens) == ("event_too_large", 20)


def test_an_error_in_a_stream_is_told():
    reader = CHAT.stream()
    reader.feed(CHAT.stream_end("drain"))
    view = reader.result()
    assert (view.error, view.done, view.problem) == (True, True, None)


@pytest.mark.parametrize("status", [400, 403, 429, 451, 503])
def test_a_refusal_has_the_shape_of_the_sdk(status):
    kind, body = CHAT.refusal(status, "policy_block", 'say "no"\n', stream=True)
    error = json.loads(body)["error"]
    assert kind == "application/json"
    assert (error["message"], error["code"], error["param"]) == ('say "no"\n', "policy_block", None)
    assert isinstance(error["type"], str)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"stream":true}', b'{"stream_options":{"include_usage":true},"stream":true}'),
        (b' {\n"stream" : true}', b' {"stream_options":{"include_usage":true},\n"stream" : true}'),
        (b'{"stream":true,"stream_options":null}', b'{"stream":true,"stream_options":{"include_usage":true}}'),
        (b'{"stream":true,"stream_options" : { }}', b'{"stream":true,"stream_options" : {"include_usage":true }}'),
        (
            b'{"stream_options":{"include_obfuscation":false},"stream":true}',
            b'{"stream_options":{"include_usage":true,"include_obfuscation":false},"stream":true}',
        ),
        (
            b'{"\\u0073tream_options":null,"stream":true}',
            b'{"\\u0073tream_options":{"include_usage":true},"stream":true}',
        ),
    ],
)
def test_usage_is_asked_for_by_one_insertion(before, after):
    assert CHAT.add_include_usage(before) == after
    assert json.loads(after)["stream_options"]["include_usage"] is True


@pytest.mark.parametrize(
    "body",
    [
        *(b"{}", b'{"stream":false}', b"[]", b'{"stream":true,"stream_options":{"include_usage":false}}'),
        *(b'{"stream":true,"stream_options":[]}', b'{"stream":true,"stream":true}'),
    ],
)
def test_usage_is_not_forced_on_anybody(body):
    assert CHAT.add_include_usage(body) is body


@pytest.mark.parametrize(
    ("method", "path", "api"),
    [
        ("POST", "/v1/chat/completions", "openai.chat"),
        ("POST", "/openai/deployments/d/chat/completions?api-version=1", "openai.chat"),
        ("GET", "/v1/chat/completions", None),
        ("POST", "/v1/embeddings", None),
    ],
)
def test_the_path_decides(method, path, api):
    chosen = choose(method, path, "openai")
    assert (chosen.api if chosen else None) == api
    assert by_api(api) is chosen
