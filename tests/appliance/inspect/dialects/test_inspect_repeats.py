"""What repeats a text is taken out at its place and nowhere else, in one pass, and every other byte stays."""

import json

from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.openai_chat import OpenAIChat
from appliance.inspect.dialects.repeats import blanked, value_after, without_repeats
from appliance.inspect.jsonspans import parse


@given(value=st.recursive(st.text(max_size=5) | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=3)))
def test_the_value_of_a_key_is_found_whole(value):
    payload = json.dumps({"a": '"[', "logprobs": value, "b": "]}"}).encode()
    key_end = payload.index(b'logprobs"') + len("logprobs")
    found = value_after(payload, key_end)
    if isinstance(value, list):
        assert json.loads(payload[found[0] : found[1]]) == value
    else:
        assert found is None


def test_a_repeat_is_taken_at_its_place_only():
    body = b'{"logprobs":[{"token":"An"}],"args":{"logprobs":["kept"]},"context":7,"w":1,"t":"x","context":[]}'
    once = without_repeats(
        body, parse(body).strings, lambda key: key.pointer in {"/logprobs", "/context"}, frozenset({"w"})
    )
    assert [body[start:end] for start, end in once.spans] == [b'[{"token":"An"}]']
    assert [span.text for span in once.strings] == ["args", "logprobs", "kept", "t", "x"]
    assert blanked(body, once.spans) == body.replace(b'[{"token":"An"}]', b" " * 16)


def test_a_repeat_in_a_repeat_is_part_of_it_and_numbers_repeat_too():
    body = b'{"logprobs":{"logprobs":[1],"token_ids":[7]},"token_ids":[7,8],"x":"y"}'
    once = without_repeats(body, parse(body).strings, lambda key: key.text in {"logprobs", "token_ids"})
    assert [body[start:end] for start, end in once.spans] == [b'{"logprobs":[1],"token_ids":[7]}', b"[7,8]"]
    assert [span.text for span in once.strings] == ["x", "y"]


def test_many_repeats_cost_one_pass():
    """A pass over the strings for each of them would take minutes."""
    body = b"{" + b",".join([b'"logprobs":["a"],"t":"x"'] * 10_000) + b"}"
    strings = parse(body).strings
    once = without_repeats(body, strings, lambda key: key.text == "logprobs")
    assert (len(once.spans), len(once.strings)) == (10_000, 20_000)


def test_a_long_number_in_a_repeat_is_no_text_of_its_own():
    body = b'{"choices":[{"logprobs":{"bytes":[4111111111111111]}}],"created":4111111111111111}'
    view = OpenAIChat().response(body, Call("POST", "/v1/chat/completions"), "application/json")
    assert [body[start:end] for start, end in view.repeats] == [b'{"bytes":[4111111111111111]}']
    assert [segment.start for segment in view.segments] == [body.rindex(b"4111111111111111")]
