"""What one peer may ask: an honest one waits a little, a hostile one much, and neither is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.peers import allowance as module
from appliance.peers.allowance import BURST_BYTES, BURST_LIVES, BYTES_PER_S, Allowance, Bucket


def test_a_burst_is_free_and_the_rest_waits():
    one = Allowance(0.0)
    assert one.wait(BURST_BYTES, 0.0) == 0.0
    assert one.wait(BYTES_PER_S, 0.0) == 1.0
    assert one.wait(BYTES_PER_S, 1.0) == 1.0
    assert one.wait(0, 2.0) == 0.0


def test_small_frames_are_counted_too():
    one = Allowance(0.0)
    waits = [one.wait(0, 0.0) for _ in range(int(module.BURST_FRAMES) + 200)]
    assert (waits[0], waits[-1]) == (0.0, 1.0)


def test_new_lives_are_few_after_the_first_ones_and_known_ones_are_free():
    one = Allowance(0.0)
    assert all(one.knows("w0", epoch, 0.0) for epoch in range(int(BURST_LIVES)))
    assert not one.knows("w0", -1, 0.0)
    assert one.knows("w0", 0, 0.0)
    assert one.knows("w0", -1, 10.0)
    assert not one.knows("w0", -2, 10.0)


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_LIVES", 3)
    one = Allowance(0.0)
    for epoch in range(5):
        one.knows("w0", epoch, 0.0)
    assert len(one._lives) == 3


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 100)), max_size=60))
def test_over_any_time_no_more_than_rate_and_burst_goes_through(steps):
    bucket, now, passed = Bucket(10.0, 50.0, 0.0), 0.0, 0
    for pause, amount in steps:
        now += pause
        now += bucket.take(amount, now)
        passed += amount
        assert passed <= 50.0 + 10.0 * now + 1e-6


@given(st.lists(st.floats(-100, 100), max_size=20))
def test_a_clock_that_goes_back_gives_nothing(times):
    bucket = Bucket(10.0, 50.0, 0.0)
    for now in times:
        bucket.take(1, now)
        assert bucket._level <= 50.0
