import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from journal_store import Store, closed, opened

from appliance.journal.folder import Folder, adopt
from appliance.journal.recover import recover
from appliance.journal.verify import scan
from appliance.journal.writer import Journal, JournalFull
from appliance.model.errors import EvidenceError, OperatorError
from appliance.model.event import Refused
from appliance.model.names import RefusalReason

WRITER = """
import sys, itertools
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from journal_store import opened, closed
from appliance.journal.writer import Journal
journal = Journal(Path(sys.argv[1]), "w0", int(sys.argv[3]), max_bytes=1 << 30, segment_bytes=20_000)
for n in itertools.count():
    seq = journal.append(opened(f"x{n}") if n % 3 != 2 else closed(f"x{n - 1}"), {"p_1": "alice"})
    print(seq, flush=True)
"""


def journal(root, **given):
    return Journal(root, "w0", 1, **{"max_bytes": 1 << 20, **given})


def test_folder_and_files_are_for_the_owner_only(tmp_path):
    made = journal(tmp_path / "journal")
    made.append(opened("x1"), {})
    modes = {stat.S_IMODE(file.stat().st_mode) for file in made.folder.path.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(made.folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.folder.path.parent.stat().st_mode) == 0o700


def test_a_living_journal_cannot_be_adopted_nor_made_again(tmp_path):
    made = journal(tmp_path)
    assert adopt(made.folder) is None
    with pytest.raises(OperatorError, match="exists already"):
        journal(tmp_path)
    made.close()
    lock = adopt(made.folder)
    assert lock is not None
    os.close(lock)


@pytest.mark.parametrize("name", ["", "../w0", "W0", "w0/x", "w-0"])
def test_a_producer_that_is_no_plain_word_is_refused(tmp_path, name):
    with pytest.raises(OperatorError, match="PRODUCER-EPOCH"):
        Journal(tmp_path, name, 1, max_bytes=1)


def test_segments_roll_and_verify_across(tmp_path):
    made = journal(tmp_path, segment_bytes=3000)
    for n in range(40):
        assert made.append(opened(f"x{n}"), {"p_1": "alice"}) == n + 1
    made.append(closed("x7"), {})
    made.sync()
    assert len(made.folder.segments()) > 5
    found = scan(made.folder)
    assert found.damage is None
    assert found.mark.seq == made.seq == 41
    assert set(found.opened) == made.opened == {f"x{n}" for n in range(40)} - {"x7"}


def test_at_the_limit_opens_stop_first_refusals_then_closes_last(tmp_path):
    made = journal(tmp_path, max_bytes=100_000)

    def append_until_full(event):
        with pytest.raises(JournalFull):  # noqa: PT012 - which of them fails is what is measured
            for _ in range(1000):
                made.append(event, {})

    append_until_full(opened("x0"))
    assert 0.98 < made.fill <= 1.0
    refusal = Refused(1.0, "w0", RefusalReason.JOURNAL_FULL, "a_1", "p_1", "api.openai.com", 443)
    append_until_full(refusal)
    assert 1.02 < made.fill <= 1.03
    made.append(closed("x0"), {})
    append_until_full(closed("x0"))
    assert 1.04 < made.fill <= 1.05
    made.acknowledged(50_000)
    made.append(opened("y"), {})
    assert made.fill < 0.6


def test_a_full_disk_leaves_whole_lines_only_and_the_journal_goes_on_later(tmp_path):
    made = journal(tmp_path)
    made.append(opened("x1"), {})
    size = made.folder.segment(1).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))  # Python ignores SIGXFSZ: write is short, then EFBIG
    try:
        with pytest.raises(EvidenceError, match="journal write failed"):
            made.append(opened("x2"), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert made.folder.segment(1).stat().st_size == size
    assert made.append(opened("x3"), {}) == 2
    found = scan(made.folder)
    assert (found.damage, found.torn, found.opened) == (None, None, ("x1", "x3"))


def test_a_journal_whose_cut_failed_takes_nothing_more(tmp_path, monkeypatch):
    made = journal(tmp_path)

    def refuse(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", refuse)
        broken.setattr(os, "ftruncate", refuse)
        with pytest.raises(EvidenceError):
            made.append(opened("x1"), {})
    with pytest.raises(EvidenceError, match="must restart"):
        made.append(opened("x2"), {})


def test_after_a_failed_sync_nothing_more_is_taken(tmp_path, monkeypatch):
    made = journal(tmp_path)
    made.append(opened("x1"), {})

    def refuse(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", refuse)
        with pytest.raises(EvidenceError, match="sync failed"):
            made.sync()
    with pytest.raises(EvidenceError, match="sync failed"):
        made.append(opened("x2"), {})


def test_a_closed_journal_says_so(tmp_path):
    made = journal(tmp_path)
    made.close()
    made.close()
    with pytest.raises(EvidenceError, match="closed"):
        made.append(opened("x1"), {})


@pytest.mark.system
@pytest.mark.parametrize("wanted", [1, 40, 90, 200, 333])
def test_what_append_returned_survives_kill_9(tmp_path, wanted):
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(Path(__file__).parent), str(wanted)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        for line in writer.stdout:
            if int(line) == wanted:
                writer.send_signal(signal.SIGKILL)
                break
        told = [int(line) for line in writer.stdout if line.endswith(b"\n")]
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    found = scan(Folder.at(folder))
    assert found.damage is None
    assert found.mark.seq >= max([wanted, *told])
    store = Store()
    assert recover(tmp_path, store, 9.0).recovered[0].lost == len(found.opened)
    outcomes = store.outcomes(epoch=wanted)
    assert len(outcomes) > wanted // 2
    assert all(kinds == ["open", "close"] for kinds in outcomes.values())
