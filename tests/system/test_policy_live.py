"""Decisions of analysts act on running workers: from the socket through the store to the next request."""

import getpass
import grp
import json
import os
import pwd
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from system.operations_world import (
    MAIL,
    URL,
    applied,
    body,
    decide,
    eventually,
    proxied,
    recorded,
    settled,
    site_at,
    status,
    through_gateway,
)
from tests_support import ROOT, Provider

from appliance.bus.errors import RemoteError
from appliance.config.site_key import load_site_key
from appliance.model.decision import Scope
from appliance.model.names import DecisionKind
from appliance.model.pseudonym import Pseudonyms

pytestmark = pytest.mark.system
PATH = "/v1/chat/completions"
ROOT_RUNS = os.geteuid() == 0
GROUP = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
AS_ANOTHER_USER = """
import json, os, pwd, sys
from pathlib import Path
import appliance.bus.client as bus
from appliance.bus.errors import RemoteError, Unreachable
from appliance.model.decision import Proposal
from appliance.model.names import DecisionKind
from appliance.store.wire import Decide, Decided, Erase, Erased
socket, version, name = sys.argv[1:]
user = pwd.getpwnam(name)
os.setgroups([]), os.setgid(user.pw_gid), os.setuid(user.pw_uid)
def told(verb, request, reply):
    try:
        with bus.BlockingClient(Path(socket)) as client:
            return client.call(verb, request, reply=reply)[0]
    except (RemoteError, Unreachable) as error:
        return type(error).__name__
proposal = Proposal(decision=DecisionKind.APPROVE, service="local")
decided = told("decide", Decide(proposal=proposal, expected_version=int(version)), Decided)
erased = told("erase", Erase(digest="p_0"), Erased)
shown = [decided.decision.author, decided.decision.role] if isinstance(decided, Decided) else decided
print(json.dumps([shown, erased]))
"""
KEY = {"authorization": "Bearer sk-of-the-client", "openai-organization": "org-of-the-client"}
SETTINGS = """identity:
  addresses:
  - {network: 127.0.0.1, user: maria, groups: [design]}
gateway:
  routes:
    openai: {service: openai, target: 'https://api.openai.com'}
    local: {service: local, target: 'https://chat.example.test'}
    same: {service: openai, target: 'https://api.openai.com:8443'}
    pictures: {service: sketch, target: 'https://sketch.example.test'}
"""


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The provider of the service that redirects lead to."""
    stand_in = Provider(tmp_path_factory.mktemp("local"))
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="module")
def site(provider, local):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # analysts must get to the run folder, which pytest's own folders do not allow
        extra = SETTINGS + (f"store: {{analyst_group: {GROUP}}}\n" if ROOT_RUNS else "")
        with site_at(Path(folder), provider, local, extra=extra, workers=2) as started:
            eventually(lambda: settled(started, 2))
            yield started


@pytest.fixture
def now(site):
    """When the test began."""
    return time.time()


@pytest.fixture
def deciding(site):
    """`deciding(kind, ...)`: decide, and wait until both workers apply it; undone after the test."""
    made = []

    def act(kind, service="openai", **proposal):
        told = decide(site, kind, service=service, **proposal)
        made.append(told.decision)
        applied(site, told.version)
        return told

    yield act
    for decision in made:
        if decision.undoes is None and not undone(site, decision.number):
            undo(site, decision)


def undo(site, decision):
    told = decide(site, DecisionKind.DISMISS, service=decision.service, undoes=decision.number)
    applied(site, told.version)
    return told


def undone(site, number) -> bool:
    return next(row["undone"] for row in site.ask_store("decisions") if row["number"] == number)


def through_both(site, **more):
    """An answer through the proxy and one through the gateway, each on a new connection."""
    with proxied(site) as client:
        yield client.post(URL, json=body(**more), headers=KEY)
    with through_gateway(site) as client:
        yield client.post(PATH, json=body(**more), headers=KEY)


def mine(site) -> str:
    return Pseudonyms(load_site_key(site.folder / "state")).person("maria")


@pytest.mark.parametrize("kind", [DecisionKind.BLOCK, DecisionKind.COACH])
def test_the_next_request_is_turned_away_and_undo_lets_it_pass(site, provider, deciding, kind, now):
    told = deciding(kind, reason="We have an own model: chat.example.test")
    assert (told.decision.author, told.decision.role) == (getpass.getuser(), "admin")
    before = len(provider.arrivals())
    for _ in range(3):  # new connections: either worker may serve each
        for answer in through_both(site):
            assert answer.status_code == 403
            error = answer.json()["error"]
            assert error["code"] == f"policy_{kind.value}"
            assert "We have an own model" in error["message"]
    assert len(provider.arrivals()) == before
    opened, close = recorded(site, 6, now)
    assert (close["outcome"], close["status"], close["reason"]) == ("blocked", 403, f"policy_{kind.value}")
    assert opened["verdict"]["rule"] == f"decision:{told.decision.number}"
    undo(site, told.decision)
    assert [answer.status_code for answer in through_both(site)] == [200, 200]
    newest, undoing, *_ = reversed(site.ask_store("decisions")[:2])
    assert (newest["undone"], undoing["undone"]) == (True, False)
    assert newest["body"]["author"] == getpass.getuser()


@pytest.mark.parametrize(
    ("scope", "status_code"),
    [
        (lambda site: Scope(principals=(mine(site),)), 403),
        (lambda _: Scope(principals=("p_0000000000000000",)), 200),
        (lambda _: Scope(groups=("design",)), 403),
        (lambda _: Scope(groups=("sales",)), 200),
    ],
    ids=["her", "another person", "her group", "another group"],
)
def test_a_scope_binds_whom_it_names(site, deciding, scope, status_code):
    deciding(DecisionKind.BLOCK, scope=scope(site))
    assert {answer.status_code for answer in through_both(site)} == {status_code}


def test_an_approval_lifts_unapproved(site, deciding, now):
    assert [answer.status_code for answer in through_both(site)] == [200, 200]
    assert recorded(site, 2, now)[0]["verdict"]["rule"] == "unapproved-service"
    told = deciding(DecisionKind.APPROVE)
    assert [answer.status_code for answer in through_both(site)] == [200, 200]
    verdict = recorded(site, 4, now)[0]["verdict"]
    assert verdict["rule"] == f"decision:{told.decision.number}"
    assert verdict["disposition"] == "allow"


def test_a_decision_ends_when_it_expires(site, deciding):
    deciding(DecisionKind.BLOCK, expires=time.time() + 2)
    with through_gateway(site) as client:
        eventually(lambda: client.post(PATH, json=body()).status_code, lambda code: code == 200)


def test_a_stale_decision_is_refused(site, deciding):
    version = status(site).policy_version
    deciding(DecisionKind.APPROVE)
    with pytest.raises(RemoteError, match=f"you looked at {version}"):
        decide(site, DecisionKind.BLOCK, version=version, service="openai")
    assert status(site).policy_version == version + 1
    assert [answer.status_code for answer in through_both(site)] == [200, 200]


@pytest.mark.skipif(not ROOT_RUNS, reason="only root can become another user")
def test_the_kernel_tells_who_decides(site):
    socket = site.folder / "run" / "analyst.sock"
    for user, told in (("nobody", [["nobody", "analyst"], "RemoteError"]), ("daemon", ["Unreachable", "Unreachable"])):
        command = [sys.executable, "-c", AS_ANOTHER_USER, socket, str(status(site).policy_version), user]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
        assert json.loads(done.stdout) == told
    newest = site.ask_store("decisions")[0]["body"]
    assert (newest["author"], newest["role"]) == ("nobody", "analyst")


def test_a_redirect_goes_to_another_owner_without_the_clients_keys(site, provider, local, deciding, now):
    deciding(DecisionKind.REDIRECT, route="local")
    before, there = len(provider.arrivals()), len(local.arrivals())
    for answer in through_both(site, text=f"mail {MAIL}"):
        assert answer.status_code == 200
        assert answer.headers["x-gnomon-route"] == "local"
        assert answer.json()["choices"][0]["message"]["content"].startswith("Noon")
    assert len(provider.arrivals()) == before
    arrivals = local.arrivals()[there:]
    assert len(arrivals) == 2
    for arrival in arrivals:
        assert arrival["host"] == arrival["sni"] == "chat.example.test"
        assert arrival["path"] == PATH
        assert arrival["authorization"] is None
        assert "openai-organization" not in arrival["headers"]
        assert MAIL not in arrival["body"]
    opened, closed = recorded(site, 2, now)
    assert opened["edits"] == ["route:local", "credentials_stripped"]
    assert opened["sent_digest"] == arrivals[-1]["sha256"]
    assert (opened["verdict"]["effective"], opened["verdict"]["route"]) == ("redirect", "local")
    (attempt,) = closed["attempts"]
    assert (attempt["target"], attempt["status"], attempt["error"]) == ("chat.example.test:443", 200, None)


def test_a_redirect_streams(site, local, deciding):
    deciding(DecisionKind.REDIRECT, route="local")
    there = len(local.arrivals())
    with proxied(site) as client, client.stream("POST", URL, json=body(stream=True), headers=KEY) as answer:
        assert answer.headers["x-gnomon-route"] == "local"
        assert [line for line in answer.iter_lines() if line][-1] == "data: [DONE]"
    assert len(local.arrivals()) == there + 1


def test_a_redirect_to_the_same_owner_keeps_the_clients_keys(site, provider, deciding, now):
    deciding(DecisionKind.REDIRECT, route="same")
    before = len(provider.arrivals())
    for answer in through_both(site):
        assert (answer.status_code, answer.headers["x-gnomon-route"]) == (200, "same")
    for arrival in provider.arrivals()[before:]:
        assert arrival["host"] == "api.openai.com:8443"
        assert arrival["authorization"] == KEY["authorization"]
    assert recorded(site, 2, now)[0]["edits"] == ["route:same"]
    with through_gateway(site) as client:  # who comes by that route already stays on it
        assert client.post(f"/same{PATH}", json=body()).headers["x-gnomon-route"] == "same"


@pytest.mark.parametrize(("route", "words"), [("pictures", "no dialect"), ("nowhere", "not configured")])
def test_a_redirect_that_cannot_be_followed_is_not_decided(site, deciding, route, words):
    version = status(site).policy_version
    with pytest.raises(RemoteError, match=words):
        deciding(DecisionKind.REDIRECT, route=route)
    assert status(site).policy_version == version
    assert [answer.status_code for answer in through_both(site)] == [200, 200]


def test_a_running_stream_of_a_blocked_service_is_ended_and_recorded(site, deciding, now):
    with proxied(site) as client, through_gateway(site) as other:
        request = body("stand-in-hold", stream=True)
        with (
            client.stream("POST", URL, json=request) as blocked,
            other.stream("POST", f"/local{PATH}", json=request) as untouched,
        ):
            lines, kept = blocked.iter_lines(), untouched.iter_lines()
            assert "Noon" in next(lines)
            assert "Noon" in next(kept)
            deciding(DecisionKind.BLOCK)
            error, done = [line for line in lines if line]
            assert done == "data: [DONE]"
            assert json.loads(error.removeprefix("data: "))["error"]["code"] == "policy"
            _, close = recorded(site, 1, now, service="openai")
            assert (close["outcome"], close["status"]) == ("blocked", 200)
            (other_one,) = eventually(lambda: site.ask_store("exchanges", outcome="running"), len)
            assert other_one["service"] == "local"


def test_what_waits_for_its_first_byte_is_ended_too(site, provider, deciding, now):
    before = len(provider.arrivals())
    with through_gateway(site) as client, ThreadPoolExecutor(1) as beside:
        asked = beside.submit(client.post, PATH, json=body("stand-in-mute", stream=True))
        eventually(lambda: len(provider.arrivals()) > before)
        deciding(DecisionKind.BLOCK)
        answer = asked.result(30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "policy_block")
    _, close = recorded(site, 1, now)
    assert close["outcome"] == "blocked"
