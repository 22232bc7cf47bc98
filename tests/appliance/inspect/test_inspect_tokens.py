"""Estimates against counts that were made with the vocabularies o200k_base and cl100k_base (the mean of both)."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.tokens import Counting, at_most, by_sample, estimate

TABLE = json.loads((Path(__file__).parent / "tokens_counted.json").read_text())
WITHIN = 0.05  # over a run


def test_over_a_run_the_estimate_lies_within_five_percent():
    expected = sum(tokens for _, _, tokens in TABLE)
    assert abs(sum(estimate(text) for _, text, _ in TABLE) / expected - 1) < WITHIN


NAMED, REST = ("english", "code", "json", "markdown"), "other languages"


@pytest.mark.parametrize("kind", [*NAMED, REST])
def test_of_every_kind_of_text_it_is_near(kind):
    rows = [(estimate(text), tokens) for its, text, tokens in TABLE if (its if its in NAMED else REST) == kind]
    assert 0.75 < sum(one for one, _ in rows) / sum(other for _, other in rows) < 1.35


def test_a_reservation_is_hardly_ever_too_small():
    assert sum(at_most(text) < tokens for _, text, tokens in TABLE) <= len(TABLE) / 50
    assert sum(at_most(text) for _, text, _ in TABLE) < 2 * sum(tokens for _, _, tokens in TABLE)


@given(st.text(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_a_text_in_pieces_counts_as_the_whole(text, cuts):
    counting, at = Counting(), 0
    for cut in [*sorted(cuts), len(text)]:
        counting.feed(text[at:cut])
        at = max(at, cut)
    assert counting.tokens == estimate(text)


@given(st.text(max_size=200))
def test_numbers_are_bounded_by_the_bytes(text):
    size = len(text.encode("utf-8", "surrogatepass"))
    assert 0 <= estimate(text) <= 1.3 * size + 1
    assert 0 <= at_most(text) <= size + 8


def test_a_long_text_is_judged_by_its_beginning():
    assert by_sample(9, "") == 3
    assert by_sample(0, "words") == 0
    text = "the shadow is shortest " * 1000
    assert abs(by_sample(len(text), text[:4096]) / estimate(text) - 1) < 0.01
