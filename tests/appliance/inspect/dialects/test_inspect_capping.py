import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects.capping import ANSWERLESS, Asked, asked, lowered, respelt
from appliance.inspect.dialects.registry import DIALECTS

CHAT = {"model": "m", "messages": [{"role": "user", "content": 'the "max_tokens": 9 of it'}]}

BOTH, GEMINI = '{"max_tokens":3,"max_completion_tokens":%d}', '{"generationConfig":{"maxOutputTokens":%d}}'


def body(**more):
    return json.dumps(CHAT | more).encode()


@pytest.mark.parametrize(
    ("api", "service", "told", "expected"),
    [
        ("openai.chat", "openai", {}, Asked(None, adding="max_completion_tokens")),
        ("openai.chat", "groq", {"max_tokens": 9, "n": 3}, Asked(9, 3, adding="max_tokens")),
        (
            "openai.chat",
            "openai",
            {"max_tokens": 9, "max_completion_tokens": 7},
            Asked(9, adding="max_completion_tokens"),
        ),
        ("openai.chat", "openai", {"max_tokens": None, "n": 10**9}, Asked(None, 128, adding="max_completion_tokens")),
        ("openai.responses", "openai", {"max_output_tokens": 50}, Asked(50, least=16, adding="max_output_tokens")),
        ("anthropic.messages", "anthropic", {"max_tokens": 90}, Asked(90)),
        (
            "anthropic.messages",
            "anthropic",
            {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 4000}},
            Asked(9000, least=4001),
        ),
        ("gemini.generate", "gemini", {"generationConfig": {"maxOutputTokens": 5, "candidateCount": 2}}, Asked(5, 2)),
        ("gemini.generate", "gemini", {"generationConfig": {"candidate_count": 8}}, Asked(None, 8)),
        ("openai.chat", "groq", {"prompt": ["a", "b", [1]], "n": 2}, Asked(None, 6, adding="max_tokens")),
        ("openai.chat", "groq", {"prompt": [1, 2, 3]}, Asked(None, adding="max_tokens")),
        ("ollama.chat", "ollama", {"options": {"num_predict": -1}}, Asked(None)),
        ("openai.assets", "openai", {"max_tokens": 1}, None),
        (None, None, {}, None),
    ],
)
def test_what_a_request_says_of_its_answer(api, service, told, expected):
    assert asked(api, service, body(**told)) == expected


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 2000])
def test_what_cannot_be_read_says_nothing(data):
    assert asked("openai.chat", "openai", data) is None
    assert lowered("openai.chat", "openai", data, 5) is None


@pytest.mark.parametrize(
    ("api", "service", "before", "after"),
    [
        ("openai.chat", "groq", '{"max_tokens" : 900, "a": [ 1 ]}', '{"max_tokens" : 5, "a": [ 1 ]}'),
        ("openai.chat", "groq", '{"a":1}', '{"max_tokens":5,"a":1}'),
        ("openai.chat", "openai", '{"a":1}', '{"max_completion_tokens":5,"a":1}'),
        ("openai.chat", "openai", '{"max_tokens":null}', '{"max_tokens":5}'),
        ("openai.chat", "x", BOTH % 9, BOTH % 5),
        ("openai.chat", "openai", '{"max_tokens":3}', '{"max_tokens":3}'),
        ("openai.chat", "openai", '{"x":{"max_tokens":9},"max_tokens":8}', '{"x":{"max_tokens":9},"max_tokens":5}'),
        ("gemini.generate", "x", GEMINI % 9, GEMINI % 5),
        ("bedrock.converse", "bedrock", '{"inferenceConfig":{"maxTokens":9}}', '{"inferenceConfig":{"maxTokens":5}}'),
        ("gemini.generate", "gemini", '{"contents":[]}', None),
        ("ollama.chat", "ollama", '{"options":{"num_predict":-1}}', None),
        ("openai.chat", "openai", '{"max_tokens":"9"}', None),
        ("openai.chat", "openai", '{"max_tokens":9.0}', None),
        ("openai.chat", "openai", '{"max_tokens":9,"max_tokens":8}', None),
        ("openai.chat", "openai", "{}", None),
    ],
)  # fmt: skip
def test_the_most_is_made_smaller_and_nothing_else(api, service, before, after):
    made = lowered(api, service, before.encode(), 5)
    assert made == (after.encode() if after is not None else None)


@given(most=st.integers(1, 10**6), given=st.none() | st.integers(0, 10**7), pretty=st.booleans())
def test_no_number_grows_and_the_rest_stays(most, given, pretty):
    told = CHAT if given is None else CHAT | {"max_tokens": given}
    data = json.dumps(told, indent=2 if pretty else None).encode()
    made = json.loads(lowered("openai.chat", "groq", data, most))
    assert made.pop("max_tokens") == (most if given is None else min(most, given))
    assert made == CHAT


def test_dialects_without_answers_are_known_ones():
    assert {dialect.api for dialect in DIALECTS} > ANSWERLESS


@pytest.mark.parametrize(
    ("service", "told", "expected"),
    [
        ("groq", '{"max_completion_tokens":5,"model":"m"}', '{"max_tokens":5,"model":"m"}'),
        ("openai", '{"model":"m", "max_tokens" : 5}', '{"model":"m", "max_completion_tokens" : 5}'),
        ("groq", '{"max_tokens":5}', '{"max_tokens":5}'),
        ("groq", '{"max_completion_tokens":5,"max_tokens":6}', '{"max_completion_tokens":5,"max_tokens":6}'),
        ("groq", '{"messages":[{"max_completion_tokens":5}]}', '{"messages":[{"max_completion_tokens":5}]}'),
        ("groq", '{"max_completion_tokens":5', '{"max_completion_tokens":5'),
    ],
)
def test_another_service_has_another_name_for_the_same_number(service, told, expected):
    assert respelt("openai.chat", service, told.encode()) == expected.encode()
    assert respelt("openai.responses", service, told.encode()) == told.encode()
