import stat
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ledger import file as ledger_file
from appliance.ledger.file import LedgerBusy, create
from appliance.ledger.layout import HEADER_SIZE, MAX_KEYS, Item, decode_log, decode_note, encode_log, encode_note
from appliance.ledger.ledger import MAX_COUNTERS, Ledger
from appliance.ledger.table import CounterKey, Denied, LedgerFull
from appliance.ledger.windows import Window
from appliance.model.errors import OperatorError

NOON = 1_700_000_000 // 86400 * 86400 + 43200.0


def key(level="user", subject="p_1", window=Window.DAY, limit=None):
    return CounterKey(level, subject, window, limit)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "counters.map"
    create(made, slots=256, workers=4, notes=8)
    return made


@pytest.fixture
def ledger(path):
    with Ledger(path) as opened:
        yield opened


def test_the_file_is_for_the_owner_only_and_made_whole(tmp_path):
    with Ledger(tmp_path / "ledger" / "counters.map") as ledger:
        info = (tmp_path / "ledger" / "counters.map").stat()
        assert stat.S_IMODE(info.st_mode) == 0o600
        assert info.st_size == ledger._file.header.size
        assert info.st_blocks * 512 >= info.st_size
        assert [file.name for file in (tmp_path / "ledger").iterdir()] == ["counters.map"]


def test_reserve_counts_at_every_level_and_settle_corrects(ledger):
    keys = [key("organisation", ""), key("department", "sales"), key("user"), key("user", window=Window.MINUTE)]
    reservation = ledger.reserve(keys, (5, 5, 5, 5), NOON)
    assert [ledger.used(each, NOON) for each in keys] == [5, 5, 5, 5]
    assert ledger.settle(reservation, (3, 5, 9, 0))
    assert [ledger.used(each, NOON) for each in keys] == [3, 5, 9, 0]


def test_refund_takes_all_back_and_only_once(ledger):
    ledger.settle(ledger.reserve([key()], (1,), NOON), (1,))
    reservation = ledger.reserve([key()], (4,), NOON)
    assert ledger.refund(reservation)
    assert not ledger.refund(reservation)
    assert not ledger.settle(reservation, (4,))
    assert ledger.used(key(), NOON) == 1


def test_one_full_level_denies_all_and_changes_nothing(ledger):
    keys = [key("organisation", "", limit=10), key("user", limit=2)]
    for _ in range(2):
        ledger.settle(ledger.reserve(keys, (1, 1), NOON), (1, 1))
    denied = ledger.reserve(keys, (1, 1), NOON)
    assert denied == Denied(keys[1], 2, 43200.0)
    assert [ledger.used(each, NOON) for each in keys] == [2, 2]


@pytest.mark.parametrize(("window", "length"), [(Window.MINUTE, 60), (Window.HOUR, 3600), (Window.DAY, 86400)])
def test_a_window_begins_again_at_its_end(ledger, window, length):
    limited = key(window=window, limit=1)
    begin = NOON // length * length
    assert not isinstance(ledger.reserve([limited], (1,), begin), Denied)
    assert ledger.reserve([limited], (1,), begin + length - 0.25) == Denied(limited, 1, 0.25)
    assert not isinstance(ledger.reserve([limited], (1,), begin + length), Denied)
    assert ledger.used(limited, begin + length) == 1


def test_a_clock_a_little_behind_does_not_bring_the_old_window_back(ledger):
    limited = key(limit=1)
    midnight = NOON + 43200
    ledger.reserve([limited], (1,), midnight)
    assert isinstance(ledger.reserve([limited], (1,), midnight - 0.1), Denied)
    assert isinstance(ledger.reserve([limited], (1,), midnight + 0.1), Denied)


@pytest.mark.parametrize("window", list(Window)[:-1])
def test_a_clock_set_far_back_begins_again_instead_of_counting_for_years(ledger, window):
    limited = key(window=window, limit=1)
    ledger.reserve([limited], (1,), NOON + 10**9)
    assert not isinstance(ledger.reserve([limited], (1,), NOON), Denied)


def test_settling_after_the_window_has_passed_touches_no_other_window(ledger):
    minute = key(window=Window.MINUTE)
    old = ledger.reserve([minute], (5,), NOON)
    ledger.settle(ledger.reserve([minute], (2,), NOON + 60), (2,))
    assert ledger.refund(old)
    assert ledger.used(minute, NOON + 60) == 2


def test_extend_adds_checks_limits_and_is_settled_as_one(ledger):
    limited = key(limit=10)
    first = ledger.reserve([limited], (4,), NOON)
    second = ledger.extend(first, (4,), NOON)
    assert second.amounts == (8,)
    assert isinstance(ledger.extend(second, (4,), NOON), Denied)
    assert ledger.used(limited, NOON) == 8
    assert ledger.settle(second, (5,))
    assert ledger.used(limited, NOON) == 5
    with pytest.raises(ValueError, match="settled"):
        ledger.extend(second, (1,), NOON)


def test_extend_into_the_next_window_gives_back_only_what_is_there(ledger):
    minute = key(window=Window.MINUTE)
    both = ledger.extend(ledger.reserve([minute], (4,), NOON), (3,), NOON + 60)
    ledger.reserve([minute], (2,), NOON + 60)
    assert ledger.used(minute, NOON + 60) == 5
    assert ledger.refund(both)
    assert ledger.used(minute, NOON + 60) == 2


def test_nothing_to_count_is_granted_without_a_note(ledger):
    for _ in range(20):
        assert ledger.reserve([], (), NOON).keys == ()
    assert not ledger.refund(ledger.reserve([], (), NOON))


@pytest.mark.parametrize(
    ("keys", "amounts"),
    [
        ([key()], ()),
        ([key()], (-1,)),
        ([key(), key()], (1, 1)),
        ([key(), key(limit=5)], (1, 1)),
        ([key()], (1 << 60,)),
        ([key(subject=str(n)) for n in range(MAX_COUNTERS + 1)], (1,) * (MAX_COUNTERS + 1)),
    ],
)
def test_calls_that_make_no_sense_are_refused_and_change_nothing(ledger, keys, amounts):
    with pytest.raises(ValueError):
        ledger.reserve(keys, amounts, NOON)
    assert ledger.used(keys[0], NOON) == 0
    assert isinstance(ledger.reserve([key("other")], (1,), NOON).notes, tuple)  # and the lock is free


def test_the_largest_reservation_fits_note_and_log(ledger):
    keys = [key(subject=f"p_{n}") for n in range(MAX_KEYS)]
    assert ledger.refund(ledger.reserve(keys, (1,) * MAX_KEYS, NOON))


def test_no_note_left_is_an_error_not_a_grant(ledger):
    out = [ledger.reserve([key()], (1,), NOON) for _ in range(8)]
    with pytest.raises(LedgerFull, match="not being settled"):
        ledger.reserve([key()], (1,), NOON)
    ledger.refund(out[3])
    ledger.reserve([key()], (1,), NOON)
    assert ledger.used(key(), NOON) == 8


def test_no_slot_left_is_an_error_until_windows_pass(tmp_path):
    path = tmp_path / "c"
    create(path, slots=16, workers=1, notes=64)
    with Ledger(path) as ledger:
        for n in range(16):
            ledger.settle(ledger.reserve([key(subject=f"p_{n}", window=Window.MINUTE)], (1,), NOON), (1,))
        newcomer = key(subject="late", window=Window.MINUTE)
        with pytest.raises(LedgerFull, match="full of live windows"):
            ledger.reserve([newcomer], (1,), NOON + 1)
        assert [ledger.used(key(subject=f"p_{n}", window=Window.MINUTE), NOON) for n in range(16)] == [1] * 16
        ledger.reserve([newcomer], (1,), NOON + 180)
        assert ledger.used(newcomer, NOON + 180) == 1


@pytest.mark.parametrize("newcomer", [f"n_{n}" for n in range(8)])
def test_a_slot_taken_over_by_one_key_is_not_given_to_its_old_owner_too(tmp_path, newcomer):
    path = tmp_path / "c"
    create(path, slots=2, workers=1, notes=4)
    minutes = [key(subject=subject, window=Window.MINUTE) for subject in (newcomer, "old")]
    with Ledger(path) as ledger:
        ledger.refund(ledger.reserve([minutes[1], key(subject="other", window=Window.MINUTE)], (5, 5), NOON))
        ledger.reserve(minutes, (1, 2), NOON + 300)
        assert [ledger.used(each, NOON + 300) for each in minutes] == [1, 2]


def test_creating_over_a_file_that_is_there_changes_nothing(path):
    with Ledger(path) as ledger:
        ledger.reserve([key()], (3,), NOON)
        inode = path.stat().st_ino
        create(path, slots=16, workers=1, notes=1)
        assert path.stat().st_ino == inode
        with Ledger(path) as other:
            assert other.used(key(), NOON) == 3


def test_each_process_life_has_its_own_place_and_an_onlooker_none(path):
    ledgers = [Ledger(path) for _ in range(4)]
    assert [ledger.place for ledger in ledgers] == [0, 1, 2, 3]
    with pytest.raises(OperatorError, match="all 4 worker places are taken"):
        Ledger(path)
    with Ledger(path, claim=False) as onlooker:
        assert onlooker.place is None
        with pytest.raises(LedgerFull):
            onlooker.reserve([key()], (1,), NOON)
    for ledger in ledgers:
        ledger.close()


def test_living_places_are_never_refunded(path):
    with Ledger(path) as one, Ledger(path) as other, Ledger(path, claim=False) as onlooker:
        out = one.reserve([key()], (3,), NOON)
        assert onlooker.refund_dead() == 0
        assert other.refund_dead() == 0
        assert one.refund_dead() == 0
        for asker in (onlooker, other, one):
            with pytest.raises(OperatorError, match="belongs to a living process"):
                asker.refund_dead(one.place)
        assert one.settle(out, (3,))


def test_a_place_taken_over_starts_clean(path):
    first = Ledger(path)
    first.reserve([key()], (3,), NOON)
    first.close()
    with Ledger(path) as second:
        assert second.place == first.place
        assert second.used(key(), NOON) == 0


def spoiled(path, change):
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.__setitem__(slice(0, 8), b"SQLite f"), "not a counter file"),
        (lambda data: data.__setitem__(slice(8, 12), struct.pack("<I", 1)), "of version 1; this program makes"),
        (lambda data: data.__setitem__(slice(8, 12), struct.pack("<I", 9)), "version 9; this program reads version 2"),
        (lambda data: data.__setitem__(HEADER_SIZE - 30, 7 ^ data[HEADER_SIZE - 30]), "damaged header"),
        (lambda data: data.__delitem__(slice(-10, None)), "bytes long instead of"),
        (lambda data: data.clear(), "not a counter file"),
    ],
)
def test_a_foreign_or_damaged_file_is_refused_with_what_to_do(path, change, said):
    spoiled(path, change)
    before = path.read_bytes()
    with pytest.raises(OperatorError) as told:
        Ledger(path)
    assert said in str(told.value)
    assert str(path) in str(told.value)
    assert "move the file away" in str(told.value)
    assert path.read_bytes() == before


def test_a_lock_that_stays_held_is_an_error_not_a_hang(path, monkeypatch):
    monkeypatch.setattr(ledger_file, "_PATIENCE_S", 0.02)
    with Ledger(path) as one, Ledger(path) as other:
        one._file.acquire()
        with pytest.raises(LedgerBusy, match="is a worker stopped"):
            other.reserve([key()], (1,), NOON)
        one._file.release()
        other.reserve([key()], (1,), NOON)


def test_threads_of_one_process_are_kept_apart(tmp_path):
    path = tmp_path / "c"
    create(path, slots=64, workers=1, notes=1024)
    with Ledger(path) as ledger:
        limited = key(limit=500)
        granted = []

        def work():
            for _ in range(200):
                if not isinstance(ledger.reserve([limited], (1,), NOON), Denied):
                    granted.append(1)  # noqa: PERF401 - counted one by one

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(granted), ledger.used(limited, NOON)) == (500, 500)


ITEMS = st.builds(
    Item,
    slot=st.integers(0, 2**32 - 1),
    tag=st.binary(min_size=16, max_size=16),
    start=st.integers(0, 2**40),
    amount=st.integers(0, 2**53),
)


@given(number=st.integers(1, 2**64 - 1), items=st.lists(ITEMS, min_size=1, max_size=MAX_KEYS))
def test_notes_read_as_written(number, items):
    assert decode_note(b"xx" + encode_note(number, tuple(items)), 2) == (number, tuple(items))


@given(st.lists(st.tuples(st.integers(0, 2**40), st.binary(max_size=80)), max_size=17))
def test_logs_read_as_written(writes):
    assert decode_log(encode_log(writes) + bytes(100)) == writes


STEP = st.one_of(
    st.tuples(st.just("reserve"), st.integers(0, 3), st.integers(0, 4)),
    st.tuples(st.just("settle"), st.integers(0, 7), st.integers(0, 6)),
    st.tuples(st.just("refund"), st.integers(0, 7), st.just(0)),
    st.tuples(st.just("extend"), st.integers(0, 7), st.integers(0, 3)),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=30))
def test_counters_follow_a_plain_model(tmp_path_factory, steps):
    """Counter == settled + outstanding, and no limit is passed by a grant."""
    path = tmp_path_factory.mktemp("model") / "c"
    create(path, slots=64, workers=1, notes=8)
    subjects = [[key(subject=str(n % 2), limit=9), key("organisation", "", limit=12)] for n in range(4)]
    settled: dict[CounterKey, int] = {}
    out = []
    with Ledger(path) as ledger:
        for action, which, amount in steps:
            if action == "reserve" and len(out) < 8:
                found = ledger.reserve(subjects[which], (amount, amount), NOON)
                if not isinstance(found, Denied):
                    out.append(found)
            elif out and action in {"settle", "refund"}:
                reservation = out.pop(which % len(out))
                used = (amount, amount) if action == "settle" else (0, 0)
                assert ledger.settle(reservation, used)
                for each in reservation.keys:
                    settled[each] = settled.get(each, 0) + used[0]
            elif out and action == "extend":
                found = ledger.extend(out[which % len(out)], (amount, amount), NOON)
                if not isinstance(found, Denied):
                    out[which % len(out)] = found
            for each in {each for keys in subjects for each in keys}:
                held = sum(r.amounts[0] for r in out if each in r.keys)
                assert ledger.used(each, NOON) == settled.get(each, 0) + held
