"""`gnomon migration`, against a store that is a table of answers."""

import json

import msgspec
import pytest

from appliance import cli
from appliance.model.names import DecisionKind
from appliance.store.moving import Migration, StillThere
from appliance.store.pages import PageHead, Person

FOUND = Migration(
    7, 1_700_000_000.0, DecisionKind.REDIRECT, "openai", None, "approved", None, True, 4, 1, 1, 2, 1, 3, 1, 2, 1, 5,
    (StillThere("p_1", 2, 0, 1_700_000_100.0), StillThere("a_1", 0, 5, 1_700_000_200.0)),
)  # fmt: skip


@pytest.fixture
def store(monkeypatch):
    class FakeStore:
        found = (FOUND,)
        asked = ()

        def __init__(self, _path):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def call(self, verb, request, **_):
            FakeStore.asked = (*FakeStore.asked, (verb, request))
            rows = [Person("p_1", "maria\x1b[2J", 0.0, 0.0)] if verb == "persons" else list(FakeStore.found)
            return PageHead(len(rows)), msgspec.json.encode(rows)

    monkeypatch.setattr("appliance.bus.client.BlockingClient", FakeStore)
    return FakeStore


def test_who_still_uses_what_is_told_in_clear_and_harmless(store, capsys):
    assert cli.main(["migration", "--decision", "7"]) == 1
    told = capsys.readouterr().out
    assert "redirect (some people)" in told
    assert "5 (1 hosts)" in told
    assert "maria" in told
    assert "a_1" in told
    assert "\x1b" not in told
    assert store.asked[0][1].number == 7


def test_as_json(store, capsys):
    cli.main(["migration", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["decisions"][0]["still"] == 2
    assert told["persons"]["p_1"].startswith("maria")


def test_nothing_to_tell(store, capsys):
    store.found = ()
    assert cli.main(["migration"]) == 0
    assert "No decision" in capsys.readouterr().out
