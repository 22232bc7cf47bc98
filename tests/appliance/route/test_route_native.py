"""The paths of a dialect's calls at one service and another."""

import pytest

from appliance.model.catalogue import Service
from appliance.route.native import native_path, reads

CHAT = "openai.chat"


def service(name, dialect=CHAT):
    return Service(id=name, name=name, owner=name, category="model_api", dialect=dialect)


@pytest.mark.parametrize(
    ("asked", "there", "target", "found"),
    [
        ("groq", "openai", "/openai/v1/chat/completions", "/v1/chat/completions"),
        ("groq", "openai", "/openai/v1/models?limit=%31", "/v1/models?limit=%31"),
        ("openai", "groq", "/v1/chat/completions", "/openai/v1/chat/completions"),
        ("deepseek", "openai", "/chat/completions?a", "/v1/chat/completions?a"),
        ("openrouter", "perplexity", "/api/v1/chat/completions/", "/chat/completions"),
        ("zai", "ours", "/api/paas/v4/chat/completions", "/v1/chat/completions"),
        ("ours", "ours", "/deep/chat/completions/", "/deep/chat/completions/"),
        ("openai", "ours", "/v1/chat/completions", "/v1/chat/completions"),
        ("openai", "groq", "/v1/files", "/v1/files"),
    ],
)
def test_only_what_stands_before_the_words_changes(asked, there, target, found):
    assert native_path(service(asked), service(there), target) == found


def test_the_list_of_models_is_read_where_the_service_has_it():
    assert reads(service("groq")) == ("/openai/v1/models", "/v1/models", "/models")
    assert reads(service("plain", None)) == ()
