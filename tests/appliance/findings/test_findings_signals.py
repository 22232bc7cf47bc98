"""Thresholds from the site's own history: who is told of what, and in which words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.findings.signals import DAY_S, HOUR_S, Baseline, Cell, Habit, Limits, Measure, deltas, signals, told
from appliance.model.names import FindingKind, Surface

NOW = 1_763_700_000.0
HOUR = int(NOW // HOUR_S * HOUR_S)
LIMITS = Limits(7, 95, 3, {"prompts": 100, "logprobs": 10, "repeats": 20, "models": 5, "conversations": 50})


def habit(who, days=10, **usual):
    return Habit(
        who,
        NOW - days * DAY_S,
        **{"prompts": 20, "logprobs": 0, "repeats": 2, "models": 2, "conversations": 5} | usual,
    )


def cell(who="p_1", **seen):
    said = {
        "who": who, "principal": who, "client": "a_1", "service": "openai", "surface": Surface.API, "hour": HOUR,
        "n": 7, "requests": 10, "prompts": 10, "logprobs": 0, "repeats": 1, "models": 1, "conversations": 1,
    }  # fmt: skip
    return Cell(**said | seen)


OTHERS = [habit(f"p_{n}", prompts=40 + n) for n in range(20)]


@pytest.mark.parametrize(
    ("seen", "measure", "kind"),
    [
        ({"prompts": 400}, Measure.PROMPTS, FindingKind.EXTRACTION),
        ({"logprobs": 11}, Measure.LOGPROBS, FindingKind.EXTRACTION),
        ({"repeats": 21}, Measure.REPEATS, FindingKind.FLOODING),
        ({"models": 7}, Measure.MODELS, FindingKind.FLOODING),
        ({"conversations": 51}, Measure.CONVERSATIONS, FindingKind.FLOODING),
    ],
)
def test_each_measure_is_told_above_what_is_usual(seen, measure, kind):
    baseline = Baseline(OTHERS, LIMITS, NOW)
    (found,) = signals([cell("p_x"), cell("p_x", **seen)], baseline)
    assert found.measure is measure
    (delta,) = deltas([found], 7).values()
    assert (delta.subject.kind, delta.subject.subject, delta.subject.surface) == (kind, "openai", Surface.API)
    assert (delta.governed, list(delta.people), list(delta.hosts)) == (10, ["p_x"], ["a_1"])
    (sign,) = delta.signs
    assert sign.text.startswith(f"{measure}: ")
    assert f"{getattr(found.cell, measure):,}" in sign.text


def test_the_threshold_is_made_of_the_others():
    """One who asks much does not raise the bar for itself, though it does for others."""
    busy = habit("p_busy", days=3, prompts=10_000)
    baseline = Baseline([*OTHERS, busy], LIMITS, NOW)
    assert baseline.threshold("p_busy", Measure.PROMPTS) == (3 * 58, 58)  # 95 % of 20 others, nearest rank: the 19th
    assert baseline.threshold("p_0", Measure.PROMPTS) == (3 * 59, 59)


def test_own_habits_count_once_they_are_old_enough():
    loader = habit("p_load", days=8, prompts=5_000)
    assert Baseline([*OTHERS, loader], LIMITS, NOW).threshold("p_load", Measure.PROMPTS) == (15_000, 5_000)
    fresh = habit("p_load", days=6.9, prompts=5_000)
    assert Baseline([*OTHERS, fresh], LIMITS, NOW).threshold("p_load", Measure.PROMPTS) == (3 * 58, 58)


def test_without_history_only_ten_times_the_least_is_told():
    baseline = Baseline([habit("p_1", days=6.9)], LIMITS, NOW)
    assert baseline.threshold("p_1", Measure.PROMPTS) == (1000, None)
    (found,) = signals([cell(prompts=1000), cell(prompts=1001)], baseline)
    assert told(found, 7) == (
        "prompts: 1,001 distinct requests of one caller in an hour; more than 1,000, "
        "which is told while there are no 7 days of history"
    )
    assert Baseline([], LIMITS, NOW).threshold("p_1", Measure.MODELS) == (50, None)


def test_a_quiet_site_has_the_least_number_as_its_threshold():
    assert Baseline(OTHERS, LIMITS, NOW).threshold("p_x", Measure.LOGPROBS) == (10, 0)


def test_an_hour_counts_its_requests_once_for_several_measures():
    found = signals([cell("p_x", requests=900, prompts=400, logprobs=300)], Baseline(OTHERS, LIMITS, NOW))
    (delta,) = deltas(found, 7).values()
    assert (delta.governed, len(delta.signs)) == (900, 2)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40), st.data(), st.floats(1, 99.9))
def test_the_others_percentile_is_that_of_a_list_without_the_caller(values, data, percentile):
    who = data.draw(st.integers(0, len(values) - 1))
    limits = Limits(7, percentile, 1, dict(LIMITS.least, prompts=0))
    found = [habit(f"p_{n}", prompts=value, days=1 if n == who else 8) for n, value in enumerate(values)]
    rest = sorted(value for n, value in enumerate(values) if n != who)
    expected = rest[max(math.ceil(percentile / 100 * len(rest)), 1) - 1] if rest else None
    threshold, usual = Baseline(found, limits, NOW).threshold(f"p_{who}", Measure.PROMPTS)
    assert usual == expected
    assert threshold == (0 if expected is None else expected)
