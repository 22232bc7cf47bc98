"""Waits before retries, and how many there may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.route.retrying import RetryBudget, backoff, retry_after


@given(st.integers(1, 1000), st.floats(0, 1))
def test_waits_grow_within_their_bound(retry, drawn):
    wait = backoff(retry, 0.25, 5.0, lambda: drawn)
    assert 0 <= wait <= min(5.0, 0.25 * 2 ** min(retry - 1, 30))
    assert backoff(retry + 1, 0.25, 5.0, lambda: drawn) >= wait


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5),
        (" 0 ", 0),
        ("999999999", 86400),
        ("9" * 4000, None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 01 Jan 9999 00:00:00 GMT", 86400),
        ("Thu, 41 Jan 1970 00:00:00 GMT", None),
        ("\u0661", None),
    ],
)
def test_what_a_provider_asks_for(value, seconds):
    assert retry_after(value, 10.0) == seconds


@given(st.text(max_size=40))
def test_no_text_is_too_odd(value):
    found = retry_after(value, 0.0)
    assert found is None or 0 <= found <= 86400


def test_retries_are_a_part_of_the_requests():
    budget, made = RetryBudget(0.2), 0
    for _ in range(1000):
        budget.request()
        made += budget.take()
    assert 200 <= made <= 211
    none = RetryBudget(0)
    none.request()
    assert not none.take()
