"""`gnomon budgets` and `gnomon prices` on files, without an appliance."""

import json
import time

import pytest

from appliance import cli
from appliance.cli import budgets as budgets_command
from appliance.config.load import load
from appliance.config.site_key import load_site_key
from appliance.ledger.budgets import Budgets
from appliance.ledger.ledger import Ledger
from appliance.ledger.levels import Used
from appliance.model.pseudonym import Pseudonyms
from appliance.supervisor import evidence

CONFIG = """
state_dir: state
run_dir: run
prices: {file: prices.yaml}
budgets:
  - {name: all, what: cost, amount: 2, window: month}
  - {name: each, what: requests, amount: 2, window: day, per: user, warn: 50}
"""
PRICES = "models:\n  - {model: own-*, input: 1, output: 2, cached: 0.5}\n"


@pytest.fixture
def gnomon(tmp_path, capsys, monkeypatch):
    (tmp_path / "gnomon.yaml").write_text(CONFIG)
    (tmp_path / "prices.yaml").write_text(PRICES)
    (tmp_path / "state").mkdir(mode=0o700)

    def run(*words):
        code = cli.main([*words, "--config", str(tmp_path / "gnomon.yaml")])
        told = capsys.readouterr()
        return code, told.out, told.err

    run.config = load(tmp_path / "gnomon.yaml")
    run.folder = tmp_path
    monkeypatch.setattr(evidence, "stored_history", lambda _run, _since: iter([Used(None, "p_1", None, 1)]))
    return run


def spend(config, *amounts):
    person = Pseudonyms(load_site_key(evidence.Path(config.state_dir))).person
    everybody, each = Budgets(config.budgets, person).all
    with Ledger(evidence.counter_file(config)) as ledger:
        keys, now = [everybody.counter(""), each.counter("p_1")], time.time()
        ledger.settle(ledger.reserve(keys, amounts, now), amounts, now)


def test_where_budgets_stand(gnomon):
    spend(gnomon.config, 1_500_000, 1)
    code, out, _ = gnomon("budgets", "--json")
    assert code == 0
    rows = json.loads(out)
    assert [(row["budget"], row["subject"], row["used"], row["limit"], row["warns"]) for row in rows] == [
        ("all", "", 1_500_000, 2_000_000, False),
        ("each", "p_1", 1, 2, True),
    ]
    assert rows[0]["resets"] > time.time()
    _, out, _ = gnomon("budgets")
    assert "$1.5000" in out
    assert "nearly" in out


def test_one_that_is_full_is_told_by_the_exit(gnomon):
    spend(gnomon.config, 0, 2)
    code, out, _ = gnomon("budgets", "--budget", "each")
    assert (code, "full" in out, "all " in out) == (1, True, False)


def test_nothing_counted_and_no_such_budget_are_told(gnomon):
    code, _, err = gnomon("budgets")
    assert (code, "counters.map: nothing has been counted yet; start the appliance" in err) == (2, True)
    assert "none called nix" in gnomon("budgets", "--budget", "nix")[2]


def test_where_the_store_is_away_the_totals_are_told(gnomon, monkeypatch):
    spend(gnomon.config, 5, 1)

    def away(*_):
        from appliance.bus.errors import Unreachable

        raise Unreachable("no store")

    monkeypatch.setattr(evidence, "stored_history", away)
    code, out, err = gnomon("budgets", "--json")
    assert code == 0
    assert [row["budget"] for row in json.loads(out)] == ["all"]
    assert "cannot be asked" in err
    assert budgets_command.run.__doc__


def test_prices_in_force(gnomon):
    code, out, _ = gnomon("prices", "show", "openai", "own-7", "--json")
    assert code == 0
    assert json.loads(out)["prices"] == {"input": [[0, 1.0]], "output": [[0, 2.0]], "cached input": [[0, 0.5]]}
    assert "cached input" in gnomon("prices", "show", "openai", "own-7")[1]
    assert "beyond" in gnomon("prices", "show", "gemini", "gemini-2.5-pro")[1]
    assert gnomon("prices", "show", "openai", "nobody-knows")[0] == 1


def test_a_file_of_prices_is_checked_and_updated(gnomon):
    fresh = gnomon.folder / "new.yaml"
    fresh.write_text("models:\n  - {model: own-*, input: 3, output: 2}\n")
    assert "1 model(s)" in gnomon("prices", "check", str(fresh))[1]
    code, out, err = gnomon("prices", "update", str(fresh))
    assert (code, "input 1.0 -> 3.0" in out, "--apply" in err) == (0, True, True)
    assert gnomon("prices", "update", str(fresh), "--apply")[0] == 0
    assert json.loads(gnomon("prices", "show", "x", "own-1", "--json")[1])["prices"]["input"] == [[0, 3.0]]
    fresh.write_text("models: 1\n")
    code, _, err = gnomon("prices", "check", str(fresh), "--json")
    assert (code, "new.yaml:1: models: must be a list" in err) == (2, True)


PLACES = """
providers:
  cellar: {service: ollama, target: "https://cellar.example", credential: none}
gateway:
  default_route: board
  routes:
    board: {service: openai, target: "https://api.openai.com"}
"""
LOCAL = (
    "models:\n  - {model: llama*, provider: cellar, input: 0, output: 0}\n"
    "  - {model: gpt-5, route: board, input: 7, output: 8}\n"
)


def test_prices_at_a_provider_and_by_a_route(gnomon, tmp_path):
    (tmp_path / "gnomon.yaml").write_text(CONFIG + PLACES)
    (tmp_path / "prices.yaml").write_text(LOCAL)
    code, out, _ = gnomon("prices", "show", "llama3", "--provider", "cellar", "--json")
    told = json.loads(out)
    assert (code, told["service"], told["provider"]) == (0, "ollama", "cellar")
    assert told["prices"]["input"] == [[0, 0.0]]
    assert "openai route board gpt-5" in gnomon("prices", "show", "gpt-5", "--route", "board")[1]
    assert gnomon("prices", "show", "ollama", "llama3")[0] == 1
    code, _, err = gnomon("prices", "show", "llama3", "--provider", "attic")
    assert code == 2
    assert "no provider 'attic'" in err
    assert "name a service" in gnomon("prices", "show", "llama3")[2]
