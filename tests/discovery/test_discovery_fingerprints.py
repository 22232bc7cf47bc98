"""What a site adds to the fingerprints, and what it withdraws."""

import pytest
from sensing import seen

from appliance.config.catalogue import load_catalogue
from appliance.model.known import Client, FingerprintsFile, Handshake, OwnServer, SiteKnown
from appliance.model.names import ObservationKind
from discovery.classify import Classifier
from discovery.fingerprints import DEFAULT, Known

JA4 = "t13d1812h1_85036bcba153_6a1c4b4a0b0e"
SITE = FingerprintsFile(
    clients=(Client(agent="acme", service=None), Client(agent="acme-bot/", service="ollama")),
    servers=(OwnServer(service="vllm", ports=(8443,), paths=("/acme/generate", "/acme/v2/"), common=("/health2",)),),
    handshakes=(
        Handshake(ja4=JA4, program="acme-agent", ai=True),
        Handshake(ja4="t13d1714h1_5b57614c22b0", program="acme-cli"),
    ),
    withdraw=("langchain",),
)
KNOWN = Known(SITE)
SIGHT = Classifier(load_catalogue(), site=SiteKnown(fingerprints=SITE)).sight


def request(**more):
    return seen(None, kind=ObservationKind.HTTP, method="POST", host="10.0.0.7", dst="10.0.0.7", **more)


@pytest.mark.parametrize(
    ("more", "service"),
    [
        ({"user_agent": "acme-bot/2.1"}, "ollama"),
        ({"user_agent": "acme/1"}, "openai_compatible"),
        ({"user_agent": "langchain/0.3"}, None),
        ({"user_agent": "openai/1.2"}, "openai_compatible"),
        ({"path": "/acme/generate"}, "vllm"),
        ({"path": "/acme/v2/x"}, "vllm"),
        ({"path": "/health2", "dport": 8443}, "vllm"),
        ({"path": "/health2"}, None),
        ({"path": "/api/generate"}, "ollama"),
    ],
)
def test_programs_and_servers_of_the_sites_own(more, service):
    assert SIGHT(request(**more)).service == service


def test_nothing_of_it_reaches_those_without_a_file():
    assert DEFAULT.server_of("/acme/generate", 8443) is None
    assert "acme-bot/" not in DEFAULT.agents
    assert "langchain" in DEFAULT.agents


def test_a_handshake_is_called_by_its_program():
    found = SIGHT(seen("api.openai.com", ja4=JA4))
    assert f"ja4 {JA4} (acme-agent, as the site says)" in found.evidence
    assert KNOWN.handshake("t13d1714h1_5b57614c22b0_000000000000").program == "acme-cli"
    assert KNOWN.handshake("t13d1812h1_85036bcba153_000000000000") is None, "the whole was named, not a part"
    assert KNOWN.stack("t13d1812h1_85036bcba153_000000000000") == "python/openssl"
