import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_store import Store, closed, flip, opened

from appliance.journal import recover as recovering
from appliance.journal.aside import COPIES_KEPT
from appliance.journal.folder import Folder
from appliance.journal.recover import check, recover
from appliance.journal.ship import Shipper
from appliance.journal.verify import quarantine, scan, verify
from appliance.journal.writer import Journal
from appliance.model.errors import EvidenceError, OperatorError


def dead(root: Path, events, epoch=1, acknowledged=0, store=None, segment_bytes=4000) -> Path:
    """The folder of a worker that died after these events, of which the store took some."""
    journal = Journal(root, "w0", epoch, max_bytes=1 << 30, segment_bytes=segment_bytes)
    for event in events:
        journal.append(event, {"p_1": "alice"})
    if acknowledged:
        shipper = Shipper(journal.folder.path, store, until=acknowledged)
        shipper.drain()
        shipper.close()
    journal.close()
    return journal.folder.path


def life(count):
    """x0, x3, x6 ... stay open."""
    events = []
    for n in range(count):
        events.append(opened(f"x{n}"))
        if n % 3:
            events.append(closed(f"x{n}"))
    return events


def expected(count):
    return {f"x{n}": ["open", "close"] for n in range(count)}


@pytest.mark.parametrize("acknowledged", [0, 1, 5, 20, 66])
def test_every_open_without_close_gets_exactly_one(tmp_path, acknowledged):
    store = Store()
    dead(tmp_path, life(40), acknowledged=acknowledged, store=store)
    report = recover(tmp_path, store, 99.0)
    assert [(found.lost, found.pending, found.torn_bytes) for found in report.recovered] == [(14, None, 0)]
    assert store.outcomes() == expected(40)
    assert not list(tmp_path.glob("w0-*"))
    assert recover(tmp_path, store, 99.0).recovered == ()


def test_a_folder_without_a_line_just_goes(tmp_path):
    dead(tmp_path, [])
    assert recover(tmp_path, Store(), 1.0).recovered[0].seq == 0
    assert not list(tmp_path.glob("w0-*"))


def test_living_workers_are_left_alone(tmp_path):
    journal = Journal(tmp_path, "w1", 1, max_bytes=1 << 20)
    journal.append(opened("x"), {})
    report = recover(tmp_path, Store(), 1.0)
    assert (report.busy, report.recovered) == (("w1-1",), ())
    assert check(tmp_path) == []
    assert [found.mark.seq for found in verify(tmp_path)] == [1]
    journal.close()


def test_a_store_that_is_away_leaves_the_folder_for_the_next_time(tmp_path):
    store = Store()
    dead(tmp_path, life(6))
    dead(tmp_path, life(3), epoch=2)
    store.fail = [ConnectionRefusedError("away")]
    report = recover(tmp_path, store, 1.0)
    assert len(report.pending) == 2
    assert not store.calls
    report = recover(tmp_path, store, 2.0)
    assert [found.lost for found in report.recovered] == [0, 0]
    assert store.outcomes() == expected(6)
    assert store.outcomes(epoch=2) == expected(3)


def test_no_root_is_nothing_to_do(tmp_path):
    assert recover(tmp_path / "none", Store(), 1.0).recovered == ()
    assert check(tmp_path / "none") == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_tail_torn_anywhere_is_cut_kept_and_told(tmp_path_factory, data):
    root, store = tmp_path_factory.mktemp("torn"), Store()
    path = Folder.at(dead(root, life(6), segment_bytes=1 << 20))
    segment = path.segment(1)
    whole = segment.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    segment.write_bytes(whole[:cut])
    torn = cut - (whole[:cut].rfind(b"\n") + 1)
    assert check(root)[0].damage is None
    report = recover(root, store, 9.0)
    assert report.recovered[0].torn_bytes == torn
    kept = list((root / "torn").iterdir()) if (root / "torn").exists() else []
    assert [file.read_bytes() for file in kept] == ([whole[cut - torn : cut]] if torn else [])
    assert [event.kind for event in store.events()].count("notice") == (1 if torn else 0)
    assert all(kinds == ["open", "close"] for kinds in store.outcomes().values())
    assert len(store.outcomes()) == whole[:cut].count(b'"kind":"open"') - (b'"kind":"open"' in whole[cut - torn : cut])


def test_of_copies_of_torn_tails_only_the_newest_are_kept(tmp_path):
    store = Store()
    shelf = tmp_path / "torn"
    shelf.mkdir()
    for number in range(COPIES_KEPT + 2):
        (shelf / f"old-{number}").write_bytes(b"x")
        os.utime(shelf / f"old-{number}", (number, number))
    with Folder.at(dead(tmp_path, life(3))).segment(1).open("ab") as file:
        file.write(b"{")
    recover(tmp_path, store, 1.0)
    left = {path.name for path in shelf.iterdir()}
    assert len(left) == COPIES_KEPT
    assert {f"old-{number}" for number in range(3, COPIES_KEPT + 2)} < left
    (told,) = (line for line in store.lines["w0", 1] if b"journal_torn" in line)
    assert b"kept aside; 3 older copies removed, the newest 10 are kept" in told


def test_nul_bytes_after_a_power_cut_are_a_torn_tail(tmp_path):
    folder = Folder.at(dead(tmp_path, life(3)))
    with folder.segment(1).open("ab") as file:
        file.write(bytes(5000))
    assert recover(tmp_path, Store(), 1.0).recovered[0].torn_bytes == 5000


def test_a_torn_line_that_the_store_had_taken_is_damage(tmp_path):
    store = Store()
    folder = Folder.at(dead(tmp_path, life(3), acknowledged=5, store=store))
    segment = folder.segment(1)
    segment.write_bytes(segment.read_bytes()[:-3])
    with pytest.raises(EvidenceError, match=r"acknowledged up to byte .* but the file ends"):
        recover(tmp_path, store, 1.0)


def test_the_last_line_changed_after_the_store_had_taken_it_is_damage(tmp_path):
    store = Store()
    folder = Folder.at(dead(tmp_path, life(3), acknowledged=5, store=store))
    flip(folder.segment(1), -100)
    before = folder.segment(1).read_bytes()
    with pytest.raises(EvidenceError, match="line 5; 4 lines before it are good"):
        recover(tmp_path, store, 1.0)
    assert folder.segment(1).read_bytes() == before


def test_damage_in_the_middle_stops_that_folder_only_and_overwrites_nothing(tmp_path):
    store = Store()
    bad = Folder.at(dead(tmp_path, life(20)))
    dead(tmp_path, life(4), epoch=2)
    segment = bad.segments()[1]
    flip(bad.segment(segment), bad.segment(segment).read_bytes().index(b'"exchange":"') + 12)
    before = {file.name: file.read_bytes() for file in bad.path.iterdir()}
    for action in (lambda: check(tmp_path), lambda: recover(tmp_path, store, 1.0)):
        with pytest.raises(EvidenceError) as told:
            action()
        assert f"{bad.segment(segment)}: byte 0: the digest does not match" in str(told.value)
        assert f"`gnomon journal quarantine {bad.path}`" in str(told.value)
    assert {file.name: file.read_bytes() for file in bad.path.iterdir()} == before
    assert store.outcomes(epoch=2) == expected(4)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.segment(folder.segments()[1]).unlink(),
        lambda folder: folder.head_file(1).unlink(),
        lambda folder: flip(folder.head_file(1), 70),
        lambda folder: folder.segment(folder.segments()[1]).write_bytes(b""),
        lambda folder: folder.segment(1).rename(folder.segment(2)),
    ],
)
def test_files_missing_or_changed_are_damage(tmp_path, spoil):
    folder = Folder.at(dead(tmp_path, life(20)))
    spoil(folder)
    with pytest.raises(EvidenceError, match="gnomon journal quarantine"):
        check(tmp_path)


def test_two_recoveries_at_once_do_the_work_once(tmp_path):
    stores = [Store() for _ in range(6)]
    for epoch in range(1, 7):
        dead(tmp_path, life(9), epoch=epoch)
    shared = Store()
    gate = threading.Lock()

    def send(*given):
        with gate:
            return shared(*given)

    barrier = threading.Barrier(2)

    def work():
        barrier.wait()
        recover(tmp_path, send, 1.0)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recover(tmp_path, send, 1.0)
    for epoch, _ in enumerate(stores, 1):
        assert shared.outcomes(epoch=epoch) == expected(9)
    assert not list(tmp_path.glob("w0-*"))


@pytest.mark.parametrize("step", ["_cut", "_close_lost", "_ship", "_remove"])
def test_a_recovery_cut_short_after_any_step_is_done_again(tmp_path, monkeypatch, step):
    store = Store()
    folder = Folder.at(dead(tmp_path, life(20), acknowledged=7, store=store))
    with folder.segment(folder.segments()[-1]).open("ab") as file:
        file.write(b'{"dig')
    real = getattr(recovering, step)

    def dies(*given):
        real(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(recovering, step, dies)
        with pytest.raises(KeyboardInterrupt):
            recover(tmp_path, store, 1.0)
    recover(tmp_path, store, 2.0)
    assert store.outcomes() == expected(20)
    assert not list(tmp_path.glob("w0-*"))


def test_a_removal_cut_short_after_any_file_is_finished_later(tmp_path):
    for kept in range(12):
        store = Store()
        folder = Folder.at(dead(tmp_path, life(20), epoch=kept + 1))
        recover_all = recovering._close_lost(folder, scan(folder), 1.0)
        assert recovering._ship(folder, store) is None
        names = sorted(folder.path.iterdir(), key=recovering._removal_order)
        for file in names[:kept]:
            file.unlink()
        recover(tmp_path, store, 2.0)
        assert len(store.lines["w0", kept + 1]) == recover_all
        assert not folder.path.exists()


def test_quarantine_ships_the_good_prefix_and_moves_the_folder_unchanged(tmp_path):
    store = Store()
    folder = Folder.at(dead(tmp_path, life(20)))
    damaged = folder.segments()[2]
    flip(folder.segment(damaged), 50)
    before = {file.name: file.read_bytes() for file in folder.path.glob("*.jsonl")}
    found = quarantine(folder.path, store)
    assert (found.good, found.acknowledged) == (damaged - 1, damaged - 1)
    assert len(store.lines["w0", 1]) == damaged - 1
    moved = tmp_path / "quarantine" / folder.path.name
    assert found.path == str(moved)
    assert {file.name: file.read_bytes() for file in moved.glob("*.jsonl")} == before
    assert check(tmp_path) == []


def test_quarantine_refuses_what_is_whole_alive_or_absent(tmp_path):
    folder = dead(tmp_path, life(3))
    with pytest.raises(OperatorError, match="nothing to set aside"):
        quarantine(folder)
    journal = Journal(tmp_path, "w0", 2, max_bytes=1000)
    with pytest.raises(OperatorError, match="its writer is alive"):
        quarantine(journal.folder.path)
    journal.close()
    with pytest.raises(OperatorError, match="no such"):
        quarantine(tmp_path / "w0-3")
