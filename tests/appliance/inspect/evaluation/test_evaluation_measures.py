import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.evaluation.measures import Counts, proportion, quantile, recall_at


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_as_in_the_books(count, of, low, high):
    figure = proportion(count, of)
    assert figure.value == count / of
    assert figure.low == pytest.approx(low, abs=5e-4)
    assert figure.high == pytest.approx(high, abs=5e-4)
    assert figure.of == of


def test_nothing_has_no_figure():
    assert proportion(0, 0) is None
    assert Counts().f_score(1) is None
    assert Counts(wrong=3).precision.value == 0


def test_f_scores_weigh_recall():
    counts = Counts(hit=60, missed=40, wrong=20)
    assert counts.f_score(1).value == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert counts.f_score(2).value == pytest.approx(5 * 0.75 * 0.6 / (4 * 0.75 + 0.6))


@given(*[st.integers(0, 500)] * 4)
def test_intervals_hold_their_figure(hit, missed, wrong, quiet):
    counts = Counts(hit, missed, wrong, quiet)
    figures = [counts.precision, counts.recall, counts.false_positive_rate, counts.f_score(1), counts.f_score(2)]
    for figure in filter(None, figures):
        assert 0 <= figure.low <= figure.value <= figure.high <= 1


def test_more_texts_make_narrower_intervals():
    few, many = Counts(6, 4, 2), Counts(600, 400, 200)
    assert many.f_score(1).high - many.f_score(1).low < (few.f_score(1).high - few.f_score(1).low) / 5


def test_recall_at_a_rate_takes_the_lowest_threshold_that_keeps_it():
    scores = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.5, False), (0.0, True), *[(0.0, False)] * 98]
    threshold, figure = recall_at(scores, 0.01)
    assert (threshold, figure.value) == (0.6, 0.75)
    assert recall_at(scores, 0.0)[1].value == 0.5
    assert recall_at([(0.5, True)], 0.01) is None


def test_ties_are_taken_whole_or_not_at_all():
    assert recall_at([(0.9, True), (0.9, False), (0.1, False)], 0.0)[1].value == 0


def test_quantiles():
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([], 0.5) == 0.0
    assert not math.isnan(quantile([1.0], 0.99))
