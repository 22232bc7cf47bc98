"""A worker counts the programs that it serves: handshakes with AI and with anything else, products of exchanges."""

import contextlib
import ssl
import time
from pathlib import Path

import httpx
import pytest
from tests_support import HOST
from worker_world import worker_at

from addons import learning
from appliance.bus import programs
from appliance.bus.programs import Programs
from appliance.config.schema import Egress

URL = f"https://{HOST}/v1/chat/completions"
ASK = {"model": "stand-in", "messages": [{"role": "user", "content": "a question"}]}
ELSEWHERE = "intranet.example"


@pytest.fixture
def table(tmp_path):
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    return programs.create(run)


def met(table: Path) -> dict[str, tuple[str, int, int]]:
    """Program -> service, with AI, with anything else."""
    reader = Programs(table)
    found = reader.all(time.time())
    reader.close()
    assert len({one.ja4 for one in found if one.ja4}) <= 1, "one client has one handshake"
    return {one.program: (one.service, one.ai, one.other) for one in found}


def egress(provider) -> Egress:
    place = f"127.0.0.1:{provider.port}"
    return Egress(ca_bundle=str(provider.ca), hosts={f"{HOST}:443": place, f"{ELSEWHERE}:443": place})


async def test_handshakes_and_products_are_counted_without_a_client_or_a_host(provider, tmp_path, table):
    agent = {"user-agent": "AcmeBot/2.1 (someone@example.com)"}
    async with worker_at(tmp_path, provider, egress=egress(provider)) as worker:
        for _ in range(2):
            async with worker.client(headers=agent) as client:
                assert (await client.post(URL, json=ASK)).status_code == 200
        sealed = ssl.create_default_context(cafile=str(provider.ca))
        sealed.check_hostname = False
        proxy = f"http://127.0.0.1:{worker.proxy}"
        async with httpx.AsyncClient(proxy=proxy, verify=sealed, headers=agent) as client:
            with contextlib.suppress(httpx.HTTPError):
                await client.get(f"https://{ELSEWHERE}/")
        async with httpx.AsyncClient(headers=agent) as client:
            await client.post(f"http://127.0.0.1:{worker.gateway}/v1/chat/completions", json=ASK)
    found = met(table)
    assert found[""] == ("", 2, 1)
    assert found["AcmeBot"][0] == "openai"
    assert set(found) == {"", "AcmeBot"}
    for word in (b"someone", b"example", b"127.0.0.1", HOST.encode()):
        assert word not in table.read_bytes()


async def test_what_goes_wrong_in_it_costs_the_hint_only(provider, tmp_path, table, monkeypatch):
    def broken(*_args, **_more):
        raise RuntimeError

    monkeypatch.setattr(learning.Programs, "met", broken)
    monkeypatch.setattr(learning, "of_hello", broken)
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        assert (await client.post(URL, json=ASK)).status_code == 200
    assert not [event for event in worker.events("notice") if event["severity"] == "alarm"]


async def test_without_a_table_a_worker_serves(provider, tmp_path):
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        assert (await client.post(URL, json=ASK)).status_code == 200


def test_what_is_remembered_of_connections_is_bounded(monkeypatch, table):
    monkeypatch.setattr(learning, "MAX_CLIENTS", 2)
    addon = learning.LearningAddon(Programs(table, write=True), lambda _: True, lambda _: (None, None), lambda: 1.0)

    class Hello:
        cipher_suites, extensions, sni = [0x1301], [], None

        def raw_bytes(self, **_more):
            return b"\x03\x03"

    for number in range(5):
        addon._handshake(str(number), HOST, Hello())
    assert list(addon._hellos) == ["3", "4"]
    addon.client_disconnected(type("Client", (), {"id": "3"}))
    assert list(addon._hellos) == ["4"]
    addon.done()
