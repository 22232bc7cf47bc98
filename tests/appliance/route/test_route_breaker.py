"""When a target counts as well: a table, and what holds for every history."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.route.breaker import Breaker, Settings, State

SETTINGS = Settings(failures=3, open_s=10, most_s=60)


def opened(now=0.0):
    breaker = Breaker(SETTINGS)
    for _ in range(3):
        breaker.failed(now)
    return breaker


def test_it_opens_after_failures_in_a_row_and_not_before():
    breaker = Breaker(SETTINGS)
    for _ in range(5):
        breaker.failed(0)
        breaker.failed(0)
        assert breaker.takes(0)
        breaker.succeeded()
    assert opened().state(0) is State.OPEN
    assert not opened().takes(9.9)


def test_one_request_tries_it_and_the_others_stay_away():
    breaker = opened()
    assert breaker.state(10) is State.HALF_OPEN
    assert breaker.takes(10)
    breaker.began(10)
    assert not breaker.takes(11)
    breaker.succeeded()
    assert breaker.state(11) is State.CLOSED
    assert breaker.takes(11)


def test_a_trial_that_fails_doubles_the_time_up_to_its_bound():
    breaker, now, waits = opened(), 0.0, []
    for _ in range(5):
        began = now
        while not breaker.takes(now):
            now += 1
        waits.append(now - began)
        breaker.began(now)
        breaker.failed(now)
    assert waits == [10, 20, 40, 60, 60]


def test_a_trial_that_nobody_hears_of_ends_by_itself():
    breaker = opened()
    breaker.began(10)
    assert not breaker.takes(19.9)
    assert breaker.takes(20)


def test_a_wait_that_was_asked_for_is_kept_and_bounded():
    breaker = Breaker(SETTINGS)
    breaker.asked_to_wait(0, 5)
    assert not breaker.takes(4.9)
    assert breaker.takes(5)
    breaker.asked_to_wait(5, 10**9)
    assert breaker.takes(65)
    breaker.reached(5)
    assert breaker.takes(5)


EVENTS = st.lists(st.tuples(st.sampled_from(["began", "failed", "succeeded", "wait", "reached"]), st.floats(0, 50)))


@given(EVENTS)
def test_it_never_stays_away_for_longer_than_its_bound(events):
    breaker, now = Breaker(SETTINGS), 0.0
    for name, passed in events:
        now += passed
        if name == "succeeded":
            breaker.succeeded()
            assert breaker.state(now) is State.CLOSED
        elif name == "wait":
            breaker.asked_to_wait(now, passed)
        else:
            getattr(breaker, name)(now)
    assert breaker.takes(now + SETTINGS.most_s)
    if breaker.state(now) is State.CLOSED:
        assert breaker.takes(now)
