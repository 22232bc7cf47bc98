"""Who asks, through a whole worker: tokens, virtual keys and certificates on proxy and gateway."""

import datetime as dt
import json
import ssl
import time

import httpx
import pytest
from certificates_world import DAY, Authority
from cryptography.x509.oid import ExtendedKeyUsageOID
from issuer_world import NAME, issuer_at
from tests_support import HOST
from tokens_world import RSA_ONE, RSA_TWO, jwks, public, token
from worker_world import worker_at

from addons import listener_tls
from appliance.config.credentials import write_key
from appliance.config.identity_schema import ClientCertificates, TokenIssuer
from appliance.config.schema import Config, Egress, Gateway, Identity, Listen, RouteEntry
from appliance.config.site_key import load_site_key
from appliance.identity import client_certificates, virtual_key_file
from appliance.identity.virtual_keys import VirtualKey
from appliance.model.names import Stage

PATH = "/v1/chat/completions"
URL = f"https://{HOST}{PATH}"
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "hello"}]}
ROUTES = {
    "openai": RouteEntry(service="openai", target=f"https://{HOST}", credential="held:team"),
    "own": RouteEntry(service="openai", target=f"https://{HOST}"),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Files are looked at with every request, and not once a second."""
    for module in (virtual_key_file, client_certificates, listener_tls):
        monkeypatch.setattr(module, "LOOK_EVERY", 0.0)


@pytest.fixture
def state(tmp_path):
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    config = Config(state_dir=str(made), gateway=Gateway(routes=ROUTES))
    write_key(config, "team", b"sk-of-the-company")
    return made


def mint(state, **changes):
    template = VirtualKey(id="", owner="maria", salt="", digest="", created=time.time(), groups=("dev",), **changes)
    return virtual_key_file.mint(state, load_site_key(state), template)


def through(worker, scheme="http", **more):
    base = f"{scheme}://127.0.0.1:{worker.gateway}"
    return httpx.AsyncClient(base_url=base, timeout=20, trust_env=False, **more)


def facts(worker):
    return worker.events("open")[-1]["facts"]


def nowhere(folder, *secrets) -> bool:
    """No file that the appliance wrote holds a secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return not any(secret.encode() in path.read_bytes() for path in files for secret in secrets)


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("header", ["authorization", "x-api-key", "x-gnomon-key"])
async def test_a_virtual_key_stands_in_for_the_routes(provider, tmp_path, state, stage, header):
    key, entry = mint(state)
    before = len(provider.arrivals())
    identity = Identity(required=True, virtual_keys=True)
    async with worker_at(tmp_path, provider, stage, identity=identity, gateway=Gateway(routes=ROUTES)) as worker:
        value = f"Bearer {key}" if header == "authorization" else key
        async with through(worker, headers={header: value}) as client:
            answer = await client.post(f"/openai{PATH}", json=BODY)
            assert answer.status_code == 200
            assert virtual_key_file.revoke(state, entry.id, time.time()) is not None
            refused = await client.post(f"/openai{PATH}", json=BODY)
        found = facts(worker)
        assert (found["identity_method"], found["virtual_key"], found["groups"]) == ("key", entry.id, ["dev"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "identity_failed")
        assert worker.events("refusal")[0]["detail"] == "this key is revoked"
        assert nowhere(tmp_path, key)
    (arrival,) = provider.arrivals()[before:]
    assert arrival["authorization"] == "Bearer sk-of-the-company"
    assert "gk_" not in json.dumps(arrival)


async def test_a_virtual_key_goes_beside_the_clients_own_and_no_further(provider, tmp_path, state):
    key, entry = mint(state)
    before = len(provider.arrivals())
    identity, own = Identity(virtual_keys=True), {"authorization": "Bearer sk-of-the-client"}
    async with worker_at(tmp_path, provider, identity=identity, gateway=Gateway(routes=ROUTES)) as worker:
        async with through(worker, headers=own) as client:
            assert (await client.post(f"/own{PATH}", json=BODY, headers={"x-gnomon-key": key})).status_code == 200
            assert facts(worker)["virtual_key"] == entry.id
            assert (await client.post(f"/own{PATH}", json=BODY)).status_code == 200
            assert "virtual_key" not in facts(worker)
            wrong = await client.post(f"/own{PATH}", json=BODY, headers={"x-gnomon-key": key[:-1]})
            assert wrong.status_code == 401  # never anonymous
        async with worker.client(headers=own) as client:  # inside a tunnel
            assert (await client.post(URL, json=BODY, headers={"x-gnomon-key": key})).status_code == 200
            assert facts(worker)["virtual_key"] == entry.id
            assert (await client.post(URL, json=BODY)).status_code == 200
            assert "virtual_key" not in facts(worker)
            wrong = await client.post(URL, json=BODY, headers={"x-gnomon-key": "gk_x"})
            assert wrong.status_code == 401
    arrivals = provider.arrivals()[before:]
    assert [arrival["authorization"] for arrival in arrivals] == ["Bearer sk-of-the-client"] * 4
    assert not any("x-gnomon-key" in arrival["headers"] for arrival in arrivals)


async def test_a_key_that_is_for_some_services_and_models_only(provider, tmp_path, state):
    for_another, _ = mint(state, services=("anthropic",))
    for_one, entry = mint(state, services=("openai",), models=("stand-in",))
    before = len(provider.arrivals())
    async with worker_at(
        tmp_path, provider, identity=Identity(virtual_keys=True), gateway=Gateway(routes=ROUTES)
    ) as worker:
        async with through(worker, headers={"x-gnomon-key": for_another}) as client:
            refused = await client.post(f"/openai{PATH}", json=BODY)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "policy_block")
            assert "this key is for anthropic only" in refused.json()["error"]["message"]
        async with worker.client(headers={"x-gnomon-key": for_one}) as client:
            assert (await client.post(URL, json=BODY)).status_code == 200
            assert (await client.post(URL, json=BODY | {"model": "stand-in-503"})).status_code == 403
            assert (await client.get(f"https://{HOST}/v1/models")).status_code == 200
        opened = worker.events("open")
    assert opened[2]["verdict"]["rule"] == f"key:{entry.id}"
    assert (opened[2]["facts"]["key_services"], opened[2]["facts"]["key_models"]) == (["openai"], ["stand-in"])
    assert len(provider.arrivals()) == before + 2


async def test_a_virtual_key_never_reaches_a_provider(provider, tmp_path, state):
    key, _ = mint(state)
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, Stage.OBSERVE, gateway=Gateway(routes=ROUTES)) as worker:
        for headers, path in (({"authorization": f"Bearer {key}"}, f"/own{PATH}"), ({}, f"/own{PATH}?key={key}")):
            async with through(worker) as client:
                refused = await client.post(path, json=BODY, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "identity_failed")
            assert "X-Gnomon-Key" in refused.json()["error"]["message"]
        async with worker.client() as client:
            assert (await client.post(URL, json=BODY, headers={"x-api-key": key})).status_code == 403
        async with through(worker) as client:  # not configured: not taken, and not ignored
            refused = await client.post(f"/own{PATH}", json=BODY, headers={"x-gnomon-key": key})
        assert refused.status_code == 401
        assert nowhere(tmp_path, key)
    assert provider.arrivals()[before:] == []


@pytest.fixture
async def issuer(tmp_path):
    async with issuer_at(tmp_path / "issuer") as server:
        server.publish(jwks(public(RSA_ONE, "one")))
        yield server


def tokens(server, provider):
    jwks_url = f"https://{NAME}:{server.port}/keys"
    entry = TokenIssuer(
        issuer="https://login.example.test", audience=("gnomon",), jwks=jwks_url, ca_bundle=str(server.ca)
    )
    hosts = {f"{HOST}:443": f"127.0.0.1:{provider.port}", f"{NAME}:{server.port}": f"127.0.0.1:{server.port}"}
    return {
        "identity": Identity(required=True, tokens=(entry,)),
        "egress": Egress(ca_bundle=str(provider.ca), hosts=hosts),
        "gateway": Gateway(routes=ROUTES),
    }


async def test_a_token_opens_proxy_and_gateway(provider, tmp_path, state, issuer):
    now = time.time()
    good = token(exp=now + 600, iat=now, groups=["dev"], department="research")
    expired = token(exp=now - 600, iat=now - 700)
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, **tokens(issuer, provider)) as worker:
        proxy = httpx.Proxy(f"http://127.0.0.1:{worker.proxy}", headers={"proxy-authorization": f"Bearer {good}"})
        async with httpx.AsyncClient(proxy=proxy, verify=worker.trust, timeout=20, trust_env=False) as client:
            assert (await client.post(URL, json=BODY)).status_code == 200
        found = facts(worker)
        assert (found["identity_method"], found["groups"], found["department"]) == ("jwt", ["dev"], "research")
        async with through(worker) as client:
            bearer = {"authorization": f"Bearer {good}"}
            own = {"authorization": "Bearer sk-of-the-client", "x-gnomon-token": good}
            assert (await client.post(f"/openai{PATH}", json=BODY, headers=bearer)).status_code == 200
            assert (await client.post(f"/own{PATH}", json=BODY, headers=own)).status_code == 200
            assert facts(worker)["identity_method"] == "jwt"
            late = await client.post(f"/openai{PATH}", json=BODY, headers={"authorization": f"Bearer {expired}"})
            assert (late.status_code, late.headers["www-authenticate"]) == (401, 'Bearer realm="gnomon"')
            assert "expired" in late.json()["error"]["message"]
            assert (await client.post(f"/own{PATH}", json=BODY, headers=bearer)).status_code == 403  # not ours to read
        proxy = httpx.Proxy(f"http://127.0.0.1:{worker.proxy}", headers={"proxy-authorization": f"Bearer {expired}"})
        async with httpx.AsyncClient(proxy=proxy, verify=worker.trust, timeout=20, trust_env=False) as client:
            with pytest.raises(httpx.ProxyError, match="407"):
                await client.post(URL, json=BODY)
        assert nowhere(tmp_path / "state", good, expired)
    arrivals = provider.arrivals()[before:]
    assert [arrival["authorization"] for arrival in arrivals] == [
        None,
        "Bearer sk-of-the-company",
        "Bearer sk-of-the-client",
    ]
    assert not any("x-gnomon-token" in arrival["headers"] for arrival in arrivals)
    assert len(issuer.heads) == 1


async def test_while_the_issuer_is_down_nobody_new_is_known(provider, tmp_path, state, issuer):
    issuer.publish(b"{}", status=b"500 Internal Server Error")
    good = {"x-gnomon-token": token(exp=time.time() + 600, iat=None)}
    async with worker_at(tmp_path, provider, **tokens(issuer, provider)) as worker, through(worker) as client:
        answer = await client.post(f"/own{PATH}", json=BODY, headers=good)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "identity_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        (notice,) = [event for event in worker.events("notice") if event["note"] == "identity_trouble"]
        assert "login.example.test" in notice["detail"]
        assert "status 500" in notice["detail"]


async def test_a_start_while_the_issuer_is_down_knows_who_was_known_before(provider, tmp_path, state, issuer):
    good = {"x-gnomon-token": token(exp=time.time() + 600, iat=None)}
    for status, known in ((b"200 OK", {}), (b"500 Internal Server Error", good)):
        issuer.publish(issuer.answer.partition(b"\r\n\r\n")[2], status=status)
        async with worker_at(tmp_path, provider, **tokens(issuer, provider)) as worker, through(worker) as client:
            assert (await client.post(f"/own{PATH}", json=BODY, headers=good)).status_code == 200, known
    (kept,) = (state / "issuer-keys").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    forged = {"x-gnomon-token": token(RSA_TWO, exp=time.time() + 600, iat=None)}
    async with worker_at(tmp_path, provider, **tokens(issuer, provider)) as worker, through(worker) as client:
        assert (await client.post(f"/own{PATH}", json=BODY, headers=forged)).status_code == 401


@pytest.fixture
def people(tmp_path):
    return Authority(tmp_path / "people")


def certificates(provider, people, **more):
    files = provider.ca.parent
    return {
        "listen": Listen(certificate=str(files / "server.pem"), key=str(files / "server.key")),
        "identity": Identity(
            required=True,
            certificates=ClientCertificates(
                ca=str(people.file), crl=str(people.crl), pattern=r"(.+)@example\.test", **more
            ),
        ),
        "gateway": Gateway(routes=ROUTES),
    }


def trusting(provider, *shown):
    context = ssl.create_default_context(cafile=str(provider.ca))
    for path in shown:
        context.load_cert_chain(path)
    return context


async def ask(worker, provider, *shown):
    async with through(worker, "https", verify=trusting(provider, *shown)) as client:
        return await client.post(f"/own{PATH}", json=BODY)


async def test_a_client_certificate_opens_proxy_and_gateway(provider, tmp_path, state, people):
    path, _ = people.issue("Maria", emails=("maria@example.test",))
    async with worker_at(tmp_path, provider, **certificates(provider, people)) as worker:
        assert (await ask(worker, provider, path)).status_code == 200
        assert facts(worker)["identity_method"] == "mtls"
        nobody = await ask(worker, provider)
        assert (nobody.status_code, nobody.json()["error"]["code"]) == (403, "identity_required")
        secure = httpx.Proxy(f"https://127.0.0.1:{worker.proxy}", ssl_context=trusting(provider, path))
        async with httpx.AsyncClient(proxy=secure, verify=worker.trust, timeout=20, trust_env=False) as client:
            assert (await client.post(URL, json=BODY)).status_code == 200
        assert ("listener" in facts(worker), facts(worker)["identity_method"]) == (False, "mtls")


async def test_certificates_that_are_no_good(provider, tmp_path, state, people):
    stranger = Authority(tmp_path / "strangers")
    mail = {"emails": ("maria@example.test",)}
    gone, revoked = people.issue("Maria", **mail)
    people.revoke(revoked)
    bad = {
        "stranger": stranger.issue("Maria", **mail)[0],
        "expired": people.issue("Maria", ends=-dt.timedelta(minutes=1), **mail)[0],
        "not yet": people.issue("Maria", begins=dt.timedelta(minutes=5), **mail)[0],
        "a server's": people.issue("Maria", purpose=ExtendedKeyUsageOID.SERVER_AUTH, **mail)[0],
        "revoked": gone,
    }
    nameless = [people.issue("maria@example.test")[0], people.issue("M", emails=("maria@elsewhere.test",))[0]]
    nameless.append(people.issue("M", emails=("maria@example.test", "root@example.test"))[0])
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, **certificates(provider, people)) as worker:
        for what, path in bad.items():
            with pytest.raises(httpx.TransportError):
                pytest.fail(f"{what}: {await ask(worker, provider, path)}")
        for path in nameless:
            answer = await ask(worker, provider, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "identity_failed")
        refused = [event["detail"] for event in worker.events("refusal") if event["reason"] == "identity_failed"]
        assert refused.count(listener_tls.CERTIFICATE_REFUSED) == len(bad)
    assert provider.arrivals()[before:] == []


async def test_a_certificate_is_taken_back_while_its_connection_is_open(provider, tmp_path, state, people):
    path, made = people.issue("Maria", emails=("maria@example.test",))
    async with worker_at(tmp_path, provider, **certificates(provider, people)) as worker:
        async with through(worker, "https", verify=trusting(provider, path)) as client:
            assert (await client.post(f"/own{PATH}", json=BODY)).status_code == 200
            people.revoke(made)
            answer = await client.post(f"/own{PATH}", json=BODY)
            assert (answer.status_code, "revoked" in answer.text) == (403, True)
        people.revoke(ends=-DAY / 2)  # a list that is out of date says nothing
        other, _ = people.issue("Paul", emails=("paul@example.test",))
        with pytest.raises((httpx.TransportError, AssertionError)):
            assert (await ask(worker, provider, other)).status_code == 200


HOSTILE = (
    "gk_'; DROP TABLE x--",
    "eyJ\x9b2J.x.y",
    "\u202e".encode().decode("latin-1"),
    "A" * 9000,
    '"};{"kind":"close"',
    "%s%n",
)


async def test_what_is_shown_in_vain_stands_nowhere(provider, tmp_path, state, issuer, caplog):
    """In no answer, no journal and no log; nor does it make another line or header in any of them."""
    async with worker_at(tmp_path, provider, **tokens(issuer, provider)) as worker, through(worker) as client:
        for value in HOSTILE:
            for header in ("x-gnomon-key", "x-gnomon-token"):
                shown = {header.encode(): value.encode("latin-1")}
                answer = await client.post(f"/own{PATH}", json=BODY, headers=shown)
                assert answer.status_code in (401, 429)
                assert value not in answer.text + str(answer.headers)
        refused = worker.events("refusal")
        assert len(refused) == 2 * len(HOSTILE)
        assert all(event["detail"].isprintable() for event in refused)
        assert not any(value in worker.journal() or value in caplog.text for value in HOSTILE[:-1])
