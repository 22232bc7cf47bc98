import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inspect.injection.calibrating import interval, needed, threshold


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=9, max_size=60), st.sampled_from([0.1, 0.2, 0.5]))
def test_no_more_than_the_share_reaches_it(scores: list[float], share: float) -> None:
    made = threshold("own", scores, share)
    assert made.above == sum(score >= made.value for score in scores)
    assert (made.above + 1) / (len(scores) + 1) == pytest.approx(made.share)
    assert made.share <= share + 1e-12


def test_it_is_no_higher_than_it_must_be() -> None:
    scores = [number / 1000 for number in range(1000)]
    assert threshold("own", scores, 0.01).above == 9


def test_the_promise_holds_for_new_texts() -> None:
    chance, told, tried = random.Random(1), 0, 0  # noqa: S311 - a sample that stays the same
    for _ in range(300):
        made = threshold("own", [chance.random() for _ in range(199)], 0.05)
        told += sum(chance.random() >= made.value for _ in range(100))
        tried += 100
    assert 0.04 < told / tried < 0.06


@pytest.mark.parametrize(("share", "count"), [(0.005, 199), (0.01, 99), (0.5, 1)])
def test_too_few_texts_are_refused(share: float, count: int) -> None:
    assert needed(share) == count
    threshold("own", [0.1] * count, share)
    with pytest.raises(ValueError, match="at least"):
        threshold("own", [0.1] * (count - 1), share)


def test_intervals_are_wilsons() -> None:
    assert interval(0, 100) == pytest.approx((0.0, 0.037), abs=1e-3)
    assert interval(50, 100) == pytest.approx((0.404, 0.596), abs=1e-3)
    assert interval(100, 100) == pytest.approx((0.963, 1.0), abs=1e-3)
