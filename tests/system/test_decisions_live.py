"""Decisions taken by the command act on the very next request: redirected with a held key, taught, blocked, undone."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from system.conftest import CLEAN, GNOMON
from system.operations_world import (
    MAIL,
    URL,
    body,
    eventually,
    proxied,
    recorded,
    settled,
    site_at,
    through_gateway,
    workers,
)
from tests_support import ROOT, Provider

from appliance.config.site_key import load_site_key
from appliance.model.pseudonym import Pseudonyms

pytestmark = pytest.mark.system
PATH = "/v1/chat/completions"
CLIENTS = {"authorization": "Bearer sk-of-the-client", "openai-organization": "org-of-the-client"}
SECRET = "sk-of-the-company"
SETTINGS = """identity:
  addresses:
  - {network: 127.0.0.1, user: maria, groups: [design]}
portal: {contact: help@corp.test}
gateway:
  routes:
    openai: {service: openai, target: 'https://api.openai.com'}
    local: {service: local, target: 'https://chat.example.test', credential: 'held:team'}
    keyless: {service: local, target: 'https://chat.example.test', credential: 'held:lost'}
    pictures: {service: sketch, target: 'https://sketch.example.test'}
"""


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The approved provider."""
    stand_in = Provider(tmp_path_factory.mktemp("local"))
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="module")
def site(provider, local):
    with (
        tempfile.TemporaryDirectory() as folder,
        site_at(Path(folder), provider, local, extra=SETTINGS, workers=2) as started,
    ):
        gnomon(started, "credential", "set", "team", stdin=SECRET + "\n")
        before = ready(started)
        gnomon(started, "reload")
        eventually(lambda: settled(started, 2) and not before & ready(started))
        yield started


@pytest.fixture
def now(site):
    """When the test began."""
    return time.time()


def ready(site) -> set[int]:
    return set(workers(site).values())


def gnomon(site, *words, stdin="", code=0) -> str:
    command = [*GNOMON, *words, "--config", str(site.config)]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, cwd=ROOT, env=CLEAN, timeout=60, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def deciding(site):
    """`deciding(words...)`: by the command; taken back by it after the test."""
    made = []

    def act(*words):
        told = json.loads(gnomon(site, "decide", *words, "--yes", "--json"))
        made.append(told["decision"]["number"])
        assert told["applied"] == told["workers"] == 2
        return told["decision"]

    yield act
    for number in made:
        if not next(row["undone"] for row in site.ask_store("decisions") if row["number"] == number):
            gnomon(site, "undo", str(number), "--yes")


def test_redirected_with_the_held_key_and_back_again(site, provider, local, now):
    shown = gnomon(site, "decide", "redirect", "openai", "--route", "local", "--reason", "use ours", "--preview")
    assert "redirect openai (every surface) to route local for everyone" in shown
    told = gnomon(site, "decide", "redirect", "openai", "--route", "local", "--reason", "use ours", "--yes")
    number = told.rpartition("\ndecision ")[2].partition(":")[0]
    assert "applied on 2/2 workers" in told
    before, there = len(provider.arrivals()), len(local.arrivals())
    for _ in range(2):
        with proxied(site) as client:
            answer = client.post(URL, json=body(text=f"mail {MAIL}"), headers=CLIENTS)
        assert (answer.status_code, answer.headers["x-gnomon-route"]) == (200, "local")
    assert len(provider.arrivals()) == before
    for arrival in local.arrivals()[there:]:
        assert arrival["authorization"] == f"Bearer {SECRET}"
        assert "openai-organization" not in arrival["headers"]
        assert MAIL not in arrival["body"]
    opened, _ = recorded(site, 2, now)
    assert opened["edits"] == ["route:local", "credentials_stripped", "held:team"]
    assert "applied on 2/2 workers" in gnomon(site, "undo", number, "--yes")
    with proxied(site) as client:
        answer = client.post(URL, json=body(), headers=CLIENTS)
    assert (answer.status_code, "x-gnomon-route" in answer.headers) == (200, False)
    assert provider.arrivals()[-1]["authorization"] == CLIENTS["authorization"]
    listed = gnomon(site, "decisions")
    assert f"undo {number}" in listed
    assert "use ours" in listed


def test_taught_acknowledged_and_let_through(site, provider, deciding, now):
    deciding("coach", "openai", "--reason", "we have our own model", "--expires", "7d")
    before = len(provider.arrivals())
    with through_gateway(site) as client:
        refused = client.post(PATH, json=body())
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "policy_coach")
        for words in ("we have our own model", "help@corp.test", "gateway route local"):
            assert words in refused.json()["error"]["message"]
    address = refused.headers["x-gnomon-acknowledge"]
    page = {"accept": "text/html", "sec-fetch-mode": "navigate"}
    with proxied(site) as client:
        shown = client.get(f"https://{URL.split('/')[2]}/chat", headers=page)
        assert (shown.status_code, "<form" in shown.text, "<script" in shown.text) == (403, True, False)
        assert len(provider.arrivals()) == before
    with through_gateway(site) as client:
        assert client.post(address).json()["acknowledged"] is True
    for _ in range(3):  # new connections: either worker may serve each
        with proxied(site) as client:
            assert client.post(URL, json=body()).status_code == 200
    opened, _ = recorded(site, 5, now)
    (hit,) = [hit for hit in opened["verdict"]["hits"] if hit["note"] == "acknowledged"]
    assert (hit["disposition"], hit["acts"]) == ("coach", False)
    assert opened["verdict"]["effective"] in ("allow", "observe")
    notices = eventually(lambda: site.ask_store("notices", note="coach_acknowledged"))
    assert len(notices) == 1


def test_blocked_for_one_person_as_page_and_as_json(site, provider, deciding):
    mine = Pseudonyms(load_site_key(site.folder / "state")).person("maria")
    deciding("block", "openai", "--user", mine, "--reason", "not <this> one")
    before = len(provider.arrivals())
    with proxied(site) as client:
        api = client.post(URL, json=body())
        page = client.post(URL, json=body(), headers={"accept": "text/html"})
    assert (api.status_code, api.json()["error"]["code"]) == (403, "policy_block")
    assert "not <this> one" in api.json()["error"]["message"]
    assert "not &lt;this&gt; one" in page.text
    assert api.headers["x-gnomon-reference"] in api.json()["error"]["message"]
    assert len(provider.arrivals()) == before


def test_a_clear_name_is_found_among_those_who_use_it(site, deciding):
    with proxied(site) as client:
        client.post(URL, json=body())
    eventually(lambda: json.loads(gnomon(site, "findings", "--text", "openai", "--json")))
    decision = deciding("block", "openai", "--user", "maria", "--client", "127.0.0.1")
    pseudonyms = Pseudonyms(load_site_key(site.folder / "state"))
    assert decision["scope"] == {
        "principals": [pseudonyms.person("maria")],
        "clients": [pseudonyms.address("127.0.0.1")],
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("redirect", "openai", "--route", "pictures"), "route pictures speaks no dialect"),
        (("redirect", "openai", "--route", "keyless"), "gnomon credential set lost"),
        (("redirect", "openai", "--route", "nowhere"), "route nowhere is not configured"),
        (("redirect", "chatgpt", "--route", "local"), "pages cannot be redirected"),
        (("redirect", "openai"), "--route: a redirect needs one"),
        (("block", "opennai"), "did you mean"),
        (("block", "openai", "--user", "nobody"), "nobody of that name has used openai"),
        (("block", "openai", "--expires", "2001-01-01"), "lies in the past"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(site, words, told):
    assert told in gnomon(site, "decide", *words, "--yes", code=2)


def test_without_a_terminal_nobody_is_asked(site):
    assert "say --yes" in gnomon(site, "decide", "block", "openai", code=2)
    assert "there is no decision 9999" in gnomon(site, "undo", "9999", "--yes", code=2)


def test_findings_and_credentials_are_listed(site):
    with proxied(site) as client:
        client.post(URL, json=body())
    found = eventually(lambda: json.loads(gnomon(site, "findings", "--text", "openai", "--json")))
    assert "openai" in gnomon(site, "findings")
    assert "maria" in gnomon(site, "finding", found[0]["id"])
    listed = gnomon(site, "credential", "list", code=1)
    assert "team" in listed
    assert "missing" in listed


def test_a_key_that_others_may_read_is_not_taken_up(site, local, deciding):
    deciding("redirect", "openai", "--route", "local")
    file = site.folder / "state" / "credentials" / "team"
    file.chmod(0o644)
    try:
        assert f"chmod 600 {file}" in gnomon(site, "reload", code=2)
    finally:
        file.chmod(0o600)
    with proxied(site) as client:  # what runs goes on
        assert client.post(URL, json=body()).headers["x-gnomon-route"] == "local"
    assert local.arrivals()[-1]["authorization"] == f"Bearer {SECRET}"


def test_the_key_stands_nowhere_but_in_its_file(site):
    for path in (path for path in site.folder.rglob("*") if path.is_file() and path.parent.name != "credentials"):
        assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in "\n".join(site.lines)
