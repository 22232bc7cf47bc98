from pathlib import Path

import pytest

from appliance.config import yaml_source
from appliance.config.budget_checks import is_zone, services_unknown
from appliance.config.load import parse
from appliance.config.prices_file import check, places_unknown
from appliance.config.prices_update import update
from appliance.config.schema import BudgetEntry, BudgetMatch
from appliance.model.errors import OperatorError

SOUND = """
site: {timezone: Europe/Berlin}
metering: {output_tokens: 1000}
budgets:
  - {name: all, what: cost, amount: 12.5, window: month, unpriced: pass}
  - name: sales
    what: tokens
    amount: 1000000
    window: day
    per: user
    match: {department: [sales], model: ["gpt-*"]}
  - {name: streams, what: streams, amount: 4, per: user}
"""


def read(text):
    return parse(yaml_source.parse(text.encode(), "gnomon.yaml"), Path("/"))


def test_sound_budgets_are_read():
    config = read(SOUND)
    assert [one.name for one in config.budgets] == ["all", "sales", "streams"]
    assert config.site.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site: {timezone: Mars/Base}", "gnomon.yaml:1: site.timezone: no such time zone"),
        ("site: {timezone: ../../etc/passwd}", "no such time zone"),
        ("metering: {step_tokens: 0}", "metering.step_tokens: must lie between"),
        ("budgets:\n- {name: A b, what: tokens, amount: 1, window: day}", "gnomon.yaml:2: budgets.0.name: 1 to 63"),
        ("budgets:\n- {name: a, what: token, amount: 1, window: day}", "budgets.0.what: not one of cost, input_tokens"),
        ("budgets:\n- {name: a, what: tokens, amount: 0, window: day}", "budgets.0.amount: must be more than 0"),
        ("budgets:\n- {name: a, what: tokens, amount: 1.5, window: day}", "must be a whole number of tokens"),
        ("budgets:\n- {name: a, what: cost, amount: 0.0000001, window: day}", "a millionth of a dollar"),
        ("budgets:\n- {name: a, what: tokens, amount: 5}", "budgets.0.window: is missing"),
        ("budgets:\n- {name: a, what: streams, amount: 5, window: day}", "leave the window out"),
        ("budgets:\n- {name: a, what: tokens, amount: 5, window: day, warn: 0}", "budgets.0.warn: a percentage"),
        ("budgets:\n- {name: a, what: tokens, amount: 5, window: day, per: model}", "budgets.0.per: clients choose"),
        ("budgets:\n- {name: a, what: tokens, amount: 5, window: day, match: {user: ['']}}", "match.user.0: must not"),
        ("budgets:\n- {name: a, what: tokens, amount: 5, window: day, match: {user: ['a*']}}", "only a model may"),
        ("budgets:\n- {name: a, what: tokens, amount: 5, window: day, match: {model: ['a*b']}}", "only a model may"),
        (
            "budgets:\n" + 2 * "- {name: a, what: tokens, amount: 5, window: day}\n",
            "gnomon.yaml:3: budgets.1.name: a stands twice, first as number 1",
        ),
        (
            "budgets:\n" + "".join(f"- {{name: a{n}, what: tokens, amount: 5, window: day}}\n" for n in range(17)),
            "budgets.16: more than 16 budgets without a match",
        ),
    ],
)
def test_a_fault_is_told_at_its_place(text, said):
    with pytest.raises(OperatorError) as told:
        read(text)
    assert said in str(told.value)


def test_services_that_the_catalogue_has_not():
    entry = BudgetEntry(name="a", what="tokens", amount=1, window="day", match=BudgetMatch(service=("openal", "groq")))
    assert list(services_unknown([entry], ("openai", "groq"))) == [
        "budgets.0.match.service: no service 'openal' in the catalogue; did you mean 'openai'?"
    ]


@pytest.mark.parametrize("name", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_zones_that_are(name):
    assert is_zone(name)


PRICES = "models:\n- {model: m, input: 1, output: 2.5, cached: 0.1}\ndiscounts:\n- {service: openai, percent: 10}\n"


def test_a_sound_file_of_prices_is_read_and_has_a_version():
    file, version = check(yaml_source.parse(PRICES.encode(), "prices.yaml"))
    assert (file.models[0].cached, file.discounts[0].percent, len(version)) == (0.1, 10, 8)
    assert check(yaml_source.parse(PRICES.replace("2.5", "2").encode(), "p"))[1] != version


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models:\n- {model: m, input: 1}", "prices.yaml:2: models.0.output: is missing"),
        ("models:\n- {model: m, input: -1, output: 1}", "prices.yaml:2: models.0.input: must lie between 0"),
        ("models:\n- {model: m, input: x, output: 1}", "models.0.input: must be a number"),
        (
            "models:\n- {model: m, inputs: 1, input: 1, output: 1}",
            "models.0.inputs: unknown key; did you mean 'input'?",
        ),
        ("models:\n- {model: 'a*b', input: 1, output: 1}", "models.0.model: * stands at the beginning or the end"),
        ("models:\n- {model: '', input: 1, output: 1}", "models.0.model: must not be empty"),
        ("models:\n- {model: m, service: '', input: 1, output: 1}", "models.0.service: must not be empty"),
        ("models:\n- {model: m, input: 1, output: 1, batch_percent: 120}", "batch_percent: must lie between 0 and 100"),
        (
            "models:\n- {model: m, input: 1, output: 1}\n- {model: M, input: 1, output: 1}",
            "prices.yaml:3: models.1.model",
        ),
        (
            "models:\n- {model: m, input: 1, output: 1}\n- {model: M, provider: p, input: 1, output: 1}",
            "prices.yaml:3: models.1.model: can never count: number 1 fits wherever it does",
        ),
        ("models:\n- {model: m, provider: '', input: 1, output: 1}", "models.0.provider: must not be empty"),
        ("discounts:\n- {percent: 0}", "prices.yaml:2: discounts.0.percent: must be more than 0"),
        ("discounts:\n- {percent: .inf}", "discounts.0.percent"),
        ("models: [", "not YAML"),
    ],
)
def test_a_bad_file_of_prices_is_refused_with_its_place(text, said):
    with pytest.raises(OperatorError) as told:
        check(yaml_source.parse(text.encode(), "prices.yaml"))
    assert said in str(told.value)


def test_an_update_tells_what_changes_and_writes_when_it_is_told_to(tmp_path):
    coming, standing = tmp_path / "new.yaml", tmp_path / "prices.yaml"
    coming.write_text("# kept\n" + PRICES)
    standing.write_text("models:\n- {model: m, input: 1, output: 2}\n- {model: old, input: 1, output: 2}\n")
    told = update(coming, standing)
    assert told.lines == (
        "+ discount of openai *",
        "~ price of any service m: output 2.0 -> 2.5, cached None -> 0.1",
        "- price of any service old",
    )
    assert told.written is None
    assert "old" in standing.read_text()
    assert update(coming, standing, apply=True).written == str(standing)
    assert standing.read_text() == coming.read_text()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["new.yaml", "prices.yaml"]
    assert "nothing changes" in update(coming, standing).text()


def test_a_bad_update_writes_nothing(tmp_path):
    coming, standing = tmp_path / "new.yaml", tmp_path / "prices.yaml"
    coming.write_text("models: 7\n")
    standing.write_text(PRICES)
    with pytest.raises(OperatorError, match=r"new.yaml:1: models: must be a list"):
        update(coming, standing, apply=True)
    assert standing.read_text() == PRICES
    with pytest.raises(OperatorError, match="no file to write to"):
        update(coming, None, apply=True)


def test_an_entry_about_nobody_is_told_with_the_nearest_word():
    text = "models:\n- {model: m, provider: celar, input: 0, output: 0}\ndiscounts:\n- {percent: 5, route: x}"
    file, _ = check(yaml_source.parse(text.encode(), "prices.yaml"))
    first, second = places_unknown(file, ["cellar"], ["board"])
    assert "models.0.provider: no provider 'celar' in the configuration; did you mean 'cellar'?" in first
    assert "discounts.0.route: no route 'x'" in second
    assert list(places_unknown(file, ["celar"], ["x"])) == []


@pytest.mark.parametrize("number", [0, 1025])
def test_how_many_may_run_is_bounded(number):
    with pytest.raises(OperatorError, match=r"metering\.running: must lie between 1 and 1024"):
        read(f"metering: {{running: {number}}}")
