"""Which guard fails how, as configured."""

from pathlib import Path

import pytest

from appliance.config.guards import CLOSES, PASSES, guards, render_reference
from appliance.config.schema import ClassifierConfig, Config, IcapConfig, InspectConfig

CLASSIFIER = ClassifierConfig(model="m", tokenizer="t", sha256="0", tokenizer_sha256="0", on_failure="pass")


def told(**inspect):
    return {one.name: one for one in guards(Config(inspect=InspectConfig(**inspect)))}


def test_what_is_not_used_cannot_fail():
    assert (told()["classifier"].enforce, told()["external data-loss system"].observe) == ("not used", "not used")


@pytest.mark.parametrize(("word", "expected"), [("close", CLOSES), ("pass", PASSES)])
def test_the_configuration_decides_where_it_may(word, expected):
    found = told(icap=IcapConfig(address="icap://a.example/x", on_failure=word), classifier=CLASSIFIER)
    assert found["external data-loss system"].enforce == expected
    assert found["classifier"].enforce == PASSES


def test_nothing_else_is_open_in_stage_enforce():
    open_ones = {name for name, one in told().items() if one.enforce == PASSES}
    assert open_ones == set()


def test_the_page_is_current():
    page = Path(__file__).parents[3] / "docs" / "reference" / "guards.md"
    assert page.read_text() == render_reference(), "run: python -m appliance.config.guards > docs/reference/guards.md"
