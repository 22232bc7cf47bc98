import os
import threading

import pytest
from journal_store import Store, closed, flip, opened

from appliance.journal.folder import Cursor
from appliance.journal.ship import BATCH_LINES, Shipper, ShipThread, back_off
from appliance.journal.writer import Journal
from appliance.model.errors import EvidenceError, PeerError
from appliance.model.event import Notice


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path, "w0", 1, max_bytes=1 << 30, segment_bytes=4800)
    yield made
    made.close()


def fill(journal, count, first=0):
    for n in range(first, first + count):
        journal.append(opened(f"x{n}"), {})


def written(journal):
    return b"".join(journal.folder.segment(first).read_bytes() for first in journal.folder.segments())


def ship(journal, store, **given):
    shipper = Shipper(journal.folder.path, store, **given)
    try:
        return shipper.drain()
    finally:
        shipper.close()


def test_everything_arrives_as_written_and_acknowledged_segments_go(journal):
    store, acks = Store(), []
    fill(journal, 100)
    data = written(journal)
    assert len(journal.folder.segments()) > 3
    assert ship(journal, store, on_ack=acks.append) == 100
    assert b"".join(store.lines["w0", 1]) == data
    assert len(journal.folder.segments()) == 1
    assert len(list(journal.folder.path.glob("*.head"))) == 1
    assert acks == sorted(acks)
    assert acks[-1] == len(data)
    journal.acknowledged(acks[-1])
    assert journal.fill == 0


def test_shipping_goes_on_where_it_stopped(journal):
    store = Store()
    fill(journal, 10)
    ship(journal, store)
    fill(journal, 10, first=10)
    assert ship(journal, store) == 20
    assert store.calls[-1][0] > 10
    assert [event.exchange for event in store.events()] == [f"x{n}" for n in range(20)]


def test_batches_are_bounded_in_lines_and_bytes(tmp_path):
    journal, store = Journal(tmp_path, "w0", 1, max_bytes=1 << 30), Store()
    for _ in range(BATCH_LINES + 10):
        journal.append(Notice(1.0, "w0", "info", "small"), {})
    for _ in range(5):
        journal.append(Notice(1.0, "w0", "info", "n", "x" * 400_000), {})
    ship(journal, store)
    assert store.calls == [(1, 512), (513, 524), (525, 526), (527, 527)]


def test_a_store_that_fails_gets_the_batch_again(journal):
    store = Store()
    fill(journal, 5)
    store.fail = [ConnectionRefusedError("away")]
    with pytest.raises(ConnectionRefusedError):
        ship(journal, store)
    assert ship(journal, store) == 5
    assert len(store.lines["w0", 1]) == 5


def test_a_store_that_takes_a_part_gets_the_rest(journal):
    store = Store()
    store.take = 2
    fill(journal, 7)
    assert ship(journal, store) == 7
    assert [event.exchange for event in store.events()] == [f"x{n}" for n in range(7)]


def test_a_store_that_takes_nothing_is_an_error_not_a_loop(journal):
    store = Store()
    store.take = 0
    fill(journal, 3)
    with pytest.raises(PeerError, match="took nothing"):
        ship(journal, store)


@pytest.mark.parametrize("spoil", ["missing", "empty", "garbage", "flipped"])
def test_without_a_readable_cursor_everything_is_sent_again_and_skipped(journal, spoil):
    store = Store()
    fill(journal, 30)
    ship(journal, store)
    before = list(store.lines["w0", 1])
    cursor = journal.folder.path / "cursor"
    match spoil:
        case "missing":
            cursor.unlink()
        case "flipped":
            flip(cursor, 80)
        case _:
            cursor.write_bytes(b"" if spoil == "empty" else b"garbage")
    assert journal.folder.cursor().offset == 0
    assert ship(journal, store) == 30
    assert store.lines["w0", 1] == before


def test_a_store_restored_from_an_older_copy_gets_what_is_still_there(journal):
    store = Store()
    fill(journal, 100)
    ship(journal, store)
    oldest = journal.folder.segments()[0]
    del store.lines["w0", 1][oldest:]  # lacks only lines of the retained segment
    fill(journal, 1, first=100)
    acks = []
    assert ship(journal, store, on_ack=acks.append) == 101
    assert acks[-1] == journal.folder.segment(journal.folder.segments()[-1]).stat().st_size
    assert [event.exchange for event in store.events()] == [f"x{n}" for n in range(101)]


def test_going_back_over_segments_keeps_count_of_the_bytes(journal):
    store, acks = Store(), []
    fill(journal, 50)
    shipper = Shipper(journal.folder.path, store, on_ack=acks.append, keep=True)
    shipper.drain()
    assert acks[-1] == len(written(journal))
    del store.lines["w0", 1][5:]
    fill(journal, 1, first=50)
    assert shipper.drain() == 51
    assert acks[-1] == len(written(journal))
    assert min(acks[acks.index(max(acks[:-1])) :]) < acks[-1]
    shipper.close()


def test_a_new_store_takes_the_gap_that_nobody_can_fill(journal):
    fill(journal, 100)
    ship(journal, Store())
    fill(journal, 3, first=100)
    oldest, fresh = journal.folder.segments()[0], Store()
    assert ship(journal, fresh) == 103
    assert fresh.lines["w0", 1][: oldest - 1] == [b""] * (oldest - 1)
    assert len(fresh.lines["w0", 1]) == 103


def test_a_store_that_keeps_asking_back_is_an_error_not_a_loop(journal):
    fill(journal, 10)
    marks = iter([5, 2, 5, 2, 5, 2])
    with pytest.raises(PeerError, match="keeps asking"):
        ship(journal, lambda *_: next(marks))


def test_a_store_that_knows_more_than_the_journal_is_damage(journal):
    fill(journal, 3)
    with pytest.raises(EvidenceError, match="up to seq 9, but it ends at seq 3"):
        ship(journal, lambda *_: 9)


def test_a_segment_missing_behind_the_cursor_is_damage(journal):
    fill(journal, 60)
    ship(journal, Store(), until=5)
    cursor = journal.folder.cursor()
    assert cursor.seq == 5
    journal.folder.segment(cursor.segment).unlink()
    with pytest.raises(EvidenceError, match="the file is missing"):
        Shipper(journal.folder.path, Store())


def test_a_half_written_line_is_not_sent(journal):
    store = Store()
    fill(journal, 2)
    with journal.folder.segment(1).open("ab") as file:
        file.write(b'{"digest":"')
    assert ship(journal, store) == 2
    assert store.calls == [(1, 2)]


def test_the_thread_ships_in_the_background_and_outlives_a_store_that_is_away(journal):
    store, arrived = Store(), threading.Event()
    store.fail = [OSError("away"), ValueError("a bug"), EvidenceError("damaged")]
    errors = []

    def send(*given):
        mark = store(*given)
        if mark >= 3:
            arrived.set()
        return mark

    shipping = ShipThread(journal, send, on_error=errors.append)
    fill(journal, 3)
    shipping.start()
    assert arrived.wait(20)
    assert [type(error) for error in errors] == [EvidenceError, ValueError, OSError]
    journal.append(closed("x0"), {})
    assert shipping.stop(20)
    assert shipping.acknowledged == 4
    assert store.outcomes()["x0"] == ["open", "close"]
    assert journal.fill == 0


def test_stopping_while_the_store_is_away_says_that_not_all_was_shipped(journal):
    def away(*_):
        raise ConnectionRefusedError

    fill(journal, 1)
    shipping = ShipThread(journal, away)
    shipping.start()
    assert not shipping.stop(20)
    assert journal.fill > 0


def test_back_off_doubles_to_a_ceiling():
    assert [back_off(n, 1.0) for n in (1, 2, 3, 50)] == [0.1, 0.2, 0.4, 5.0]
    assert back_off(50, 0.0) == 2.5


def test_lines_are_on_disk_before_the_store_sees_them(journal, monkeypatch):
    steps = []
    real = os.fdatasync

    def sync(fd):
        steps.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))  # noqa: PTH115, PTH119 - a descriptor's name
        real(fd)

    def send(_producer, _epoch, _first, last, _lines, _oldest):
        steps.append("send")
        return last

    fill(journal, 3)
    monkeypatch.setattr(os, "fdatasync", sync)
    ship(journal, send)
    assert steps == [journal.folder.segment(1).name, "send"]


def test_the_cursor_is_on_disk_before_a_segment_goes(journal, monkeypatch):
    fill(journal, 20)
    first = journal.folder.segment(1)
    seen = []
    real = os.fdatasync

    def sync(fd):
        if os.readlink(f"/proc/self/fd/{fd}").endswith("/cursor"):  # noqa: PTH115 - a descriptor's name
            seen.append((first.exists(), journal.folder.cursor().segment > 1))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", sync)
    ship(journal, Store())
    assert seen[0] == (True, True)
    assert not first.exists()


def test_only_a_full_batch_or_a_refused_one_is_followed_at_once(tmp_path):
    journal, store = Journal(tmp_path, "w0", 1, max_bytes=1 << 30), Store()
    shipper = Shipper(journal.folder.path, store)
    for _ in range(BATCH_LINES + 10):
        journal.append(Notice(1.0, "w0", "info", "small"), {})
    assert (shipper.ship_once(), shipper.behind) == (True, True)
    store.take = 4
    assert (shipper.ship_once(), shipper.behind) == (True, True)
    store.take = None
    assert (shipper.ship_once(), shipper.behind) == (True, False)
    assert (shipper.ship_once(), shipper.behind) == (False, False)


def test_the_cursor_is_a_record_of_fixed_size(journal):
    fill(journal, 3)
    ship(journal, Store())
    assert (journal.folder.path / "cursor").stat().st_size == 256
    assert journal.folder.cursor() == Cursor(1, len(written(journal)), 3)
