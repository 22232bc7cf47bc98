"""Accounts in a worker: told of each request and answer, matched by policy, and kept out by headers of ours."""

import asyncio
from types import SimpleNamespace

import httpx
import pytest
from mitmproxy.test import tutils
from tests_support import HOST
from worker_world import worker_at

from addons.accounts import AccountBook
from addons.keys import OverdueAddon
from addons.tenants import restrict
from appliance.config import key_register
from appliance.config.account_schema import Accounts
from appliance.config.catalogue import load_catalogue
from appliance.config.rotation import Rotation
from appliance.config.schema import Config, Gateway, PolicyConfig, RouteEntry
from appliance.model.names import AccountKind, Stage
from appliance.route.key_life import DAY
from appliance.route.tenants import Tenants

URL = f"https://{HOST}/v1/chat/completions"
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "hello"}]}
KEY = "Bearer sk-proj-of-the-client"
OURS = Accounts(corporate={"openai_organization": ("org-ours",)})
ROUTES = {"openai": RouteEntry(service="openai", target=f"https://{HOST}", credential="held:team")}
RULES = """rules:
- id: no-personal-accounts
  match: {services: [openai], accounts: [personal]}
  then: {disposition: block}
"""


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue(None)


async def test_whose_account_is_told_and_a_rule_may_mind(provider, tmp_path):
    rules = tmp_path / "policy.yaml"
    rules.write_text(RULES)
    sections = {"accounts": OURS, "policy": PolicyConfig(file=str(rules))}
    async with worker_at(tmp_path, provider, **sections) as worker:
        async with worker.client(headers={"authorization": KEY}) as client:
            codes = [
                (await client.post(URL, json=BODY, headers=more)).status_code
                for more in ({"openai-organization": "org-ours"}, {"openai-organization": "org-mine"}, {})
            ]
        opened = [event["facts"] for event in worker.events("open")]
        assert "sk-proj-of" not in worker.journal()
        assert "org-mine" not in worker.journal()
    assert codes == [200, 403, 200]
    assert [facts["account"] for facts in opened] == ["corporate", "personal", "unknown"]
    assert {facts["key_shape"] for facts in opened} == {"openai_project"}
    assert len({facts["key_fingerprint"] for facts in opened}) == 1
    assert opened[0]["account_id"] != opened[1]["account_id"]


def test_what_an_answer_told_of_a_key_is_known_the_next_time(catalogue):
    book, service = AccountBook(OURS, (b"p" * 32, b"a" * 32)), catalogue.services["openai"]
    request = httpx_like(authorization=KEY)
    first = book.asked(request, service, HOST, "")
    assert (first.kind, first.id) == (AccountKind.UNKNOWN, None)
    told = book.answered(httpx_like(**{"openai-organization": "org-ours"}), service, first.fingerprint)
    again = book.asked(request, service, HOST, "")
    assert (told.kind, again.kind, again.id) == (AccountKind.CORPORATE, AccountKind.CORPORATE, told.id)
    claimed = book.asked(httpx_like(authorization=KEY, **{"openai-organization": "org-mine"}), service, HOST, "")
    assert claimed.kind is AccountKind.CORPORATE, "the provider's own word counts, not the client's"
    other = book.asked(httpx_like(authorization="Bearer sk-other"), service, HOST, "")
    assert other.kind is AccountKind.UNKNOWN
    assert book.asked(request, service, HOST, "held:team").kind is AccountKind.CORPORATE


async def test_tenant_headers_go_to_their_provider_and_the_clients_own_do_not(provider, tmp_path):
    tenants = Accounts(tenants={"openai": {"X-Allowed": "org-ours"}})
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, accounts=tenants) as worker:
        async with worker.client(headers={"authorization": KEY, "x-allowed": "org-mine"}) as client:
            assert (await client.post(URL, json=BODY)).status_code == 200
        assert worker.events("open")[0]["edits"] == ["tenant:openai"]
    (arrival,) = provider.arrivals()[before:]
    assert "x-allowed" in arrival["headers"]


async def test_in_stage_observe_no_header_is_changed(provider, tmp_path):
    tenants = Accounts(tenants={"openai": {"X-Allowed": "org-ours"}})
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, Stage.OBSERVE, accounts=tenants) as worker:
        async with worker.client(headers={"authorization": KEY}) as client:
            assert (await client.post(URL, json=BODY)).status_code == 200
        assert worker.events("open")[0]["edits"] == []
    (arrival,) = provider.arrivals()[before:]
    assert "x-allowed" not in {name.lower() for name in arrival["headers"]}


async def test_a_key_is_changed_under_a_running_worker(provider, tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    config = Config(state_dir=str(state), gateway=Gateway(routes=ROUTES))
    rotation = Rotation(config)
    rotation.add("team", b"sk-the-first-of-the-company")
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, gateway=Gateway(routes=ROUTES)) as worker:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.gateway}", timeout=20) as client:

            async def call():
                return (await client.post("/openai/v1/chat/completions", json=BODY)).status_code

            assert await call() == 200
            rotation.put("team", b"sk-the-second-of-the-company", overlap_s=60)
            while not worker.events("notice"):
                assert await call() == 200
            assert await call() == 200
        assert worker.events("notice")[0]["note"] == "credentials_changed"
        assert "of-the-company" not in worker.journal()
    sent = [arrival["authorization"] for arrival in provider.arrivals()[before:]]
    assert sent[0] == "Bearer sk-the-first-of-the-company"
    assert sent[-1] == "Bearer sk-the-second-of-the-company"


def httpx_like(**headers):
    """Header fields as mitmproxy has them."""
    return tutils.treq(headers=[(name.encode(), value.encode()) for name, value in headers.items()], path=b"/v1/x")


@pytest.mark.parametrize(
    ("changes", "goes"),
    [
        ({}, True),
        ({"stage": Stage.OBSERVE}, False),
        ({"scheme": "http"}, False),
        ({"host": "api.openai.com.evil.example"}, False),
        ({"host": "api.anthropic.com"}, False),
        ({"service": "anthropic"}, False),
    ],
)
def test_where_a_restriction_goes(catalogue, changes, goes):
    host = changes.get("host", HOST)
    worker = SimpleNamespace(
        tenants=Tenants({"openai": {"X-Allowed": "org-ours"}}),
        stage=changes.get("stage", Stage.ENFORCE),
        catalogue=catalogue,
        named_host=lambda _: host,
    )
    request = httpx_like(**{"x-allowed": "org-mine"})
    request.scheme, request.host = changes.get("scheme", "https"), host
    flow = SimpleNamespace(request=request, metadata={})
    restrict(worker, flow, catalogue.services[changes.get("service", "openai")])
    assert request.headers["x-allowed"] == ("org-ours" if goes else "org-mine")


async def test_what_is_overdue_is_told_once_a_day_by_one_worker(tmp_path):
    now = [200 * DAY]
    config = Config(state_dir=str(tmp_path), gateway=Gateway(routes=ROUTES))
    Rotation(config, lambda: DAY).add("team", b"sk-of-the-company")
    told = []
    telemetry = SimpleNamespace(notice=lambda *words: told.append(words))
    first, second = (OverdueAddon(config, telemetry, lambda: now[0]) for _ in range(2))
    first.running()
    await asyncio.sleep(0)
    await first.done()
    second.tell()
    ((severity, note, detail),) = told
    assert (severity, note) == ("warning", "credential_overdue")
    assert "held credential team: should have been changed" in detail
    now[0] += DAY
    second.tell()
    first.tell()
    assert len(told) == 2
    now[0] += DAY
    key_register.path_of(config).write_text("{}")
    first.tell()
    assert "damaged" in told[-1][2]
