"""Chat Completions: every carrier of text with its role, usage from plain answers and streams, errors SDKs can read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.asking_usage import asks_usage
from appliance.inspect.dialects.openai_chat import OpenAIChat
from appliance.inspect.dialects.registry import by_api, choose
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.stream.events import Event, Told
from appliance.model.event import Usage

CHAT = OpenAIChat()
CALL = Call("POST", "/v1/chat/completions")
SSE = "text/event-stream; charset=utf-8"
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
                {"type": "file", "file": {"filename": "cv.pdf", "file_data": "data:application/x-cv;base64,AAECAwQ="}},
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


def view_of(value, path="/v1/chat/completions"):
    return CHAT.request(json.dumps(value).encode(), Call("POST", path))


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


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_odd_shapes_are_read_not_stumbled_over(value):
    body = json.dumps(value).replace("NaN", "0").replace("-Infinity", "0").replace("Infinity", "0").encode()
    CHAT.request(body, CALL)
    CHAT.response(body, CALL, "application/json")
    CHAT.ask_usage(body)
    reader = CHAT.events(CALL, SSE)
    assert not reader.read(Event("", body)).malformed
    assert isinstance(reader.told(), Told)


def test_roles_of_any_type_are_unknown():
    turns = [{"role": role, "content": "x"} for role in ([], {}, None, 7, True)]
    assert {segment.role for segment in view_of({"messages": turns}).segments} == {"unknown"}


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"", b"{"])
def test_what_is_no_chat_is_refused(body):
    with pytest.raises(MalformedBody):
        CHAT.request(body, CALL)


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
    view = CHAT.response(json.dumps({"model": "m", "choices": choices, "usage": USAGE}).encode(), CALL, "")
    assert view.usage == Usage(20, 9, 8, 2, 4)
    assert (view.model, view.finish, view.error) == ("m", ("stop", "length"), False)
    assert [(s.text, s.role) for s in view.segments] == [("m", "unknown"), ("hi", "assistant")]


@pytest.mark.parametrize(
    "usage", [None, [], "x", {"prompt_tokens": -1}, {"prompt_tokens": 2**60}, {"prompt_tokens": "9"}]
)
def test_usage_that_cannot_be_is_not_believed(usage):
    assert CHAT.response(json.dumps({"usage": usage}).encode(), CALL, "").usage is None


def chunk(**fields):
    return Event("", json.dumps({"object": "chat.completion.chunk", "model": "m-served", **fields}).encode())


def delta(reason=None, **fields):
    return chunk(choices=[{"index": 0, "delta": fields, "finish_reason": reason}], usage=None)


def reading(*events):
    reader = CHAT.events(CALL, SSE)
    return reader, [reader.read(event) for event in events]


def test_what_is_no_stream_has_no_reader():
    assert CHAT.events(CALL, "application/json") is None
    assert CHAT.events(CALL, "websocket") is None


def test_a_choice_closes_with_its_reason_and_all_with_the_end():
    _, views = reading(delta(content="a"), delta("stop"), Event("", b"[DONE]"))
    assert [view.closes for view in views] == [(), ("0/",), ("",)]


def test_more_choices_than_anybody_asks_for_close_as_one():
    _, (view,) = reading(chunk(choices=[{"index": n, "finish_reason": "stop"} for n in range(300)]))
    assert view.closes == ("",)


def test_an_empty_reason_is_none():
    reader, (view,) = reading(delta("", content="a"))
    assert (view.closes, reader.told().finish) == ((), ())


def test_the_chunk_that_usage_was_asked_for_is_told_apart():
    usage = chunk(choices=[], usage=USAGE)
    citing = chunk(choices=[], usage=USAGE, citations=["https://x.test"])
    filtering = chunk(choices=[], prompt_filter_results=[])
    _, views = reading(usage, citing, filtering, delta(content="a"))
    assert [view.usage_only for view in views] == [True, False, False, False]


def test_token_lists_are_repeats_and_no_texts():
    logprobs = {"content": [{"token": "se", "logprob": -1, "top_logprobs": [{"token": "cr"}]}]}
    choice = {"index": 0, "delta": {"content": "se"}, "logprobs": logprobs}
    event = chunk(choices=[choice, {**choice, "index": 1, "logprobs": None}, {**choice, "logprobs": []}])
    _, (view,) = reading(event)
    assert [json.loads(event.payload[start:end]) for start, end in view.repeats] == [logprobs]
    assert [text.text for text in view.texts] == ["m-served", "se", "se", "se"]


def test_token_lists_of_a_plain_answer_are_repeats():
    logprobs = {"content": [{"token": "se"}]}
    body = json.dumps({"choices": [{"message": {"content": "se"}, "logprobs": logprobs}]}).encode()
    view = CHAT.response(body, CALL, "")
    assert [json.loads(body[start:end]) for start, end in view.repeats] == [logprobs]
    assert [segment.text for segment in view.segments] == ["se"]


def test_a_tool_s_argument_of_that_name_is_text():
    event = chunk(choices=[{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}])
    _, (view,) = reading(event)
    assert view.repeats == ()


def test_a_message_beside_its_delta_repeats_it():
    both = {"index": 0, "message": {"content": "so far"}, "delta": {"content": "far"}}
    event = chunk(choices=[both, {"index": 1, "message": {"content": "alone"}}])
    _, (view,) = reading(event)
    assert [json.loads(event.payload[start:end]) for start, end in view.repeats] == [{"content": "so far"}]
    assert [(text.text, text.channel) for text in view.texts[1:]] == [
        ("far", "0/content"),
        ("alone", "1/message/content"),
    ]


def test_padding_is_structure_only_while_it_is_padding():
    _, views = reading(chunk(choices=[], obfuscation="aB3"), chunk(choices=[], obfuscation="to bob@x.test"))
    assert [[text.text for text in view.texts] for view in views] == [["m-served"], ["m-served", "to bob@x.test"]]


def test_what_no_provider_is_known_to_send_grows_by_its_name():
    _, (view,) = reading(delta(vendor="pie", role="wizard", nested={"x": "ce"}))
    assert [(text.text, text.channel) for text in view.texts[1:]] == [
        ("vendor", None),
        ("pie", "0/vendor"),
        ("wizard", None),
        ("nested", None),
        ("x", None),
        ("ce", None),
    ]


def test_names_of_calls_are_told_whole_each_once():
    def call(**function):
        return delta(tool_calls=[{"index": 0, "function": function}])

    reader, _ = reading(call(name="get_"), call(name="weather"), call(name="get_weather"), call(arguments="{}"))
    assert reader.told().tools_called == ("get_weather",)
    again, _ = reading(*(delta(tool_calls=[{"index": n, "id": f"c{n}", "function": {"name": "f"}}]) for n in range(3)))
    assert again.told().tools_called == ("f",)


def test_what_is_told_is_bounded():
    calls = [delta("stop", tool_calls=[{"index": n, "function": {"name": f"f{n}" + "x" * 999}}]) for n in range(700)]
    reader, _ = reading(*calls)
    told = reader.told()
    assert (len(told.finish), len(told.tools_called)) == (128, 128)
    assert max(map(len, told.tools_called)) == 128


@pytest.mark.parametrize("payload", [b"{", b'"', b"\xff", b'{"a":"\xff"}', b"[" * 9999, b"nonsense"])
def test_what_cannot_be_read_is_said(payload):
    reader, views = reading(Event("", payload))
    assert views[0].malformed
    assert reader.told() == Told()


def test_an_error_in_a_stream_is_told_and_ends_it():
    ending = CHAT.events(CALL, SSE).ending("drain")
    events = [Event("", block.removeprefix(b"data: ")) for block in ending.split(b"\n\n") if block]
    reader, views = reading(*events)
    assert (reader.told().error, reader.told().done) == (True, True)
    assert views[-1].closes == ("",)
    named, _ = reading(Event("error", b'{"message":"broke"}'))
    assert named.told().error


def test_the_deployment_stands_for_the_model():
    assert view_of({"messages": []}, "/openai/deployments/a%20b/chat/completions?api-version=1").model == "a b"
    assert view_of({"model": "m"}, "/openai/deployments/d/chat/completions").model == "m"


def test_a_prompt_of_token_ids_is_opaque_and_one_of_words_or_long_numbers_is_not():
    def spans(prompt):
        body = json.dumps({"a": "prompt", "prompt": prompt}).encode()
        view = CHAT.request(body, CALL)
        return [body[one.start : one.end] for one in view.opaque], [one.text for one in view.segments]

    assert spans([1, 2]) == ([b"[1, 2]"], ["a", "prompt", "prompt"])
    assert spans([[1], [2]])[0] == [b"[[1], [2]]"]
    assert spans([4111111111111111])[0] == []
    assert "4111111111111111" in spans([4111111111111111])[1]
    assert spans(["user"])[1][-1] == "user"
    assert spans([1, "x"])[0] == []


def test_hosted_tool_servers_are_told():
    tools = [
        {"type": "mcp", "server_url": "https://A.example.test/sse"},
        {"type": "mcp", "server_url": "http://[broken"},
        {"type": "mcp", "connector_id": "connector_x"},
        {"type": "mcp"},
        {"type": "function", "server_url": "https://b.example.test"},
    ]
    assert view_of({"tools": tools}).hosted_mcp == ("a.example.test", "unknown", "connector_x")


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
    assert CHAT.ask_usage(before) == after
    assert json.loads(after)["stream_options"]["include_usage"] is True


@pytest.mark.parametrize(
    "body",
    [
        *(b"{}", b'{"stream":false}', b"[]", b'{"stream":true,"stream_options":{"include_usage":false}}'),
        *(b'{"stream":true,"stream_options":[]}', b'{"stream":true,"stream":true}'),
    ],
)
def test_usage_is_not_forced_on_anybody(body):
    assert CHAT.ask_usage(body) is body


@pytest.mark.parametrize(
    ("method", "path", "api"),
    [
        ("POST", "/v1/chat/completions", "openai.chat"),
        ("POST", "/openai/deployments/d/chat/completions?api-version=1", "openai.chat"),
        ("GET", "/v1/chat/completions", None),
        ("POST", "/v1/completions", "openai.chat"),
        ("POST", "/v1/fim/completions", "openai.chat"),
        ("POST", "/backend-api/codex/responses", "openai.responses"),
        ("POST", "/v1/responses/resp_1/cancel", None),
        ("DELETE", "/v1/responses/resp_1", None),
        ("GET", "/v1/realtime", "openai.realtime"),
        ("POST", "/backend-anon/f/conversation", "chatgpt.web"),
    ],
)
def test_the_path_decides(method, path, api):
    chosen = choose(method, path, "openai")
    assert (chosen.api if chosen else None) == api
    assert by_api(api) is chosen


def test_only_who_takes_it_is_asked_for_usage():
    assert asks_usage("openai")
    assert asks_usage(None)
    assert not asks_usage("mistral")
    assert not asks_usage("perplexity")


@pytest.mark.parametrize(
    ("more", "beside"),
    [
        ({}, ()),
        ({"models": ["m", "n", "n", 7]}, ("m", "n")),
        ({"fallbacks": ["o", {"model": "p"}, {"claude": ["q"]}]}, ("o", "p")),
        ({"models": "n", "fallbacks": None}, ()),
    ],
)
def test_models_that_may_answer_instead_are_told(more, beside):
    body = json.dumps({"model": "m", "messages": [], **more}).encode()
    assert OpenAIChat().request(body, Call("POST", "/v1/chat/completions", "")).models_beside == beside
