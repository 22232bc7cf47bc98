"""What a call holds decides where it goes: personal data to the site's own model, all else where it was sent."""

import json
import time

import pytest
from system.operations_world import URL, body, proxied, recorded, site_at
from tests_support import Provider

pytestmark = pytest.mark.system
POLICY = """rules:
  - id: personal-data-stays-here
    match: {labels: {entities: [EMAIL_ADDRESS]}}
    then: {disposition: redirect, route: own}
    reason: personal data goes to our own model
"""
ROUTES = """gateway:
  default_route: own
  routes:
    own: {service: local, target: 'https://chat.example.test', credential: none}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    stand_in = Provider(tmp_path_factory.mktemp("own"))
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="module")
def site(provider, own, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "labels.yaml").write_text(POLICY)
    with site_at(folder, provider, own, extra=f"policy: {{file: {folder / 'labels.yaml'}}}\n{ROUTES}") as started:
        yield started


@pytest.mark.parametrize(("text", "moves"), [("write to max@example.org", True), ("hello", False)])
def test_a_label_chooses_the_route(site, provider, own, text, moves):
    began, there, elsewhere = time.time(), *((own, provider) if moves else (provider, own))
    before = len(there.arrivals()), len(elsewhere.arrivals())
    with proxied(site) as client:
        answer = client.post(URL, json=body(text=text), headers={"authorization": "Bearer sk-of-the-client"})
    assert (answer.status_code, answer.headers.get("x-gnomon-route")) == (200, "own" if moves else None)
    assert (len(there.arrivals()), len(elsewhere.arrivals())) == (before[0] + 1, before[1])
    arrived = there.arrivals()[-1]
    assert json.loads(arrived["body"])["messages"][0]["content"] == text
    assert ("sk-of-the-client" in str(arrived["authorization"])) is not moves
    opened, _ = recorded(site, 1, began)
    assert opened["verdict"]["effective"] == ("redirect" if moves else "allow")
    assert ("route:own" in opened["edits"]) is moves
