"""Which names of models mean one model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.model_names import unlike

ALIKE = [
    ("gpt-4o", "gpt-4o-2024-08-06"),
    ("gpt-4", "gpt-4-0613"),
    ("gpt-3.5-turbo", "gpt-3.5-turbo-0125"),
    ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
    ("claude-3.5-sonnet", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
    ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    ("claude-opus-4-20250514", "claude-opus-4-0"),
    ("gemini-2.0-flash", "gemini-2.0-flash-001"),
    ("openai/gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
    ("llama3", "llama3:8b"),
    ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1:8b"),
    ("qwen2.5:7b", "Qwen/Qwen2.5-7B-Instruct-GGUF"),
    ("mistral-large-latest", "mistral-large-2411"),
    ("o1", "o1-2024-12-17"),
    ("deepseek-chat", "deepseek-v3"),
    ("fast", "gpt-4o"),  # an operator's own name tells nothing
    ("auto", "claude-3-opus"),
    ("", "gpt-4o"),
]
UNLIKE = [
    ("gpt-4o", "gpt-4o-mini"),
    ("gpt-4", "gpt-3.5-turbo"),
    ("gpt-5", "gpt-4o"),
    ("claude-3-opus", "claude-3-haiku-20240307"),
    ("claude-sonnet-4-5", "claude-sonnet-4-20250514"),
    ("claude", "openai/gpt-4o-mini"),
    ("o1", "o1-mini"),
    ("o3", "gpt-4o"),
    ("llama3:70b", "llama3:8b"),
    ("gpt-4o", "qwen2.5-7b-instruct"),
]


@pytest.mark.parametrize(("asked", "served"), ALIKE)
def test_one_model(asked, served):
    assert not unlike(asked, served)
    assert not unlike(served, asked)


@pytest.mark.parametrize(("asked", "served"), UNLIKE)
def test_two_models(asked, served):
    assert unlike(asked, served)
    assert unlike(served, asked)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_names_are_compared(one, other):
    assert unlike(one, other) == unlike(other, one)
    assert not unlike(one, one)
