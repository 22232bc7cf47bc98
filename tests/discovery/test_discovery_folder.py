"""A folder of rotated captures: what is whole, what is read once, what is remembered."""

import contextlib
import gzip
import os
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import OperatorError
from discovery import folder
from discovery.folder import Found, Memory, Waiting, follow, listing


def found(name="a.pcap", inode=1, size=100, changed=10**18):
    return Found(name, inode, size, changed)


def names(ready):
    return [each.name for each in ready]


def test_a_file_is_whole_when_it_has_not_changed_for_a_while():
    waiting = Waiting(settled_s=10)
    assert waiting.ready([found(size=100)], 0) == []
    assert waiting.ready([found(size=200)], 6) == []
    assert waiting.ready([found(size=200)], 15.9) == []
    assert names(waiting.ready([found(size=200)], 16)) == ["a.pcap"]


def test_a_file_is_whole_at_once_when_it_is_renamed():
    waiting = Waiting(settled_s=10)
    assert waiting.ready([found("a.pcap.part")], 0) == []
    assert names(waiting.ready([found("a.pcap")], 1)) == ["a.pcap"]


def test_each_is_read_once_also_under_another_name_and_packed():
    waiting = Waiting(settled_s=0)
    (one,) = waiting.ready([found("a.pcap")], 0)
    waiting.done(one)
    for again in (one, found("a.pcap.1"), found("a.pcap.gz", inode=2, size=40), found("a.pcap.zst", inode=3, size=41)):
        assert waiting.ready([again], 1) == []
    other = [found("a.pcap", changed=10**18 + 1), found("b.pcap.gz", inode=2, size=40), found("a.pcap", size=101)]
    assert len(waiting.ready(other, 2)) == 3  # written anew, another's, grown


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        *[(name, True) for name in ("a.pcap", "a.pcapng", "a.cap", "a.pcap0", "a.pcap12", "a.pcap.3", "a.pcap.gz")],
        *[(name, True) for name in ("2026-11-22 10:00.pcap.zst", "a.pcap7.gz", "a\n.pcap")],
        *[(name, False) for name in ("a.pcap.part", "a.txt", "pcap", ".a.pcap", ".gnomon-read.jsonl", "a.pcap.xz")],
    ],
)
def test_what_looks_like_a_capture(name, taken):
    assert bool(Waiting(settled_s=0).ready([found(name)], 0)) is taken


def test_an_empty_file_is_waited_for():
    waiting = Waiting(settled_s=0)
    assert waiting.ready([found(size=0)], 0) == []
    assert waiting.ready([found(size=24)], 1) != []


@given(
    steps=st.lists(
        st.lists(
            st.builds(found, st.sampled_from(["a.pcap", "b.pcap", "a.pcap.gz"]), st.integers(1, 3), st.integers(1, 2)),
            max_size=3,
            unique_by=(lambda each: each.name, lambda each: each.inode),
        ),
        max_size=8,
    )
)
def test_nothing_is_ready_twice(steps):
    waiting, read = Waiting(settled_s=1), []
    for now, files in enumerate(steps):
        for each in waiting.ready(files, now):
            waiting.done(each)
            read.append(each.content)
    assert len(read) == len(set(read))


def test_a_listing_holds_regular_files_oldest_first(tmp_path):
    for number, name in enumerate(("b.pcap", "a.pcap", "c.txt")):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, ns=(0, number * 10**9))
    (tmp_path / "link.pcap").symlink_to(tmp_path / "a.pcap")
    (tmp_path / "folder.pcap").mkdir()
    os.mkfifo(tmp_path / "pipe.pcap")
    assert names(listing(tmp_path)) == ["b.pcap", "a.pcap", "c.txt"]


def test_a_folder_that_is_not_there_or_too_full_is_refused(tmp_path, monkeypatch):
    with pytest.raises(OperatorError, match="cannot be read"):
        listing(tmp_path / "nowhere")
    monkeypatch.setattr(folder, "MAX_FILES", 1)
    for name in "ab":
        (tmp_path / name).touch()
    with pytest.raises(OperatorError, match="more than 1 files"):
        listing(tmp_path)


def following(place, rounds, settled_s=0.0, memory=None):
    """What is read in so many looks."""
    looks, taken = count(), []
    follow(
        place,
        Memory(memory or place / folder.MEMORY),
        lambda path: taken.append(path.name),
        stopped=lambda: next(looks) >= rounds,
        clock=lambda: 0.0,
        settled_s=settled_s,
    )
    return taken


def test_over_a_restart_each_is_read_once(tmp_path):
    (tmp_path / "a.pcap1").write_bytes(b"one")
    assert following(tmp_path, 3) == ["a.pcap1"]
    (tmp_path / "a.pcap2").write_bytes(b"two")
    packed = tmp_path / "a.pcap1.gz"
    packed.write_bytes(gzip.compress(b"one"))
    facts = (tmp_path / "a.pcap1").stat()
    os.utime(packed, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (tmp_path / "a.pcap1").unlink()
    assert following(tmp_path, 3) == ["a.pcap2"]
    assert following(tmp_path, 3) == []
    packed.unlink()
    assert following(tmp_path, 1) == []
    assert len((tmp_path / folder.MEMORY).read_bytes().splitlines()) == 1  # what is gone is forgotten


def test_a_name_that_is_no_text_is_remembered_too(tmp_path):
    odd = os.fsdecode(b"a\xff.pcap")
    (tmp_path / odd).write_bytes(b"x")
    memory = Memory(tmp_path / "memory")
    (here,) = [each for each in listing(tmp_path) if each.name == odd]
    memory.add(here)
    assert Waiting(memory.load([here]), settled_s=0).ready([here], 0) == []
    packed = msgspec.structs.replace(here, name=odd + ".gz", inode=here.inode + 1, size=9)
    assert Waiting(memory.load([packed]), settled_s=0).ready([packed], 0) == []


def test_what_a_death_cut_short_is_read_again(tmp_path):
    (tmp_path / "a.pcap").write_bytes(b"one")
    assert following(tmp_path, 1) == ["a.pcap"]
    memory = tmp_path / folder.MEMORY
    memory.write_bytes(memory.read_bytes()[:-9])
    assert following(tmp_path, 2) == ["a.pcap"]
    assert following(tmp_path, 2) == []


def test_a_memory_that_is_none_is_left_alone(tmp_path, monkeypatch):
    memory = tmp_path / "memory"
    memory.write_bytes(b"x" * 100)
    monkeypatch.setattr(folder, "_MOST_MEMORY", 99)
    with pytest.raises(OperatorError, match="too large"):
        following(tmp_path, 1, memory=memory)
    (tmp_path / "a.pcap").write_bytes(b"one")
    with pytest.raises(OperatorError, match=r"cannot be written: .*--seen"):
        following(tmp_path, 1, memory=tmp_path / "nowhere" / "memory")


def test_a_file_that_is_rotated_away_while_the_folder_is_listed_is_left_out(tmp_path, monkeypatch):
    for name in ("gone.pcap", "here.pcap"):
        (tmp_path / name).write_bytes(b"x")
    scandir = os.scandir

    @contextlib.contextmanager
    def racing(path):
        with scandir(path) as entries:
            listed = list(entries)
        (tmp_path / "gone.pcap").unlink()
        yield iter(listed)

    monkeypatch.setattr(folder.os, "scandir", racing)
    assert [found.name for found in folder.listing(tmp_path)] == ["here.pcap"]
