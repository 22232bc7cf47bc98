"""What the translations stand on: fields, framing, schemas, signatures, calls without ids."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.route.translate import Stamp, fields, framing, parts, plan, schemas, signatures
from appliance.route.translate.conversation import CallDone, Called, Media, Role, Text, ToolResult, Turn
from appliance.route.translate.losses import Losses, Refused
from appliance.route.translate.ordering import InOrder


def of(value: object) -> fields.Fields:
    return fields.Fields(value, "", Losses())


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("text", 5),
        ("flag", "yes"),
        ("flag", 1),
        ("number", True),
        ("number", "1"),
        ("number", 1e300),
        ("whole", 1.5),
        ("list", {}),
        ("texts", [1]),
        ("inside", []),
        ("json", []),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_without_being_shown(question, value):
    holder = fields.Fields({"key": value}, "messages[3]", Losses())
    with pytest.raises(Refused, match=r"messages\[3\]\.key must be") as told:
        getattr(holder, question)("key")
    assert "yes" not in str(told.value)


def test_what_nobody_took_is_told_with_its_path():
    losses = Losses()
    holder = fields.Fields({"a": [{"cache_control": {}, "text": "x"}], "none": None}, "", losses)
    assert [item.text("text") for item in holder.objects("a")] == ["x"]
    holder.done()
    assert [loss.field for loss in losses.settle()] == ["a[].cache_control"]


def test_whole_numbers_lists_and_case():
    assert of({"n": 3.0}).whole("n") == 3
    assert of({"stop": "a"}).texts("stop") == ("a",)
    assert of({"max_output_tokens": 5}).camel().whole("maxOutputTokens") == 5
    with pytest.raises(Refused, match="more than"):
        of({"a": [0] * (fields.MAX_ITEMS + 1)}).list("a")


EVENTS = [b'{"a":"x\\n\\ny"}', b"[1]", b'"\xc3\xbc"']


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@given(size=st.integers(1, 40))
def test_sse_is_cut_the_same_however_it_comes(end, size):
    line = end[: len(end) // 2]
    data = b"\xef\xbb\xbf: comment" + end + b"".join(b"event: e" + line + b"data: " + each + end for each in EVENTS)
    framer = framing.SseEvents()
    found = [event for at in range(0, len(data), size) for event in framer.feed(data[at : at + size])]
    assert [*found, *framer.close()] == EVENTS


def test_several_lines_of_data_are_one_event_and_the_last_needs_no_end():
    framer = framing.SseEvents()
    assert list(framer.feed(b"data: {\ndata: }\n\ndata:1\n")) == [b"{\n}"]
    assert framer.close() == [b"1"]


@given(size=st.integers(1, 40))
def test_lines_and_arrays_are_cut_the_same_however_they_come(size):
    objects = [b'{"a":"]}\\"[{"}', b'{"b":[[],{}]}', b'{"c":"\\\\"}']
    for framer, data in (
        (framing.LineEvents(), b"\r\n" + b"\r\n".join(objects)),
        (framing.ArrayEvents(), b" [" + b",\r\n".join(objects) + b"\n]\n"),
        (framing.ArrayEvents(), b"".join(objects)),
    ):
        found = [event for at in range(0, len(data), size) for event in framer.feed(data[at : at + size])]
        assert [*found, *framer.close()] == objects


def test_schemas_of_googles_kind_become_json_schema():
    own = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "nullable": True},
            "items": {"type": "ARRAY", "items": {"type": "INTEGER"}, "min_items": "2"},
        },
        "propertyOrdering": ["type"],
        "any_of": [{"type": "OBJECT"}],
    }
    assert schemas.json_schema(own) == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"]},
            "items": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        },
        "anyOf": [{"type": "object"}],
    }
    deep: dict = {}
    for _ in range(100):
        deep = {"items": deep}
    with pytest.raises(Refused, match="deeply"):
        schemas.json_schema(deep)


@given(dialect=st.sampled_from(["a", "a!", "bb"]), signature=st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_signature_is_unwrapped_for_whoever_signed_it(dialect, signature):
    wrapped = signatures.wrapped(dialect, signature)
    assert signatures.unwrapped(dialect, wrapped) == signature
    assert signatures.unwrapped("b", wrapped) == ""
    assert signatures.parted(signatures.riding("call_1", wrapped)) == ("call_1", wrapped)


def test_what_is_no_signature_of_ours_is_none():
    assert signatures.wrapped("a", "") == ""
    assert signatures.parted("call_1") == ("call_1", "")
    for text in ("", "plain", "%%%", "Z25vbW9u", "ü"):
        assert signatures.unwrapped("a", text) == ""


def test_calls_without_ids_are_matched_by_id_by_name_and_by_order():
    pending = parts.Pending()
    first, second, third = (pending.call("", "f"), pending.call("", "g"), pending.call("own", "f"))
    assert len({first, second, third}) == 3
    assert pending.result("", "g") == (second, "g")
    assert pending.result("own", "f") == ("own", "f")
    assert pending.result("", "") == (first, "f")
    with pytest.raises(Refused, match="no call"):
        pending.result("", "f")


def test_urls_stay_and_data_urls_are_taken_apart():
    assert parts.media_of_url("image", "https://x.test/a.png").url == "https://x.test/a.png"
    made = parts.media_of_url("file", "data:application/pdf;charset=x;base64,QUJD")
    assert (made.media_type, made.data) == ("application/pdf", "QUJD")
    assert parts.data_url(made) == "data:application/pdf;base64,QUJD"


def test_efforts_and_tokens_are_near_each_other():
    assert [parts.effort_of(tokens) for tokens in (0, 1, 1024, 2000, 9000, 10**6, -1)] == [
        *("none", "minimal", "low", "medium", "high", "high", "medium")
    ]
    with pytest.raises(Refused):
        parts.effort_in_words("most", "x")


def test_results_that_are_no_text_are_refused_where_text_is_wanted():
    losses = Losses()
    parts.plain(ToolResult("a", "f", (Media("image", "image/png", "QUJD"), Text("x"))), losses, "there")
    with pytest.raises(Refused, match="there"):
        losses.settle()
    assert parts.result_or_text('{"a":1}') == '{"a":1}'
    assert parts.result_or_text("[1]") == '{"result":"[1]"}'


def test_turns_of_one_side_become_one():
    turns = [Turn(Role.USER, (Text("a"),)), Turn(Role.USER, (Text("b"),)), Turn(Role.ASSISTANT, (Text("c"),))]
    assert [len(found) for _, found in parts.merged(turns)] == [2, 1]


def test_calls_that_wait_are_bounded():
    order = InOrder()
    for key in range(512):
        order.push(Called(key, str(key), "f"))
    with pytest.raises(Refused, match="too many"):
        order.push(Called(512, "512", "f"))
    assert InOrder().push(CallDone(5)) == []


def test_a_key_in_two_spellings_is_refused_and_a_mixture_is_none():
    with pytest.raises(Refused, match="two spellings"):
        of({"topP": 1, "top_p": 2}).camel()
    losses = Losses()
    holder = fields.Fields({"max_outputTokens": 5}, "", losses).camel()
    assert not holder.has("maxOutputTokens")
    holder.done()
    with pytest.raises(Refused, match="max_outputTokens"):
        losses.settle()


@pytest.mark.parametrize(
    ("model", "there"),
    [
        ("gemini-2.5-pro", "gemini-2.5-pro"),
        ("../../upload/x", "..%2F..%2Fupload%2Fx"),
        ("a:batchGenerateContent/b", "a%3AbatchGenerateContent%2Fb"),
        ("a HTTP/1.1", "a%20HTTP%2F1.1"),
    ],
)
def test_a_name_of_a_model_is_no_piece_of_a_path(model, there):
    body = b'{"model":"%s","messages":[{"role":"user","content":"hi"}]}' % model.encode()
    asked = plan("openai.chat", "gemini.generate", {}).request("/v1/chat/completions", body)
    assert asked.path == f"/v1beta/models/{there}:generateContent"


@pytest.mark.parametrize("source", ["anthropic.messages", "gemini.generate", "ollama.chat"])
@pytest.mark.parametrize("arguments", ['{}},{"type":"text","text":"no call"', "x", "[1]"])
def test_arguments_that_are_no_json_break_out_of_no_answer(source, arguments):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    choice = {"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}
    told = plan(source, "openai.chat", {}).answer(200, json.dumps({"choices": [choice]}).encode(), Stamp("x", 1))
    assert told.status == 500
    assert "error" in json.loads(told.body)


def test_results_find_their_calls_in_any_order():
    pending = parts.Pending()
    for call, name in (("a", "f"), ("b", "g"), ("c", "f"), ("d", "h")):
        pending.call(call, name)
    assert pending.result("c", "f") == ("c", "f")
    assert pending.result("", "f") == ("a", "f")
    assert pending.result("", "") == ("b", "g")
    for call, name in (("b", ""), ("", "f"), ("", "g")):
        with pytest.raises(Refused):
            pending.result(call, name)
    assert pending.result("d", "") == ("d", "h")
