"""Lessons: the page, the error of an API, the acknowledgement, and that nothing of it ever goes upstream."""

import re
from contextlib import asynccontextmanager
from html import unescape

import httpx
import pytest
from tests_support import HOST
from worker_world import worker_at

from appliance.config.schema import AddressEntry, Gateway, Identity, PolicyConfig, Portal, RouteEntry
from appliance.model.names import Stage

PATH = "/v1/chat/completions"
URL = f"https://{HOST}{PATH}"
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "mail maria.keller@corp-mail.com now"}]}
BROWSER = {"accept": "text/html,*/*;q=0.8", "sec-fetch-mode": "navigate"}
REASON = 'Use <our own> model & "think"'
RULES = f"""rules:
- id: teach
  match: {{services: [openai]}}
  then: {{disposition: DISPOSITION}}
  reason: '{REASON}'
- id: no-mail
  match: {{labels: {{kinds: [pii]}}}}
  then: {{disposition: redact}}
"""


@asynccontextmanager
async def coaching(provider, tmp_path, stage=Stage.ENFORCE, disposition="coach", **sections):
    rules = tmp_path / "policy.yaml"
    rules.write_text(RULES.replace("DISPOSITION", disposition))
    sections = {"policy": PolicyConfig(file=str(rules)), "portal": Portal(contact="ask <us>")} | sections
    sections.setdefault("gateway", Gateway(routes={"openai": RouteEntry(service="openai", target=f"https://{HOST}")}))
    async with worker_at(tmp_path, provider, stage, **sections) as worker:
        yield worker


def gateway(worker, **more) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.gateway}", timeout=20, **more)


async def test_an_api_is_told_where_to_acknowledge_and_then_passes_redacted(provider, tmp_path):
    before = len(provider.arrivals())
    async with coaching(provider, tmp_path) as worker, gateway(worker) as client:
        refused = await client.post(PATH, json=BODY)
        error = refused.json()["error"]
        address = refused.headers["x-gnomon-acknowledge"]
        assert (refused.status_code, error["code"]) == (403, "policy_coach")
        for words in (REASON.rstrip("."), address, "ask <us>", refused.headers["x-gnomon-reference"]):
            assert words in error["message"]
        assert address.startswith(f"http://127.0.0.1:{worker.gateway}/.well-known/gnomon/acknowledge/")
        for method in ("GET", "HEAD", "GET"):  # reading changes nothing
            assert (await client.request(method, address, headers=BROWSER)).status_code == 200
        assert (await client.post(PATH, json=BODY)).status_code == 403
        assert len(provider.arrivals()) == before
        taken = await client.post(address)
        assert taken.json()["acknowledged"] is True
        assert (await client.post(address)).status_code == 200
        assert (await client.post(PATH, json=BODY)).status_code == 200
        opened = worker.events("open")[-1]
        noticed = [event for event in worker.events("notice") if event["note"] == "coach_acknowledged"]
    (arrival,) = provider.arrivals()[before:]
    assert "maria.keller" not in arrival["body"]  # a lesson that was read does not lift what is hidden
    verdict = opened["verdict"]
    assert (verdict["effective"], verdict["rule"]) == ("redact", "no-mail")
    hit = next(hit for hit in verdict["hits"] if hit["rule"] == "teach")
    assert (hit["acts"], hit["note"]) == (False, "acknowledged")
    assert len(noticed) == 1
    assert opened["facts"]["client"] in noticed[0]["detail"]
    assert "openai (api)" in noticed[0]["detail"]


async def test_a_browser_behind_the_proxy_acknowledges_on_the_host_itself(provider, tmp_path):
    before = len(provider.arrivals())
    async with coaching(provider, tmp_path) as worker, worker.client(http2=False) as client:
        page = await client.get(f"https://{HOST}/chat", headers=BROWSER)
        assert page.status_code == 403
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "unescaped" not in page.text
        assert "Use &lt;our own&gt; model &amp; &quot;think&quot;" in page.text
        assert "ask &lt;us&gt;" in page.text
        assert page.headers["x-gnomon-reference"] in page.text
        assert not re.search(r"<script|src=|href=|http", page.text)
        action = unescape(re.search(r'<form method="post" action="([^"]+)">', page.text)[1])
        shown = await client.get(f"https://{HOST}{action}", headers=BROWSER)
        assert shown.status_code == 200
        assert action in unescape(shown.text)
        thanks = await client.post(f"https://{HOST}{action}", headers=BROWSER, data={})
        assert (thanks.status_code, "You may go on" in thanks.text) == (200, True)
        assert (await client.get(f"https://{HOST}/v1/models", headers=BROWSER)).status_code == 200
    (arrival,) = provider.arrivals()[before:]
    assert arrival["path"] == "/v1/models"


async def test_an_acknowledgement_outlives_the_worker_and_ends_in_time(provider, tmp_path):
    async with coaching(provider, tmp_path) as worker, gateway(worker) as client:
        address = (await client.post(PATH, json=BODY)).headers["x-gnomon-acknowledge"]
        await client.post(address)
    async with coaching(provider, tmp_path) as worker, gateway(worker) as client:
        assert (await client.post(PATH, json=BODY)).status_code == 200
    async with coaching(provider, tmp_path, portal=Portal(acknowledged_s=0)) as worker, gateway(worker) as client:
        assert (await client.post(PATH, json=BODY)).status_code == 403
    (kept,) = (tmp_path / "state" / "acknowledged").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


async def test_what_is_no_token_is_answered_and_never_forwarded(provider, tmp_path):
    before = len(provider.arrivals())
    async with coaching(provider, tmp_path) as worker, gateway(worker) as client, worker.client() as proxied:
        good = (await client.post(PATH, json=BODY)).headers["x-gnomon-acknowledge"].rpartition("/")[2]
        for token, status in (("x", 410), ("x" * 5000, 410), (good[:-2] + "AA", 410), ("", 410), (good, 200)):
            for asking, base in ((client, ""), (proxied, f"https://{HOST}")):
                answer = await asking.get(f"{base}/.well-known/gnomon/acknowledge/{token}")
                assert answer.status_code == status, token[:20]
        for asking, base in ((client, ""), (proxied, f"https://{HOST}")):
            assert (await asking.get(f"{base}/.well-known/gnomon/else")).status_code == 404
            answer = await asking.put(f"{base}/.well-known/gnomon/acknowledge/{good}")
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
        assert (await client.get("/.well-known/other")).status_code == 404
    assert len(provider.arrivals()) == before


async def test_only_the_one_who_was_shown_it(provider, tmp_path):
    people = (AddressEntry(network="127.0.0.1", user="maria"), AddressEntry(network="127.0.0.2", user="paul"))
    async with coaching(provider, tmp_path, identity=Identity(addresses=people)) as worker, gateway(worker) as client:
        address = (await client.post(PATH, json=BODY)).headers["x-gnomon-acknowledge"]
        elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with gateway(worker, transport=elsewhere) as other:
            for method in ("GET", "POST"):
                answer = await other.request(method, address)
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "somebody_else")
        assert (await client.post(PATH, json=BODY)).status_code == 403
        assert (await client.post(address)).status_code == 200
        assert (await client.post(PATH, json=BODY)).status_code == 200
        async with gateway(worker, transport=httpx.AsyncHTTPTransport(local_address="127.0.0.2")) as other:
            assert (await other.post(PATH, json=BODY)).status_code == 403


async def test_who_is_unknown_at_the_gateway_may_still_acknowledge_there(provider, tmp_path):
    identity = Identity(addresses=(AddressEntry(network="10.0.0.1", user="maria"),))
    async with coaching(provider, tmp_path, identity=identity) as worker, gateway(worker) as client:
        address = (await client.post(PATH, json=BODY)).headers["x-gnomon-acknowledge"]
    required = Identity(required=True, addresses=identity.addresses)
    async with coaching(provider, tmp_path, identity=required) as worker, gateway(worker) as client:
        assert (await client.post(PATH, json=BODY)).status_code == 403
        assert (await client.get("/.well-known/other")).status_code == 403
        path = address.partition(".well-known")[2]
        assert (await client.post(f"/.well-known{path}")).json()["acknowledged"] is True


async def test_in_stage_observe_nothing_is_shown_and_our_paths_stay_here(provider, tmp_path):
    before = len(provider.arrivals())
    async with coaching(provider, tmp_path, Stage.OBSERVE) as worker, worker.client() as client:
        assert (await client.post(URL, json=BODY)).status_code == 200
        assert (await client.get(f"https://{HOST}/.well-known/gnomon/x")).status_code == 404
        assert worker.events("open")[-1]["verdict"]["disposition"] == "redact"
    assert len(provider.arrivals()) == before + 1


@pytest.mark.parametrize("headers", [BROWSER, {"accept": "text/html"}])
async def test_a_block_page_has_no_button(provider, tmp_path, headers):
    async with coaching(provider, tmp_path, disposition="block") as worker, worker.client() as client:
        page = await client.get(f"https://{HOST}/chat", headers=headers)
        assert (page.status_code, "x-gnomon-acknowledge" in page.headers) == (403, False)
        assert "<h1>Not allowed here</h1>" in page.text
        assert "<form" not in page.text
        plain = await client.get(f"https://{HOST}/chat", headers={"accept": "text/html", "sec-fetch-mode": "cors"})
        assert plain.json()["error"]["code"] == "policy_block"
        assert "acknowledge" not in plain.text


async def test_a_fault_in_the_portal_forwards_nothing(provider, tmp_path, monkeypatch):
    before = len(provider.arrivals())
    async with coaching(provider, tmp_path, Stage.OBSERVE) as worker, worker.client() as client:
        monkeypatch.setattr("addons.acknowledged.read", lambda *_: 1 / 0)
        answer = await client.get(f"https://{HOST}/.well-known/gnomon/acknowledge/x")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "portal_fault")
        assert "guard_fault" in worker.journal()
    assert len(provider.arrivals()) == before


async def test_where_the_lesson_is_acknowledged(provider, tmp_path):
    async with coaching(provider, tmp_path) as worker, worker.client() as client:
        address = (await client.post(URL, json=BODY)).headers["x-gnomon-acknowledge"]
        assert address.startswith("http://127.0.0.1:4000/.well-known/gnomon/acknowledge/")
    async with (
        coaching(provider, tmp_path, portal=Portal(address="https://ai.corp.test")) as worker,
        worker.client() as client,
    ):
        address = (await client.post(URL, json=BODY)).headers["x-gnomon-acknowledge"]
        assert address.startswith("https://ai.corp.test/.well-known/gnomon/acknowledge/")
