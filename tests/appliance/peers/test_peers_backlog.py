"""How much waits: sizes and cursors of what lies on disk."""

import shutil

from appliance.journal.folder import Folder
from appliance.journal.ship import Shipper
from appliance.peers.backlog import backlog


def test_what_the_store_has_not_taken_waits(journal):
    one, two = journal(), journal("w1")
    root = one.folder.path.parent
    assert backlog(root) == 0
    one.write(3)
    two.write(1)
    sizes = {each.folder.path.name: each.folder.segment(1).stat().st_size for each in (one, two)}
    assert backlog(root) == sum(sizes.values())
    shipper = Shipper(one.folder.path, lambda _producer, _epoch, _first, last, _lines, _oldest: last)
    shipper.drain()
    shipper.close()
    assert backlog(root) == sizes[two.folder.path.name]


def test_what_goes_away_or_is_damaged_counts_nothing(journal, monkeypatch, tmp_path):
    one = journal()
    one.write(2)
    root = one.folder.path.parent
    monkeypatch.setattr(Folder, "segments", lambda _self: [1, 2])
    assert backlog(root) == 0
    shutil.rmtree(root)
    assert backlog(tmp_path / "nowhere") == 0
