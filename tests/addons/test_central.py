"""An edge and its central appliance in one loop: exchanges go by the central appliance, nothing of them goes past."""

import asyncio
import json

import bcrypt
import httpx
import pytest
from edge_world import both_at, central_at, edge_at
from peers_world import Peerage
from seam_world import TestAuthority, Upstream
from socket_world import SocketServer, connected
from tests_support import HOST
from worker_world import listening

from addons import central
from addons.exchange import ExchangeAddon
from addons.upstream import handler
from appliance.config.credentials import write_key
from appliance.config.schema import Config, Egress, Gateway, Identity, PolicyConfig, RouteEntry
from appliance.model.names import Stage

PATH = "/v1/chat/completions"
URL = f"https://{HOST}{PATH}"
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "hello"}]}
MAIL = {"model": "stand-in", "messages": [{"role": "user", "content": "write to maria.keller@corp-mail.com"}]}


@pytest.fixture(scope="module")
def peerage(tmp_path_factory):
    return Peerage(tmp_path_factory.mktemp("peerage"))


@pytest.fixture(scope="module")
def certificate(peerage):
    return peerage.central("localhost")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


def rules(folder, text) -> PolicyConfig:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.yaml").write_text(f"rules:\n{text}\n")
    return PolicyConfig(file=str(folder / "policy.yaml"))


NO_MAIL = "- {id: no-mail, match: {labels: {kinds: [pii]}}, then: {disposition: block}, reason: No addresses.}"


async def test_an_exchange_goes_by_the_central_appliance_and_both_record_it(provider, tmp_path, peerage, certificate):
    before = len(provider.arrivals())
    async with both_at(tmp_path, provider, peerage, certificate) as (here, there):
        forged = {"authorization": "Bearer sk-own", "x-gnomon-identity": "me", "X-Gnomon-Route": "x"}
        async with here.client(headers=forged) as client:
            answer = await client.post(URL, json=BODY)
            assert answer.status_code == 200, answer.text
            assert (await client.get(f"https://{HOST}/v1/models?limit=2")).status_code == 200
        (opened, _), (closed, _) = here.events("open"), here.events("close")
        (open_there, more), (close_there, _) = there.events("open"), there.events("close")
        assert opened["edits"] == [f"central:localhost:{there.peer}"]
        assert open_there["edits"] == [f"edge:berlin:{opened['exchange']}"]
        assert open_there["exchange"] != opened["exchange"]
        assert closed["attempts"][0]["target"] == f"localhost:{there.peer}"
        assert closed["status"] == close_there["status"] == 200
        assert close_there["usage"]["output_tokens"] > 0
        assert (closed.get("usage"), closed.get("cost")) == (None, None)
        facts = open_there["facts"]
        assert (facts["host"], facts.get("listener", "proxy"), facts["service"]) == (HOST, "proxy", "openai")
        assert more["facts"]["path"] == "/v1/models"
    arrival, _ = provider.arrivals()[before:]
    assert arrival["authorization"] == "Bearer sk-own"
    assert not any(name.startswith("x-gnomon") for name in arrival["headers"])


async def test_who_asks_is_who_the_edge_knows(provider, tmp_path, peerage, certificate):
    people, members = tmp_path / "people", tmp_path / "members"
    people.write_text(f"maria:{bcrypt.hashpw(b'one', bcrypt.gensalt(4)).decode()}\n")
    members.write_text("users: {maria: {groups: [dev, ops], department: Research}}\n")
    identity = Identity(required=True, htpasswd=str(people), members=str(members))
    no_ops = rules(tmp_path, "- {id: no-ops, match: {groups: [ops]}, then: {disposition: block}}")
    there = {"identity": Identity(required=True, virtual_keys=True), "policy": no_ops}
    async with both_at(tmp_path, provider, peerage, certificate, there=there, identity=identity) as (here, far):
        proxy = httpx.Proxy(f"http://127.0.0.1:{here.proxy}", auth=("maria", "one"))
        async with httpx.AsyncClient(proxy=proxy, verify=here.trust, timeout=20, trust_env=False) as client:
            answer = await client.post(URL, json=BODY)
        assert (answer.status_code, here.events("close")[0]["outcome"]) == (403, "completed")
        (opened,) = far.events("open")
        assert opened["verdict"]["rule"] == "no-ops"
        facts = opened["facts"]
        assert (facts["groups"], facts["department"], facts["assurance"]) == (["dev", "ops"], "Research", "high")
        assert facts["identity_method"] == "basic"
        persons = [json.loads(line)["persons"] for line in far.journal().splitlines() if facts["principal"] in line]
        assert {person.get(facts["principal"]) for person in persons} == {"maria"}


async def test_a_call_of_the_edges_gateway_takes_the_central_route_and_its_key(
    provider, tmp_path, peerage, certificate
):
    state = tmp_path / "central/state"
    state.mkdir(mode=0o700, parents=True)
    routes = {"openai": RouteEntry(service="openai", target=f"https://{HOST}", credential="held:team")}
    write_key(Config(state_dir=str(state), gateway=Gateway(routes=routes)), "team", b"sk-of-the-company")
    before = len(provider.arrivals())
    there = {"gateway": Gateway(routes=routes)}
    async with both_at(tmp_path, provider, peerage, certificate, there=there) as (here, far):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{here.gateway}", timeout=20) as client:
            answer = await client.post(f"/openai{PATH}", json=BODY, headers={"authorization": "Bearer sk-own"})
            missing = await client.post(f"/elsewhere{PATH}", json=BODY)
        assert answer.status_code == 200, answer.text
        assert missing.status_code == 404
        facts = far.events("open")[0]["facts"]
        assert (facts["listener"], facts["route"], facts["path"]) == ("gateway", "openai", PATH)
        assert [event["listener"] for event in here.events("refusal")] == ["gateway"]
    (arrival,) = provider.arrivals()[before:]
    assert arrival["authorization"] == "Bearer sk-of-the-company"


async def test_a_block_at_the_edge_never_leaves_it(provider, tmp_path, peerage, certificate):
    policy = rules(tmp_path, NO_MAIL)
    async with both_at(tmp_path, provider, peerage, certificate, policy=policy) as (here, far):
        async with here.client() as client:
            answer = await client.post(URL, json=MAIL)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "policy_block")
        assert far.events("open") == far.events("refusal") == []
        assert here.events("close")[0]["outcome"] == "blocked"


async def test_a_block_at_the_central_appliance_is_shown_to_the_user(provider, tmp_path, peerage, certificate):
    before = len(provider.arrivals())
    forbids = "- {id: not-that, match: {models: [large]}, then: {disposition: block}, reason: Too large.}"
    there = {"policy": rules(tmp_path, forbids)}
    async with both_at(tmp_path, provider, peerage, certificate, there=there) as (here, far):
        async with here.client() as client:
            answer = await client.post(URL, json=BODY | {"model": "large"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "policy_block")
        assert answer.headers["x-gnomon-reference"] == far.events("open")[0]["exchange"]
        assert "Too large." in answer.text
        assert far.events("close")[0]["outcome"] == "blocked"
        assert here.events("close")[0]["status"] == 403
    assert len(provider.arrivals()) == before


@pytest.mark.parametrize("stage", list(Stage))
async def test_without_a_central_appliance_nothing_goes_anywhere(provider, tmp_path, peerage, stage):
    before = len(provider.arrivals())
    egress = Egress(ca_bundle=str(provider.ca), hosts={f"{HOST}:443": f"127.0.0.1:{provider.port}"})
    with listening() as closed:
        port = closed.getsockname()[1]
    async with edge_at(tmp_path, provider, peerage, port, stage=stage, egress=egress) as here:
        async with here.client() as client:
            answer = await client.post(URL, json=BODY)
            other = await client.post("https://api.anthropic.com/v1/messages", json=BODY | {"max_tokens": 9})
        assert (other.status_code, other.json()["type"]) == (502, "error")
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "connect_failed")
        assert "central appliance cannot be reached" in answer.json()["error"]["message"]
        closes = here.events("close")
        assert [(close["outcome"], close["status"]) for close in closes] == [("upstream_error", 502)] * 2
    assert len(provider.arrivals()) == before


async def test_the_next_central_appliance_takes_over_before_the_first_byte(provider, tmp_path, peerage, certificate):
    with listening() as closed:
        dead = closed.getsockname()[1]
    async with (
        central_at(tmp_path / "central", provider, peerage, certificate) as there,
        edge_at(tmp_path / "edge", provider, peerage, dead, there.peer) as here,
    ):
        for _ in range(2):
            async with here.client() as client:
                assert (await client.post(URL, json=BODY)).status_code == 200
        tried = [[one["target"] for one in event["attempts"]] for event in here.events("close")]
        good, bad = f"localhost:{there.peer}", f"localhost:{dead}"
        assert tried == [[bad, good], [good]]  # who has failed is asked last for a while


async def test_one_that_leaves_tls_unanswered_is_passed_over(provider, tmp_path, peerage, certificate, monkeypatch):
    monkeypatch.setattr(handler, "HANDSHAKE_S", 1.0)
    with listening() as mute:  # the kernel takes connections, and nobody answers
        async with (
            central_at(tmp_path / "central", provider, peerage, certificate) as there,
            edge_at(tmp_path / "edge", provider, peerage, mute.getsockname()[1], there.peer) as here,
            here.client() as client,
        ):
            assert (await client.post(URL, json=BODY)).status_code == 200
            (closed,) = here.events("close")
        assert [one["status"] for one in closed["attempts"]] == [0, 200]


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_fault_of_ours_at_an_edge_leads_to_no_provider(provider, tmp_path, peerage, monkeypatch, stage):
    before = len(provider.arrivals())
    egress = Egress(ca_bundle=str(provider.ca), hosts={f"{HOST}:443": f"127.0.0.1:{provider.port}"})
    with listening() as closed:
        port = closed.getsockname()[1]

    def broken(*_args):
        raise RuntimeError

    monkeypatch.setattr(ExchangeAddon, "govern", broken)
    monkeypatch.setattr(central.Hop, "_said", broken)
    async with edge_at(tmp_path, provider, peerage, port, stage=stage, egress=egress) as here, here.client() as client:
        assert (await client.post(URL, json=BODY)).status_code in (403, 503)
    assert len(provider.arrivals()) == before


async def test_a_tunnel_that_stays_sealed_leads_to_no_provider(provider, tmp_path, peerage):
    egress = Egress(ca_bundle=str(provider.ca), never=(HOST,), hosts={f"{HOST}:443": f"127.0.0.1:{provider.port}"})
    before = len(provider.arrivals())
    async with edge_at(tmp_path, provider, peerage, 1, egress=egress) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.proxy)
        writer.write(f"CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\n\r\n".encode())
        answer = await reader.read(4096)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"by the central appliance only" in answer
    assert len(provider.arrivals()) == before


async def test_what_is_no_ai_service_goes_its_own_way(provider, tmp_path, peerage, authority):
    async def ok(_seen, reply):
        await reply.whole(200, b'"plain"')

    async with Upstream(authority, ok, tls=False) as up:
        egress = Egress(hosts={"plain.test:80": up.place})
        async with edge_at(tmp_path, provider, peerage, 1, egress=egress) as here:
            async with here.client(headers={"x-gnomon-identity": "me"}) as client:
                assert (await client.get("http://plain.test/")).text == '"plain"'
            assert here.events("open") == []
        assert not any(name.startswith("x-gnomon") for name in up.seen[0].headers)


@pytest.mark.parametrize("http2", [False, True])
async def test_a_stream_passes_and_who_leaves_is_known_at_both(tmp_path, peerage, certificate, authority, http2):
    release = asyncio.Event()

    async def script(_seen, reply):
        await reply.head(200, {"content-type": "text/event-stream"})
        await reply.chunk(b'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n')
        await release.wait()
        await reply.chunk(b"data: [DONE]\n\n")
        await reply.end()

    async with asyncio.timeout(20), Upstream(authority, script, HOST) as up:
        egress = Egress(ca_bundle=str(authority.path), hosts={f"{HOST}:443": up.place})
        standin = type("P", (), {"ca": authority.path, "port": 1})
        world = both_at(tmp_path, standin, peerage, certificate, there={"egress": egress})
        async with world as (here, far):
            async with here.client(http2=http2) as client:
                async with client.stream("POST", URL, json=BODY | {"stream": True}) as answer:
                    pieces = answer.aiter_bytes()
                    assert b"assistant" in await anext(pieces)
                    release.set()
                    assert b"[DONE]" in b"".join([piece async for piece in pieces])
                release.clear()
                async with client.stream("POST", URL, json=BODY | {"stream": True}) as answer:
                    assert b"assistant" in await anext(answer.aiter_bytes())
            await up.seen[1].reset.wait()
            while len(far.events("close")) + len(here.events("close")) < 4:  # noqa: ASYNC110 - a journal has no event
                await asyncio.sleep(0)
            for worker in (here, far):
                assert [event["outcome"] for event in worker.events("close")] == ["completed", "client_abort"]
            release.set()


async def test_a_socket_passes(tmp_path, peerage, certificate, authority):
    async with asyncio.timeout(20), SocketServer(authority.context(HOST, alpn=["http/1.1"])) as server:
        standin = type("P", (), {"ca": authority.path, "port": server.port})
        async with (
            both_at(tmp_path, standin, peerage, certificate) as (here, far),
            connected(here.proxy, HOST, "/v1/realtime?model=x", trust=here.trust) as client,
        ):
            end = await server.served.get()
            await client.send('{"type":"response.create"}')
            assert await end.read() == '{"type":"response.create"}'
            await end.send('{"type":"response.done"}')
            assert await client.read() == '{"type":"response.done"}'
            assert not any(name.startswith("x-gnomon") for name in end.headers)
            await client.close()
            while not hasattr(await client.read(), "code"):
                pass
            while len(far.events("close")) + len(here.events("close")) < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)


async def test_a_large_body_passes_whole(provider, tmp_path, peerage, certificate):
    large = {"model": "stand-in", "messages": [{"role": "user", "content": "x " * 120_000}]}
    async with both_at(tmp_path, provider, peerage, certificate) as (here, far):
        async with here.client() as client:
            assert (await client.post(URL, json=large)).status_code == 200
        assert far.events("open")[0]["sent_digest"] == here.events("open")[0]["body_digest"]
