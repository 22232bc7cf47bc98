"""Opening the evidence file: alone, safely, and never over something else."""

import hashlib
import os
import struct
import subprocess
import sys

import duckdb
import pytest

from appliance.journal.aside import COPIES_KEPT
from appliance.model.errors import EvidenceError, OperatorError
from appliance.store.owner import Owner
from appliance.store.schema import Migration, load_migrations, migrate

NOW = 1_763_700_000.0
HEADER = 4096


def open_store(folder):
    return Owner.open(folder, NOW)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def header_checksum(data):
    # DuckDB's checksum of a header block: eight-byte words times a constant, xored.
    result = 5381
    for (word,) in struct.iter_unpack("<Q", data):
        result ^= (word * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return result


@pytest.mark.usefixtures("owner")
def test_a_second_opener_is_told_file_and_process(tmp_path):
    with pytest.raises(OperatorError, match=rf"gnomon\.duckdb: already open in process {os.getpid()}") as caught:
        open_store(tmp_path / "store")
    assert str(tmp_path) in str(caught.value)


def test_closing_lets_the_next_one_in(tmp_path):
    first = open_store(tmp_path)
    first.close()
    first.close()
    open_store(tmp_path).close()


def test_modes_are_private(owner, tmp_path):
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert owner.path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "store" / "lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"no", b"not a database at all " * 1000])
def test_what_is_no_database_is_left_as_it_is(tmp_path, content):
    path = tmp_path / "gnomon.duckdb"
    path.write_bytes(content)
    with pytest.raises(OperatorError, match=r"gnomon\.duckdb: not a DuckDB file"):
        open_store(tmp_path)
    assert path.read_bytes() == content


def test_a_newer_duckdb_is_named(tmp_path):
    open_store(tmp_path).close()
    path = tmp_path / "gnomon.duckdb"
    data = bytearray(path.read_bytes())
    struct.pack_into("<Q", data, 12, 32767)
    struct.pack_into("<Q", data, 0, header_checksum(data[8:HEADER]))
    path.write_bytes(data)
    before = digest(path)
    with pytest.raises(OperatorError, match="written by a newer DuckDB"):
        open_store(tmp_path)
    assert digest(path) == before


def test_a_damaged_header_is_evidence_not_to_be_touched(tmp_path):
    open_store(tmp_path).close()
    path = tmp_path / "gnomon.duckdb"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    before = digest(path)
    with pytest.raises(EvidenceError, match=r"gnomon\.duckdb: damaged"):
        open_store(tmp_path)
    assert digest(path) == before


def test_another_storage_version_is_refused(tmp_path):
    duckdb.connect(str(tmp_path / "gnomon.duckdb"), config={"storage_compatibility_version": "v1.0.0"}).close()
    with pytest.raises(OperatorError, match=r"storage version v1\.0\.0"):
        open_store(tmp_path)


@pytest.mark.system
def test_another_program_on_the_file_is_named(tmp_path):
    open_store(tmp_path).close()
    path = tmp_path / "gnomon.duckdb"
    code = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(OperatorError, match=rf"another program has it open.*PID {other.pid}"):
            open_store(tmp_path)
        other.stdin.close()
    open_store(tmp_path).close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "ATTACH 'other.duckdb'",
        "COPY marks TO 'marks.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '64GB'",
    ],
)
def test_the_settings_are_locked(stored, statement):
    with pytest.raises(duckdb.Error):
        stored.execute(statement)


def test_extensions_are_never_fetched(stored):
    rows = stored.execute(
        "SELECT name, value FROM duckdb_settings() WHERE name IN "
        "('autoinstall_known_extensions', 'autoload_known_extensions', 'enable_external_access')"
    ).fetchall()
    assert len(rows) == 3
    assert {value for _, value in rows} == {"false"}


def test_a_schema_of_a_newer_program_is_refused(fresh):
    steps = load_migrations()
    fresh.execute("INSERT INTO migrations VALUES (?, 'later', 'x', 0)", [len(steps) + 1])
    with pytest.raises(OperatorError, match=r"FILE: written by a newer gnomon"):
        migrate(fresh, steps, NOW, "FILE")


def test_an_edited_migration_is_refused(fresh):
    fresh.execute("UPDATE migrations SET sha256 = 'x' WHERE number = 1")
    with pytest.raises(OperatorError, match=r"FILE: schema step 1 \(evidence\) differs"):
        migrate(fresh, load_migrations(), NOW, "FILE")


def test_a_migration_is_applied_whole_or_not_at_all(fresh):
    steps = load_migrations()
    bad = Migration(len(steps) + 1, "bad", "CREATE TABLE half (a INTEGER); CREATE TABLE broken (b NO_SUCH_TYPE);")
    with pytest.raises(duckdb.Error):
        migrate(fresh, (*steps, bad), NOW, "FILE")
    assert fresh.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'").fetchall() == [(0,)]
    good = Migration(len(steps) + 1, "good", "CREATE TABLE whole (a INTEGER);")
    assert migrate(fresh, (*steps, good), NOW, "FILE") == 1
    assert migrate(fresh, (*steps, good), NOW, "FILE") == 0


def test_migrations_are_numbered_without_gaps(tmp_path):
    (tmp_path / "0002_later.sql").write_text("SELECT 1")
    with pytest.raises(OperatorError, match="numbered"):
        load_migrations(tmp_path)


@pytest.fixture
def killed(tmp_path):
    """A store whose process died with rows in the write-ahead file only."""
    code = (
        "import os, sys; from pathlib import Path; from appliance.store.owner import Owner; "
        "c = Owner.open(Path(sys.argv[1]), 1.0).cursor(); "
        "[c.execute('INSERT INTO erasures VALUES (?, 1.0, ?)', ['p', 'x' * 500]) for _ in range(20)]; os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    return tmp_path / "gnomon.duckdb.wal"


def rows_of(folder):
    store = open_store(folder)
    found = store.cursor().execute("SELECT count(*) FROM erasures").fetchall()[0][0]
    store.close()
    return found, store.torn


@pytest.mark.system
def test_a_killed_process_leaves_its_rows_and_no_alarm(killed):
    assert rows_of(killed.parent) == (20, None)


@pytest.mark.system
@pytest.mark.parametrize("kept", [-1, -700])
def test_a_cut_tail_is_copied_aside_before_the_replay_drops_it(killed, kept):
    data = killed.read_bytes()[:kept]
    killed.write_bytes(data)
    found, torn = rows_of(killed.parent)
    assert found < 20
    assert torn.read_bytes() == data
    assert torn.stat().st_mode & 0o777 == 0o600


@pytest.mark.system
def test_of_copies_of_cut_tails_only_the_newest_are_kept(killed):
    old = [killed.with_name(f"{killed.name}.torn-{number:016x}") for number in range(COPIES_KEPT + 2)]
    for number, path in enumerate(old):
        path.write_bytes(b"x")
        os.utime(path, (number, number))
    killed.write_bytes(killed.read_bytes()[:-1])
    store = open_store(killed.parent)
    store.close()
    assert set(killed.parent.glob("*.torn-*")) == {*old[3:], store.torn}
    assert store.outdated == 3


@pytest.mark.system
def test_damage_in_the_write_ahead_file_is_never_passed_over(killed):
    whole, folder = killed.read_bytes(), killed.parent
    database = (folder / "gnomon.duckdb").read_bytes()
    for place in (*range(0, 60, 3), len(whole) // 2, len(whole) - 3):
        data = bytearray(whole)
        data[place] ^= 0x81
        killed.write_bytes(data)
        try:
            _, torn = rows_of(folder)
        except (EvidenceError, OperatorError):
            assert killed.read_bytes() == data
        else:
            assert torn.read_bytes() == data, place
            torn.unlink()
            (folder / "gnomon.duckdb").write_bytes(database)
