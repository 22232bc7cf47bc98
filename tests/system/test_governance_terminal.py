"""A running appliance as an analyst sees its governance in a real terminal: budgets, routes, people, and `routes`."""

import json

import pytest
from pty_terminal import PtyTerminal
from system.conftest import CLEAN, GNOMON
from system.operations_world import body, eventually, site_at, through_gateway
from tests_support import ROOT

pytestmark = pytest.mark.system

EXTRA = """
budgets:
  - {name: asked, what: requests, amount: 4, window: day}
  - {name: spent, what: cost, amount: 1, window: month, unpriced: pass}
gateway:
  routes:
    openai: {service: openai, target: 'https://api.openai.com'}
    own: {service: local, target: 'https://chat.example.test', credential: held:none-there}
"""


@pytest.fixture(scope="module")
def site(provider, tmp_path_factory):
    with site_at(tmp_path_factory.mktemp("site"), provider, extra=EXTRA) as started:
        yield started


def test_budgets_routes_and_people_in_a_terminal(site):
    with through_gateway(site) as client:
        for _ in range(5):
            client.post("/openai/v1/chat/completions", json=body(), headers={"authorization": "Bearer sk-mine"})
    eventually(lambda: site.ask_store("exchanges"), lambda rows: len(rows) >= 4 and rows[0]["outcome"])
    command = [*GNOMON, "tui", "--config", str(site.config)]
    shown = PtyTerminal(command, rows=40, columns=180, cwd=ROOT, env=CLEAN)
    try:
        shown.until_text("policy", 60)
        for key, *texts in (
            ("6", "full", "100%", "UNPRICED", "stand-in"),
            ("\r", "COUNTERS (1; near 0, full 1)", "4 of 4", "PEOPLE (1)"),
            ("\x1b", "budgets 2"),
            ("7", "well on 1/1", "its key is missing", "no decision in force", "none-there"),
            ("8", "people 1"),
            ("\r", "SERVICES (1)", "KEYS (1)"),
        ):
            since = len(shown.seen)
            shown.type(key)
            for text in texts:
                shown.until_text(text, since=since)
        shown.type("q")
        assert shown.wait() == 0
        assert shown.restored() == []
    finally:
        shown.close()


def test_the_command_tells_the_same(site):
    done = site.run("routes", "--json", check=False)
    assert done.returncode == 1  # a key is missing
    told = {one["route"]: one for one in json.loads(done.stdout)}
    assert (told["openai"]["state"], told["openai"]["key"], told["own"]["key"]) == ("closed", True, False)
