"""From an older file to the present schema, and what documents itself."""

import contextlib
import shutil

import duckdb
import msgspec
import pytest

from appliance.model.names import FindingKind
from appliance.store import owner as owner_module
from appliance.store.bench import opened
from appliance.store.findings import Findings
from appliance.store.ingest import Ingest
from appliance.store.owner import Owner, Settings
from appliance.store.rows import OpenRow
from appliance.store.schema import load_migrations, migrate

NOW = 1_763_700_000.0
SETTINGS = Settings(memory_limit="256MB", threads=1)
LATER = {"groups", "virtual_key", "key_fingerprint", "key_shape", "held", "account", "account_id"}
LATER |= {"client_name", "client_version", "handed"}  # columns that the first release had not


@pytest.fixture
def older():
    """A file as the first release left it: exchanges, and no findings."""
    memory = duckdb.connect(":memory:", config={"threads": "1"})
    migrate(memory, load_migrations()[:1], NOW, "memory")
    yield memory
    memory.close()


def test_what_an_older_store_holds_becomes_findings(older, ingest, connection, life, clock, catalogue):
    ingest.commit([life().add(opened("x1", "w0", NOW), opened("x2", "w0", NOW)).frame()])
    columns = ", ".join(name for name in OpenRow.__struct_fields__ if name not in LATER)
    for row in connection.execute(f"SELECT {columns} FROM exchange_open").fetchall():
        older.execute(f"INSERT INTO exchange_open ({columns}) VALUES ({', '.join('?' * len(row))})", row)
    assert migrate(older, load_migrations(), NOW, "memory") == len(load_migrations()) - 1
    assert older.execute("SELECT groups FROM exchange_open").fetchall() == [("research",)] * 2
    findings = Findings(older, catalogue, clock)
    findings.begin(Ingest(older, clock, 1, findings).position)
    while findings.pending:
        findings.fold()
    assert older.execute("SELECT subject, governed, people FROM findings").fetchall() == [("openai", 2, 2)]


def test_a_crash_right_after_the_step_leaves_a_file_that_opens(tmp_path, life, clock, monkeypatch):
    """What a step logs must be fit for replay, where functions of extensions do not exist yet."""
    steps = load_migrations()
    monkeypatch.setattr(owner_module, "load_migrations", lambda: steps[:1])
    with contextlib.closing(Owner.open(tmp_path / "a", NOW, SETTINGS)) as older:
        columns = ", ".join(name for name in OpenRow.__struct_fields__ if name not in LATER)
        values = older_row(life, columns)
        older.cursor().execute(f"INSERT INTO exchange_open ({columns}) VALUES ({', '.join('?' * len(values))})", values)
    monkeypatch.setattr(owner_module, "load_migrations", lambda: steps)
    with contextlib.closing(Owner.open(tmp_path / "a", NOW, SETTINGS)) as present:
        (tmp_path / "b").mkdir()
        for path in present.folder.glob("gnomon.duckdb*"):  # what a kill would leave
            shutil.copy(path, tmp_path / "b")
    with contextlib.closing(Owner.open(tmp_path / "b", NOW, SETTINGS)) as again:
        assert again.cursor().execute("SELECT groups FROM exchange_open").fetchall() == [("research",)]


def test_a_file_of_the_second_schema_keeps_its_answers(tmp_path, monkeypatch):
    """Rows of before are kept, those that nobody covered count as not scanned, and none can be added any more."""
    steps = load_migrations()
    monkeypatch.setattr(owner_module, "load_migrations", lambda: steps[:2])
    with contextlib.closing(Owner.open(tmp_path / "a", NOW, SETTINGS)) as older:
        for name, size, covered in (("x1", 9, (9, 4, 0, 5, 0)), ("x2", 7, (None,) * 5), ("x3", 0, (None,) * 5)):
            first = [1, "w0", 1, 1, "d", "{}", NOW, name, "completed", 200, size, None, 1.0]
            values = [*first, *[None] * 7, *covered, 1, ""]
            older.cursor().execute(f"INSERT INTO exchange_close VALUES ({', '.join('?' * len(values))})", values)
    monkeypatch.setattr(owner_module, "load_migrations", lambda: steps)
    with contextlib.closing(Owner.open(tmp_path / "a", NOW, SETTINGS)) as present:
        (tmp_path / "b").mkdir()
        for path in present.folder.glob("gnomon.duckdb*"):  # what a kill would leave
            shutil.copy(path, tmp_path / "b")
    with contextlib.closing(Owner.open(tmp_path / "b", NOW, SETTINGS)) as again:
        cursor = again.cursor()
        rows = "SELECT exchange, coverage_length, coverage_unscanned, answer_entities FROM exchange_close ORDER BY 1"
        assert cursor.execute(rows).fetchall() == [("x1", 9, 5, []), ("x2", 7, 7, []), ("x3", None, None, [])]
        assert cursor.execute("SELECT count(answer_findings) FROM v_exchanges").fetchall() == [(0,)]
        copy = "INSERT INTO exchange_close SELECT * REPLACE (5 AS response_bytes) FROM exchange_close WHERE n = 1"
        with pytest.raises(duckdb.ConstraintException):
            cursor.execute(copy)


def older_row(life, columns):
    """An exchange as the present code stores it, without what a later step has added."""
    memory = duckdb.connect(":memory:", config={"threads": "1"})
    migrate(memory, load_migrations(), NOW, "memory")
    Ingest(memory, lambda: NOW, 1).commit([life().add(opened("x1", "w0", NOW)).frame()])
    (row,) = memory.execute(f"SELECT {columns} FROM exchange_open").fetchall()
    memory.close()
    return row


def test_every_view_explains_itself_and_each_of_its_columns(connection):
    views = connection.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE view_name LIKE 'v\\_%' ESCAPE '\\'"
    ).fetchall()
    assert {name for name, _ in views} == {
        "v_exchanges", "v_usage", "v_coverage", "v_decisions", "v_findings", "v_observations",
        "v_detectors", "v_feedback", "v_packet_losses", "v_hosts",
        "v_plausibility", "v_spend", "v_peers", "v_key_uses", "v_attempts",
    }  # fmt: skip
    assert [name for name, comment in views if not comment] == []
    columns = connection.execute(
        "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE table_name LIKE 'v\\_%' ESCAPE '\\'"
    ).fetchall()
    assert [(view, column) for view, column, comment in columns if not comment] == []
    assert len(columns) > len(views)


def test_the_kinds_of_findings_are_all_explained(connection):
    of_kind = "SELECT comment FROM duckdb_columns() WHERE table_name = 'v_findings' AND column_name = 'kind'"
    ((told,),) = connection.execute(of_kind).fetchall()
    assert told.replace(" or ", ", ").split(", ") == [kind.value for kind in FindingKind]


def test_findings_read_as_words_and_times(desk, observed):
    desk.see(observed())
    (row,) = desk.connection.execute("SELECT severity, governance, last_seen_at FROM v_findings").fetchall()
    assert (row[0], row[1], row[2].year) == ("high", "bypass", 2025)
    (seen,) = desk.connection.execute('SELECT name, count, "at" FROM v_observations').fetchall()
    assert (seen[0], seen[1], seen[2].year) == ("chatgpt.com", 1, 2025)


def test_the_record_in_the_row_is_the_observation(desk, observed):
    event = observed(evidence=("SNI chatgpt.com",), alpn=("h2",), ja4="t13d")
    desk.see(event)
    ((body,),) = desk.connection.execute("SELECT body FROM observations").fetchall()
    assert (
        msgspec.json.decode(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["event"], type=type(event)) == event
    )
