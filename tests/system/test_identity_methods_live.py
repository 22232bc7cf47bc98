"""Who asks, with real clients and real servers of each kind: tokens, virtual keys, a directory."""

import json
import os
import ssl
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import openai
import pytest
from slapd_world import HOST as DIRECTORY
from slapd_world import MISSING, PASSWORDS, slapd_at
from system.operations_world import URL, body, eventually, recorded, site_at
from tests_support import HOST, ROOT
from tokens_world import RSA_ONE, RSA_TWO, jwks, public, token

from appliance.config.credentials import write_key
from appliance.config.schema import Config
from appliance.config.site_key import load_site_key
from appliance.model.pseudonym import Pseudonyms
from appliance.standin.certificates import write_certificates

pytestmark = pytest.mark.system
ISSUER_PYTHON = ROOT / ".cache" / "conformance" / "issuer" / "bin" / "python"
ISSUER_DRIVER = ROOT / "tests" / "conformance" / "issuer_driver.py"
ROUTES = f"gateway: {{routes: {{openai: {{service: openai, target: 'https://{HOST}', credential: 'held:team'}}}}}}\n"


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    if MISSING:
        yield None
        return
    with slapd_at(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture(scope="module")
def site(provider, slapd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "keys.json").write_bytes(jwks(public(RSA_ONE, "one")))
    (folder / "members.yaml").write_text("users:\n  maria: {groups: [board]}\n")
    identity = f"identity:\n  required: true\n  virtual_keys: true\n  members: {folder}/members.yaml\n"
    identity += "  tokens: [{issuer: 'https://login.example.test', audience: [gnomon], prefix: '',"
    identity += f" jwks: {folder}/keys.json}}]\n"
    if slapd is not None:
        where = f"url: 'ldaps://{DIRECTORY}:{slapd.tls}', ca_bundle: {slapd.ca}"
        identity += f"  ldap: {{{where}, user_dn: 'uid={{user}},ou=people,dc=example,dc=test', prefix: ''}}\n"
    state = folder / "site" / "state"
    state.mkdir(mode=0o700, parents=True)
    write_key(Config(state_dir=str(state)), "team", b"sk-of-the-company")
    with site_at(folder / "site", provider, extra=identity + ROUTES) as started:
        yield started


@pytest.fixture
def now(site):
    return time.time()


def curl(site, *options) -> str:
    """Status of the tunnel and of the answer in it."""
    command = ["curl", "-sS", "-x", f"http://127.0.0.1:{site.proxy}", "--cacert", site.ca, "-d", json.dumps(body())]
    command += ["-H", "content-type: application/json", "-o", os.devnull, "-w", "%{http_connect} %{http_code}"]
    return subprocess.run([*command, *options, URL], capture_output=True, text=True, check=False).stdout


def bearer(text):
    return ("--proxy-header", f"Proxy-Authorization: Bearer {text}")


def person(site, name):
    return Pseudonyms(load_site_key(site.folder / "state")).person(name)


def written(site) -> bytes:
    files = b"".join(path.read_bytes() for path in site.folder.rglob("*") if path.is_file())
    return files + "\n".join(site.lines).encode()


def test_curl_shows_a_token(site, provider, now):
    good = token(exp=now + 600, iat=now, groups=["dev"])
    before = len(provider.arrivals())
    assert curl(site, *bearer(good)) == "200 200"
    facts = recorded(site, 1, now)[0]["facts"]
    assert (facts["identity_method"], facts["assurance"], facts["groups"]) == ("jwt", "high", ["dev", "board"])
    assert facts["principal"] == person(site, "maria")
    for bad in (token(RSA_TWO, exp=now + 600), token(exp=now - 600, iat=now - 900), token(exp=now + 600, aud="x"), "x"):
        assert curl(site, *bearer(bad)) == "407 000"
    assert curl(site) == "407 000"
    (arrival,) = provider.arrivals()[before:]
    assert "proxy-authorization" not in arrival["headers"]
    assert good.encode() not in written(site)


def test_an_sdk_shows_a_virtual_key_that_lives_and_ends_while_all_runs(site, provider, now):
    minted = json.loads(
        site.run("keys", "virtual", "mint", "paul", "--group", "dev", "--expires", "1d", "--json").stdout
    )
    before = len(provider.arrivals())
    base = f"http://127.0.0.1:{site.gateway}/openai/v1"
    with openai.OpenAI(
        api_key=minted["key"], base_url=base, max_retries=0, http_client=httpx.Client(trust_env=False)
    ) as sdk:
        eventually(lambda: _status(sdk), lambda code: code == 200)
        facts = recorded(site, 1, now)[0]["facts"]
        assert (facts["identity_method"], facts["virtual_key"]) == ("key", minted["id"])
        assert facts["principal"] == person(site, "paul")
        assert site.run("keys", "virtual", "revoke", minted["id"]).returncode == 0
        eventually(lambda: _status(sdk), lambda code: code == 401)
    arrivals = provider.arrivals()[before:]  # a second may pass until a worker looks at the file
    assert {arrival["authorization"] for arrival in arrivals} == {"Bearer sk-of-the-company"}
    assert minted["key"].encode() not in written(site)
    assert "gk_" not in json.dumps(arrivals)


def _status(sdk) -> int:
    try:
        sdk.chat.completions.create(model="stand-in", messages=[{"role": "user", "content": "hi"}])
    except openai.APIStatusError as error:
        return error.status_code
    return 200


@pytest.mark.skipif(MISSING, reason="needs slapd")
def test_curl_signs_in_with_a_password_of_the_directory(site, now):
    assert curl(site, "--proxy-user", f"MARIA:{PASSWORDS['maria']}") == "200 200"
    facts = recorded(site, 1, now)[0]["facts"]
    assert (facts["identity_method"], sorted(facts["groups"])) == ("ldap", ["Ops, night", "board", "dev"])
    assert (facts["principal"], facts["department"]) == (person(site, "maria"), "research")
    assert curl(site, "--interface", "127.0.0.5", "--proxy-user", "maria:wrong") == "407 000"
    assert curl(site, "--interface", "127.0.0.5", "--proxy-user", "*:x") == "407 000"
    assert PASSWORDS["maria"].encode() not in written(site)


@contextmanager
def real_issuer(folder: Path, port=0):
    if not (folder / "ca.pem").exists():
        write_certificates(folder, ("login.example.test",))
    command = [ISSUER_PYTHON, ISSUER_DRIVER, folder / "server.pem", folder / "server.key", str(port)]
    with (folder / "issuer.log").open("ab") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=log)
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def signed_in(folder: Path, port: int) -> str:
    """A person signs in by authorisation code, as a browser and an application do; the ID token."""
    back = "https://app.example.test/cb"
    asked = {"client_id": "gnomon", "redirect_uri": back, "response_type": "code", "scope": "openid profile"}
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=_trust(folder), trust_env=False) as client:
        sent = client.post("/oauth2/authorize", params=asked, data={"sub": "maria"})
        code = httpx.URL(sent.headers["location"]).params["code"]
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        return client.post("/oauth2/token", data=grant, auth=("gnomon", "secret")).json()["id_token"]


def _trust(folder):
    return ssl.create_default_context(cafile=str(folder / "ca.pem"))


@pytest.mark.conformance
def test_an_openid_connect_issuer(provider, tmp_path):
    """A real issuer: sign in, be known; it changes its key; it goes down, and what it published serves on."""
    if not ISSUER_PYTHON.exists():
        pytest.skip("needs the environment of tests/conformance/issuer (make conformance)")
    folder = tmp_path / "issuer"
    folder.mkdir()
    with ExitStack() as stack:
        with real_issuer(folder) as port:
            first = signed_in(folder, port)
            base = f"https://127.0.0.1:{port}"
            extra = f"identity:\n  required: true\n  tokens: [{{issuer: '{base}', audience: [gnomon],"
            extra += f" jwks: '{base}/jwks', ca_bundle: {folder}/ca.pem}}]\n"
            made = site_at(tmp_path / "site", provider, extra=extra, places={f"127.0.0.1:{port}": port})
            site = stack.enter_context(made)
            began = time.time()
            assert curl(site, *bearer(first)) == "200 200"
            facts = recorded(site, 1, began)[0]["facts"]
            assert (facts["identity_method"], facts["groups"]) == ("jwt", ["dev", "ops"])
            assert (facts["department"], facts["principal"]) == ("research", person(site, "maria"))
            head, claims, signature = first.split(".")
            assert curl(site, *bearer(f"{head}.{claims}.{signature[::-1]}")) == "407 000"
        assert curl(site, *bearer(first)) == "200 200"  # nobody asks the issuer for a token that is known
        with real_issuer(folder, port):
            second = signed_in(folder, port)
            eventually(
                lambda: curl(site, *bearer(second)), lambda codes: codes == "200 200"
            )  # a new key, at once or soon
            assert curl(site, *bearer(first)) == "407 000"  # the old key is no longer published
        assert curl(site, *bearer(second)) == "200 200"
