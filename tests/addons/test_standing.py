"""A credential that does not hold any more: inside open tunnels, and under what runs."""

import asyncio
import json
import ssl
import time
from types import SimpleNamespace

import bcrypt
import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated
from tests_support import HOST
from tokens_world import RSA_ONE, jwks, public, token
from worker_world import worker_at

from addons import standing
from addons.endings import IDENTITY
from addons.ongoing import EXCHANGE, Exchange
from addons.standing import KNOWN, Known, StandingAddon, as_refusal
from addons.upstream import RELAYS
from appliance.config.identity_schema import Identity, TokenIssuer
from appliance.config.site_key import load_site_key
from appliance.identity import password_file, virtual_key_file
from appliance.identity.method import Challenge, IdentityRequest, Refusal
from appliance.identity.virtual_keys import VirtualKey
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason, Stage

PATH = "/v1/chat/completions"
URL = f"https://{HOST}{PATH}"
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "hello"}]}
FAILED = RefusalReason.IDENTITY_FAILED


class OffersHttp2(ssl.SSLContext):
    """Offers HTTP/2 first: the appliance takes what a client likes best."""

    def set_alpn_protocols(self, _: list[str]) -> None:
        super().set_alpn_protocols(["h2", "http/1.1"])


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Credentials and files are looked at with every request, and what runs often."""
    monkeypatch.setattr(virtual_key_file, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(standing, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(Known, "is_fresh", lambda _self, _now: False)


@pytest.fixture
def state(tmp_path):
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    return made


def mint(state):
    template = VirtualKey(id="", owner="maria", salt="", digest="", created=time.time(), groups=("dev",))
    return virtual_key_file.mint(state, load_site_key(state), template)


def tunnelled(worker, http2=False, **headers):
    """A client that shows what it has with CONNECT alone."""
    trust = worker.trust
    if http2:
        trust = OffersHttp2(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(worker.config.ca_dir / "root.pem")
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    proxy = httpx.Proxy(f"http://127.0.0.1:{worker.proxy}", headers=shown)
    return httpx.AsyncClient(proxy=proxy, verify=trust, http2=http2, timeout=20, trust_env=False)


@pytest.mark.parametrize("http2", [False, True])
async def test_a_key_that_is_taken_back_ends_its_tunnel(provider, tmp_path, state, http2):
    key, entry = mint(state)
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, identity=Identity(required=True, virtual_keys=True)) as worker:
        async with tunnelled(worker, http2, x_gnomon_key=key) as client:
            assert (await client.post(URL, json=BODY)).http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert (await client.post(URL, json=BODY)).status_code == 200
            virtual_key_file.revoke(state, entry.id, time.time())
            refused = await client.post(URL, json=BODY)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "identity_failed")
            if http2:  # this client looks at an idle HTTP/2 connection only when it writes on it
                with pytest.raises(httpx.TransportError):
                    await client.post(URL, json=BODY)
            with pytest.raises(httpx.ProxyError, match="407"):  # another connection, where it can be told
                await client.post(URL, json=BODY)
        told = [event["detail"] for event in worker.events("refusal")]
        assert told[0] == "this key is revoked"
        assert [event["facts"]["virtual_key"] for event in worker.events("open")] == [entry.id] * 2
        assert key not in worker.journal()
    assert len(provider.arrivals()) == before + 2


async def test_a_refusal_in_a_tunnel_has_the_form_of_what_the_client_speaks(provider, tmp_path, state):
    key, entry = mint(state)
    identity = Identity(virtual_keys=True)
    async with (
        worker_at(tmp_path, provider, identity=identity) as worker,
        tunnelled(worker, x_gnomon_key=key) as client,
    ):
        await client.post(URL, json=BODY)
        virtual_key_file.revoke(state, entry.id, time.time())
        answer = await client.post(f"https://{HOST}/v1/messages", json=BODY)
    assert answer.status_code == 403
    assert answer.json()["type"] == "error"


async def test_a_running_stream_of_a_key_that_is_taken_back_ends_in_its_own_form(provider, tmp_path, state):
    key, entry = mint(state)
    async with worker_at(tmp_path, provider, identity=Identity(required=True, virtual_keys=True)) as worker:
        async with tunnelled(worker, x_gnomon_key=key) as client:
            asked = BODY | {"model": "stand-in-hold", "stream": True}
            async with client.stream("POST", URL, json=asked) as answer:
                lines = answer.aiter_lines()
                assert json.loads((await anext(lines)).removeprefix("data: "))["choices"]
                virtual_key_file.revoke(state, entry.id, time.time())
                rest = [line async for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert IDENTITY in "".join(rest)
        closed = worker.events("close")[-1]
        assert (closed["outcome"], closed["reason"]) == ("blocked", "identity: this key is revoked")


async def test_a_token_ends_in_its_tunnel(provider, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_bytes(jwks(public(RSA_ONE, "one")))
    now = time.time()
    issuer = TokenIssuer(issuer="https://login.example.test", audience=("gnomon",), jwks=str(keys), leeway_s=0)
    short = token(exp=now + 1.0, iat=now - 5)
    async with worker_at(tmp_path, provider, identity=Identity(required=True, tokens=(issuer,))) as worker:
        async with tunnelled(worker, proxy_authorization=f"Bearer {short}") as client:
            while (answer := await client.post(URL, json=BODY)).status_code == 200:
                assert time.time() < now + 20
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "identity_failed")
            assert "expired" in answer.json()["error"]["message"]
            with pytest.raises(httpx.ProxyError, match="407"):
                await client.post(URL, json=BODY)
        assert worker.events("open")[0]["facts"]["identity_method"] == "jwt"


def hashed(word) -> str:
    return bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()


async def test_a_password_that_is_changed_ends_its_tunnel(provider, tmp_path, state, monkeypatch):
    monkeypatch.setattr(password_file, "LOOK_EVERY", 0.0)
    people = tmp_path / "people"
    people.write_text(f"maria:{hashed('one')}\n")
    identity = Identity(required=True, htpasswd=str(people))
    async with worker_at(tmp_path, provider, identity=identity) as worker:
        proxy = httpx.Proxy(f"http://127.0.0.1:{worker.proxy}", auth=("maria", "one"))
        async with httpx.AsyncClient(proxy=proxy, verify=worker.trust, timeout=20, trust_env=False) as client:
            assert (await client.post(URL, json=BODY)).status_code == 200
            people.write_text(f"maria:{hashed('other')}\n")
            assert (await client.post(URL, json=BODY)).status_code == 403


PERSON = Principal("maria", "10.0.0.1", "key")


def known(*answers, request=None):
    """Somebody, and what is said of them from look to look; and what was asked."""
    asked, left = [], list(answers)

    async def identify(request, now):
        asked.append((request, now))
        await asyncio.sleep(0)
        return left.pop(0) if len(left) > 1 else left[0]

    return Known(identify, request or IdentityRequest("10.0.0.1", key="gk_secret"), PERSON, 0.0), asked


async def test_many_requests_at_once_ask_once():
    who, asked = known(PERSON)
    assert await asyncio.gather(*(who.again(5.0) for _ in range(50))) == [PERSON] * 50
    assert [(request.again, request.key) for request, _ in asked] == [(True, "gk_secret")]
    assert "gk_secret" not in repr(who)


async def test_what_has_ended_stays_so_and_what_nobody_can_say_does_not():
    down = Refusal(503, RefusalReason.IDENTITY_UNAVAILABLE, "down", retry_after=3)
    who, asked = known(down, PERSON, Challenge("Basic", FAILED, "no"), PERSON)
    assert await who.again(1.0) == down
    assert await who.again(2.0) == PERSON
    assert await who.again(3.0) == await who.again(4.0) == Refusal(403, FAILED, "no")
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Challenge("Basic", FAILED, "no"), 403),
        (Challenge("Basic"), 403),
        (Refusal(401, FAILED, "no"), 403),
        (Refusal(403, FAILED, "no"), 403),
        (Refusal(429, FAILED, "wait"), 429),
        (Refusal(503, RefusalReason.IDENTITY_UNAVAILABLE, "down"), 503),
    ],
)
def test_what_a_tunnel_is_told(answer, status):
    assert as_refusal(answer).status == status
    assert as_refusal(answer).detail


def test_a_look_holds_for_a_moment(monkeypatch):
    monkeypatch.undo()
    who, _ = known(PERSON)
    assert [who.is_fresh(now) for now in (-0.1, 0.0, 0.9, 1.0)] == [False, True, True, False]


SOCKET = {RELAYS: object()}


@pytest.mark.parametrize(
    ("answer", "more", "ends"),
    [
        (Refusal(401, FAILED, "this key is revoked"), {}, True),
        (Refusal(401, FAILED, "the token has expired", lapsed=True), {}, False),
        (Refusal(401, FAILED, "the token has expired", lapsed=True), SOCKET, True),
        (Refusal(503, RefusalReason.IDENTITY_UNAVAILABLE, "down"), SOCKET, False),
        (Refusal(429, FAILED, "wait"), SOCKET, False),
        (PERSON, SOCKET, False),
    ],
)
async def test_what_ends_of_what_runs(monkeypatch, answer, more, ends):
    ended, done = [], asyncio.Event()
    monkeypatch.setattr(standing, "cancel_stream", lambda flow, words, cause: ended.append((flow, words, cause)))
    who, asked = known(answer)
    exchanges = [standing_exchange() for _ in range(2)]
    flows = {str(n): SimpleNamespace(metadata={KNOWN: who, EXCHANGE: one} | more) for n, one in enumerate(exchanges)}
    flows["nobody"] = SimpleNamespace(metadata={})
    watch = StandingAddon(flows, lambda _flow, cause: cause.encode(), lambda *_: done.set(), lambda: 9.0)
    await watch.look()
    for _ in range(9):  # as many turns as a look takes
        await asyncio.sleep(0)
    assert len(asked) == 1  # one credential, one look
    assert [(words, cause) for _, words, cause in ended] == [(b"identity", "identity")] * (2 if ends else 0)
    assert {one.cut_detail for one in exchanges} == {answer.detail if ends else ""}
    assert not done.is_set()


def standing_exchange():
    return Exchange(id="x", service=None, principal=PERSON, stage=Stage.ENFORCE, started=0.0, host="h")


async def test_a_look_that_fails_is_told():
    async def identify(_request, _now):
        raise ValueError("no")

    told = []
    who = Known(identify, IdentityRequest("10.0.0.1"), PERSON, 0.0)
    flows = {"1": SimpleNamespace(metadata={KNOWN: who})}
    watch = StandingAddon(flows, lambda *_: b"", lambda where, error: told.append((where, type(error))), lambda: 9.0)
    await watch.look()
    for _ in range(9):
        await asyncio.sleep(0)
    assert told == [("StandingAddon.look", ValueError)]


async def test_an_http2_client_is_told_that_its_connection_ends(provider, tmp_path, state):
    """Read as they come: the refusal, whole, and behind it GOAWAY and the end."""
    key, entry = mint(state)
    async with worker_at(tmp_path, provider, identity=Identity(virtual_keys=True)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.proxy)
        writer.write(f"CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\nx-gnomon-key: {key}\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        trust = OffersHttp2(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(worker.config.ca_dir / "root.pem")
        trust.set_alpn_protocols([])
        await writer.start_tls(trust, server_hostname=HOST)
        virtual_key_file.revoke(state, entry.id, time.time())
        h2 = H2Connection(H2Configuration(client_side=True))
        h2.initiate_connection()
        fields = [(":method", "GET"), (":path", "/v1/models"), (":scheme", "https"), (":authority", HOST)]
        h2.send_headers(1, fields, end_stream=True)
        writer.write(h2.data_to_send())
        told = []
        while piece := await reader.read(65536):
            told += h2.receive_data(piece)
            writer.write(h2.data_to_send())
        writer.close()
    kinds = [type(event).__name__ for event in told]
    assert kinds.index("ResponseReceived") < kinds.index("StreamEnded") < kinds.index("ConnectionTerminated")
    assert next(event for event in told if isinstance(event, ConnectionTerminated)).last_stream_id == 1


async def test_a_key_for_certain_models_lets_no_other_answer_instead(provider, tmp_path, state):
    template = VirtualKey(id="", owner="maria", salt="", digest="", created=time.time(), models=("stand-in",))
    key, _ = virtual_key_file.mint(state, load_site_key(state), template)
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, identity=Identity(virtual_keys=True)) as worker:
        async with tunnelled(worker, x_gnomon_key=key) as client:
            told = [
                (await client.post(URL, json=BODY | more)).status_code
                for more in ({}, {"models": ["stand-in"]}, {"models": ["stand-in", "gpt-5-pro"]}, {"fallbacks": ["o3"]})
            ]
        assert told == [200, 200, 403, 403]
        assert worker.events("open")[2]["facts"]["models_beside"] == ["stand-in", "gpt-5-pro"]
    assert len(provider.arrivals()) == before + 2
