"""What names stand for in memories of providers: for whom it was, for a time, and never in clear."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import kept_names
from appliance.config.kept_names import FOLDER, KeptNames, Owner

KEY = b"k" * 32
ANNA = Owner("anna", "sdk", "openai")
NAMES = {"<PERSON_aaaaaaaabb>": "Anna Berg", "<PERSON_ccccccccdd>": "b"}


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def kept(tmp_path, clock):
    return KeptNames(tmp_path, KEY, 100, clock)


def files(tmp_path):
    return sorted((tmp_path / FOLDER).iterdir())


def test_what_was_kept_is_known_again_also_to_another_worker(kept, tmp_path, clock):
    kept.keep(ANNA, ["conv_1", "resp_1"], NAMES)
    KeptNames(tmp_path, KEY, 100, clock).keep(ANNA, ["conv_1"], {"<X_eeeeeeeeff>": "more"})
    assert dict(kept.recall(ANNA, ["conv_1"])) == {**NAMES, "<X_eeeeeeeeff>": "more"}
    assert dict(kept.recall(ANNA, ["resp_1"])) == NAMES
    assert dict(kept.recall(ANNA, ["resp_2"])) == {}


@pytest.mark.parametrize(
    "owner",
    [
        ANNA._replace(person="bob"),
        ANNA._replace(application="x"),
        ANNA._replace(provider="x"),
        Owner("annas", "dk", "openai"),
    ],
)
def test_nobody_else_reads_it_not_even_from_a_file_that_was_moved(kept, tmp_path, owner):
    kept.keep(ANNA, ["conv_1"], NAMES)
    assert dict(kept.recall(owner, ["conv_1"])) == {}
    (mine,) = files(tmp_path)
    kept.keep(owner, ["conv_1"], {"<X_eeeeeeeeff>": "own"})
    (theirs,) = set(files(tmp_path)) - {mine}
    theirs.write_bytes(mine.read_bytes())
    assert dict(kept.recall(owner, ["conv_1"])) == {}, "the seal is bound to its owner"


def test_another_memory_or_another_site_does_not_open_it(kept, tmp_path, clock):
    kept.keep(ANNA, ["conv_1"], NAMES)
    (first,) = files(tmp_path)
    kept.keep(ANNA, ["conv_2"], {})
    kept.keep(ANNA, ["conv_2"], {"<X_eeeeeeeeff>": "own"})
    (second,) = set(files(tmp_path)) - {first}
    second.write_bytes(first.read_bytes())
    assert dict(kept.recall(ANNA, ["conv_2"])) == {}
    assert dict(KeptNames(tmp_path, b"o" * 32, 100, clock).recall(ANNA, ["conv_1"])) == {}


def test_it_expires_and_is_deleted(kept, tmp_path, clock):
    kept.keep(ANNA, ["conv_1"], NAMES)
    (file,) = files(tmp_path)
    os.utime(file, (clock.now, clock.now))
    clock.now += 99
    kept.sweep()
    assert dict(kept.recall(ANNA, ["conv_1"])) == NAMES
    clock.now += 1
    assert dict(kept.recall(ANNA, ["conv_1"])) == {}
    kept.sweep()
    assert files(tmp_path) == []


def test_a_longer_life_cannot_be_written_into_a_file(kept, tmp_path, clock):
    kept.keep(ANNA, ["conv_1"], NAMES)
    (file,) = files(tmp_path)
    data = bytearray(file.read_bytes())
    data[8] ^= 1  # the time that it is kept until
    file.write_bytes(data)
    clock.now += 101
    assert dict(kept.recall(ANNA, ["conv_1"])) == {}


@given(at=st.integers(0, 400), what=st.binary(max_size=40))
def test_a_damaged_file_counts_as_not_there(tmp_path_factory, at, what):
    folder = tmp_path_factory.mktemp("d")
    kept = KeptNames(folder, KEY, 100, Clock())
    kept.keep(ANNA, ["conv_1"], NAMES)
    (file,) = files(folder)
    data = file.read_bytes()
    file.write_bytes(data[:at] + what + data[at + len(what) :])
    assert dict(kept.recall(ANNA, ["conv_1"])) in ({}, NAMES)


def test_a_record_that_was_cut_short_costs_only_itself(kept, tmp_path):
    kept.keep(ANNA, ["conv_1"], NAMES)
    kept.keep(ANNA, ["conv_1"], {"<X_eeeeeeeeff>": "more"})
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    assert dict(kept.recall(ANNA, ["conv_1"])) == NAMES


def test_nothing_of_it_stands_in_clear(kept, tmp_path):
    kept.keep(ANNA, ["conv_1"], NAMES)
    (file,) = files(tmp_path)
    told = file.read_bytes() + file.name.encode()
    assert not any(word in told for word in (b"Anna", b"PERSON", b"conv_1", b"anna", b"openai"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_the_oldest_go_where_there_is_too_much(kept, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(kept_names, "MOST_FILES", 2)
    for number in range(4):
        known = set(files(tmp_path)) if number else set()
        kept.keep(ANNA, [f"conv_{number}"], NAMES)
        (newest,) = set(files(tmp_path)) - known
        os.utime(newest, (clock.now + number, clock.now + number))
    kept.sweep()
    assert [bool(dict(kept.recall(ANNA, [f"conv_{number}"]))) for number in range(4)] == [False, False, True, True]
    assert kept.held().memories == 2


def test_one_memory_is_bounded(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_names, "MAX_FILE", 500)
    for _ in range(20):
        kept.keep(ANNA, ["conv_1"], NAMES)
    assert files(tmp_path)[0].stat().st_size <= 500
    assert dict(kept.recall(ANNA, ["conv_1"])) == NAMES


def test_purging_takes_one_person_or_all(kept, tmp_path):
    kept.keep(ANNA, ["conv_1", "conv_2"], NAMES)
    kept.keep(ANNA._replace(person="bob"), ["conv_1"], NAMES)
    assert kept.purge("anna") == 2
    assert dict(kept.recall(ANNA._replace(person="bob"), ["conv_1"])) == NAMES
    assert kept.purge() == 1
    assert kept.held() == (0, 0, 0.0)


def test_without_a_life_nothing_is_kept(tmp_path, clock):
    kept = KeptNames(tmp_path, KEY, 0, clock)
    kept.keep(ANNA, ["conv_1"], NAMES)
    assert not (tmp_path / FOLDER).exists()
    assert list(kept.recall(ANNA, ["conv_1"])) == []


def test_a_value_that_json_cannot_hold_is_kept_as_far_as_it_can_be(kept):
    kept.keep(ANNA, ["conv_1"], {"<X_eeeeeeeeff>": "a\ud800b"})
    assert dict(kept.recall(ANNA, ["conv_1"])) == {"<X_eeeeeeeeff>": "a?b"}


def test_sweeping_is_due_at_first_after_a_while_and_after_much(kept, clock, monkeypatch):
    assert [kept.is_due(), kept.is_due()] == [True, False]
    clock.now += 26
    assert [kept.is_due(), kept.is_due()] == [True, False]
    monkeypatch.setattr(kept_names, "SWEEP_BYTES", 10)
    kept.keep(ANNA, ["conv_1"], NAMES)
    assert [kept.is_due(), kept.is_due()] == [True, False]
