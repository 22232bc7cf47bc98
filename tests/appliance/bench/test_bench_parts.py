"""The parts of the benches that can be wrong without a clock: unique texts, joined halves, what is held, the page."""

import importlib
import json
import random
from types import SimpleNamespace

from appliance.bench import held
from appliance.bench.gateway import _joined
from appliance.bench.load import BODY_BYTES, LARGE_BYTES, MAIL_EVERY, Result, bodies, large_bodies
from appliance.bench.page import render
from appliance.bench.stream import percentile
from appliance.bench.streaming import event
from appliance.cli.bench import REGISTRY
from appliance.inspect.stream.watch import Decided


def test_every_body_is_unique_and_about_two_kilobytes():
    made = bodies(500, seed=3)
    assert len(set(made)) == len(set(made + bodies(500, seed=4))) / 2 == 500
    assert all(BODY_BYTES - 300 < len(body) < BODY_BYTES + 300 for body in made)
    with_mail = [body for body in made if b"@corp-mail.com" in body]
    assert len(with_mail) == 500 / MAIL_EVERY
    assert all(json.loads(body)["model"] == "stand-in" for body in made)


def test_halves_are_joined_by_sum_and_by_the_worse_percentile():
    joined = _joined([Result(10, 1.0, 5.0, 9.0, 2), Result(30, 2.0, 4.0, 11.0, 3)])
    assert joined == Result(40, 3.0, 5.0, 11.0, 5)


def test_the_page_gives_each_number_under_its_command():
    page = render({"store": {"events_per_s": 4975.5, "visible_ms_p95": 68.0}}, 30)
    assert "`gnomon bench store --seconds 30`" in page
    assert "| `visible_ms_p95` | 68 |" in page


def test_every_registered_bench_can_be_imported():
    for place in REGISTRY.values():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_no_two_large_bodies_hold_the_same_window():
    made = large_bodies(3, seed=5)
    assert all(abs(len(body) / LARGE_BYTES - 1) < 0.1 for body in made)
    windows = {body[start : start + 4096] for body in made for start in range(4096, len(body) - 4096, 4096)}
    assert len(windows) == sum(len(range(4096, len(body) - 4096, 4096)) for body in made)


class Words:
    """Decides a text up to the last blank."""

    classes = ("test",)
    restores = False

    def watch(self, *_):
        fed = ""

        def feed(text):
            nonlocal fed
            fed += text
            return Decided(fed.rfind(" ") + 1)

        return SimpleNamespace(feed=feed, close=lambda: Decided(len(fed)), labels=tuple)

    def whole(self, _kind, text, *_):
        return Decided(len(text)), ()


def test_what_waits_is_counted_in_events_that_have_not_left():
    selectors = held.answer_hides()
    assert selectors
    assert list(held.waiting(Words(), selectors, "one two abcdefgh i")) == [0, 0, 4, 8, 2]


def test_prose_is_unique_and_of_the_size_asked_for():
    first, second = (held.prose(random.Random(seed), 500) for seed in (1, 2))  # noqa: S311 - text for a load
    assert first != second
    assert 500 <= len(first) < 700


def test_an_event_is_one_chunk_of_a_chat_completion():
    data = event("word ")
    assert data.startswith(b"data: ")
    assert data.endswith(b"\n\n")
    assert json.loads(data[6:])["choices"][0]["delta"] == {"content": "word "}


def test_percentiles_are_values_of_the_list():
    assert [percentile([1.0, 2.0, 3.0, 4.0], part) for part in (0.0, 0.5, 0.99)] == [1.0, 3.0, 4.0]
    assert percentile([], 0.5) == 0.0
