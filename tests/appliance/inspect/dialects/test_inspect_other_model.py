"""Another model in a request: only its name changes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects.other_model import body_for, path_for, stands_in_path

BODY = b'{ "messages":[{"role":"user","content":"model"}],\t"model" : "fast","x":{"model":"fast"}}'


def test_only_the_name_changes():
    assert body_for(BODY, "gpt-4o") == BODY.replace(b'"model" : "fast"', b'"model" : "gpt-4o"')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"model": 1}',
        b'{"model": null}',
        b'{"messages": []}',
        b'{"model": "a", "model": "b"}',
        b'{"model": ["a"]}',
        b'{"model": {"model": "a"}}',
    ],
)
def test_what_cannot_be_edited_is_told(body):
    assert body_for(body, "gpt-4o") is None


@given(st.text(min_size=1, max_size=30), st.text(max_size=30))
def test_every_name_can_be_written(model, before):
    body = json.dumps({"a": before, "model": before, "z": [before]}).encode()
    edited = body_for(body, model)
    assert json.loads(edited) == {"a": before, "model": model, "z": [before]}


@pytest.mark.parametrize(
    ("api", "path", "made"),
    [
        (
            "gemini.generate",
            "/v1/models/fast:generateContent?alt=sse",
            "/v1/models/a%2Fb:generateContent?alt=sse",
        ),
        ("gemini.generate", "/v1beta/models", None),
        ("bedrock.converse", "/model/fast.v1%3A0/converse-stream", "/model/a%2Fb/converse-stream"),
        ("bedrock.converse", "/guardrail", None),
    ],
)
def test_the_name_in_a_path(api, path, made):
    assert stands_in_path(api)
    assert path_for(api, path, "a/b") == made
    assert not stands_in_path("openai.chat")
    assert not stands_in_path(None)
