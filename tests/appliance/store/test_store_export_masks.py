"""A pseudonymised export holds no name, no address and nothing that joins it with the store or another export."""

import contextlib
import json
import re

import duckdb
import msgspec
import pytest

from appliance.model.decision import Decision, Scope
from appliance.model.event import HostSeen, Notice, Observed, Refused
from appliance.model.names import DecisionKind, Leg, ObservationKind, RefusalReason, Surface, Transport
from appliance.store.bench import closed, opened
from appliance.store.export import public_names
from appliance.store.export_build import Plan, build
from appliance.store.export_copy import Bounds
from appliance.store.export_masks import MAX_WORDS, REMOVED, masked, process_of
from appliance.store.export_wire import DATABASE_FILE, ExportFormat
from appliance.store.findings import Findings
from appliance.store.ingest import Ingest
from appliance.store.owner import Owner, Settings

NOW = 1_763_700_000.0
ADA, ADDRESS, LOCAL, LAPTOP, ANALYST = "ada.lovelace", "192.0.2.77", "fe80::77", "adas-laptop.corp.example", "grace"
MAC = "02:00:5e:00:53:77"
EDGE = "edge-falkensee"  # another appliance, named after its place
PLANTED = (ADA, "lovelace", ADDRESS, LOCAL, "adas-laptop", ANALYST, "r-ada", "ada-capture", MAC, EDGE)
DIGESTS = {"p_" + "1" * 16: ADA, "a_" + "2" * 16: ADDRESS, "a_" + "3" * 16: LOCAL}
DIGESTS |= {"d_" + "5" * 16: MAC, "n_" + "6" * 16: LAPTOP}
P, A, B, D, N = DIGESTS
KEY, ACCOUNT = "k_" + "8" * 16, "o_" + "9" * 16


def opened_by_ada(exchange, **more):
    record = opened(exchange, "w0", NOW - 50)
    said = {
        "principal": P, "client": A, "groups": (ADA,), "department": f"office of {ADA}", "host": "api.openai.com",
        "path": f"/v1/files/{ADA}", "model": f"ft:{ADA}", "conversation": "c_" + "4" * 16,
        "client_name": ADA, "client_version": ADDRESS, "key_fingerprint": KEY, "account_id": ACCOUNT,
    }  # fmt: skip
    verdict = msgspec.structs.replace(record.verdict, rule=f"r-ada {ADA}", reason=f"because of {ADA} at {ADDRESS}")
    return msgspec.structs.replace(
        record, facts=msgspec.structs.replace(record.facts, **(said | more)), verdict=verdict
    )


def observed(**more):
    said = {
        "sensor": "s0", "source": "ada-capture.pcap", "seen": ObservationKind.HTTP, "transport": Transport.TCP,
        "leg": Leg.DIRECT, "client": B, "server": ADDRESS, "port": 443, "service": "openai", "category": "model_api",
        "surface": Surface.API, "confidence": 0.9, "name": f"{ADA}.openai.example", "host": LAPTOP,
        "path": f"/{ADA}?x={LOCAL}", "user_agent": f"curl by {ADA}", "evidence": (f"sni {LAPTOP}",), "alpn": (ADA,),
        "ja3": "j" * 32, "ja4": ADA, "until": NOW,
    }  # fmt: skip
    return Observed(ts=NOW - 10, **(said | more))


def plant(connection, life, catalogue):
    journal = life().add(
        opened_by_ada("x1"),
        msgspec.structs.replace(closed("x1", NOW - 40), model_served=ADDRESS, reason=f"{ADA} left"),
        opened_by_ada("x2", model="gpt-4o-mini", department="r&d", host=LAPTOP, service=None),
        closed("x2", NOW - 40),
        Refused(NOW - 30, "w0", RefusalReason.NAME_DISAGREEMENT, A, P, LAPTOP, 443, f"SNI {LAPTOP} from {LOCAL}"),
        Refused(NOW - 30, "w0", RefusalReason.CLIENT_NOT_ALLOWED, B, P, ADDRESS, 443, ADDRESS),
        Notice(NOW - 20, "w0", "alarm", "guard_failed", f"{ADA} at {ADDRESS}"),
        observed(),
        HostSeen(
            ts=NOW - 10,
            until=NOW - 9,
            sensor="s0",
            source="ada-capture.pcap",
            address=A,
            mac=D,
            vendor="Dell",
            names=(N,),
            told_by=("dhcp",),
            system=f"{ADA} 5.0",
        ),
        persons=DIGESTS,
    )
    findings = Findings(connection, catalogue, lambda: NOW)
    ingest = Ingest(connection, lambda: NOW, 99, findings)
    findings.begin(ingest.position)
    head, body = life("w1").add(opened_by_ada("x9"), closed("x9", NOW - 40)).frame()
    ingest.commit([journal.frame(), (msgspec.structs.replace(head, peer=EDGE), body)])
    while findings.pending:
        findings.fold()
    decision = Decision(
        number=1, ts=NOW - 5, author=ANALYST, role="analyst", decision=DecisionKind.BLOCK, service="openai",
        scope=Scope(principals=(P,), groups=(ADA,), clients=(A,)), reason=f"{ADA} asked for it",
    )  # fmt: skip
    connection.execute(
        "INSERT INTO decisions VALUES (1, ?, ?, 'analyst', 'block', 'openai', NULL, NULL, ?, NULL, NULL, ?, 2)",
        [NOW - 5, ANALYST, decision.reason, msgspec.json.encode(decision).decode()],
    )
    connection.execute("INSERT INTO unplaced VALUES (99, 'w0', 1, 1, 'd', ?, ?, ?)", [ADA.encode(), NOW - 1, ADA])


def plan(folder, catalogue, key):
    folder.mkdir()
    return Plan(
        folder=folder, formats=tuple(ExportFormat), since=NOW - 3_600, until=NOW, made=NOW, author=ANALYST,
        role="analyst", key=key, public=public_names(catalogue),
    )  # fmt: skip


@pytest.fixture(scope="module")
def evidence(tmp_path_factory, life, catalogue):
    owner = Owner.open(tmp_path_factory.mktemp("masks") / "store", NOW, Settings(memory_limit="256MB", threads=1))
    plant(owner.cursor(), life, catalogue)
    yield owner
    owner.close()


@pytest.fixture(scope="module")
def export(evidence, catalogue):
    """The export of a name, made once; `clear` is not masked."""
    made = {}

    def make(name):
        if name not in made:
            key = None if name == "clear" else name * 8
            built = build(evidence.cursor(), plan(evidence.exports / name, catalogue, key), Bounds())
            made[name] = next(path for path in built.files if path.name == DATABASE_FILE)
        return made[name]

    return make


def cells(path):
    """Every value of every table and view as text, with its place."""
    with duckdb.connect(str(path), read_only=True) as connection:
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall():
            cursor = connection.execute(f'SELECT * FROM "{name}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    yield name, column, str(value)


def found(path, words):
    return {(name, column, word) for name, column, value in cells(path) for word in words if word in value.lower()}


def test_what_is_planted_is_there_in_the_clear(export):
    places = found(export("clear"), PLANTED)
    assert {word for _, _, word in places} == set(PLANTED)
    assert len({(name, column) for name, column, _ in places}) > 25


def test_no_cell_holds_a_name_or_an_address(export):
    path = export("masked")
    assert found(path, PLANTED) == set()
    assert found(path, (*DIGESTS, "4" * 16, KEY, ACCOUNT)) == set()
    assert "persons" not in {name for name, _, _ in cells(path)}
    assert "unplaced" not in {name for name, _, _ in cells(path)}


def test_no_byte_of_any_file_does(export):
    folder = export("masked").parent
    assert sorted(path.name for path in folder.iterdir() if path.name == "copy.duckdb") == []
    for path in folder.iterdir():
        if path.is_file():
            data = path.read_bytes().lower()
            assert [word for word in (*PLANTED, *DIGESTS, KEY, ACCOUNT) if word.encode() in data] == [], path.name


def test_pseudonyms_join_inside_and_never_outside(export):
    one, two = export("masked"), export("two")
    joined = """SELECT o.principal, o.client, r.principal, r.client, p.digest FROM exchange_open o, refusals r,
        finding_parties p WHERE r.reason = 'name_disagreement' AND p.digest = o.principal"""
    seen = {}
    for path in (one, two):
        with duckdb.connect(str(path), read_only=True) as connection:
            rows = connection.execute(joined).fetchall()
            assert rows
            assert {(row[0], row[1]) for row in rows} == {(row[2], row[3]) for row in rows}
            assert connection.execute("SELECT count(*) FROM v_exchanges WHERE outcome IS NOT NULL").fetchone() == (3,)
            states = "SELECT count(*) FROM finding_parties p JOIN findings f ON f.id = p.finding"
            assert connection.execute(states).fetchone()[0] >= 1
        seen[path] = set(re.findall(r"\b(?:[a-z]_)[0-9a-f]{16}\b", json.dumps(list(cells(path)))))
    assert len(seen[one]) > 8
    assert seen[one] & seen[two] == set()


def test_digests_of_bodies_and_the_chain_are_no_join_either(export, evidence):
    secret = {
        value
        for row in evidence.cursor()
        .execute("SELECT body_digest, sent_digest, digest, exchange FROM exchange_open")
        .fetchall()
        for value in row
    }
    assert found(export("masked"), secret) == set()


def test_what_an_auditor_needs_is_still_there(export):
    with contextlib.closing(duckdb.connect(str(export("masked")), read_only=True)) as connection:
        rows = connection.execute(
            "SELECT service, host, model, department, disposition, outcome, coverage IS NOT NULL, entities "
            "FROM v_exchanges ORDER BY model"
        ).fetchall()
        named = next(row for row in rows if row[2] != "gpt-4o-mini")
        assert (*named[:2], named[2][:2], *named[3:5]) == ("openai", "api.openai.com", "m_", REMOVED, "redact")
        plain = next(row for row in rows if row[2] == "gpt-4o-mini")
        assert (plain[0], plain[1][:2], plain[3], plain[5], plain[6]) == (None, "h_", "r&d", "completed", True)
        findings = connection.execute("SELECT name, owner, severity, people FROM v_findings WHERE name = 'OpenAI API'")
        assert findings.fetchall()
        decisions = connection.execute("SELECT decision, service, reason, author FROM v_decisions").fetchall()
        (scope,) = connection.execute("SELECT json_extract(body, '$.scope') FROM v_decisions").fetchone()
        scope = json.loads(scope)
        people = {row for (row,) in connection.execute("SELECT principal FROM v_exchanges").fetchall()}
        assert (set(scope["principals"]) == people, len(scope["groups"]), len(scope["clients"])) == (True, 1, 1)
        assert decisions[0][:3] == ("block", "openai", None)
        assert decisions[0][3].startswith("u_")
        info = connection.execute("SELECT pseudonymised, author FROM export_info").fetchall()
        assert info == [(True, decisions[0][3])]
        assert connection.execute("SELECT max(ts - floor(ts)) FROM v_exchanges").fetchone() == (0.0,)


def test_only_frequent_words_stay():
    words = [f"rule-{number}" for number in range(MAX_WORDS + 500)] + ["house"] * 9
    expression = masked("exchange_open", "rule", "VARCHAR", "seen", "persons")
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE seen AS SELECT unnest(?::VARCHAR[]) AS rule", [words])
        connection.execute("CREATE TABLE persons (value VARCHAR)")
        connection.execute("INSERT INTO persons VALUES ('RULE-17'), ('x'), ('')")
        kept = {word for (word,) in connection.execute(f"SELECT DISTINCT {expression} FROM seen").fetchall()}
    assert MAX_WORDS // 2 < len(kept) <= MAX_WORDS
    assert "house" in kept
    assert not [word for word in kept if "rule-17" in word]


@pytest.mark.parametrize(
    "word",
    [
        "a@b.example",
        "10.0.0.1",
        "gpt-10.0.0.1-x",
        "fe80::1",
        "2001:db8:0:1:1:1:1:1",
        "x" * 101,
        "<b>",
        "=1+1",
        "\x1b[31m",
        "",
        "Ada",
        "xx ada",
    ],
)
def test_words_that_may_name_somebody_go(word):
    expression = masked("exchange_open", "rule", "VARCHAR", "seen", "persons")
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE seen AS SELECT unnest(?::VARCHAR[]) AS rule", [[word, "no secrets: v1.2/b & c", None]]
        )
        connection.execute("CREATE TABLE persons AS SELECT 'ada' AS value")
        kept = [row for (row,) in connection.execute(f"SELECT {expression} FROM seen").fetchall()]
    assert kept == [REMOVED, "no secrets: v1.2/b & c", None]


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o", "gpt-4.1-mini-2025-04-14", "chatgpt-4o-latest", "o3-mini", "o1", "claude-sonnet-4-5-20250929",
        "claude-3-5-haiku-latest", "gemini-2.5-flash-preview", "models/gemini-2.5-pro", "llama3.1:8b",
        "meta-llama/Llama-3.3-70B-Instruct", "mixtral-8x7b-instruct", "qwen2.5-coder", "deepseek-r1:70b",
        "deepseek-reasoner", "text-embedding-3-small", "text-embedding-ada-002", "anthropic.claude-3-opus-20240229",
        "gpt-oss-120b", "command-r-plus", "mistral-large-latest", "tts-1",
    ],
)  # fmt: skip
def test_public_models_stay(model):
    assert shown("model", model) == model
    assert shown("model_served", model) == model


@pytest.mark.parametrize(
    "model",
    [
        "Petra Meier", "host.corp.internal", "ft:gpt-4o:acme:petra:x", "gpt-petra", "gpt-4o petra",
        "gpt-491705551234", "gpt-10.0.0.1", "llama-petra-8b", "petra/gpt-4o", "gpt-4o\n", "", "stand-in", "adagpt",
    ],
)  # fmt: skip
def test_a_model_named_by_its_user_is_a_pseudonym_although_nobody_knows_the_name(model):
    assert re.fullmatch("m_[0-9a-f]{16}", shown("model", model))
    assert shown("model", model) != shown("model", model, "another key")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("litellm", "1.82.8"),
        ("OpenAI", "3.51.0"),
        ("AsyncOpenAI", "2.0.0rc1"),
        ("python-requests", "2.32"),
        ("curl", None),
    ],
)
def test_known_programs_stay(name, version):
    assert (shown("client_name", name), shown("client_version", version)) == (name, version)


@pytest.mark.parametrize("name", ["projekt-falke", "litellm-petra", "petra", "curl_petra", ""])
def test_a_program_named_by_its_user_is_a_pseudonym_although_nobody_knows_the_name(name):
    assert re.fullmatch("b_[0-9a-f]{16}", shown("client_name", name))


@pytest.mark.parametrize("version", ["1-petra", "10.0.0.1", "491705551234", ""])
def test_a_version_that_is_none_goes(version):
    assert shown("client_version", version) == REMOVED


@pytest.mark.parametrize(
    "name", ["w0", "store", "peer.edge-a.w0", "peer.edge.b.store", "peer.edge-a.petra.w-1", "peer.w0"]
)
def test_processes_of_other_appliances_are_theirs_alone(name):
    told = shown("producer", name)
    assert told == shown("worker", name) == process_of(name, "key")
    assert (told == name) == ("." not in name)
    assert "edge" not in told
    assert "petra" not in told


def test_a_method_stays_when_http_knows_it():
    assert [shown("method", word) for word in ("POST", "GET", "PETRA", "post")] == ["POST", "GET", REMOVED, REMOVED]
    assert (shown("method", None), shown("model", None)) == (None, None)


def shown(column, value, key="key"):
    """What an export shows of one cell."""
    expression = masked("exchange_open", column, "VARCHAR", "seen", "persons")
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE seen AS SELECT ?::VARCHAR AS {column}", [value])
        bound = {"key": key} if "$key" in expression else None
        return connection.execute(f"SELECT {expression} FROM seen", bound).fetchone()[0]


def test_a_column_that_is_not_known_is_left_out():
    assert masked("t", "new_text", "VARCHAR", "t", "persons") == "CAST(NULL AS VARCHAR)"
    assert masked("t", "new_list", "VARCHAR[]", "t", "persons") == "CAST(NULL AS VARCHAR[])"
    assert masked("t", "new_blob", "BLOB", "t", "persons") == "CAST(NULL AS BLOB)"
    assert masked("t", "new_number", "BIGINT", "t", "persons") == 'CAST("new_number" AS BIGINT)'
