"""From a packet on the wire to a decision that moves the traffic, and back.

A client in a network namespace of its own talks to a service that nobody approved: straight, past the appliance, and
through it. The sensor sees copies of the client's and of the appliance's packets on a mirrored port, a finding appears,
the analyst's redirect moves the client's next request to the approved provider with the key that the appliance holds.
"""

import json
import sys
import time

import pytest
from system import tmux_world, wire_world
from system.conftest import GNOMON
from system.operations_world import body, eventually, status
from system.tmux_world import Terminal
from system.wire_world import CLIENT, UNAPPROVED, site_on_the_wire
from tests_support import ROOT

from appliance.bus.client import BlockingClient
from appliance.config.site_key import load_site_key
from appliance.demo.console import Console
from appliance.model.finding import finding_id
from appliance.model.names import FindingKind, FindingState, Governance, Surface
from appliance.model.pseudonym import Pseudonyms
from appliance.store.finding_pages import ObservationsRequest
from appliance.store.pages import PageHead

pytestmark = [pytest.mark.system, pytest.mark.root]
HELD_KEY, OWN_KEY, ORGANISATION = "sk-held-by-the-appliance", "sk-of-the-client", "org-of-the-client"
URL = "https://api.deepseek.com/v1/chat/completions"
FINDING = finding_id(FindingKind.SERVICE_IN_USE, "deepseek", Surface.API)
MARK = "api.mistral.ai"  # a name of another service: once it is seen, everything before it was
ANSWER = "Noon is when the shadow is shortest."
SETTINGS = """gateway:
  credentials_dir: {folder}
  routes:
    approved: {{service: openai, target: 'https://api.openai.com', credential: 'held:first-light'}}
  default_route: approved
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if reason := wire_world.why_not() or tmux_world.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("wire")
    keys = folder / "credentials"
    keys.mkdir(mode=0o700)
    (keys / "first-light").touch(mode=0o600)
    (keys / "first-light").write_text(HELD_KEY)
    settings = SETTINGS.format(folder=keys) + "sensor: {interfaces: [span0], suppression_s: 0}\n"
    with site_on_the_wire(folder, settings, mirrored=("client", "gnomon")) as made:
        eventually(lambda: {child.state for child in status(made.appliance).children}, lambda told: told == {"ready"})
        yield made


@pytest.fixture
def screen(site, tmp_path):
    command = [*GNOMON, "tui", "--config", str(site.appliance.config)]
    with Terminal(tmp_path, command, ROOT) as made:
        made.see("ENFORCE(.|\\n)*no finding yet")
        yield made


@pytest.fixture
def console(site):
    with Console(site.appliance.folder / "run") as made:
        yield made


def asked(send) -> dict:
    """One chat completion with the client's own credentials: head and body as they came."""
    words = ["-i", "-H", "content-type: application/json", "-H", f"authorization: Bearer {OWN_KEY}"]
    words += ["-H", f"openai-organization: {ORGANISATION}", "--suppress-connect-headers", "-d", json.dumps(body())]
    done = send(*words, URL)
    assert done.returncode == 0, done.stderr
    head, _, answer = done.stdout.decode().partition("\r\n\r\n")
    assert ANSWER in answer, done.stdout
    return dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])


def observations(site, **request) -> list[dict]:
    with BlockingClient(site.appliance.folder / "run" / "analyst.sock") as client:
        return json.loads(client.call("observations", ObservationsRequest(limit=500, **request), reply=PageHead)[1])


def watched_to_here(site) -> list[dict]:
    """What the sensor has seen, once it has seen everything that was sent before this call."""
    before = len(observations(site, service="mistral"))
    site.past("--connect-to", f"{MARK}:443:{UNAPPROVED}:443", f"https://{MARK}/")  # refused by curl: another's name
    eventually(lambda: len(observations(site, service="mistral")) > before)
    return observations(site)


def bypasses(site) -> int:
    return sum(one["leg"] == "direct" and one["service"] == "deepseek" for one in watched_to_here(site))


def finding(console, wanted):
    return eventually(lambda: console.findings().get(FINDING), lambda found: found is not None and wanted(found))


def test_first_light(site, console, screen, capsys):
    began = time.time()
    assert "x-gnomon-route" not in asked(site.past)
    first_packet = eventually(lambda: observations(site, service="deepseek"))[-1]["ts"]
    assert "x-gnomon-route" not in asked(site.through)
    found = finding(console, lambda one: one.bypass and one.governed)
    assert (found.state, found.governance, found.subject) == (FindingState.NEW, Governance.BYPASS, "deepseek")
    before, there, version = bypasses(site), len(site.approved.arrivals()), console.status().policy_version

    keys = redirect(screen)
    now = eventually(console.status, lambda now: now.policy_version > version and now.applied == now.workers)
    enforced = time.time()
    assert now.policy_version == version + 1
    assert finding(console, lambda one: one.state is FindingState.REDIRECTED).state is FindingState.REDIRECTED

    answer = asked(site.through)
    assert answer["x-gnomon-route"] == "approved"
    (arrival,) = site.approved.arrivals()[there:]
    assert (arrival["host"], arrival["sni"]) == ("api.openai.com", "api.openai.com")
    assert arrival["authorization"] == f"Bearer {HELD_KEY}"
    assert "openai-organization" not in arrival["headers"]
    assert len(site.unapproved.arrivals()) == 2
    assert bypasses(site) == before
    assert finding(console, lambda one: one.governed == 2).governance is Governance.GOVERNED

    undo(screen)
    eventually(console.status, lambda now: now.policy_version > version + 1 and now.applied == now.workers)
    assert "x-gnomon-route" not in asked(site.through)
    assert site.unapproved.arrivals()[-1]["authorization"] == f"Bearer {OWN_KEY}"
    assert finding(console, lambda one: one.state is FindingState.NEW).state is FindingState.NEW
    assert began - 1 <= first_packet
    assert keys <= 8
    with capsys.disabled():
        sys.stdout.write(f"\nfirst packet to enforced decision: {enforced - first_packet:.2f} s, {keys} keys\n")


def test_the_appliances_own_connections_are_no_bypass(site):
    asked(site.through)
    seen = [one for one in watched_to_here(site) if one["leg"] == "direct"]
    client = Pseudonyms(load_site_key(site.appliance.folder / "state")).address(CLIENT)
    assert {one["client"] for one in seen} == {client}
    assert {one["service"] for one in seen} <= {"deepseek", "mistral"}


def redirect(screen) -> int:
    """Decided at the terminal; how many keys that took."""
    before = screen.pressed
    screen.see(r"\S H high +DeepSeek API .* bypass +new +1 +1 ")
    screen.press("r")
    screen.see(r"Redirect DeepSeek API(.|\n)*would have changed 1 of 1 exchange by 1 person")
    screen.press("Right", "Enter")  # from Cancel, where the first enter would stop nothing, to Apply
    screen.see(r"DeepSeek API .* redirected")
    return screen.pressed - before


def undo(screen) -> None:
    """Taken back at the terminal."""
    screen.press("3")
    screen.see(r"\S 1 .* redirect +deepseek .* in force")
    screen.press("z")
    screen.see("Undo decision 1")
    screen.press("Right", "Enter")
    screen.see(r"redirect +deepseek .* undone")
