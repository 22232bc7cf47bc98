"""Losses by the second, and the sums of the parts of a capture."""

from appliance.model.event import LostSecond
from discovery.losses import SECONDS, WORST, Losses, total
from discovery.report import Tally

NINE = 1_767_258_000  # 09:00:00 UTC


def test_seconds_with_losses_are_kept_and_told_once():
    lost = Losses()
    for now, missed in ((0.0, 0), (0.9, 4), (1.1, 4), (2.2, 6), (2.8, 7)):
        lost.note(NINE + now, missed)
    assert lost.since(0) == ((NINE, 4), (NINE + 2, 3))
    assert lost.since(NINE + 1) == ((NINE + 2, 3),)
    assert lost.take() == "4 at 09:00:00, 3 at 09:00:02"
    assert (lost.take(), lost.since(NINE + 1)) == ("", ((NINE + 2, 3),))
    lost.note(NINE + 3, 8)
    assert lost.take() == "1 at 09:00:03"


def test_the_last_minute_is_told_whatever_was_taken():
    lost = Losses()
    assert lost.minute(NINE) == (0, 0, 0)
    for now, missed in ((0, 4), (30, 20), (50, 23)):
        lost.note(NINE + now, missed)
    lost.take()
    assert lost.minute(NINE + 59.5) == (23, NINE + 30, 16)
    assert lost.minute(NINE + 100) == (3, NINE + 50, 3)
    assert lost.minute(NINE + 40) == (20, NINE + 30, 16), "a clock that was set back"
    assert lost.minute(NINE + 111) == (0, 0, 0)


def test_the_worst_seconds_are_named_in_order_and_memory_is_bounded():
    lost, missed = Losses(), 0
    for second in range(3 * SECONDS):
        missed += second % 7 + 1
        lost.note(NINE + second, missed)
    assert len(lost.since(0)) == SECONDS
    told = lost.take().split(", ")
    assert len(told) == WORST
    assert all(word.startswith("7 at ") for word in told)
    assert told == sorted(told)


def test_a_count_that_begins_again_is_no_loss():
    lost = Losses()
    lost.note(NINE, 9)
    lost.note(NINE + 1, 2)
    assert lost.since(0) == ((NINE, 9),)


def test_parts_add_up():
    parts = (Tally(1, 2, 3, 4, {"a": 1, "b": 2}), Tally(10, 20, 30, 40, {"b": 5}), Tally())
    assert total(parts) == Tally(11, 22, 33, 44, {"a": 1, "b": 7})


def test_seconds_with_losses_are_recorded_once_with_what_was_read_in_them():
    lost = Losses()
    for now, missed, read in ((0.0, 0, 10), (1.1, 4, 30), (1.6, 4, 35), (1.9, 5, 40), (2.5, 5, 70), (3.2, 9, 71)):
        lost.note(NINE + now, missed, read)
    assert lost.record(NINE + 3.9) == (LostSecond(NINE + 1, 5, 30),)
    assert lost.record(NINE + 3.9) == (), "the last of them is not over"
    lost.note(NINE + 3.9, 10, 80)
    assert lost.record(NINE + 4.0) == (LostSecond(NINE + 3, 5, 10),)
    lost.note(NINE + 4.0, 11, 80)
    assert lost.record(float("inf")) == (LostSecond(NINE + 4, 1, 0),)
    for second in range(3 * SECONDS):
        lost.note(NINE + 10 + second, 12 + second)
    assert len(lost.record(float("inf"))) == SECONDS
