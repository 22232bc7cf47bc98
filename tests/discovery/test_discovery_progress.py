"""How far a capture file was recorded: for one file, read with the same eyes, held by one at a time."""

import fcntl
import importlib.metadata
import os

import pytest

from appliance.model.errors import OperatorError
from discovery import progress
from discovery.progress import Progress


def test_records_are_counted_over_lives(tmp_path):
    first = Progress(tmp_path, "a.pcap", "1", "eyes")
    assert (first.records, first.done) == (0, False)
    for _ in range(12):
        first.recorded()
    first.close()
    again = Progress(tmp_path, "a.pcap", "1", "eyes")
    assert again.records == 12
    again.recorded()
    again.finish()
    again.close()
    last = Progress(tmp_path, "a.pcap", "1", "eyes")
    assert (last.records, last.done) == (13, True)
    last.close()


@pytest.mark.parametrize(
    ("source", "file", "eyes", "records"),
    [("b.pcap", "1", "eyes", 0), ("a.pcap", "2", "eyes", 0), ("a.pcap", "1", "other", 0), ("a.pcap", "1", "eyes", 1)],
)
def test_another_file_or_other_eyes_begin_anew(tmp_path, source, file, eyes, records):
    first = Progress(tmp_path, "a.pcap", "1", "eyes")
    first.recorded()
    first.close()
    other = Progress(tmp_path, source, file, eyes)
    assert other.records == records
    other.close()


def test_a_file_that_was_read_to_its_end_stays_read_until_it_changes(tmp_path):
    first = Progress(tmp_path, "a.pcap", "1", "eyes")
    first.finish()
    first.close()
    for file, done in (("1", True), ("2", False)):
        other = Progress(tmp_path, "a.pcap", file, "other eyes")
        assert other.done is done
        other.close()


def test_a_damaged_note_counts_for_nothing(tmp_path):
    first = Progress(tmp_path, "a.pcap", "1", "eyes")
    first.recorded()
    first.close()
    [note] = (tmp_path / progress.FOLDER).iterdir()
    note.write_bytes(b"\xff" * 600)
    other = Progress(tmp_path, "a.pcap", "1", "eyes")
    assert other.records == 0
    other.close()


def test_one_holds_a_note_at_a_time(tmp_path):
    first = Progress(tmp_path, "a.pcap", "1", "eyes")
    [note] = (tmp_path / progress.FOLDER).iterdir()
    fd = os.open(note, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    first.close()
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_identity_follows_the_content(tmp_path):
    file = tmp_path / "a.pcap"
    file.write_bytes(b"1")
    before = progress.identity(file)
    assert progress.identity(file) == before
    file.write_bytes(b"12")
    assert progress.identity(file) != before


def test_a_run_folder_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(OperatorError, match="check run_dir"):
        Progress(tmp_path / "nowhere" / "at", "a.pcap", "1", "eyes")


@pytest.mark.parametrize(("done", "records"), [(False, 0), (True, 1)], ids=["in the middle", "to its end"])
def test_a_newer_program_begins_a_file_anew_unless_it_was_read_to_its_end(tmp_path, monkeypatch, done, records):
    first = Progress(tmp_path, "a.pcap", "1", "eyes")
    first.recorded()
    if done:
        first.finish()
    first.close()
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "99.0")
    other = Progress(tmp_path, "a.pcap", "1", "eyes")
    assert (other.records, other.done) == (records, done)
    other.close()


def test_eyes_of_any_length_are_known_again(tmp_path):
    for _ in range(2):
        one = Progress(tmp_path, "a.pcap", "1", "e" * 2_000)
        one.recorded()
        records = one.records
        one.close()
    assert records == 2
