"""Tenant restrictions: to whom they go, and that nobody chooses them for himself."""

import pytest

from appliance.config.catalogue import load_catalogue
from appliance.route.revocation import PAGES, page_of
from appliance.route.tenants import KNOWN, Tenants, fault_of, restricted

SERVICES = load_catalogue(None).services
TENANTS = Tenants(
    {
        "chatgpt": {"ChatGPT-Allowed-Workspace-Id": "w-1"},
        "google": {"X-GoogApps-Allowed-Domains": "corp.example"},
        "microsoft": {"Restrict-Access-To-Tenants": "corp.example", "Restrict-Access-Context": "t-1"},
        "deepseek": {"X-Only": "this"},
    }
)


@pytest.mark.parametrize(
    ("service", "host", "word"),
    [
        ("chatgpt", "chatgpt.com", "chatgpt"),
        ("openai_web", "auth.openai.com", "chatgpt"),
        ("openai", "api.openai.com", None),
        (None, "chatgpt.com", None),
        ("gemini_web", "gemini.google.com", "google"),
        (None, "accounts.google.com", "google"),
        (None, "google.com.evil.example", None),
        (None, "evilgoogle.com", None),
        (None, "login.microsoftonline.com", "microsoft"),
        (None, "x.login.microsoftonline.com", None),
        ("deepseek", "api.deepseek.com", "deepseek"),
    ],
)
def test_to_whom_they_go(service, host, word):
    found = TENANTS.headers(service, host)
    assert (found[0] if found else None) == word


def test_what_the_client_sent_under_these_names_does_not_go():
    _, headers = TENANTS.headers("chatgpt", "chatgpt.com")
    sent = [(b"host", b"x"), (b"chatgpt-allowed-workspace-id", b"mine"), (b"CHATGPT-Allowed-workspace-ID", b"mine")]
    assert restricted(sent, headers) == ((b"host", b"x"), (b"ChatGPT-Allowed-Workspace-Id", b"w-1"))


def test_nothing_configured_restricts_nothing():
    assert not Tenants({})
    assert Tenants({}).headers("chatgpt", "chatgpt.com") is None


@pytest.mark.parametrize(
    ("name", "value"), [("A B", "x"), ("", "x"), ("X", ""), ("X", "a\r\nb"), ("X", " a"), ("X", "é")]
)
def test_what_is_no_header(name, value):
    assert fault_of(name, value)


def test_words_and_pages_name_services_of_the_catalogue():
    assert {service for known in KNOWN.values() for service in known.services} <= set(SERVICES)
    assert set(PAGES) <= set(SERVICES)
    assert page_of("openai").address.startswith("https://platform.openai.com/")
    assert page_of("nobody") is None
