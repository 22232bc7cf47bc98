"""Which calls a service takes as they are, and which are carried over."""

import pytest

from appliance.config.catalogue import load_catalogue
from appliance.route.carrying import CARRIED, alike, carries, is_usual, named, takes
from appliance.route.native import placed
from appliance.route.translate.carriers import DIALECTS

SERVICES = load_catalogue().services
CHAT, RESPONSES, MESSAGES = "openai.chat", "openai.responses", "anthropic.messages"


def test_what_is_carried_is_what_translations_are_there_for():
    assert set(DIALECTS) == CARRIED


@pytest.mark.parametrize(
    ("service", "api", "is_taken", "is_carried"),
    [
        ("openai", CHAT, True, False),
        ("openai", RESPONSES, True, False),
        ("mistral", RESPONSES, False, True),
        ("openai", MESSAGES, False, True),
        ("anthropic", CHAT, False, True),
        ("anthropic", "anthropic.count_tokens", True, False),
        ("gemini", "ollama.chat", False, True),
        ("ollama", CHAT, True, False),
        ("ollama", RESPONSES, False, True),
        ("anthropic", "openai.embeddings", False, False),
        ("cohere", CHAT, False, False),
        ("bedrock", MESSAGES, False, False),
        ("anthropic", None, False, False),
    ],
)
def test_who_takes_what(service, api, is_taken, is_carried):
    assert takes(SERVICES[service], api) == is_taken
    assert carries(api, SERVICES[service]) == is_carried


@pytest.mark.parametrize(
    ("api", "path", "usual"),
    [
        (CHAT, "/v1/chat/completions", True),
        (CHAT, "/chat/completions?x=1", True),
        (CHAT, "/v1beta/openai/chat/completions", False),
        (RESPONSES, "/v1/responses", True),
        (MESSAGES, "/v1/messages?beta=true", True),
        (MESSAGES, "/anthropic/v1/messages", False),
        ("gemini.generate", "/v1beta/models/gemini-2:streamGenerateContent?alt=sse", True),
        ("gemini.generate", "/v1/projects/p/models/gemini-2:generateContent", False),
        ("ollama.chat", "/api/chat", True),
        ("cohere.chat", "/v2/chat", False),
        (None, "/v1/chat/completions", False),
    ],
)
def test_where_clients_send_their_calls(api, path, usual):
    assert is_usual(api, path) == usual


def test_what_one_route_may_lead_to():
    assert alike([SERVICES["openai"], SERVICES["anthropic"], SERVICES["gemini"]])
    assert alike([SERVICES["cohere"], SERVICES["cohere"]])
    assert not alike([SERVICES["cohere"], SERVICES["openai"]])


@pytest.mark.parametrize(
    ("models", "asked", "sent"),
    [
        ({}, "a", None),
        ({"a": "b"}, "a", "b"),
        ({"a": "b"}, "c", None),
        ({"a": "b", "*": "d"}, "c", "d"),
        ({"*": "*"}, "c", "c"),
        ({"a": "*"}, "a", "a"),
        ({"*": "d"}, None, None),
    ],
)
def test_which_model_is_sent(models, asked, sent):
    assert named(models, asked) == sent


def test_a_written_call_stands_where_its_service_has_it():
    assert placed(SERVICES["groq"], "/v1/chat/completions") == "/openai/v1/chat/completions"
    assert placed(SERVICES["azure_ai"], "/v1/messages") in ("/anthropic/v1/messages", "/v1/messages")
    assert placed(SERVICES["openai"], "/v1/chat/completions") == "/v1/chat/completions"
    assert placed(SERVICES["gemini"], "/v1beta/models/x:generateContent") == "/v1beta/models/x:generateContent"
