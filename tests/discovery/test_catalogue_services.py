"""The embedded catalogue: covers what public lists agree on, and tells the right owner."""

import csv
from pathlib import Path

import pytest

from appliance.config.catalogue import load_catalogue
from appliance.model.names import Surface

CATALOGUE = load_catalogue()
MERGED = Path(__file__).parents[3] / "shared" / "data" / "catalogue" / "merged.csv"


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("api.openai.com", "openai"),
        ("API.OpenAI.com.", "openai"),
        ("eu.api.openai.com", "openai"),
        ("platform.openai.com", "openai_web"),
        ("chat.openai.com", "chatgpt"),
        ("chatgpt.com", "chatgpt"),
        ("files.oaiusercontent.com", "openai_files"),
        ("api.anthropic.com", "anthropic"),
        ("claude.ai", "claude"),
        ("claude.com", "claude"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("us-central1-aiplatform.googleapis.com", "vertex_ai"),
        ("cloudcode-pa.googleapis.com", "gemini_code_assist"),
        ("corp.openai.azure.com", "azure_openai"),
        ("corp.services.ai.azure.com", "azure_ai"),
        ("corp.eastus.inference.ai.azure.com", "azure_ai"),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "bedrock"),
        ("ark.cn-beijing.volces.com", "volcengine_ark"),
        ("models.litellm.cloud", "litellm_exfiltration"),
        ("notopenai.com", None),
        ("api.openai.com.evil.example", None),
        ("googleapis.com", None),
        ("s3.eu-central-1.amazonaws.com", None),
        ("bedrock-runtime.a.b.amazonaws.com", None),
        ("www.example.com", None),
        ("", None),
    ],
)
def test_hosts(host: str, service: str | None) -> None:
    found = CATALOGUE.match(host)
    assert (found.id if found else None) == service


def test_every_name_matches_its_own_service() -> None:
    for service in CATALOGUE.services.values():
        for domain in service.domains:
            assert CATALOGUE.match(domain.removeprefix(".")) is service, domain
            if domain.startswith("."):
                assert CATALOGUE.match("x" + domain) is service, domain
        for pattern in service.patterns:
            assert CATALOGUE.match(pattern.replace("*", "eu-west-1")) is service, pattern


def test_hosts_that_people_share_say_so() -> None:
    for name in ("hf.space", "notion.so", "grammarly.com"):
        assert CATALOGUE.match(name).shared_host, name


def test_what_is_needed_elsewhere() -> None:
    assert CATALOGUE.services["openai"].dialect == "openai.chat"
    assert CATALOGUE.services["openai"].surface is Surface.API
    assert CATALOGUE.services["chatgpt"].surface is Surface.WEB
    assert CATALOGUE.services["litellm_exfiltration"].category == "known_bad"
    assert len(CATALOGUE.version) == 12


@pytest.mark.shared
def test_names_that_three_lists_agree_on_are_covered() -> None:
    if not MERGED.exists():
        pytest.skip("../shared/data is not here")
    with MERGED.open() as file:
        agreed = [row["domain"] for row in csv.DictReader(file) if int(row["n_sources"]) >= 3]
    assert len(agreed) > 60
    assert [name for name in agreed if CATALOGUE.match(name) is None] == []
