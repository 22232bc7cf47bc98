"""Evidence of a running appliance as files: opened by a plain DuckDB in another process, clear and pseudonymised."""

import csv
import json
import subprocess
import sys
import time

import pytest
from system.operations_world import URL, applied, body, decide, eventually, proxied, recorded, site_at, through_gateway

from appliance.bus.client import BlockingClient
from appliance.model.names import DecisionKind
from appliance.store.finding_pages import FindingsHead, FindingsRequest

pytestmark = pytest.mark.system
PATH = "/v1/chat/completions"
PERSON = "maria.keller"
SETTINGS = f"identity:\n  addresses:\n  - {{network: 127.0.0.1, user: {PERSON}, groups: [design]}}\n"
REASON = "because maria.keller asked for it"
PLAIN = """
import duckdb, json, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
views = [name for (name,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()]
rows = {name: len(connection.execute(f"SELECT * FROM {name}").fetchall()) for name in views}
asked = [connection.execute(statement).fetchall() for statement in sys.argv[2:]]
print(json.dumps([rows, asked], default=str))
"""


def findings(site) -> int:
    with BlockingClient(site.folder / "run" / "analyst.sock") as client:
        return client.call("findings", FindingsRequest(), reply=FindingsHead)[0].total


@pytest.fixture(scope="module")
def site(provider, tmp_path_factory):
    """An appliance through which somebody has talked, and in which an analyst has decided."""
    began = time.time()
    with site_at(tmp_path_factory.mktemp("exported"), provider, extra=SETTINGS) as started:
        with proxied(started) as client:
            assert client.post(URL, json=body(text="a first question")).status_code == 200
        told = decide(started, DecisionKind.BLOCK, service="openai", reason=REASON)
        applied(started, told.version)
        with through_gateway(started) as client:
            assert client.post(PATH, json=body()).status_code == 403
        recorded(started, 2, began)
        eventually(lambda: findings(started))
        yield started


@pytest.fixture(scope="module")
def exported(site, tmp_path_factory):
    """Folder and answer of an export in every format, clear or pseudonymised; each made once."""
    made = {}

    def make(*words):
        if words not in made:
            folder = tmp_path_factory.mktemp("out") / "files"
            formats = [part for name in ("duckdb", "csv", "html") for part in ("--format", name)]
            done = site.run("export", "--out", str(folder), "--since", "1h", "--json", *formats, *words)
            made[words] = folder, json.loads(done.stdout)
        return made[words]

    return make


def plain(folder, *statements):
    """Rows by view, and the answers to statements, from a process that knows nothing but duckdb."""
    command = [sys.executable, "-c", PLAIN, str(folder / "gnomon-export.duckdb"), *statements]
    done = subprocess.run(command, capture_output=True, check=True, cwd="/", env={}, timeout=60)
    return json.loads(done.stdout)


def test_a_plain_duckdb_reads_what_was_governed(exported):
    folder, told = exported()
    rows, (exchanges, decisions, info) = plain(
        folder,
        "SELECT service, effective, outcome, status FROM v_exchanges ORDER BY n",
        "SELECT decision, service, reason FROM v_decisions",
        "SELECT pseudonymised, rows['v_exchanges'] FROM export_info",
    )
    assert exchanges == [["openai", "observe", "completed", 200], ["openai", "block", "blocked", 403]]
    assert decisions == [["block", "openai", REASON]]
    assert info == [[False, 2]]
    assert rows == told["rows"]
    assert rows["v_findings"] >= 1


def test_every_format_lies_there_and_is_private(exported):
    folder, told = exported()
    names = {path.name for path in folder.iterdir()}
    assert names == {"gnomon-export.duckdb", "gnomon-summary.html", *(f"{view}.csv" for view in told["rows"])}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    with (folder / "v_exchanges.csv").open(encoding="utf-8", newline="") as file:
        assert [row["outcome"] for row in csv.DictReader(file)] == ["completed", "blocked"]
    page = (folder / "gnomon-summary.html").read_text()
    for words in ("OpenAI", REASON, "blocked", "Limits of this report"):
        assert words in page


def test_pseudonymised_files_name_nobody(exported):
    folder, _ = exported("--pseudonymise")
    rows, (exchanges, people) = plain(
        folder,
        "SELECT service, effective, outcome, status FROM v_exchanges ORDER BY n",
        "SELECT count(DISTINCT principal), min(left(principal, 2)) FROM v_exchanges",
    )
    assert exchanges == [["openai", "observe", "completed", 200], ["openai", "block", "blocked", 403]]
    assert people == [[1, "p_"]]
    assert rows["v_decisions"] == 1
    for path in folder.iterdir():
        data = path.read_bytes()
        assert [word for word in (PERSON, "127.0.0.1", "maria") if word.encode() in data] == [], path.name


def test_two_exports_share_no_pseudonym_and_the_store_tells_of_both(site, exported):
    question = "SELECT principal, client FROM v_exchanges"
    clear, masked = (plain(exported(*words)[0], question)[1][0] for words in ((), ("--pseudonymise",)))
    assert {cell for row in clear for cell in row} & {cell for row in masked for cell in row} == set()
    notices = site.ask_store("notices", note="evidence_exported")
    assert ["pseudonymised" in row["detail"] for row in notices] == [True, False]


def test_nothing_stays_in_the_store(site, exported):
    exported()
    assert list((site.folder / "state" / "store" / "exports").iterdir()) == []
