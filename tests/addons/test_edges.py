"""The door for edges, from outside: who is let in, what is believed, and what is on record of the rest."""

import asyncio
import os
import ssl
import time

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from edge_world import as_peer, central_at, edge_at
from peers_world import Peerage
from tests_support import HOST

from addons.edges import without_hop_headers
from addons.peer_tls import hop_context, peers_context, signing_key
from appliance.config.placement_schema import Central, Peers
from appliance.identity.asserted import Assertion, encode, request_digest
from appliance.model.errors import OperatorError
from appliance.model.names import Assurance

PATH = "/v1/models"


@pytest.fixture(scope="module")
def peerage(tmp_path_factory):
    return Peerage(tmp_path_factory.mktemp("peerage"))


@pytest.fixture(scope="module")
def certificate(peerage):
    return peerage.central("localhost")


@pytest.fixture(scope="module")
def berlin(peerage):
    return peerage.peer("berlin")


def header(file, path=PATH, **changes) -> str:
    key = load_pem_private_key(file.read_bytes(), None)
    base = Assertion(
        edge="berlin",
        exchange="0" * 32,
        at=round(time.time() * 1000),
        nonce=os.urandom(16),
        way="proxy",
        scheme="https",
        host=HOST,
        port=443,
        digest=request_digest(b"GET", path.encode()),
        user="maria",
        address="10.1.2.3",
        method="basic",
        assurance=Assurance.HIGH,
    )
    return encode(msgspec.structs.replace(base, **changes), key).decode()


def client(worker, peerage, file, **headers) -> httpx.AsyncClient:
    base = f"https://localhost:{worker.peer}"
    verify = as_peer(peerage, file)
    return httpx.AsyncClient(
        base_url=base, verify=verify, timeout=15, trust_env=False, headers={"host": HOST, **headers}
    )


async def test_what_an_edge_has_signed_holds_once(provider, tmp_path, peerage, certificate, berlin):
    async with central_at(tmp_path, provider, peerage, certificate) as worker, client(worker, peerage, berlin) as edge:
        value = header(berlin)
        first = await edge.get(PATH, headers={"x-gnomon-identity": value})
        again = await edge.get(PATH, headers={"x-gnomon-identity": value})
        assert (first.status_code, again.status_code) == (200, 403)
        assert again.json()["error"]["code"] == "identity_failed"
        (opened,), (refusal,) = worker.events("open"), worker.events("refusal")
        assert opened["edits"] == [f"edge:berlin:{'0' * 32}"]
        assert (refusal["reason"], refusal["listener"]) == ("identity_failed", "peer")
        assert refusal["detail"] == "berlin: the header has been used before"
        assert "maria" in worker.journal()


REFUSED = [
    ({"edge": "rome"}, "another edge's"),
    ({"at": 1}, "clock there is slow"),
    ({"digest": request_digest(b"POST", PATH.encode())}, "another request"),
    ("none", "there is none"),
    ("forged", "the signature"),
    ("cut", "cut short"),
    ("twice", "there is several"),
]


async def test_what_does_not_hold_is_refused_and_recorded(provider, tmp_path, peerage, certificate, berlin):
    before = len(provider.arrivals())
    async with central_at(tmp_path, provider, peerage, certificate) as worker, client(worker, peerage, berlin) as edge:
        for changes, words in REFUSED:
            value = header(berlin, **(changes if isinstance(changes, dict) else {}))
            told = {"none": [], "forged": [header(certificate)], "cut": [value[:72]], "twice": [value, header(berlin)]}
            sent = [value] if isinstance(changes, dict) else told[changes]
            answer = await edge.get(PATH, headers=[("x-gnomon-identity", one) for one in sent])
            assert answer.status_code == 403
            refusal = worker.events("refusal")[-1]
            assert (refusal["reason"], refusal["listener"]) == ("identity_failed", "peer")
            assert words in refusal["detail"]
            assert not any(one in worker.journal() for one in sent)
        assert worker.events("open") == []
    assert len(provider.arrivals()) == before


async def test_who_is_no_edge_is_refused(provider, tmp_path, peerage, certificate):
    async with central_at(tmp_path, provider, peerage, certificate) as worker:
        for name, words in (("pod", "not configured as an edge"), ("oslo", "no configured peer")):
            file = peerage.peer(name)
            async with client(worker, peerage, file, **{"x-gnomon-identity": header(file, edge=name)}) as edge:
                assert (await edge.get(PATH)).status_code == 403
            assert words in worker.events("refusal")[-1]["detail"]


async def test_without_a_certificate_of_the_peers_authority_nobody_comes_in(provider, tmp_path, peerage, certificate):
    strangers = Peerage(tmp_path / "strangers")
    async with central_at(tmp_path, provider, peerage, certificate) as worker:
        for file in (None, strangers.peer("berlin")):
            async with client(worker, peerage, file) as edge:
                with pytest.raises(httpx.TransportError):
                    await edge.get(PATH)
        assert {event["listener"] for event in worker.events("refusal")} == {"peer"}
        assert worker.events("open") == []


async def test_the_door_for_edges_is_no_proxy(provider, tmp_path, peerage, certificate, berlin):
    async with central_at(tmp_path, provider, peerage, certificate) as worker:
        for line in (f"GET https://{HOST}{PATH} HTTP/1.1", f"CONNECT {HOST}:443 HTTP/1.1"):
            context = as_peer(peerage, berlin)
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", worker.peer, ssl=context, server_hostname="localhost"
            )
            writer.write(f"{line}\r\nhost: {HOST}\r\nx-gnomon-identity: {header(berlin)}\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 400")
            writer.close()
        assert [event["reason"] for event in worker.events("refusal")] == ["malformed_request"] * 2


async def test_it_is_not_older_than_tls_1_3(provider, tmp_path, peerage, certificate, berlin):
    async with central_at(tmp_path, provider, peerage, certificate) as worker:
        context = as_peer(peerage, berlin)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", worker.peer, ssl=context, server_hostname="localhost")


async def test_on_every_other_listener_the_header_says_nothing(provider, tmp_path, peerage, certificate, berlin):
    before = len(provider.arrivals())
    async with central_at(tmp_path, provider, peerage, certificate) as worker:
        async with worker.client(headers={"x-gnomon-identity": header(berlin)}) as user:
            assert (await user.get(f"https://{HOST}{PATH}")).status_code == 200
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.gateway}") as user:
            sent = {"x-gnomon-identity": header(berlin, f"/openai{PATH}")}
            assert (await user.get(f"/openai{PATH}", headers=sent)).status_code == 200
        assert len(worker.events("open")) == 2
        assert not any("identity_method" in opened["facts"] for opened in worker.events("open"))
        assert "maria" not in worker.journal()
    arrivals = provider.arrivals()[before:]
    assert len(arrivals) == 2
    assert not any("x-gnomon-identity" in arrival["headers"] for arrival in arrivals)


async def test_an_edge_gets_no_further_than_its_users(provider, tmp_path, peerage, certificate, berlin):
    elsewhere = [("intranet.example", "no AI service by the catalogue here"), ("api.anthropic.com", "names")]
    async with central_at(tmp_path, provider, peerage, certificate) as worker, client(worker, peerage, berlin) as edge:
        for host, words in elsewhere:
            answer = await edge.get(PATH, headers={"x-gnomon-identity": header(berlin, host=host)})
            assert answer.status_code == 421
            assert words in worker.events("refusal")[-1]["detail"]
        assert worker.events("open") == []


async def test_an_edge_believes_only_its_central_appliance(provider, tmp_path, peerage, certificate):
    """Another authority, and another name: the central appliance cannot be reached then."""
    strangers = Peerage(tmp_path / "strangers")
    named = peerage.central("elsewhere.example")
    for number, (file, ca) in enumerate([(certificate, strangers.ca), (named, peerage.ca)]):
        async with (
            central_at(tmp_path / f"c{number}", provider, peerage, file) as there,
            edge_at(tmp_path / f"e{number}", provider, peerage, there.peer, ca=ca) as here,
            here.client() as user,
        ):
            answer = await user.get(f"https://{HOST}{PATH}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "tls_failed")
            assert there.events("open") == []


def test_headers_of_one_hop_are_known_by_their_name():
    kept = ((b"authorization", b"k"), (b"x-gnomo", b"1"), (b"y-x-gnomon-a", b"2"))
    assert without_hop_headers((*kept, (b"X-Gnomon-Identity", b"3"), (b"x-GNOMON-", b"4"))) == kept


def test_files_that_cannot_be_used_are_told_by_key(peerage, certificate, tmp_path):
    mine, none = str(certificate), tmp_path / "none.pem"
    none.write_text("nothing\n")
    good = {"ca": str(peerage.ca), "certificate": mine, "key": mine}
    assert hop_context(Central(name="berlin", **good))
    assert peers_context(Peers(accept={}, **good))
    for key in good:
        with pytest.raises(OperatorError, match=rf"central\.{key}.*none\.pem"):
            hop_context(Central(name="berlin", **(good | {key: str(none)})))
        with pytest.raises(OperatorError, match=rf"peers\.{key}.*none\.pem"):
            peers_context(Peers(accept={}, **(good | {key: str(none)})))
    with pytest.raises(OperatorError, match=r"central\.key"):
        signing_key(Central(name="berlin", **(good | {"key": str(none)})))
