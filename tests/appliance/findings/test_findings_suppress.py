"""The same reason is kept once per interval."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.findings.suppress import MAX_PER_FINDING, Suppression

REASON = ("f_1", "a_1", "tls", "SNI x")


def test_a_reason_comes_back_after_the_interval():
    suppression = Suppression(60)
    assert [suppression.admits(REASON, ts) for ts in (1000.0, 1059.0, 1061.0, 1062.0)] == [True, False, True, False]


def test_each_finding_client_kind_and_text_has_its_own():
    suppression = Suppression(60)
    others = [("f_2", *REASON[1:]), ("f_1", "a_2", "tls", "SNI x"), ("f_1", "a_1", "dns", "SNI x"), (*REASON[:3], "y")]
    assert all(suppression.admits(reason, 1.0) for reason in (REASON, *others))


def test_an_older_capture_does_not_repeat_what_is_known():
    suppression = Suppression(60)
    assert [suppression.admits(REASON, ts) for ts in (1000.0, 950.0, 10.0)] == [True, False, True]


def test_what_an_earlier_life_kept_is_not_kept_again():
    suppression = Suppression(60)
    suppression.kept(REASON, 1000.0)
    assert not suppression.admits(REASON, 1030.0)


def test_a_finding_has_room_for_so_many_in_an_interval_in_any_order_of_times():
    suppression = Suppression(60)
    admitted = [
        suppression.admits(("f_1", f"a_{number}", "tls", "x"), 1000.0 if number % 2 else 30.0) for number in range(400)
    ]
    assert sum(admitted) == 2 * MAX_PER_FINDING
    assert suppression.full("f_1", 1000.0)
    assert not suppression.full("f_1", 2000.0)
    assert not suppression.full("f_2", 1000.0)


def test_memory_is_bounded():
    suppression = Suppression(60, remember=10)
    for number in range(1000):
        suppression.admits((f"f_{number}", "a", "tls", "x"), 1.0)
    assert (len(suppression._last), len(suppression._kept)) == (10, 10)


@given(st.floats(0, 10), st.lists(st.floats(-1e300, 1e300), max_size=20))
def test_any_interval_and_time_will_do(interval, times):
    suppression = Suppression(interval)
    for ts in times:
        suppression.admits(REASON, ts)
