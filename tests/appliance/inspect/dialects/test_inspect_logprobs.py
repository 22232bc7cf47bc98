"""Requests that ask how sure a model is of its words: in every dialect's own way, and in no other."""

import json

import pytest

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.registry import by_api
from appliance.inspect.topics.uses import LOGPROBS, told_of
from appliance.store import signal_queries

CHAT = {"model": "m", "messages": [{"role": "user", "content": "logprobs, please"}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
ASKING = [
    ("openai.chat", "/v1/chat/completions", CHAT | {"logprobs": True}),
    ("openai.chat", "/v1/chat/completions", CHAT | {"top_logprobs": 5}),
    ("openai.chat", "/v1/completions", {"model": "m", "prompt": "hi", "logprobs": 5}),
    ("openai.responses", "/v1/responses", {"model": "m", "input": "hi", "include": ["message.output_text.logprobs"]}),
    ("openai.responses", "/v1/responses", {"model": "m", "input": "hi", "top_logprobs": 3}),
    ("gemini.generate", "/v1beta/models/m:generateContent", GEMINI | {"generationConfig": {"responseLogprobs": True}}),
    ("gemini.generate", "/v1beta/models/m:generateContent", GEMINI | {"generation_config": {"logprobs": 3}}),
    ("ollama.chat", "/api/chat", CHAT | {"logprobs": True}),
    ("cohere.chat", "/v2/chat", CHAT | {"logprobs": True}),
]
NOT_ASKING = [
    ("openai.chat", "/v1/chat/completions", CHAT),
    ("openai.chat", "/v1/chat/completions", CHAT | {"logprobs": False, "top_logprobs": 0}),
    ("openai.chat", "/v1/chat/completions", CHAT | {"logprobs": None, "top_logprobs": "many"}),
    ("openai.chat", "/v1/chat/completions", CHAT | {"tools": [{"logprobs": True}]}),
    ("openai.responses", "/v1/responses", {"model": "m", "input": "hi", "include": "message.output_text.logprobs"}),
    ("gemini.generate", "/v1beta/models/m:generateContent", GEMINI | {"generationConfig": ["responseLogprobs"]}),
]


def labels(api, path, asked):
    view = by_api(api).request(json.dumps(asked).encode(), Call("POST", path, "application/json"))
    assert view.segments
    return [label.entity for label in told_of(view)]


@pytest.mark.parametrize(("api", "path", "asked"), ASKING)
def test_asking_is_a_label(api, path, asked):
    assert LOGPROBS in labels(api, path, asked)


@pytest.mark.parametrize(("api", "path", "asked"), NOT_ASKING)
def test_anything_else_is_none(api, path, asked):
    assert LOGPROBS not in labels(api, path, asked)


def test_the_store_counts_by_the_same_word():
    assert signal_queries.LOGPROBS == LOGPROBS
