"""Taking frames in: once, whole, and never a record lost."""

import hashlib

import duckdb
import msgspec
import pytest

from appliance.model.errors import EvidenceError, PeerError
from appliance.model.event import Notice, Refused, Tunnelled
from appliance.model.names import RefusalReason
from appliance.store.bench import closed, opened
from appliance.store.ingest import PERSON_REFRESH_S, Ingest
from appliance.store.rows import TABLES
from appliance.store.wire import Appended

NOW = 1_763_700_000.0


def count(connection, table):
    return connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]


def notice(number=0):
    return Notice(NOW + number, "w0", "info", f"n{number}", 'quote " and \\ and \0 and \U0001f600')


def test_every_kind_finds_its_table(ingest, connection, life):
    events = (
        opened("x1", "w0", NOW),
        closed("x1", NOW + 1),
        Refused(NOW, "w0", RefusalReason.SMUGGLING, "a_1", "p_1", "h", 443),
        notice(),
        Tunnelled(NOW, "w0", 3, 10, 20),
    )
    assert ingest.commit([life().add(*events).frame()]) == [Appended(5)]
    tables = ("exchange_open", "exchange_close", "refusals", "notices", "tunnels")
    assert [count(connection, table) for table in tables] == [1] * 5
    assert connection.execute("SELECT detail FROM notices").fetchall() == [(notice().detail,)]
    assert connection.execute("SELECT entities FROM exchange_open").fetchall() == [
        (["EMAIL_ADDRESS", "OPENAI_API_KEY"],)
    ]


def test_the_digest_can_be_proven_in_sql_and_the_event_comes_back(ingest, connection, life):
    event = opened("x1", "w0", NOW)
    ingest.commit([life().add(event).frame()])
    body, same = connection.execute("SELECT body, sha256(body) = digest FROM exchange_open").fetchall()[0]
    assert same
    assert (
        msgspec.json.decode(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["event"], type=type(event)) == event
    )
    facts = connection.execute("SELECT facts FROM v_exchanges").fetchall()[0][0]
    assert msgspec.json.decode(facts, type=type(event.facts)) == event.facts


def test_repeats_are_acknowledged_and_not_stored_again(ingest, connection, life):
    journal = life().add(*(notice(number) for number in range(6)))
    assert ingest.commit([journal.frame(1, 4), journal.frame(2, 5), journal.frame(1, 4)]) == [
        Appended(4), Appended(5), Appended(5),
    ]  # fmt: skip
    assert ingest.commit([journal.frame(1, 6)]) == [Appended(6)]
    assert count(connection, "notices") == 6
    assert ingest.counters.repeats == 3 + 4 + 5


def test_a_restarted_store_goes_on_where_it_was(ingest, connection, life, clock):
    journal = life().add(notice(0), notice(1))
    ingest.commit([journal.frame()])
    again = Ingest(connection, clock, 100)
    assert again.commit([journal.add(notice(2)).frame()]) == [Appended(3)]
    assert connection.execute("SELECT n, seq FROM notices ORDER BY n").fetchall() == [(1, 1), (2, 2), (3, 3)]


def test_a_gap_is_refused_with_the_number_to_send_from(ingest, connection, life):
    journal = life().add(*(notice(number) for number in range(4)))
    assert ingest.commit([journal.frame(3)]) == [Appended(0, 1)]
    assert count(connection, "notices") == 0
    assert ingest.commit([journal.frame(1, 1), journal.frame(3)]) == [Appended(1), Appended(1, 2)]


def test_lines_lost_with_an_older_store_are_noted_as_an_alarm(ingest, connection, life):
    journal = life().add(*(notice(number) for number in range(4)))
    assert ingest.commit([journal.frame(3, oldest=3)]) == [Appended(4)]
    assert connection.execute("SELECT severity, note, detail FROM notices WHERE worker = 'store'").fetchall() == [
        ("alarm", "journal_gap", "w0-7: lines 1 to 2 are not in this store")
    ]


def test_damage_is_refused_noted_once_and_spoils_no_neighbour(ingest, connection, life):
    bad, good = life("w0").add(notice(0), notice(1)), life("w1").add(notice(5))
    append, lines = bad.frame()
    broken = (append, lines.replace(b'"n1"', b'"n9"'))
    for _ in range(2):
        outcomes = ingest.commit([broken, good.frame()])
        assert isinstance(outcomes[0], EvidenceError)
        assert "w0-7, line 2: its digest does not match" in str(outcomes[0])
        assert outcomes[1] == Appended(1)
    assert connection.execute("SELECT producer, note FROM notices ORDER BY n").fetchall() == [
        ("store", "journal_damaged"), ("w1", "n5"),
    ]  # fmt: skip
    assert ingest.commit([bad.frame()]) == [Appended(2)]


def test_a_peer_that_cannot_count_gets_its_own_answer(ingest, life):
    append, lines = life().add(notice()).frame()
    outcomes = ingest.commit([(append, lines + lines)])
    assert isinstance(outcomes[0], PeerError)


def raw_line(journal, event):
    mark = journal.mark
    body = msgspec.json.encode(
        {"producer": mark.producer, "epoch": mark.epoch, "seq": mark.seq + 1, "prev": mark.digest, "event": event}
    )
    digest = hashlib.sha256(body).hexdigest()
    journal.lines.append(b'{"digest":"%b","body":%b,"persons":{}}\n' % (digest.encode(), body))
    journal.mark = msgspec.structs.replace(mark, seq=mark.seq + 1, digest=digest)
    return body


def test_an_unknown_record_is_kept_whole_and_told(ingest, connection, life):
    journal = life().add(notice(0))
    body = raw_line(journal, {"kind": "later", "x": [1, "é"]})
    journal.add(notice(1))
    assert ingest.commit([journal.frame()]) == [Appended(3)]
    assert connection.execute("SELECT seq, body FROM unplaced").fetchall() == [(2, body)]
    assert connection.execute("SELECT note FROM notices WHERE producer = 'store'").fetchall() == [("record_unplaced",)]
    assert count(connection, "notices WHERE producer = 'w0'") == 2


def test_a_body_without_coverage_is_never_stored_as_an_exchange(ingest, connection, life):
    event = opened("x1", "w0", NOW)
    bare = msgspec.structs.replace(event, facts=msgspec.structs.replace(event.facts, coverage=None))
    assert ingest.commit([life().add(bare, notice()).frame()]) == [Appended(2)]
    assert (count(connection, "exchange_open"), count(connection, "unplaced")) == (0, 1)


def test_the_schema_refuses_it_too(ingest, connection, life):
    ingest.commit([life().add(opened("x1", "w0", NOW)).frame()])
    for change in ("coverage_length = NULL", "coverage_scanned = coverage_scanned + 1"):
        with pytest.raises(duckdb.ConstraintException):
            connection.execute(f"UPDATE exchange_open SET {change}")


def spoiled(ingest, bad):
    """Make the row of `bad` one that the database refuses: a time that JSON can only write as null."""
    original = ingest._place

    def place(batch, append, entry):
        original(batch, append, entry)
        if entry.event == bad:
            rows = next(rows for kind, rows in batch.rows.items() if TABLES[kind] == "tunnels")
            rows[-1] = msgspec.structs.replace(rows[-1], ts=float("nan"))

    ingest._place = place


def test_a_row_that_the_database_refuses_is_set_aside_alone(ingest, connection, life):
    bad = Tunnelled(NOW, "w0", 2, 2, 2)
    journal = life().add(notice(0), Tunnelled(NOW, "w0", 1, 1, 1), bad, notice(1))
    spoiled(ingest, bad)
    outcomes = ingest.commit([journal.frame(), life("w1").add(notice(3)).frame()])
    assert outcomes == [Appended(4), Appended(1)]
    assert (count(connection, "tunnels"), count(connection, "unplaced")) == (1, 1)
    assert count(connection, "notices WHERE producer <> 'store'") == 3
    assert connection.execute("SELECT producer, seq FROM marks ORDER BY producer").fetchall() == [("w0", 4), ("w1", 1)]
    assert ingest.commit([journal.frame()]) == [Appended(4)]


def test_an_end_while_rows_go_singly_doubles_none(ingest, connection, life, clock):
    bad = Tunnelled(NOW, "w0", 2, 2, 2)
    journal = life().add(notice(0), bad, notice(1), notice(2))
    spoiled(ingest, bad)

    class Ending:
        commits = 0

        def execute(self, query, parameters=None):
            if query == "COMMIT":
                Ending.commits += 1
                if Ending.commits == 3:
                    raise KeyboardInterrupt
            return connection.execute(query, parameters) if parameters else connection.execute(query)

    ingest._connection = Ending()
    with pytest.raises(KeyboardInterrupt):
        ingest.commit([journal.frame()])
    again = Ingest(connection, clock, 100)
    assert 0 < again.mark("w0", 7).seq < 4
    assert again.commit([journal.frame()]) == [Appended(4)]
    assert count(connection, "notices WHERE producer = 'w0'") == 3
    assert count(connection, "tunnels") + count(connection, "unplaced") == 1


def test_nothing_is_half_done_when_the_database_fails(ingest, connection, life):
    class Failing:
        def execute(self, query, parameters=None):
            if query == "COMMIT":
                raise duckdb.IOException("disk full")
            return connection.execute(query, parameters) if parameters else connection.execute(query)

    journal = life().add(notice(0))
    ingest._connection = Failing()
    with pytest.raises(duckdb.IOException):
        ingest.commit([journal.frame()])
    ingest._connection = connection
    assert count(connection, "notices") == 0
    assert ingest.commit([journal.frame()]) == [Appended(1)]


def test_persons_are_kept_once_and_refreshed_rarely(ingest, connection, life):
    journal = life()
    for ts in (NOW, NOW + 1, NOW + PERSON_REFRESH_S):
        journal.add(Notice(ts, "w0", "info", "n"), persons={"p_1": "ada"})
        ingest.commit([journal.frame()])
    rows = connection.execute("SELECT digest, value, first_seen, last_seen FROM persons").fetchall()
    assert rows == [("p_1", "ada", NOW, NOW + PERSON_REFRESH_S)]


def test_an_erased_person_does_not_come_back_with_old_events(ingest, connection, life, clock):
    connection.execute("INSERT INTO erasures VALUES ('p_1', ?, 'root')", [NOW])
    for fresh in (ingest, Ingest(connection, clock, 100)):
        fresh.forget("p_1", NOW)
        fresh.commit([life(f"w{fresh._epoch}").add(Notice(NOW, "w0", "info", "n"), persons={"p_1": "ada"}).frame()])
    assert count(connection, "persons") == 0
    later = life("w9").add(Notice(NOW + 1, "w0", "info", "n"), persons={"p_1": "ada"})
    ingest.commit([later.frame()])
    assert count(connection, "persons") == 1
