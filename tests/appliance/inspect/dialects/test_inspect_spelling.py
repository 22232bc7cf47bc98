"""Keys in other letters than the dialect's: read as Go reads them, told as a problem, and left alone where data is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.ollama_words import NAMES
from appliance.inspect.dialects.registry import choose
from appliance.inspect.dialects.spelling import KEY_CASE, Spelling
from appliance.inspect.walker import walk

MODEL = "llama3.2"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
CLAUDE = {**CHAT, "max_tokens": 9}
PATHS = {
    "/api/chat": CHAT,
    "/api/generate": {"model": MODEL, "prompt": "hello"},
    "/api/embed": {"model": MODEL, "input": ["hello"]},
    "/v1/chat/completions": CHAT,
    "/v1/responses": {"model": MODEL, "input": [{"role": "user", "content": "hello"}]},
    "/v1/embeddings": {"model": MODEL, "input": "hello"},
    "/v1/messages": CLAUDE,
    "/v1/realtime/sessions": {"model": MODEL},
}
GEMINI = "/v1beta/models/gemini-2.5-pro:generateContent"


def view(path, body):
    text = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return choose("POST", path, None).request(text, Call("POST", path, "application/json"))


def told(seen):
    return (seen.model, seen.stream, seen.max_tokens, seen.logprobs, seen.tools_declared, seen.hosted_mcp)


def places(seen):
    return [(one.role, one.channel, one.text, one.start, one.end) for one in seen.segments]


@pytest.mark.parametrize("path", PATHS)
def test_as_it_should_be_there_is_no_problem(path):
    assert view(path, PATHS[path]).problem is None


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["Model", "MODEL", "mOdel", "\\u004dodel"])
def test_a_model_in_other_letters_is_the_model_and_told(path, name):
    text = json.dumps(PATHS[path]).replace('"model"', f'"{name}"', 1).encode()
    seen = view(path, text)
    assert (seen.model, seen.problem) == (MODEL, KEY_CASE)


@pytest.mark.parametrize("path", PATHS)
def test_of_two_the_last_counts_as_in_go(path):
    for first, second in (("model", "Model"), ("MODEL", "model")):
        rest = {name: value for name, value in PATHS[path].items() if name != "model"}
        seen = view(path, {first: "allowed", second: "other", **rest})
        assert (seen.model, seen.problem) == ("other", KEY_CASE)


@pytest.mark.parametrize("old", ["model", "messages", "tools", "images", "options", "logprobs", "stream", "role"])
def test_ollama_is_read_as_if_each_key_were_right(old):
    tool = {"type": "function", "function": {"name": "delete_all", "parameters": {"type": "object"}}}
    right = {**CHAT, "stream": False, "tools": [tool], "options": {"num_predict": 7}, "logprobs": True, "images": ["x"]}
    text = json.dumps(right)
    plain, odd = (
        view("/api/chat", text.encode()),
        view("/api/chat", text.replace(f'"{old}"', f'"{old.title()}"').encode()),
    )
    assert odd.problem == KEY_CASE
    assert told(odd) == told(plain)
    assert places(odd) == places(plain)


@pytest.mark.parametrize(("path", "old"), [("/v1/chat/completions", "tools"), ("/v1/messages", "tools")])
def test_tools_do_not_hide_behind_letters(path, old):
    tools = [{"name": "delete_all", "input_schema": {}, "function": {"name": "delete_all"}, "type": "function"}]
    seen = view(path, {**CLAUDE, old.upper(): tools})
    assert seen.problem == KEY_CASE
    assert seen.tools_declared == ("delete_all",)


@pytest.mark.parametrize("name", ["me\u017f\u017fages", "ME\u017fSAGES", "tool\u017f", "to\u212aens"])
def test_letters_that_go_folds_are_folded(name):
    seen = Spelling({b"messages": "messages", b"tools": "tools", b"tokens": "tokens"}).parse(
        json.dumps({name: [1]}, ensure_ascii=False).encode()
    )
    assert seen.problem == KEY_CASE
    assert seen.document.value in ({"messages": [1]}, {"tools": [1]}, {"tokens": [1]})


def test_a_prompt_of_token_ids_is_found_under_its_other_name():
    seen = view("/v1/completions", {"model": MODEL, "Prompt": [1, 2, 3]})
    assert seen.problem == KEY_CASE
    assert [one.reason for one in seen.opaque] == ["token_ids"]


def test_gemini_is_read_alike():
    body = {
        "Contents": [{"Role": "user", "Parts": [{"text": "hello"}]}],
        "tools": [{"FunctionDeclarations": [{"name": "f"}]}],
    }
    seen = view(GEMINI, body)
    assert seen.problem == KEY_CASE
    assert seen.tools_declared == ("f",)
    assert [one.role for one in seen.segments if one.text == "hello"] == ["user"]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (
            "/api/chat",
            {"tools": [{"function": {"name": "f", "parameters": {"properties": {"Model": {}, "model": {}}}}}]},
        ),
        ("/api/chat", {"format": {"properties": {"Name": {}, "ID": {}}}}),
        ("/api/chat", {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": {"Model": 1}}}]}]}),
        ("/v1/chat/completions", {"metadata": {"User": "x", "user": "y"}}),
        ("/v1/chat/completions", {"chat_template_kwargs": {"Model": "x", "enable_thinking": False}}),
        ("/v1/chat/completions", {"functions": [{"name": "f", "parameters": {"properties": {"ID": {}, "id": {}}}}]}),
        ("/v1/chat/completions", {"response_format": {"json_schema": {"schema": {"properties": {"Text": {}}}}}}),
        (
            "/v1/messages",
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": {"Text": 1}}]}]},
        ),
        ("/v1/messages", {"tools": [{"name": "f", "input_schema": {"properties": {"Name": {}}}}]}),
        ("/v1/responses", {"tools": [{"type": "mcp", "server_url": "https://a", "headers": {"Name": "x"}}]}),
        (GEMINI, {"contents": [{"parts": [{"functionCall": {"name": "f", "args": {"Text": 1, "text": 2}}}]}]}),
        (GEMINI, {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": {"Name": 1}}}]}]}),
    ],
)
def test_keys_that_are_data_are_left_as_they_are(path, more):
    assert view(path, {**PATHS.get(path, {}), **more}).problem is None


def test_a_body_that_no_dialect_knows_tells_its_model_all_the_same():
    seen = walk(b'{"Model":"llama3.2","STREAM":true}', "application/json")
    assert (seen.model, seen.stream) == (MODEL, True)


_KEYS = st.sampled_from(sorted(NAMES.values())).flatmap(
    lambda name: st.tuples(*(st.sampled_from([one, one.upper()]) for one in name)).map("".join)
)
_DOCUMENTS = st.recursive(
    st.text(max_size=6) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_KEYS, _DOCUMENTS, max_size=5), st.booleans())
def test_bytes_keep_their_places_whatever_is_respelt(document, plain):
    body = json.dumps(document, ensure_ascii=plain).encode()
    seen = Spelling(NAMES).parse(body)
    assert len(seen.data) == len(body)
    for span in seen.document.strings:
        if not span.is_key:
            assert seen.data[span.start : span.end] == body[span.start : span.end]
    assert Spelling(NAMES).parse(seen.data).problem in (None, "duplicate_key")
