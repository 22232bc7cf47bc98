"""Declared tools and log probabilities taken out of requests: bytes of what stays are not touched."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects.stripping import names_logprobs, without_logprobs, without_tools


def function(name):
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("api", "body", "patterns", "left"),
    [
        (
            "openai.chat",
            {"tools": [function("shell_run"), function("weather")], "tool_choice": "auto", "n": 1},
            ("shell*",),
            {"tools": [function("weather")], "tool_choice": "auto", "n": 1},
        ),
        (
            "openai.chat",
            {"model": "m", "tools": [function("a")], "tool_choice": "required", "functions": [{"name": "A"}], "n": 1},
            ("a",),
            {"model": "m", "n": 1},
        ),
        ("openai.chat", {"tools": [function("a")], "functions": [{"name": "a"}]}, ("*",), {}),
        (
            "openai.chat",
            {"tools": [function("a"), function("b")], "tool_choice": function("a")},
            ("a",),
            {"tools": [function("b")]},
        ),
        (
            "openai.responses",
            {"tools": [{"type": "web_search"}, {"type": "function", "name": "x"}], "input": "y"},
            ("web_search",),
            {"tools": [{"type": "function", "name": "x"}], "input": "y"},
        ),
        (
            "anthropic.messages",
            {"tools": [{"name": "a"}, {"name": "b"}], "tool_choice": {"type": "tool", "name": "b"}},
            ("b",),
            {"tools": [{"name": "a"}]},
        ),
        (
            "gemini.generate",
            {"tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}, {"googleSearch": {}}]},
            ("b",),
            {"tools": [{"functionDeclarations": [{"name": "a"}]}, {"googleSearch": {}}]},
        ),
        (
            "gemini.generate",
            {
                "tools": [{"functionDeclarations": [{"name": "a"}]}, {"googleSearch": {}}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a"]}},
            },
            ("a",),
            {"tools": [{"googleSearch": {}}]},
        ),
        (
            "bedrock.converse",
            {"toolConfig": {"tools": [{"toolSpec": {"name": "a"}}, {"toolSpec": {"name": "b"}}]}, "messages": []},
            ("a",),
            {"toolConfig": {"tools": [{"toolSpec": {"name": "b"}}]}, "messages": []},
        ),
        (
            "bedrock.converse",
            {"toolConfig": {"tools": [{"toolSpec": {"name": "a"}}], "toolChoice": {"auto": {}}}, "messages": []},
            ("a",),
            {"messages": []},
        ),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_tools_go_with_what_chooses_them(api, body, patterns, left, indent):
    sent = without_tools(api, json.dumps(body, indent=indent).encode(), patterns)
    assert json.loads(sent) == left


def test_bytes_of_what_stays_are_the_same():
    body = b'{ "a" : 1e3,\n "tools":[ {"name":"x"} , {"name" : "y\\u0041"} ], "z":"\\/" }'
    assert (
        without_tools("anthropic.messages", body, ("x",))
        == b'{ "a" : 1e3,\n "tools":[ {"name" : "y\\u0041"} ], "z":"\\/" }'
    )
    assert without_tools("anthropic.messages", body, ("nothing",)) == body


@pytest.mark.parametrize(
    ("api", "body", "left"),
    [
        ("openai.chat", {"logprobs": True, "a": 1, "top_logprobs": 5}, {"a": 1}),
        ("openai.responses", {"include": ["x", "message.output_text.logprobs"], "top_logprobs": 2}, {"include": ["x"]}),
        (
            "gemini.generate",
            {"generationConfig": {"responseLogprobs": True, "logprobs": 3, "x": 1}},
            {"generationConfig": {"x": 1}},
        ),
        ("openai.chat", {"messages": [{"content": "logprobs"}]}, {"messages": [{"content": "logprobs"}]}),
    ],
)
def test_the_wish_for_log_probabilities_goes(api, body, left):
    assert json.loads(without_logprobs(api, json.dumps(body).encode())) == left


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("openai.files", b'{"tools":[]}'),
        (None, b"{}"),
        ("openai.chat", b"{"),
        ("openai.chat", b"[]"),
        ("openai.chat", b'{"tools":[],"tools":[]}'),
    ],
)
def test_what_cannot_be_read_in_one_way_is_not_edited(api, body):
    assert without_tools(api, body, ("a",)) is None
    assert without_logprobs(api, body) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(("tools", "functions", "tool_choice", "logprobs", "top_logprobs", "x", "y"))
TOOLS = st.lists(st.builds(function, st.sampled_from(("a", "b", "c"))), max_size=4)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=7, unique_by=lambda pair: pair[0]), TOOLS, st.sampled_from((None, 1)))
def test_whatever_a_body_holds_the_rest_stays_as_it_was(pairs, tools, indent):
    body = dict(pairs) | ({"tools": tools} if tools else {})
    raw = json.dumps(body, indent=indent).encode()
    plain = json.loads(without_logprobs("openai.chat", raw))
    assert plain == {key: value for key, value in body.items() if key not in {"logprobs", "top_logprobs"}}
    sent = json.loads(without_tools("openai.chat", raw, ("a",)))
    assert not tools or "a" not in [one["function"]["name"] for one in sent.get("tools", [])]
    assert {key: value for key, value in sent.items() if key in {"x", "y"}} == {
        key: value for key, value in body.items() if key in {"x", "y"}
    }


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("openai.chat", rb'{"log\u0070robs":true}'),
        ("openai.chat", rb'{"\u006Cogprob\u0073":true}'),
        ("openai.responses", rb'{"include":["message.output_text.log\u0070robs"]}'),
        ("gemini.generate", rb'{"generationConfig":{"response\u004cogprobs":true}}'),
    ],
)
def test_letters_written_as_escapes_hide_no_wish(api, body):
    assert names_logprobs(body)
    left = json.loads(without_logprobs(api, body))
    assert "logprobs" not in json.dumps(left).lower()


def test_other_escapes_are_no_wish():
    assert not names_logprobs(rb'{"a":"\u0070\u0072"}')
