"""Times, spans and counts for people."""

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.client_state import moments
from tui.client_state.moments import ago, clock, count, plural, span, sparkline, stamp

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (0, "now"),
        (-5, "now"),
        (12, "12s"),
        (59.9, "59s"),
        (60, "1m"),
        (7_199, "1h"),
        (2 * 86_400, "2d"),
        (13.9 * 86_400, "13d"),
    ],
)
def test_ages(age, shown):
    assert ago(NOW - age, NOW) == shown


def test_what_is_long_ago_is_a_date():
    assert ago(NOW - 20 * 86_400, NOW) == f"{dt.datetime.fromtimestamp(NOW - 20 * 86_400).astimezone():%Y-%m-%d}"


def test_times_are_local():
    moment = dt.datetime.fromtimestamp(NOW).astimezone()
    assert clock(NOW) == f"{moment:%H:%M:%S}"
    assert stamp(NOW) == f"{moment:%Y-%m-%d %H:%M}"


@given(st.floats() | st.sampled_from((math.inf, -math.inf, math.nan, 1e300, -1.0, 0.0)))
def test_any_number_is_a_time_or_none(number):
    assert len(ago(number, NOW)) <= 10
    assert len(stamp(number)) <= 16
    assert len(clock(number)) <= 8


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (9_999, "9999"), (10_000, "10.0k"), (99_949, "99.9k"), (99_950, "100k"), (999_499, "999k"),
     (999_500, "1.0M"), (4_500_000, "4.5M"), (10**15, "lots")],
)  # fmt: skip
def test_counts(number, shown):
    assert count(number) == shown


@given(st.integers(0, 2**63))
def test_counts_are_short(number):
    assert len(count(number)) <= 5


def test_words():
    assert [plural(1, "host"), plural(2, "host"), plural(1_234, "person", "people")] == [
        "1 host",
        "2 hosts",
        "1,234 people",
    ]
    assert [span(86_400 * 7), span(3_600), span(61), span(1)] == ["7 days", "1 hour", "1 minute", "1 second"]


@given(st.lists(st.integers(0, 10**9), max_size=100), st.integers(0, 60))
def test_a_sparkline_is_as_wide_as_asked_and_shows_every_part_that_is_not_empty(series, width):
    bars = sparkline(tuple(series), width)
    assert len(bars) == (min(width, len(series)) if series else 0)
    assert (bars.strip(" ") == "") == (not sum(series) or not width)
    assert set(bars) <= set(moments._BARS)
