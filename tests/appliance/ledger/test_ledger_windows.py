import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ledger.file import create
from appliance.ledger.ledger import Ledger
from appliance.ledger.table import CounterKey, Denied
from appliance.ledger.windows import LENGTH, Calendar, Window

NOON = 1_700_000_000 // 86400 * 86400 + 43200.0
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana"),
    *("America/Asuncion", "Asia/Beirut", "America/Sao_Paulo", "Pacific/Apia"),
)


def at(zone, *when):
    return dt.datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()


@pytest.fixture
def open_ledger(tmp_path):
    create(tmp_path / "c", slots=256, workers=4, notes=64)
    made = []

    def opened(zone="UTC"):
        made.append(Ledger(tmp_path / "c", zone=ZoneInfo(zone)))
        return made[-1]

    yield opened
    for one in made:
        one.close()


def test_days_and_months_are_the_site_s_and_as_long_as_its_clocks_make_them():
    berlin = Calendar(ZoneInfo("Europe/Berlin"))
    start, end = berlin.bounds(Window.DAY, at("Europe/Berlin", 2027, 3, 28, 12))
    assert (start, end - start) == (at("Europe/Berlin", 2027, 3, 28), 23 * 3600)
    start, end = berlin.bounds(Window.DAY, at("Europe/Berlin", 2027, 10, 31, 12))
    assert end - start == 25 * 3600
    start, end = berlin.bounds(Window.MONTH, at("Europe/Berlin", 2027, 3, 31, 23, 59))
    assert (start, end) == (at("Europe/Berlin", 2027, 3, 1), at("Europe/Berlin", 2027, 4, 1))
    assert end - start == 31 * 86400 - 3600


@settings(max_examples=200, deadline=None)
@given(zone=st.sampled_from(ZONES), second=st.integers(10**9, 2 * 10**9), window=st.sampled_from(list(Window)[:-1]))
def test_windows_follow_each_other_without_gap_or_overlap(zone, second, window):
    calendar = Calendar(ZoneInfo(zone))
    start, end = calendar.bounds(window, second)
    assert start <= second < end
    assert calendar.bounds(window, start) == calendar.bounds(window, end - 1) == (start, end)
    assert calendar.bounds(window, end)[0] == end
    assert calendar.bounds(window, start - 1)[1] == start
    assert calendar.between(window, start, end) == 0
    assert calendar.between(window, start, calendar.bounds(window, end)[1]) == 1


@pytest.mark.parametrize("zone", ["America/Havana", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia"])
def test_windows_follow_each_other_around_every_change_of_the_clocks(zone):
    calendar = Calendar(ZoneInfo(zone))
    now = at(zone, 2010, 1, 1)
    for _ in range(366 * 3):
        end = calendar.bounds(Window.DAY, now)[1]
        assert 22 * 3600 <= end - now <= 26 * 3600
        for second in (now, now + 1799, end - 1801, end - 1):
            assert calendar.bounds(Window.DAY, second) == (now, end)
        now = end


def test_a_month_counts_until_the_first_of_the_next(open_ledger):
    ledger, month = open_ledger("Europe/Berlin"), CounterKey("b", "", Window.MONTH, 10)
    last = at("Europe/Berlin", 2027, 3, 31, 23, 59, 59)
    ledger.settle(ledger.reserve([month], (10,), at("Europe/Berlin", 2027, 3, 1)), (10,))
    assert ledger.reserve([month], (1,), last) == Denied(month, 10, 1.0)
    assert not isinstance(ledger.reserve([month], (10,), last + 1), Denied)


@pytest.mark.parametrize("window", [Window.DAY, Window.MONTH])
def test_what_was_used_beyond_the_limit_is_charged_to_the_next_window(open_ledger, window):
    ledger, limited = open_ledger(), CounterKey("b", "", window, 10)
    _, end = Calendar().bounds(window, NOON)
    out = ledger.reserve([limited], (4,), NOON)
    assert ledger.settle(out, (13,), NOON)
    assert ledger.used(limited, NOON) == 13
    assert ledger.used(limited, end) == 3
    denied = ledger.reserve([limited], (8,), end)
    assert isinstance(denied, Denied)
    assert denied.used == 3
    assert not isinstance(ledger.reserve([limited], (7,), end), Denied)


def test_what_was_used_beyond_and_comes_late_is_charged_to_the_window_that_runs(open_ledger):
    ledger, limited = open_ledger(), CounterKey("b", "", Window.DAY, 10)
    tomorrow = NOON + 43200
    out = ledger.reserve([limited], (4,), NOON)
    ledger.settle(ledger.reserve([limited], (1,), tomorrow), (1,), tomorrow)
    ledger.settle(out, (9,), tomorrow)
    assert ledger.used(limited, tomorrow) == 6


@pytest.mark.parametrize("window", [Window.MINUTE, Window.DAY])
def test_nothing_fits_even_where_more_was_used_than_there_is(open_ledger, window):
    ledger, limited = open_ledger(), CounterKey("b", "", window, 10)
    ledger.settle(ledger.reserve([limited], (10,), NOON), (15,), NOON)
    assert isinstance(ledger.reserve([limited], (1,), NOON), Denied)
    assert not isinstance(ledger.reserve([limited], (0,), NOON), Denied)
    assert ledger.used(limited, NOON) == 15


def test_debts_shrink_by_a_limit_each_window(open_ledger):
    ledger, limited = open_ledger(), CounterKey("b", "", Window.DAY, 10)
    ledger.settle(ledger.reserve([limited], (10,), NOON), (25,), NOON)
    assert [ledger.used(limited, NOON + day * 86400) for day in range(4)] == [25, 15, 5, 0]


def test_what_providers_tell_never_grows_beyond_what_can_be_written(open_ledger):
    ledger, limited = open_ledger(), CounterKey("b", "", Window.DAY, (1 << 62) - 1)
    for _ in range(1026):
        out = ledger.reserve([limited], (0,), NOON)
        assert ledger.settle(out, (1 << 53,), NOON)
    ledger.add_settled(limited, 1 << 53, NOON)
    assert ledger.used(limited, NOON) == 1 << 62
    assert isinstance(ledger.reserve([limited], (1,), NOON), Denied)


def test_what_runs_is_free_again_when_it_ends(open_ledger):
    ledger, streams = open_ledger(), CounterKey("b", "u", Window.RUNNING, 2)
    one, _ = (ledger.reserve([streams], (1,), NOON) for _ in range(2))
    denied = ledger.reserve([streams], (1,), NOON + 10**7)
    assert (denied.used, denied.retry_after) == (2, 1.0)
    ledger.settle(one, (0,), NOON)
    assert not isinstance(ledger.reserve([streams], (1,), NOON), Denied)


def test_what_runs_is_free_again_when_its_worker_has_died(open_ledger):
    ledger, streams = open_ledger(), CounterKey("b", "u", Window.RUNNING, 1)
    ledger.reserve([streams], (1,), NOON)
    ledger.close()
    assert not isinstance(open_ledger().reserve([streams], (1,), NOON), Denied)


@pytest.mark.parametrize("window", [Window.MINUTE, Window.HOUR])
def test_a_rate_flows_back_evenly(open_ledger, window):
    ledger, limited, length = open_ledger(), CounterKey("b", "", window, 60), LENGTH[window]
    ledger.settle(ledger.reserve([limited], (60,), NOON), (60,), NOON)
    denied = ledger.reserve([limited], (6,), NOON)
    assert (denied.used, denied.retry_after) == (60, length / 10)
    assert isinstance(ledger.reserve([limited], (6,), NOON + length / 10 - 0.001), Denied)
    assert not isinstance(ledger.reserve([limited], (6,), NOON + length / 10), Denied)
    assert ledger.used(limited, NOON + length / 2) == 36


def test_a_rate_gives_back_what_was_not_needed_and_charges_what_was_more(open_ledger):
    ledger, limited = open_ledger(), CounterKey("b", "", Window.MINUTE, 60)
    out = ledger.reserve([limited], (60,), NOON)
    ledger.settle(out, (20,), NOON)
    assert ledger.used(limited, NOON) == 20
    ledger.settle(ledger.reserve([limited], (40,), NOON), (50,), NOON)
    assert ledger.used(limited, NOON) == 70
    assert isinstance(ledger.reserve([limited], (1,), NOON + 10), Denied)


STEPS = st.lists(
    st.tuples(
        st.sampled_from((0, 1, 20, 30)),  # seconds later
        st.sampled_from((1, 6, 12)),  # reserved
        st.sampled_from((0, 3, 12)),  # used, at most what was reserved
        st.booleans(),  # settled at once, or with others later
    ),
    min_size=3,
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, limit=st.sampled_from((1, 7, 12)))
def test_no_span_of_time_ever_holds_more_than_a_rate_allows(tmp_path_factory, steps, limit):
    path = tmp_path_factory.mktemp("rate") / "c"
    create(path, slots=64, workers=1, notes=64)
    limited = CounterKey("b", "", Window.MINUTE, limit)
    used, out = [], []
    with Ledger(path) as ledger:
        now = NOON
        for later, amount, actual, at_once in steps:
            now += later
            while out and not at_once:
                found, number = out.pop(0)
                ledger.settle(found, (number,), now)
            found = ledger.reserve([limited], (amount,), now)
            if not isinstance(found, Denied):
                number = min(actual, amount)
                used.append((now, number))
                out.append((found, number))
                if at_once:
                    ledger.settle(*((found, (number,))), now)
                    out.pop()
    for first, (begin, _) in enumerate(used):
        total = 0
        for end, number in used[first:]:
            total += number
            assert total <= limit * (1 + (end - begin) / 60) + 1e-6


def test_what_is_given_back_late_does_not_take_what_came_later_along(open_ledger):
    ledger, limited = open_ledger(), CounterKey("b", "", Window.MINUTE, 12)
    idle = ledger.reserve([limited], (12,), NOON)
    ledger.settle(ledger.reserve([limited], (6,), NOON + 30), (6,), NOON + 30)
    ledger.settle(idle, (0,), NOON + 31)
    assert ledger.used(limited, NOON + 31) >= 6
    assert isinstance(ledger.reserve([limited], (7,), NOON + 31), Denied)


def test_limited_and_unlimited_minutes_are_two_counters(open_ledger):
    ledger = open_ledger()
    limited, counted = CounterKey("b", "", Window.MINUTE, 5), CounterKey("b", "", Window.MINUTE)
    ledger.reserve([limited, counted], (3, 4), NOON)
    assert (ledger.used(limited, NOON), ledger.used(counted, NOON)) == (3, 4)


def test_rebuilding_counts_rates_and_windows(open_ledger):
    ledger = open_ledger()
    for window in (Window.MINUTE, Window.DAY, Window.MONTH):
        limited = CounterKey("b", "", window, 60)
        ledger.add_settled(limited, 45, NOON)
        ledger.add_settled(limited, 20, NOON)
        assert ledger.used(limited, NOON) == 65
        assert isinstance(ledger.reserve([limited], (1,), NOON), Denied)
