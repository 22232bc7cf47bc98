"""The sensor's judgement: names by the catalogue, self-hosted servers by how they talk, and what proves nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.catalogue import load_catalogue
from appliance.model.names import FindingKind, ObservationKind, Transport
from appliance.model.observation import Observation
from discovery import classify, fingerprints
from discovery.classify import Classifier

CATALOGUE = load_catalogue()
CLASSIFIER = Classifier(CATALOGUE)
TLS, DNS, HTTP, MDNS = ObservationKind.TLS, ObservationKind.DNS, ObservationKind.HTTP, ObservationKind.MDNS
PYTHON = "t13d1812h1_85036bcba153_d41ae481755e"


def seen(kind: ObservationKind = TLS, **fields) -> Observation:
    ends = {"ts": 1.0, "src": "10.0.0.1", "sport": 40_000, "dst": "10.0.0.2", "dport": 443}
    return Observation(**{**ends, "transport": Transport.TCP, "kind": kind, **fields})


def request(path: str, port: int = 80, host: str = "10.0.0.2", method: str = "POST", **fields) -> Observation:
    return seen(HTTP, method=method, host=host, path=path, dport=port, **fields)


@pytest.mark.parametrize(
    ("observation", "service", "surface", "confidence", "evidence"),
    [
        (seen(server_name="api.openai.com"), "openai", "api", 0.95, ("sni api.openai.com",)),
        (seen(DNS, server_name="Claude.AI."), "claude", "web", 0.6, ("dns question Claude.AI.",)),
        (seen(server_name="x.hf.space"), "huggingface_spaces", "web", 0.475, ("sni x.hf.space",)),
        (
            seen(server_name="chatgpt.com", ja4=PYTHON, notes=("hello_retry",)),
            *("chatgpt", "web", 1.0),
            ("sni chatgpt.com", f"ja4 {PYTHON} (python/openssl)", "hello_retry"),
        ),
        (
            request("/v1/chat/completions?key=secret", 80, "api.openai.com", user_agent="OpenAI/Python 3.54.0"),
            *("openai", "api", 0.95),
            ("host api.openai.com", "path /v1/chat/completions", "user-agent OpenAI/Python 3.54.0"),
        ),
        (
            seen(HTTP, method="CONNECT", host="api.openai.com", dport=8080),
            *("openai", "api", 0.95, ("connect api.openai.com",)),
        ),
        (request("/api/chat", 11434), "ollama", "api", 0.95, ("ollama port 11434 + path /api/chat",)),
        (request("/api/chat", 9_000), "ollama", "api", 0.6, ("path /api/chat",)),
        (request("/", 11434, method="GET"), "ollama", "api", 0.4, ("ollama port 11434", "path /")),
        (request("/api/chat/completions", 3_000), "open_webui", "web", 0.95, None),
        (request("/v1/chat/completions", 8_000), "openai_compatible", "api", 0.8, ("path /v1/chat/completions",)),
        (request("/v1/chat/completions", 1_234), "lmstudio_server", "api", 0.8, None),
        (request("/sdapi/v1/txt2img", 9_999), "stable_diffusion_webui", "web", 0.9, None),
        (request("/mcp", 3_000), "mcp_server", "mcp", 0.6, ("path /mcp",)),
        (
            request("/anything", 8_123, user_agent="OpenAI/Python 3.54.0"),
            *("openai_compatible", "api", 0.6, ("user-agent OpenAI/Python 3.54.0", "path /anything")),
        ),
        (
            request("http://gpu.example/v1/completions", 3_128, "gpu.example"),
            *("openai_compatible", "api", 0.8, ("path /v1/completions",)),
        ),
        (seen(MDNS, server_name="_ollama._tcp.local"), "ollama", "api", 0.3, ("mdns question _ollama._tcp.local",)),
    ],
)
def test_what_is_known(observation, service, surface, confidence, evidence):
    found = CLASSIFIER.sight(observation)
    assert (found.service, found.surface, found.confidence) == (service, surface, confidence)
    assert found.category == CATALOGUE.services[service].category
    if evidence is not None:
        assert found.evidence == evidence
    assert found.observation is observation


@pytest.mark.parametrize(
    "observation",
    [
        seen(server_name="www.example.com", ja4=PYTHON),
        seen(),
        seen(DNS, server_name="ollama.example"),
        seen(server_name="a" * 10_000 + ".openai.com"),
        request("/api/tags"),
        request("/api/chats", 11_435),
        request("/mcp", method="PUT"),
        request("/index.html", user_agent="Mozilla/5.0 OpenAI/Python"),
        seen(HTTP, method="CONNECT", host="www.example.com", dport=11434),
        seen(MDNS, server_name="printer.local"),
        seen(server_name="notopenai.com"),
    ],
)
def test_what_proves_nothing(observation):
    found = CLASSIFIER.sight(observation)
    assert (found.service, found.category, found.surface, found.confidence, found.evidence) == (None,) * 4 + ((),)


def reply(*marks: str, port: int = 9_000, **fields) -> Observation:
    ends = {"ts": 2.0, "src": "10.0.0.2", "sport": port, "dst": "10.0.0.1", "dport": 40_000}
    return Observation(
        **{**ends, "transport": Transport.TCP, "kind": ObservationKind.HTTP_RESPONSE, "marks": marks, **fields}
    )


@pytest.mark.parametrize(
    ("observation", "service", "confidence", "first"),
    [
        (reply("vllm"), "vllm", 0.95, "shows vllm"),
        (reply("chat_answer"), "openai_compatible", 0.85, "shows chat_answer"),
        (reply("chat_answer", "vllm?"), "vllm", 0.85, "shows vllm?"),
        (reply("litellm_proxy?"), "litellm_proxy", 0.6, "shows litellm_proxy?"),
        (reply("litellm_proxy?", path="/health/liveliness"), "litellm_proxy", 0.88, "path /health/liveliness"),
        (reply("koboldcpp", path="/api/chat"), "koboldcpp", 0.95, "shows koboldcpp"),
        (reply("ollama", port=11_434), "ollama", 0.97, "shows ollama"),
        (reply("mcp", "mcp_tools_list", tools=("rm",)), "mcp_server", 0.95, "shows mcp"),
        (reply("a2a_card"), "a2a_agent", 0.95, "shows a2a_card"),
        (request("/x", 9_000, marks=("mcp",)), "mcp_server", 0.95, "shows mcp"),
        (request("/x", 9_000, marks=("chat_request", "credential")), "openai_compatible", 0.6, "shows chat_request"),
    ],
)
def test_answers_tell_more(observation, service, confidence, first):
    found = CLASSIFIER.sight(observation)
    assert (found.service, found.evidence[0]) == (service, first)
    assert found.confidence == pytest.approx(min(confidence, 0.95), abs=0.001)


@pytest.mark.parametrize(
    "observation",
    [reply(), reply(port=11_434), reply("sse"), reply("refused", path="/v1/chat/completions"), reply("credential")],
)
def test_an_answer_that_shows_nothing_proves_nothing(observation):
    assert CLASSIFIER.sight(observation).service is None


@pytest.mark.parametrize(
    ("observation", "kinds", "said"),
    [
        (
            reply("litellm_proxy", software="litellm 1.82.7"),
            *((FindingKind.COMPROMISED, FindingKind.VULNERABLE), "advisory litellm-2026-03 (critical, 2026-03-24)"),
        ),
        (reply("litellm_proxy", software="litellm 1.106.2"), (), "software litellm 1.106.2"),
        (seen(server_name="models.litellm.cloud"), (FindingKind.COMPROMISED,), "advisory litellm-2026-03"),
        (seen(DNS, server_name="checkmarx.zone"), (FindingKind.COMPROMISED,), "advisory litellm-2026-03"),
        (seen(server_name="api.portkey.ai"), (), "advisory routers-2026-04"),
        (
            reply("chat_answer", "other_model", model="gpt-4o-mini", notes=("asked gpt-4o",)),
            *((FindingKind.OTHER_MODEL,), "served gpt-4o-mini"),
        ),
        (reply("chat_answer", "no_authentication"), (), "answers without authentication"),
    ],
)
def test_what_is_bad_is_said_and_becomes_a_finding(observation, kinds, said):
    found = CLASSIFIER.sight(observation)
    assert found.kinds == kinds
    assert any(text.startswith(said) for text in found.evidence)


@pytest.mark.parametrize("kind", ObservationKind)
def test_every_kind_gets_an_answer(kind):
    CLASSIFIER.sight(seen(kind, server_name="api.openai.com", marks=("ollama",)))


def test_every_service_of_the_fingerprints_is_in_the_catalogue():
    named = {server.service for server in fingerprints.SERVERS} | {fingerprints.COMPATIBLE, fingerprints.MCP}
    named |= {service for service, _ in fingerprints.PORTS.values()} | set(fingerprints.API_PORTS.values())
    named |= {service for service, _ in fingerprints.BY_MARK.values()}
    named |= {service for service in fingerprints.AGENTS.values() if service}
    named |= set(fingerprints.LOCAL_NAMES.values())
    assert named - set(CATALOGUE.services) == set()


def test_hostile_values_are_cut():
    found = CLASSIFIER.sight(request("/api/chat", 11434, user_agent="ollama-python/" + "x" * 9_000, notes=("odd",)))
    assert max(map(len, found.evidence)) < classify.MAX_EVIDENCE + 40
    assert found.evidence[-1] == "odd"


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(classify, "MAX_CACHE", 3)
    classifier = Classifier(CATALOGUE)
    for number in range(20):
        classifier.sight(seen(server_name=f"{number}.example"))
        assert len(classifier._names) <= 3
    assert classifier.sight(seen(server_name="a" * 300)).service is None
    assert "a" * 300 not in classifier._names
    assert classifier.sight(seen(server_name="claude.ai")).service == "claude"


@given(st.sampled_from(ObservationKind), st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_any_text_gets_an_answer(kind, name, path, agent):
    named = {"host": name, "path": path, "user_agent": agent} if kind is HTTP else {"server_name": name}
    found = CLASSIFIER.sight(seen(kind, **named))
    assert found.confidence is None or 0 < found.confidence <= 1


@pytest.mark.parametrize("field", ["server_name", "host"])
def test_a_name_that_was_cut_means_nothing_however_it_ends_now(field):
    kind = ObservationKind.TLS if field == "server_name" else ObservationKind.HTTP
    whole = "a" * 60 + ".api.openai.com"
    cut = ("a" * 255 + ".api.openai.com")[-255:]  # of a name that goes on with `.evil.test`
    for name, service in ((whole, "openai"), (cut, None)):
        found = CLASSIFIER.sight(
            Observation(
                ts=0.0,
                src="192.0.2.9",
                sport=1,
                dst="192.0.2.1",
                dport=443,
                transport=Transport.TCP,
                kind=kind,
                **{field: name},
            )
        )
        assert found.service == service
