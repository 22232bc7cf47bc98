"""Ages and erasure."""

import pytest

from appliance.config.schema import RETENTION_DAYS, StoreConfig
from appliance.model.event import Notice
from appliance.store.bench import closed, opened
from appliance.store.retention import GOVERNS, ages, delete_batch, erase

NOW = 1_763_700_000.0


def test_every_key_of_the_configuration_governs_a_table():
    assert set(GOVERNS) == set(RETENTION_DAYS)
    assert ages(StoreConfig(retention={"notices": 3}))["notices", "ts"] == 3
    assert ages(StoreConfig())["exchange_open", "ts"] == RETENTION_DAYS["exchanges"]


@pytest.mark.parametrize("place", ages(StoreConfig()))
def test_only_what_is_too_old_goes_in_batches(connection, ingest, life, place):
    journal = life()
    for number in range(10):
        journal.add(opened(f"x{number}", "w0", NOW + number), persons={f"p_{number}": "n"})
        journal.add(closed(f"x{number}", NOW + number), Notice(NOW + number, "w0", "info", "n"))
    ingest.commit([journal.frame()])
    table, column = place
    had = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
    gone = []
    while not gone or gone[-1]:
        gone.append(delete_batch(connection, place, NOW + 7, rows=3))
    assert gone == ([3, 3, 1, 0] if had else [0])
    left = connection.execute(f"SELECT count(*), min({column}) FROM {table}").fetchall()
    assert left == ([(3, NOW + 7)] if had else [(0, None)])


def test_an_erasure_takes_the_name_and_leaves_the_chain(stored, clock, life, owner):
    from appliance.store.ingest import Ingest

    ingest = Ingest(stored, clock, 1)
    ingest.commit([life().add(Notice(NOW, "w0", "info", "n"), persons={"p_1": "ada lovelace", "p_2": "bob"}).frame()])
    assert (erase(stored, "p_1", NOW, "root"), erase(stored, "p_1", NOW, "root")) == (1, 0)
    assert stored.execute("SELECT digest FROM persons").fetchall() == [("p_2",)]
    assert stored.execute("SELECT digest, author FROM erasures").fetchall() == [("p_1", "root")] * 2
    assert stored.execute("SELECT count(*) FROM notices WHERE sha256(body) = digest").fetchall() == [(1,)]
    wal = owner.path.with_name(owner.path.name + ".wal")
    assert not wal.exists() or b"ada lovelace" not in wal.read_bytes()
    assert b"ada lovelace" not in owner.path.read_bytes()
