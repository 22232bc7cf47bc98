"""What governance sets and tells beside verdicts: headers of tenants, and commands on policy."""

import json
import time

import pytest
from system.operations_world import URL, body, decide, eventually, proxied, recorded, site_at
from tests_support import Provider

pytestmark = pytest.mark.system
POLICY = """rules:
  - {id: small-models, match: {models: [stand-in-large]}, then: {disposition: block}, reason: use the small one}
"""
TIGHTER = POLICY + "  - {id: none-at-all, match: {services: [openai]}, then: {disposition: block}, reason: no}\n"
TENANT = "accounts: {tenants: {openai: {OpenAI-Organization: org-of-the-site}}}\n"
PERSONAL = {"authorization": "Bearer sk-mine", "openai-organization": "org-of-somebody"}


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    stand_in = Provider(tmp_path_factory.mktemp("local"))
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="module")
def site(provider, local, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "small.yaml").write_text(POLICY)
    (folder / "tighter.yaml").write_text(TIGHTER)
    with site_at(folder, provider, local, extra=f"{TENANT}policy: {{file: {folder / 'small.yaml'}}}\n") as started:
        yield started


def test_the_sites_tenant_goes_in_the_place_of_another(site, provider):
    began = time.time()
    with proxied(site) as client:
        assert client.post(URL, json=body(), headers=PERSONAL).status_code == 200
    assert provider.arrivals()[-1]["organization"] == "org-of-the-site"
    opened, _ = recorded(site, 1, began)
    assert any("tenant" in edit or "openai-organization" in edit.lower() for edit in opened["edits"]), opened["edits"]


def test_another_policy_is_held_against_what_happened(site):
    began = time.time()
    with proxied(site) as client:
        assert client.post(URL, json=body(text="once more")).status_code == 200
        assert client.post(URL, json=body("stand-in-large")).status_code == 403
    recorded(site, 2, began)
    tighter = str(site.folder / "tighter.yaml")
    told = json.loads(site.run("policy", "replay", tighter, "--since", "1h", "--json", check=False).stdout)
    assert (told["exchanges"], told["changed"], told["people_changed"]) == (3, 2, 1)
    assert (told["changes"][0]["before"], told["changes"][0]["after"]) == ("allow", "block")
    assert b"none-at-all" in site.run("policy", "diff", str(site.folder / "small.yaml"), tighter, check=False).stdout


def test_who_still_uses_what_was_blocked_is_told(site):
    decide(site, "block", service="openai", reason="not here")
    with proxied(site) as client:
        eventually(lambda: client.post(URL, json=body()).status_code, lambda code: code == 403)
    assert b"openai" in site.run("migration", check=False).stdout
    assert site.run("neutrality", check=False).returncode in (0, 1)
