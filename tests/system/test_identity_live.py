"""Who asks: passwords through the proxy with curl and httpx, addresses, and names that stand in one table only."""

import base64
import json
import os
import socket
import subprocess
import time

import argon2
import bcrypt
import httpx
import pytest
from system.operations_world import URL, body, eventually, proxied, recorded, site_at, through_gateway

from appliance.bus.client import BlockingClient
from appliance.config.site_key import load_site_key
from appliance.model.pseudonym import Pseudonyms
from appliance.store.wire import Erase, Erased

pytestmark = pytest.mark.system
PATH = "/v1/chat/completions"
PASSWORDS = {"maria": "correct horse: battery", "jürgen": "Grüße aus Köln"}
MAPPED, GUESSER = "127.0.0.2", "127.0.0.3"  # addresses of this machine to come from


@pytest.fixture(scope="module")
def site(provider, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    hashes = {
        "maria": bcrypt.hashpw(PASSWORDS["maria"].encode(), bcrypt.gensalt(5)).decode(),
        "jürgen": argon2.PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORDS["jürgen"]),
    }
    file = folder / "users"
    file.write_text("".join(f"{user}:{found}\n" for user, found in hashes.items()), encoding="utf-8")
    identity = (
        f"identity:\n  required: true\n  htpasswd: {file}\n"
        f"  addresses: [{{network: {MAPPED}, user: printer-room, groups: [machines]}}]\n"
    )
    with site_at(folder / "site", provider, extra=identity) as started:
        yield started


@pytest.fixture
def now(site):
    """When the test began."""
    return time.time()


def knocking(site, user) -> httpx.Client:
    proxy = httpx.Proxy(f"http://127.0.0.1:{site.proxy}", auth=(user, PASSWORDS[user]))
    return proxied(site, proxy=proxy)


def curl(site, *options) -> str:
    """Status of the tunnel and of the answer in it."""
    command = ["curl", "-sS", "-x", f"http://127.0.0.1:{site.proxy}", "--cacert", site.ca, "-d", json.dumps(body())]
    command += ["-H", "content-type: application/json", "-o", os.devnull, "-w", "%{http_connect} %{http_code}"]
    return subprocess.run([*command, *options, URL], capture_output=True, text=True, check=False).stdout


def digest(site, name) -> str:
    return Pseudonyms(load_site_key(site.folder / "state")).person(name)


def persons(site, *names) -> dict[str, str]:
    rows = site.ask_store("persons", digests=tuple(digest(site, name) for name in names))
    return {row["digest"]: row["value"] for row in rows}


@pytest.mark.parametrize("user", list(PASSWORDS))
def test_curl_is_asked_and_then_known(site, provider, user):
    assert curl(site) == "407 000"
    before = len(provider.arrivals())
    # --proxy-anyauth: curl asks without a credential first, reads the challenge, and asks again.
    assert curl(site, "--proxy-anyauth", "--proxy-user", f"{user}:{PASSWORDS[user]}") == "200 200"
    (arrival,) = provider.arrivals()[before:]
    assert "proxy-authorization" not in arrival["headers"]


def test_httpx_is_asked_and_then_known(site):
    with proxied(site) as client, pytest.raises(httpx.ProxyError, match="407"):
        client.post(URL, json=body())
    for user in PASSWORDS:
        with knocking(site, user) as client:
            assert client.post(URL, json=body()).status_code == 200
            assert client.post(URL, json=body()).status_code == 200


def test_the_challenge_says_how(site):
    answer = answer_to_connect(site)
    assert answer.startswith(b"HTTP/1.1 407 ")
    assert b'proxy-authenticate: basic realm="gnomon", charset="utf-8"' in answer.lower()
    assert answer_to_connect(site, f"Basic {b64('maria:no')}").startswith(b"HTTP/1.1 407 ")


def test_a_credential_never_goes_upstream(site, provider):
    sent = f"Basic {b64('maria:guess')}"
    before = len(provider.arrivals())
    with knocking(site, "maria") as client:
        assert client.post(URL, json=body(), headers={"proxy-authorization": sent}).status_code == 200
    transport = httpx.HTTPTransport(local_address=MAPPED)
    with through_gateway(site, transport=transport) as client:
        assert client.post(PATH, json=body(), headers={"proxy-authorization": sent}).status_code == 200
    arrivals = provider.arrivals()[before:]
    assert len(arrivals) == 2
    assert all("proxy-authorization" not in arrival["headers"] for arrival in arrivals)


def test_guessing_is_slowed_down_and_the_right_password_is_not_locked_out(site):
    answers = [answer_to_connect(site, f"Basic {b64(f'maria:guess {number}')}", GUESSER) for number in range(5)]
    assert answers[0].startswith(b"HTTP/1.1 407 ")
    assert answers[-1].startswith(b"HTTP/1.1 429 ")
    assert b"\r\nretry-after: " in answers[-1].lower()
    with knocking(site, "maria") as client:  # another address is not held up
        assert client.post(URL, json=body()).status_code == 200
    known = ("--interface", GUESSER, "--proxy-user", f"jürgen:{PASSWORDS['jürgen']}")
    eventually(lambda: curl(site, *known), lambda codes: codes == "200 200")
    refusals = eventually(lambda: site.ask_store("refusals", reason="identity_failed"), lambda rows: len(rows) >= 5)
    assert {row["listener"] for row in refusals} == {"proxy"}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def answer_to_connect(site, credential=None, address="127.0.0.4") -> bytes:
    line = f"Proxy-Authorization: {credential}\r\n" if credential else ""
    head = f"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com\r\n{line}\r\n"
    with socket.create_connection(("127.0.0.1", site.proxy), 30, source_address=(address, 0)) as client:
        client.sendall(head.encode())
        return client.recv(65536)


def test_an_address_stands_for_somebody_with_low_assurance(site, now):
    assert curl(site, "--interface", MAPPED) == "200 200"
    opened, _ = recorded(site, 1, now)
    facts = opened["facts"]
    assert (facts["identity_method"], facts["assurance"], facts["groups"]) == ("address", "low", ["machines"])
    assert facts["principal"] == digest(site, "printer-room")
    with through_gateway(site, transport=httpx.HTTPTransport(local_address=MAPPED)) as client:
        assert client.post(PATH, json=body()).status_code == 200
    opened, _ = recorded(site, 2, now)
    assert (opened["facts"]["listener"], opened["facts"]["principal"]) == ("gateway", digest(site, "printer-room"))


def test_the_gateway_refuses_whom_it_does_not_know(site, provider, now):
    before = len(provider.arrivals())
    with through_gateway(site) as client:
        answer = client.post(PATH, json=body())
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "identity_required"
    assert len(provider.arrivals()) == before
    (row,) = eventually(lambda: [row for row in site.ask_store("refusals", since=now) if row["listener"] == "gateway"])
    assert row["reason"] == "identity_required"


def test_a_name_stands_in_one_table_and_can_be_erased(site, now):
    with knocking(site, "jürgen") as client:
        assert client.post(URL, json=body()).status_code == 200
    opened, closed = recorded(site, 1, now)
    her = digest(site, "jürgen")
    assert (opened["facts"]["principal"], opened["facts"]["identity_method"]) == (her, "basic")
    assert opened["facts"]["assurance"] == "high"
    assert "jürgen" not in json.dumps([opened, closed], ensure_ascii=False)
    assert persons(site, "jürgen") == {her: "jürgen"}
    with BlockingClient(site.folder / "run" / "analyst.sock") as client:
        assert client.call("erase", Erase(digest=her), reply=Erased)[0] == Erased(1)
    assert persons(site, "jürgen") == {}
    assert recorded(site, 1, now) == (opened, closed)
