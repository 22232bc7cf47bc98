"""Held keys on the wire: they arrive instead of the client's, or nothing is sent; nothing writes them down."""

import ssl

import httpx
import pytest
from tests_support import HOST
from worker_world import worker_at

from appliance.config.credentials import write_key
from appliance.config.schema import Config, Gateway, PolicyConfig, RouteEntry
from appliance.model.names import Stage

PATH = "/v1/chat/completions"
URL = f"https://{HOST}{PATH}"
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "mail maria.keller@corp-mail.com now"}]}
CLIENTS = {
    "authorization": "Bearer sk-of-the-client",
    "x-api-key": "sk-of-the-client",
    "cookie": "session=sk-of-the-client",
    "openai-organization": "sk-of-the-client",
}
ROUTES = {
    "openai": RouteEntry(service="openai", target=f"https://{HOST}", credential="held:team"),
    "own": RouteEntry(service="openai", target=f"https://{HOST}"),
}
REDIRECT = """rules:
- id: move
  match: {services: [openai], models: ['moved*']}
  then: {disposition: redirect, route: ROUTE}
- id: no-mail
  match: {labels: {kinds: [pii]}}
  then: {disposition: redact}
"""


class OffersHttp2(ssl.SSLContext):
    """Offers HTTP/2 first: the appliance takes what a client likes best."""

    def set_alpn_protocols(self, _: list[str]) -> None:
        super().set_alpn_protocols(["h2", "http/1.1"])


def sections(tmp_path, route="openai"):
    rules = tmp_path / "policy.yaml"
    rules.write_text(REDIRECT.replace("ROUTE", route))
    return {"gateway": Gateway(routes=ROUTES), "policy": PolicyConfig(file=str(rules))}


def hold(tmp_path, key=b"sk-of-the-company"):
    state = tmp_path / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    return write_key(Config(state_dir=str(state), gateway=Gateway(routes=ROUTES)), "team", key)


def gateway(worker) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.gateway}", timeout=20, headers=CLIENTS)


def clean(worker) -> bool:
    """Neither key stands anywhere that the appliance writes, save the key's own file."""
    files = [path for path in worker.config.credentials_dir.parent.rglob("*") if path.is_file()]
    return not any(
        secret in path.read_bytes()
        for path in files
        for secret in (b"sk-of-the-client", b"sk-of-the-company")
        if path.parent.name != "credentials"
    )


@pytest.mark.parametrize("stage", list(Stage))
async def test_the_gateway_sends_the_routes_key_and_not_the_clients(provider, tmp_path, stage):
    hold(tmp_path)
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, stage, **sections(tmp_path)) as worker:
        async with gateway(worker) as client:
            answer = await client.post(f"/openai{PATH}?key=sk-of-the-client&x=1", json=BODY)
        assert answer.status_code == 200
        assert worker.events("open")[0]["edits"] == ["credentials_stripped", "held:team"]
        assert worker.events("open")[0]["facts"]["key_fingerprint"].startswith("k_")
        assert clean(worker)
    (arrival,) = provider.arrivals()[before:]
    assert arrival["authorization"] == "Bearer sk-of-the-company"
    assert arrival["path"] == f"{PATH}?x=1"
    assert not {"x-api-key", "cookie", "openai-organization"} & set(arrival["headers"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("http2", [False, True])
async def test_a_redirect_sends_the_routes_key(provider, tmp_path, stream, http2):
    hold(tmp_path)
    before = len(provider.arrivals())
    asked = BODY | {"model": "moved", "stream": stream}
    async with worker_at(tmp_path, provider, **sections(tmp_path)) as worker:
        if http2:
            worker.trust = OffersHttp2(ssl.PROTOCOL_TLS_CLIENT)
            worker.trust.load_verify_locations(worker.config.ca_dir / "root.pem")
        async with worker.client(http2=http2, headers=CLIENTS) as client:
            answer = await client.post(URL, json=asked)
        assert (answer.status_code, answer.headers["x-gnomon-route"]) == (200, "openai")
        assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert answer.text.endswith("data: [DONE]\n\n") == stream
        opened = worker.events("open")[0]
        usage = ["include_usage"] if stream else []
        assert opened["edits"] == ["route:openai", "credentials_stripped", "held:team", *usage]
        assert opened["redactions"] == 1
        assert clean(worker)
    (arrival,) = provider.arrivals()[before:]
    assert arrival["authorization"] == "Bearer sk-of-the-company"
    assert not {"x-api-key", "cookie", "openai-organization"} & set(arrival["headers"])
    assert "maria.keller" not in arrival["body"]
    assert opened["sent_digest"] == arrival["sha256"]


async def test_the_key_of_one_route_does_not_go_by_another(provider, tmp_path):
    hold(tmp_path)
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, **sections(tmp_path, "own")) as worker, gateway(worker) as client:
        assert (await client.post(f"/openai{PATH}", json=BODY | {"model": "moved"})).status_code == 200
        assert (await client.post(f"/own{PATH}", json=BODY | {"model": "moved"})).status_code == 200
    first, second = provider.arrivals()[before:]
    assert first["authorization"] is None
    assert second["authorization"] == CLIENTS["authorization"]


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.chmod(0o644)])
async def test_without_the_key_nothing_is_sent(provider, tmp_path, spoil):
    spoil(hold(tmp_path))
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, **sections(tmp_path)) as worker:
        async with gateway(worker) as client:
            refused = await client.post(f"/openai{PATH}", json=BODY)
            assert (await client.post(f"/own{PATH}", json=BODY)).status_code == 200
        async with worker.client(headers=CLIENTS) as client:
            stuck = await client.post(URL, json=BODY | {"model": "moved"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "credential_missing")
        assert "held credential team" in refused.json()["error"]["message"]
        assert (stuck.status_code, stuck.json()["error"]["code"]) == (503, "policy_redirect")
        assert "held credential team" in stuck.json()["error"]["message"]
        assert worker.events("refusal")[0]["reason"] == "credential_missing"
        assert worker.events("close")[-1]["reason"].startswith("policy_redirect: route openai needs")
        assert worker.events("notice")[0]["note"] == "credential_missing"
        assert clean(worker)
    (arrival,) = provider.arrivals()[before:]
    assert arrival["authorization"] == CLIENTS["authorization"]


async def test_what_is_no_call_of_the_dialect_stays(provider, tmp_path):
    hold(tmp_path)
    before = len(provider.arrivals())
    settings = sections(tmp_path)
    (tmp_path / "policy.yaml").write_text(REDIRECT.replace("ROUTE", "openai").replace(", models: ['moved*']", ""))
    async with worker_at(tmp_path, provider, **settings) as worker, worker.client(headers=CLIENTS) as client:
        refused = await client.post(f"https://{HOST}/v1/elsewhere", content=b"x=1")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "policy_redirect")
        assert "only calls in the dialect openai.chat" in refused.json()["error"]["message"]
        page = await client.get(f"https://{HOST}/v1/elsewhere", headers={"accept": "text/html"})
        assert "only calls in the dialect openai.chat" in page.text
        assert len(provider.arrivals()) == before
        assert (await client.get(f"https://{HOST}/v1/models")).headers["x-gnomon-route"] == "openai"


ELSEWHERE = """rules:
- id: move
  match: {services: [groq]}
  then: {disposition: redirect, route: openai}
- id: no-such-model
  match: {services: [openai], models: ['barred*']}
  then: {disposition: block}
  reason: too dear
- id: no-mail
  match: {services: [openai], labels: {kinds: [pii]}}
  then: {disposition: redact}
"""


async def test_a_redirect_is_no_way_round_the_rules_of_where_it_leads(provider, tmp_path):
    hold(tmp_path)
    before = len(provider.arrivals())
    settings = sections(tmp_path)
    (tmp_path / "policy.yaml").write_text(ELSEWHERE)
    async with worker_at(tmp_path, provider, **settings) as worker, worker.client(headers=CLIENTS) as client:
        url = f"http://api.groq.com/openai{PATH}"
        refused = await client.post(url, json=BODY | {"model": "barred"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "policy_redirect")
        assert "OpenAI API, which is not allowed here: too dear" in refused.json()["error"]["message"]
        assert len(provider.arrivals()) == before
        moved = await client.post(url, json=BODY)
        assert (moved.status_code, moved.headers["x-gnomon-route"]) == (200, "openai")
        opened = worker.events("open")[-1]
        assert (opened["redactions"], opened["verdict"]["kinds"] or opened["verdict"]["entities"] != []) == (1, True)
    (arrival,) = provider.arrivals()[before:]
    assert arrival["path"] == PATH  # not as the other service has it
    assert "maria.keller" not in arrival["body"]
    assert arrival["authorization"] == "Bearer sk-of-the-company"


async def test_answers_of_ours_to_head_have_no_body(provider, tmp_path):
    routes = {"openai": RouteEntry(service="openai", target="https://api.openai.com:1")}
    async with worker_at(tmp_path, provider, gateway=Gateway(routes=routes)) as worker, gateway(worker) as client:
        for path, status in (("/healthz", 200), ("/nowhere/x", 404), ("/openai/v1/models", 403), ("/healthz", 200)):
            answer = await client.head(path)  # on one connection: a body would be read as the next answer
            assert answer.status_code in (status, 502, 504), path
