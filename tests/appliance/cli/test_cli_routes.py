"""`gnomon routes`, against a store that tells one state."""

import json

import pytest

from appliance import cli
from appliance.store.finding_pages import ApplianceState, TargetState

WELL = TargetState("w0", "openai", "openai", "https://a.test", probed=True)
ILL = TargetState("w1", "openai", "openai", "https://a.test", state="open", faults=6, until=4_000_000_000, probed=False)
OWN = TargetState("w0", "own", "local", "http://10.0.0.1:8000", "house\x1b[2J", key=False)


@pytest.fixture
def told(monkeypatch):
    """What the appliance says of itself."""
    state = {"targets": (WELL,), "routes": ("openai", "portal")}

    class FakeStore:
        def __init__(self, _path):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def call(self, verb, _request, **_):
            assert verb == "appliance"
            return ApplianceState(**state), b""

    monkeypatch.setattr("appliance.bus.client.BlockingClient", FakeStore)
    return state


def test_what_is_well(told, capsys):
    assert cli.main(["routes"]) == 0
    assert "well on 1/1" in capsys.readouterr().out


def test_a_route_of_which_nobody_tells_is_not_well(told, capsys):
    told["routes"] = ("openai", "own", "portal")
    assert cli.main(["routes"]) == 1
    assert "no worker has told how their targets are: own\n" in capsys.readouterr().err
    assert cli.main(["routes", "--route", "openai"]) == 0
    told["targets"] = ()
    assert cli.main(["routes", "--json"]) == 1


def test_a_target_is_told_once_and_in_words_that_do_nothing(told, capsys):
    told["targets"], told["routes"] = (WELL, ILL, OWN), ("openai", "own")
    assert cli.main(["routes"]) == 1
    out = capsys.readouterr().out
    assert out.count("https://a.test") == 1
    assert all(word in out for word in ("not well on 1/2", "failed", "missing", "house"))
    assert "\x1b" not in out
    assert cli.main(["routes", "--route", "own"]) == 1
    assert "a.test" not in capsys.readouterr().out


def test_as_json(told, capsys):
    told["targets"] = (WELL, ILL)
    assert cli.main(["routes", "--json"]) == 1
    assert [one["state"] for one in json.loads(capsys.readouterr().out)] == ["closed", "open"]


def test_a_route_that_there_is_not(told, capsys):
    assert cli.main(["routes", "--route", "opnai"]) == 2
    assert "openai, portal" in capsys.readouterr().err


def test_before_a_worker_has_told(told, capsys):
    told["targets"] = ()
    assert cli.main(["routes"]) == 1
    assert "No worker" in capsys.readouterr().out
