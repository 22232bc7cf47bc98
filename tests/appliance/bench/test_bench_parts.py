"""The parts of the benches that can be wrong without a clock: unique bodies, joined halves, the page, the registry."""

import importlib
import json

from appliance.bench.gateway import _joined
from appliance.bench.load import BODY_BYTES, MAIL_EVERY, Result, bodies
from appliance.bench.page import render
from appliance.cli.bench import REGISTRY


def test_every_body_is_unique_and_about_two_kilobytes():
    made = bodies(500, seed=3)
    assert len(set(made)) == len(set(made + bodies(500, seed=4))) / 2 == 500
    assert all(BODY_BYTES - 300 < len(body) < BODY_BYTES + 300 for body in made)
    with_mail = [body for body in made if b"@corp-mail.com" in body]
    assert len(with_mail) == 500 / MAIL_EVERY
    assert all(json.loads(body)["model"] == "stand-in" for body in made)


def test_halves_are_joined_by_sum_and_by_the_worse_percentile():
    assert _joined([Result(10, 1.0, 5.0, 9.0), Result(30, 2.0, 4.0, 11.0)]) == Result(40, 3.0, 5.0, 11.0)


def test_the_page_gives_each_number_under_its_command():
    page = render({"store": {"events_per_s": 4975.5, "visible_ms_p95": 68.0}}, 30)
    assert "`gnomon bench store --seconds 30`" in page
    assert "| `visible_ms_p95` | 68 |" in page


def test_every_registered_bench_can_be_imported():
    for place in REGISTRY.values():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
