"""What an export holds: the rows of the span, views that stand alone, cells that no spreadsheet runs."""

import contextlib
import csv
import hashlib
import json
import subprocess
import sys

import duckdb
import msgspec
import pytest

from appliance.model.decision import Decision, Scope
from appliance.model.detection import DetectorCount
from appliance.model.event import (
    DetectorsCounted,
    HostSeen,
    LostSecond,
    Notice,
    Observed,
    PacketsLost,
    Refused,
    Tunnelled,
)
from appliance.model.names import DecisionKind, Leg, ObservationKind, RefusalReason, Surface, Transport, Verity
from appliance.store.bench import closed, opened
from appliance.store.export_build import Plan, build
from appliance.store.export_copy import Bounds, Stopped, copy
from appliance.store.export_csv import cell
from appliance.store.export_summary import MAX_LINES
from appliance.store.export_views import INFO, OWN_VIEWS
from appliance.store.export_wire import DATABASE_FILE, SUMMARY_FILE, ExportFormat, ExportSummary
from appliance.store.feedback import FeedbackBook
from appliance.store.feedback_pages import FeedbackRequest
from appliance.store.findings import Findings
from appliance.store.ingest import Ingest
from appliance.store.owner import Owner, Settings, open_beside

NOW = 1_763_700_000.0
VIEWS = {
    "v_hosts",
    "v_findings", "v_exchanges", "v_usage", "v_decisions", "v_coverage", "v_observations", "v_refusals", "v_notices",
    "v_detectors", "v_feedback", "v_packet_losses", "v_plausibility", "v_spend", "v_key_uses", "v_peers",
    "v_attempts",
}  # fmt: skip
FORMULA = '=HYPERLINK("http://x")\r\n\x1b[31m'
ALL = tuple(ExportFormat)


def observed(ts, **more):
    said = {
        "sensor": "s0", "source": "eth0", "seen": ObservationKind.TLS, "transport": Transport.TCP, "leg": Leg.DIRECT,
        "client": "a_9", "server": "203.0.113.9", "port": 443, "service": "openai", "category": "chat",
        "surface": Surface.API, "confidence": 0.9, "name": "api.openai.com", "count": 3, "until": ts + 60,
    }  # fmt: skip
    return Observed(ts=ts, **(said | more))


def fill(connection, life, catalogue, now=NOW):
    """One of everything in the last hour, and one exchange of the day before."""
    journal = life().add(
        opened("old", "w0", now - 86_400),
        closed("old", now - 86_399),
        opened("x1", "w0", now - 100),
        closed("x1", now - 99),
        opened("x2", "w0", now - 50),
        Refused(now - 40, "w0", RefusalReason.SMUGGLING, "a_1", "p_1", "evil.example", 443, FORMULA),
        Notice(now - 30, "w0", "alarm", "journal_filling", "80 %"),
        Tunnelled(now - 20, "w0", 5, 100, 200),
        observed(now - 10),
        PacketsLost(now - 10, "s0", "eth0", (LostSecond(int(now) - 12, 7, 100), LostSecond(int(now) - 11, 1, 90))),
        HostSeen(
            ts=now - 10,
            until=now - 9,
            sensor="s0",
            source="eth0",
            address="a_9",
            mac="d_9",
            names=("n_9",),
            told_by=("dhcp",),
        ),
        DetectorsCounted(now - 10, "w0", now - 3_600, (DetectorCount("patterns", 4, 2, 0.5, 0, 1),)),
        persons={
            "p_1": "ada",
            "a_9": "192.0.2.9",
            "d_9": "02:00:5e:00:53:09",
            "n_9": "nine",
            "p_unseen": "nobody we saw",
        },
    )
    findings = Findings(connection, catalogue, lambda: now)
    ingest = Ingest(connection, lambda: now, 99, findings)
    findings.begin(ingest.position)
    ingest.commit([journal.frame()])
    while findings.pending:
        findings.fold()
    decision = Decision(
        number=1,
        ts=now - 5,
        author="root",
        role="admin",
        decision=DecisionKind.BLOCK,
        service="openai",
        reason="why",
        scope=Scope(groups=("a", "b")),
    )
    body = msgspec.json.encode(decision).decode()
    FeedbackBook(connection, lambda: now - 5).say(
        FeedbackRequest(entity="EMAIL_ADDRESS", verdict=Verity.WRONG, exchange="x1"), "ann", "analyst"
    )
    connection.execute(
        "INSERT INTO decisions VALUES (1, ?, 'root', 'admin', 'block', 'openai', NULL, NULL, 'why', NULL, NULL, ?, 2)",
        [now - 5, body],
    )


def plan(folder, **more):
    folder.mkdir(exist_ok=True)
    said = {
        "folder": folder, "formats": ALL, "since": NOW - 3_600, "until": NOW, "made": NOW, "author": "ada",
        "role": "admin",
    }  # fmt: skip
    return Plan(**(said | more))


@pytest.fixture
def evidence(owner, stored, life, catalogue):
    fill(stored, life, catalogue)
    return owner


@pytest.fixture(scope="module")
def built(tmp_path_factory, life, catalogue):
    """One export, made once, for tests that only look at it."""
    owner = Owner.open(tmp_path_factory.mktemp("build") / "store", NOW, Settings(memory_limit="256MB", threads=1))
    fill(owner.cursor(), life, catalogue)
    yield build(owner.cursor(), plan(owner.exports / "one"), Bounds())
    owner.close()


def opened_file(built):
    path = next(path for path in built.files if path.name == DATABASE_FILE)
    return duckdb.connect(str(path), read_only=True)


def test_every_view_has_the_rows_of_the_span(built):
    assert set(built.rows) == VIEWS
    assert built.rows == dict.fromkeys(VIEWS, 1) | {
        "v_exchanges": 2,
        "v_hosts": 3,
        "v_packet_losses": 2,
        "v_plausibility": 2,
        "v_spend": 2,
        "v_key_uses": 2,
        "v_peers": 0,
        "v_attempts": 1,
    }
    with opened_file(built) as export:
        rows = export.execute("SELECT exchange, outcome FROM v_exchanges ORDER BY exchange").fetchall()
        assert rows == [("x1", "completed"), ("x2", None)]
        assert export.execute("SELECT digest, value FROM persons ORDER BY 1").fetchall() == [
            ("a_9", "192.0.2.9"), ("d_9", "02:00:5e:00:53:09"), ("n_9", "nine"), ("p_1", "ada"),
        ]  # fmt: skip


def test_a_fresh_process_opens_it_and_every_view_works(built, tmp_path):
    path = next(path for path in built.files if path.name == DATABASE_FILE)
    moved = tmp_path / "moved.duckdb"
    moved.write_bytes(path.read_bytes())
    code = (
        "import duckdb, json, sys\n"
        "c = duckdb.connect(sys.argv[1], read_only=True)\n"
        "views = [v for (v,) in c.execute('SELECT view_name FROM duckdb_views() WHERE NOT internal').fetchall()]\n"
        "print(json.dumps({v: len(c.execute(f'SELECT * FROM {v}').fetchall()) for v in views}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(moved)], capture_output=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout) == built.rows


def test_every_view_and_column_is_described(built):
    with opened_file(built) as export:
        told = "SELECT {} FROM {} WHERE NOT internal AND comment IS NULL"
        assert export.execute(told.format("view_name", "duckdb_views()")).fetchall() == []
        bare = export.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL "
            "AND (table_name LIKE 'v\\_%' ESCAPE '\\' OR table_name = 'export_info')"
        ).fetchall()
        assert bare == []


def test_nothing_in_it_points_back(built):
    with opened_file(built) as export:
        texts = export.execute("SELECT sql FROM duckdb_views() WHERE NOT internal").fetchall()
        assert not [sql for (sql,) in texts if "gnomon." in sql or "export." in sql or "/" + "tmp" in sql]
        assert (
            export.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE path IS NOT NULL")
            .fetchone()[0]
            .startswith("v1.4")
        )


def test_it_says_what_it_is(built):
    with opened_file(built) as export:
        cursor = export.execute("SELECT * FROM export_info")
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    assert [name for name, _, _ in INFO] == names
    info = dict(zip(names, rows[0], strict=True))
    assert len(rows) == 1
    assert (info["author"], info["role"], info["since"], info["until"]) == ("ada", "admin", NOW - 3_600, NOW)
    assert info["rows"] == built.rows
    assert [(head["producer"], head["epoch"], head["seq"]) for head in info["chain_heads"]] == [("w0", 7, 12)]


def test_the_chain_can_be_checked_in_it(evidence, stored):
    built = build(stored, plan(evidence.exports / "all", since=0.0), Bounds())
    with opened_file(built) as export:
        tables = (
            *("exchange_open", "exchange_close", "refusals", "notices", "tunnels", "observations", "detector_sums"),
            *("host_records", "packet_losses"),
        )
        lines = " UNION ALL ".join(f"SELECT seq, digest, body FROM {table}" for table in tables)
        rows = export.execute(f"SELECT * FROM ({lines}) ORDER BY seq").fetchall()
        heads = export.execute("SELECT unnest(chain_heads) FROM export_info").fetchall()
    assert [seq for seq, _, _ in rows] == list(range(1, 13))
    assert all(hashlib.sha256(body.encode()).hexdigest() == digest for _, digest, body in rows)
    assert [json.loads(body)["prev"] for _, _, body in rows[1:]] == [digest for _, digest, _ in rows[:-1]]
    assert heads[0][0]["digest"] == rows[-1][1]


def test_csv_is_read_back_as_it_was(built):
    files = {path.name: path for path in built.files}
    assert {f"{view}.csv" for view in VIEWS} <= set(files)
    text = files["v_exchanges.csv"].read_bytes().decode("utf-8")
    assert text.count("\r\n") == 3
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["exchange"] for row in rows] == ["x1", "x2"]
    assert rows[0]["duration_ms"] == "1800.0"
    assert json.loads(rows[0]["entities"]) == ["EMAIL_ADDRESS", "OPENAI_API_KEY"]
    assert json.loads(rows[0]["coverage"])["length"] == 2_048


def test_no_cell_is_a_formula(built):
    path = next(path for path in built.files if path.name == "v_refusals.csv")
    (row,) = csv.DictReader(path.read_bytes().decode().splitlines())
    assert row["detail"] == '\'=HYPERLINK("http://x")\ufffd\ufffd\ufffd[31m'


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r1", "\n1", "  =1", "\uff1d1"])
def test_what_begins_like_a_formula_is_marked(text):
    shown = duckdb.execute(f"SELECT {cell('c', 'VARCHAR')} FROM (SELECT ? AS c)", [text]).fetchone()[0]
    assert shown.startswith("'")


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [("a=1", "VARCHAR", "a=1"), (-5, "BIGINT", -5), (["=a"], "VARCHAR[]", '["=a"]'), (None, "VARCHAR", None)],
)
def test_other_cells_stay_as_they_are(value, kind, shown):
    statement = f"SELECT {cell('c', kind)} FROM (SELECT ?::{kind} AS c)"
    assert duckdb.execute(statement, [value]).fetchone()[0] == shown


def test_the_summary_tells_what_the_views_hold(built):
    path = next(path for path in built.files if path.name == SUMMARY_FILE)
    summary = msgspec.json.decode(path.read_bytes(), type=ExportSummary)
    assert [(line.name, line.severity) for line in summary.findings] == [("OpenAI API", "high")]
    assert [(line.service, line.exchanges) for line in summary.usage] == [("openai", 2)]
    assert [(line.author, line.decision, line.people, line.groups) for line in summary.decisions] == [
        ("root", "block", 0, 2)
    ]
    assert [(line.what, line.count) for line in summary.refusals] == [("smuggling", 1)]
    assert [(line.source, line.sightings, line.past) for line in summary.sensors] == [("eth0", 3, 3)]
    assert (summary.tunnels, summary.tunnel_bytes) == (5, 300)
    assert {(line.what, line.more) for line in summary.outcomes} == {("redact", "completed"), ("redact", None)}


def test_reasons_are_summed_and_lists_are_bounded(evidence, stored, life):
    coverage = '{"length":9,"structure":0,"text_scanned":0,"text_unscanned":{"too_large":4},"opaque":{"image":5}}'
    stored.execute(
        "UPDATE exchange_open SET body = ?, coverage_length = 9, coverage_structure = 0, coverage_scanned = 0, "
        "coverage_unscanned = 4, coverage_opaque = 5",
        [f'{{"event":{{"facts":{{"coverage":{coverage}}}}}}}'],
    )
    stored.execute("UPDATE exchange_close SET body = ?", [f'{{"event":{{"coverage":{coverage}}}}}'])
    frame = life("w1").add(*(Notice(NOW - 1, "w1", "info", f"n{at}", "") for at in range(MAX_LINES + 9))).frame()
    Ingest(stored, lambda: NOW, 98).commit([frame])
    built = build(stored, plan(evidence.exports / "two", formats=(ExportFormat.HTML,)), Bounds())
    assert [path.name for path in built.files] == [SUMMARY_FILE]
    summary = msgspec.json.decode(built.files[0].read_bytes(), type=ExportSummary)
    assert [(line.part, line.kind, line.reason, line.exchanges, line.bytes) for line in summary.reasons] == [
        ("request", "opaque", "image", 2, 10), ("request", "unscanned", "too_large", 2, 8),
        ("answer", "opaque", "image", 1, 5), ("answer", "unscanned", "too_large", 1, 4),
    ]  # fmt: skip
    assert len(summary.notices) == MAX_LINES
    assert summary.notices[0].more == "alarm"


def test_our_own_views_step_back_for_those_of_the_file(evidence, stored):
    stored.execute("CREATE VIEW v_notices AS SELECT 7 AS n, 'theirs' AS note, 'info' AS severity")
    built = build(stored, plan(evidence.exports / "three"), Bounds())
    with opened_file(built) as export:
        assert export.execute("SELECT note FROM v_notices").fetchall() == [("theirs",)]
    assert set(OWN_VIEWS) <= set(built.rows)


def test_a_told_stop_leaves_the_evidence_open_for_the_next(evidence, stored):
    bounds = Bounds()
    bounds.stop("enough")
    bounds.stop("a second reason")
    with pytest.raises(Stopped, match="enough"):
        build(stored, plan(evidence.exports / "no"), bounds)
    assert build(stored, plan(evidence.exports / "yes"), Bounds()).rows["v_exchanges"] == 2


class Connectionlike:
    """A connection that a test may stand in the way of."""

    def __init__(self, inner):
        self._inner = inner

    def cursor(self):
        return type(self)(self._inner.cursor())

    def execute(self, query, parameters=None):
        return self._inner.execute(query, parameters)

    def interrupt(self):
        self._inner.interrupt()

    def close(self):
        self._inner.close()


def test_a_stop_in_the_middle_rolls_back_and_detaches(evidence, stored):
    class Late(Bounds):
        asked = 0

        def check(self):
            self.asked += 1
            if self.asked == 12:
                self.stop("in the middle")
            super().check()

    folder = evidence.exports / "half"
    folder.mkdir()
    with pytest.raises(Stopped, match="in the middle"):
        copy(stored, folder / "copy.duckdb", 0.0, NOW, Late())
    assert attached(stored) == ["gnomon"]


def attached(connection):
    names = connection.execute("SELECT database_name FROM duckdb_databases() WHERE NOT internal").fetchall()
    return [name for (name,) in names]


def test_a_rollback_that_is_interrupted_too_leaves_nothing_open(evidence, stored):
    class Pressing(Connectionlike):
        def execute(self, query, parameters=None):
            if query == "ROLLBACK" and bounds._working is not None:
                raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")
            if query.startswith("CREATE TABLE"):
                bounds.stop("in the middle")
            return super().execute(query, parameters)

    bounds = Bounds()
    folder = evidence.exports / "half"
    folder.mkdir()
    with pytest.raises(Stopped):
        copy(Pressing(stored), folder / "copy.duckdb", 0.0, NOW, bounds)
    assert attached(stored) == ["gnomon"]
    assert build(stored, plan(evidence.exports / "next"), Bounds()).rows["v_exchanges"] == 2


@pytest.mark.parametrize("place", ["{tmp}/x", "{exports}/link", "{exports}/../x", "{store}/x", "{exports}/link/x"])
def test_files_can_be_written_below_exports_only(evidence, stored, tmp_path, place):
    (tmp_path / "target").mkdir()
    (evidence.exports / "link").symlink_to(tmp_path / "target")
    stored.execute(f"COPY (SELECT 1) TO '{evidence.exports}/inside.csv'")
    path = place.format(tmp=tmp_path, exports=evidence.exports, store=evidence.folder)
    for statement in ("COPY (SELECT 1) TO '{}'", "ATTACH '{}' AS x", "COPY decisions FROM '{}'"):
        with pytest.raises(duckdb.Error):
            stored.execute(statement.format(path))
    assert list((tmp_path / "target").iterdir()) == []
    assert not (tmp_path / "x").exists()


def test_nothing_else_can_be_read_and_no_setting_changed(stored):
    with pytest.raises(duckdb.PermissionException):
        stored.execute("SELECT * FROM read_text('/etc/hostname')")
    for setting in ("allowed_directories = ['/']", "enable_external_access = true", "memory_limit = '9GB'"):
        with pytest.raises(duckdb.Error):
            stored.execute(f"SET {setting}")


def test_the_instance_beside_reaches_its_folder_only(tmp_path):
    (tmp_path / "mine").mkdir()
    with contextlib.closing(open_beside(tmp_path / "mine")) as beside:
        settings = "SELECT current_setting('async_threads'), current_setting('threads')"
        assert beside.execute(settings).fetchall() == [(0, 1)]  # an interrupted COPY waits for its threads for ever
        beside.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/mine/a.csv'")
        for statement in (
            f"COPY (SELECT 1) TO '{tmp_path}/a.csv'",
            "SELECT * FROM read_text('/etc/hostname')",
            "SET threads = 9",
        ):
            with pytest.raises(duckdb.Error):
                beside.execute(statement)


def test_exports_of_a_former_life_are_gone_after_a_start(tmp_path):
    folder = tmp_path / "store"
    (folder / "exports" / "left").mkdir(parents=True)
    (folder / "exports" / "left" / "names.duckdb").write_text("clear names")
    opened_again = Owner.open(folder, NOW)
    try:
        assert list(opened_again.exports.iterdir()) == []
        assert opened_again.exports.stat().st_mode & 0o777 == 0o700
    finally:
        opened_again.close()


def test_exchanges_of_before_keys_had_columns_are_counted(evidence):
    evidence.cursor().execute("INSERT INTO key_columns SELECT max(n) FROM exchange_open WHERE exchange = 'x1'")
    built = build(evidence.cursor(), plan(evidence.exports / "older"), Bounds())
    (page,) = (path for path in built.files if path.name == SUMMARY_FILE)
    assert json.loads(page.read_bytes())["keyless"] == 1
