"""The paths of a dialect's calls at one service and another."""

import pytest

from appliance.config.catalogue import load_catalogue
from appliance.inspect.dialects.registry import DIALECTS
from appliance.model.catalogue import Service
from appliance.route.native import at_home, names_deployment, native_path, reads, spoken

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


@pytest.mark.parametrize(
    ("dialect", "there", "target", "found"),
    [
        ("anthropic.messages", "ours", "/anthropic/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("anthropic.messages", "azure_ai", "/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens"),
        ("anthropic.messages", "ours", "/v1/messages/batches", "/v1/messages/batches"),
        ("gemini.generate", "ours", "/v1beta/models/g:generateContent", "/v1beta/models/g:generateContent"),
        ("ollama.chat", "ours", "/api/chat", "/api/chat"),
        ("ollama.chat", "ours", "/openai/v1/chat/completions", "/v1/chat/completions"),
        ("bedrock.converse", "ours", "/model/m/converse", "/model/m/converse"),
        (CHAT, "github_copilot", "/v1/chat/completions", "/chat/completions"),
    ],
)
def test_other_dialects_have_places_of_their_own(dialect, there, target, found):
    assert native_path(service("asked", dialect), service(there, dialect), target) == found


def test_calls_beside_a_dialect_go_with_it():
    assert spoken("anthropic.messages") == {"anthropic.messages", "anthropic.count_tokens"}
    assert spoken(CHAT) == {CHAT}


def test_every_dialect_of_the_catalogue_is_one_and_takes_what_goes_with_it():
    known = {dialect.api for dialect in DIALECTS}
    told = {each.dialect for each in load_catalogue().services.values() if each.dialect}
    assert told >= {CHAT, "anthropic.messages", "gemini.generate", "bedrock.converse", "cohere.chat", "ollama.chat"}
    assert all(spoken(dialect) <= known for dialect in told)


def test_the_list_of_models_is_read_where_the_service_has_it():
    assert reads(service("groq")) == ("/openai/v1/models", "/v1/models", "/models")
    assert reads(service("ours", "ollama.chat")) == ("/api/tags", "/api/version")
    assert reads(service("plain", None)) == ()


@pytest.mark.parametrize(
    ("there", "target", "found"),
    [
        ("azure_openai", "/v1/chat/completions", "/openai/v1/chat/completions"),
        ("azure_openai", "/v1/embeddings?a=%31", "/openai/v1/embeddings?a=%31"),
        ("azure_openai", "/openai/v1/responses", "/openai/v1/responses"),
        ("azure_openai", "/openai/deployments/mine/chat/completions?api-version=1", None),
        ("groq", "/v1/models", "/openai/v1/models"),
        ("deepinfra", "/v1/openai/chat/completions", None),
        ("perplexity", "/v1/chat/completions", "/chat/completions"),
        ("ours", "/v1/chat/completions", None),
        ("groq", "/v1/files", None),
    ],
)
def test_who_was_given_nothing_but_the_gateway_is_taken_to_where_the_calls_stand(there, target, found):
    assert at_home(service(there), target) == (found or target)


def test_a_deployment_in_the_path_is_seen():
    assert names_deployment("/openai/deployments/mine/chat/completions?api-version=1")
    assert not names_deployment("/openai/v1/chat/completions?x=/deployments/")
