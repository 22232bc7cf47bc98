"""Reservations of many counters, and those that take the place of another: no interleaving grants too much."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ledger.file import create
from appliance.ledger.layout import MAX_KEYS
from appliance.ledger.ledger import Ledger
from appliance.ledger.table import CounterKey, Denied, LedgerFull
from appliance.ledger.windows import Window

NOON = 1_700_000_000.0
LIMIT = 12
WINDOWS = (Window.DAY, Window.MONTH, Window.RUNNING)
KEYS = tuple(CounterKey(f"budget:{n}", f"s{n}", WINDOWS[n % 3], LIMIT) for n in range(MAX_KEYS + 9))
FEW, ALL = st.sets(st.integers(0, 3), min_size=1, max_size=3).map(sorted), st.just(list(range(len(KEYS))))
AMOUNT, WORKER, WHICH = st.integers(0, 7), st.integers(0, 1), st.integers(0, 9)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), WORKER, FEW | ALL, AMOUNT),
        st.tuples(st.just("grow"), WORKER, WHICH, AMOUNT),
        st.tuples(st.just("settle"), WORKER, WHICH, AMOUNT),
        st.tuples(st.just("move"), WORKER, WHICH, FEW | ALL, AMOUNT, st.none() | AMOUNT),
        st.tuples(st.just("crash"), WORKER),
    ),
    max_size=25,
)


@pytest.fixture
def path(tmp_path):
    create(tmp_path / "c", slots=256, workers=4, notes=16)
    return tmp_path / "c"


class Site:
    """Two workers, and what they should have counted."""

    def __init__(self, path):
        self.path = path
        self.workers = [Ledger(path), Ledger(path)]
        self.out = [[], []]  # of each worker: reservation, and amounts by key
        self.settled = dict.fromkeys(KEYS, 0)
        self.beyond = False

    def granted(self, keys):
        for key in keys:
            assert self.beyond or self.workers[0].used(key, NOON) <= LIMIT

    def reserve(self, worker, which, amount):
        keys = [KEYS[n] for n in which]
        found = self.workers[worker].reserve(keys, [amount] * len(keys), NOON)
        if not isinstance(found, Denied):
            self.out[worker].append((found, dict.fromkeys(keys, amount)))
            self.granted(keys)

    def grow(self, worker, which, amount):
        if self.out[worker]:
            place = which % len(self.out[worker])
            held, amounts = self.out[worker][place]
            found = self.workers[worker].extend(held, [amount] * len(amounts), NOON)
            if not isinstance(found, Denied):
                self.out[worker][place] = found, {key: had + amount for key, had in amounts.items()}
                self.granted(amounts)

    def take(self, worker, which):
        return self.out[worker].pop(which % len(self.out[worker]))

    def used(self, amounts, actual):
        for key, had in amounts.items():
            self.settled[key] += actual
            self.beyond |= actual > had  # what a provider bills beyond a grant is no grant

    def settle(self, worker, which, actual):
        if self.out[worker]:
            held, amounts = self.take(worker, which)
            assert self.workers[worker].settle(held, [actual] * len(amounts), NOON)
            assert not self.workers[worker].settle(held, [0] * len(amounts), NOON)
            self.used(amounts, actual)

    def move(self, worker, which, to, amount, actual):
        if not self.out[worker]:
            return
        held, amounts = self.take(worker, which)
        keys = [KEYS[n] for n in to]
        told = None if actual is None else [actual] * len(amounts)
        moved = self.workers[worker].move(held, told, keys, [amount] * len(keys), NOON)
        if actual is not None:
            self.used(amounts, actual)
        if moved.denied is None:
            self.out[worker].append((moved.held, dict.fromkeys(keys, amount)))
            self.granted(keys)
        elif actual is None:
            self.out[worker].append((moved.held, amounts))
        else:
            assert moved.held is None

    def crash(self, worker):
        self.workers[worker].close()
        self.workers[worker] = Ledger(self.path)
        self.out[worker] = []

    def check(self):
        for key in KEYS:
            held = sum(amounts.get(key, 0) for out in self.out for _, amounts in out)
            assert self.workers[1].used(key, NOON) == self.settled[key] + held


@pytest.fixture(scope="module")
def empty():
    with TemporaryDirectory() as folder:
        create(Path(folder) / "empty", slots=256, workers=4, notes=64)
        yield Path(folder)


@settings(max_examples=120, deadline=None)
@given(acts=ACTS)
def test_no_interleaving_of_two_workers_grants_more_than_there_is(empty, acts):
    path = Path(shutil.copy(empty / "empty", empty / "c"))
    site = Site(path)
    try:
        for name, *given_ in acts:
            getattr(site, name)(*given_)
            site.check()
    finally:
        for worker in site.workers:
            worker.close()


def test_a_reservation_of_many_counters_takes_several_notes_and_gives_them_back(path):
    with Ledger(path) as ledger:
        found = ledger.reserve(KEYS, [1] * len(KEYS), NOON)
        assert (len(found.notes), ledger.free) == (2, 14)
        assert {ledger.used(key, NOON) for key in KEYS} == {1}
        assert ledger.outstanding(KEYS) == [1] * len(KEYS)
        ledger.settle(ledger.extend(found, [2] * len(KEYS), NOON), [2] * len(KEYS), NOON)
        assert ({ledger.used(key, NOON) for key in KEYS}, ledger.free) == ({2}, 16)


def test_what_a_dead_worker_had_of_many_is_given_back(path):
    with Ledger(path) as lost:
        lost.reserve(KEYS, [3] * len(KEYS), NOON)
    with Ledger(path, claim=False) as ledger:
        assert ledger.refund_dead() == 2
        assert {ledger.used(key, NOON) for key in KEYS} == {0}


def test_a_denial_of_the_last_of_many_changes_none(path):
    with Ledger(path) as ledger:
        ledger.reserve([KEYS[-1]], [LIMIT], NOON)
        assert isinstance(ledger.reserve(KEYS, [1] * len(KEYS), NOON), Denied)
        assert {ledger.used(key, NOON) for key in KEYS[:-1]} == {0}
        assert ledger.free == 15


def test_too_few_notes_are_an_error_and_no_grant(path):
    with Ledger(path) as ledger:
        for _ in range(15):
            ledger.reserve([KEYS[0]], [0], NOON)
        with pytest.raises(LedgerFull):
            ledger.reserve(KEYS, [1] * len(KEYS), NOON)
        assert ledger.used(KEYS[1], NOON) == 0


def test_a_move_takes_the_room_of_what_it_replaces(path):
    with Ledger(path) as ledger, Ledger(path) as other:
        first = ledger.reserve([KEYS[0]], [LIMIT], NOON)
        assert isinstance(other.reserve([KEYS[0]], [1], NOON), Denied)
        moved = ledger.move(first, None, [KEYS[0], KEYS[1]], [LIMIT, 1], NOON)
        assert moved.denied is None
        denied = ledger.move(moved.held, None, [KEYS[0]], [LIMIT + 1], NOON)
        assert (denied.denied.key, ledger.used(KEYS[0], NOON), ledger.used(KEYS[1], NOON)) == (KEYS[0], LIMIT, 1)
        billed = ledger.move(denied.held, [5, 0], [KEYS[0]], [LIMIT - 4], NOON)
        assert (billed.held, ledger.used(KEYS[0], NOON)) == (None, 5)
