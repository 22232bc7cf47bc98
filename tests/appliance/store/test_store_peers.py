"""Records of other appliances: under their own name, once, and never as somebody else."""

import hashlib

import msgspec
import pytest

from appliance.journal.record import encode_line, genesis
from appliance.model.detection import DetectorCount, Label
from appliance.model.errors import EvidenceError
from appliance.model.event import Cost, DetectorsCounted, ExchangeClosed, Notice, Refused, Tunnelled, Usage
from appliance.model.names import Outcome, RefusalReason
from appliance.store import ingest as module
from appliance.store.bench import closed, opened
from appliance.store.folding import Folding
from appliance.store.ingest import Ingest
from appliance.store.pages import HistoryRequest
from appliance.store.peers import AHEAD_S, as_stored, of_peer
from appliance.store.placing import Misfit
from appliance.store.queries import history
from appliance.store.wire import Append, Appended, peer_of_producer, peer_producer

NOW = 1_763_700_000.0


def of(peer, frame):
    head, body = frame
    return msgspec.structs.replace(head, peer=peer), body


def rows(connection, statement):
    return connection.execute(statement).fetchall()


def test_a_peers_records_stand_under_its_name_and_their_chain_is_its_own(ingest, connection, life):
    journal = life().add(opened("x1", "w0", NOW), closed("x1", NOW + 1))
    assert ingest.commit([of("pod-a", journal.frame())]) == [Appended(2)]
    ((producer, worker, exchange, same),) = rows(
        connection, "SELECT producer, worker, exchange, sha256(body) = digest FROM exchange_open"
    )
    assert (producer, worker, exchange, same) == ("peer.pod-a.w0", "peer.pod-a.w0", "pod-a:x1", True)
    assert rows(connection, "SELECT outcome FROM v_exchanges") == [("completed",)]
    assert rows(connection, "SELECT producer, seq FROM marks") == [("peer.pod-a.w0", 2)]
    assert rows(connection, "SELECT peer, exchanges FROM v_peers") == [("pod-a", 1)]


def test_three_writers_of_one_name_and_life_do_not_meet(ingest, connection, life):
    here, there, elsewhere = (life().add(opened(f"x{n}", "w0", NOW)) for n in range(3))
    frames = [here.frame(), of("pod-a", there.frame()), of("pod-b", elsewhere.frame())]
    assert ingest.commit(frames) == [Appended(1)] * 3
    assert ingest.commit(frames) == [Appended(1)] * 3
    assert rows(connection, "SELECT producer FROM exchange_open ORDER BY 1") == [
        ("peer.pod-a.w0",), ("peer.pod-b.w0",), ("w0",),
    ]  # fmt: skip
    assert [ingest.mark("w0", 7, peer).seq for peer in (None, "pod-a", "pod-b", "pod-c")] == [1, 1, 1, 0]


def test_marks_of_peers_are_found_again_after_a_restart(ingest, connection, clock, life):
    journal = life().add(*(opened(f"x{n}", "w0", NOW) for n in range(4)))
    ingest.commit([of("pod-a", journal.frame(1, 3))])
    again = Ingest(connection, clock, 100)
    assert again.mark("w0", 7, "pod-a").seq == 3
    assert again.commit([of("pod-a", journal.frame(2, 4))]) == [Appended(4)]
    assert rows(connection, "SELECT count(*), count(DISTINCT exchange) FROM exchange_open") == [(4, 4)]


def test_lines_that_differ_from_what_was_taken_are_damage(ingest, life):
    ingest.commit([of("pod-a", life().add(opened("x1", "w0", NOW)).frame())])
    (outcome,) = ingest.commit([of("pod-a", life().add(opened("x2", "w0", NOW)).frame())])
    assert isinstance(outcome, EvidenceError)


def test_a_peer_ends_no_exchange_of_another(ingest, connection, life):
    ingest.commit([life().add(opened("x1", "w0", NOW)).frame()])
    ingest.commit([of("pod-a", life().add(ExchangeClosed("x1", NOW, Outcome.LOST)).frame())])
    assert rows(connection, "SELECT outcome FROM v_exchanges") == [(None,)]


def test_a_peer_adds_names_and_changes_none(ingest, connection, life):
    ours, theirs = {"p_1": "alice"}, {"p_1": "mallory", "p_2": "bob"}
    ingest.commit([of("pod-a", life().add(opened("x0", "w0", NOW), persons={"p_3": "carol"}).frame())])
    ingest.commit([life().add(opened("x1", "w0", NOW), persons=ours).frame()])
    ingest.commit([of("pod-b", life().add(opened("x2", "w0", NOW), persons=theirs | {"p_3": "x"}).frame())])
    assert dict(rows(connection, "SELECT digest, value FROM persons")) == {"p_1": "alice", "p_2": "bob", "p_3": "carol"}
    ingest.commit([life("w1").add(opened("x3", "w1", NOW), persons={"p_2": "bertha"}).frame()])
    assert rows(connection, "SELECT value FROM persons WHERE digest = 'p_2'") == [("bertha",)]


def test_a_peers_clock_keeps_no_name_from_being_forgotten(ingest, connection, life):
    ingest.commit([of("pod-a", life().add(opened("x1", "w0", NOW + AHEAD_S / 2), persons={"p_1": "a"}).frame())])
    ((last,),) = rows(connection, "SELECT last_seen FROM persons")
    assert last < NOW + 60


@pytest.mark.parametrize(
    "event",
    [
        opened("x1", "w0", NOW + 3 * AHEAD_S),
        opened("x1", "w0", -1.0),
        opened("x1\n", "w0", NOW),
        closed("x" * 65, NOW),
        Notice(NOW, "w0", "panic", "n"),
        Notice(NOW, "w0", "alarm", "store wal torn, call 555"),
        Refused(NOW, "w0", RefusalReason.SMUGGLING, "a_1", "p_1", "h", 443, listener="proxy of alice"),
    ],
)
def test_what_a_peer_may_not_say_is_set_aside_whole_with_an_alarm(ingest, connection, life, event):
    assert ingest.commit([of("pod-a", life().add(event, opened("x2", "w0", NOW)).frame())]) == [Appended(2)]
    assert rows(connection, "SELECT producer, seq FROM unplaced") == [("peer.pod-a.w0", 1)]
    assert rows(connection, "SELECT note FROM notices") == [("record_unplaced",)]
    assert rows(connection, "SELECT exchange FROM exchange_open") == [("pod-a:x2",)]


def test_a_sensors_record_is_not_taken_from_a_peer(observed):
    with pytest.raises(Misfit, match="no network"):
        of_peer(observed(), "pod-a", "s0", NOW)


def test_every_worker_is_renamed_and_a_notice_cannot_be_the_stores(ingest, connection, life):
    events = (
        Notice(NOW, "store", "alarm", "store_wal_torn"),
        Tunnelled(NOW, "w9", 1, 2, 3),
        Refused(NOW, "w9", RefusalReason.SMUGGLING, "a_1", "p_1", "h", 443),
        DetectorsCounted(NOW, "w9", NOW - 1, ()),
    )
    ingest.commit([of("pod-a", life().add(*events).frame())])
    for table in ("notices", "tunnels", "refusals", "detector_sums"):
        assert rows(connection, f"SELECT worker FROM {table}") == [("peer.pod-a.w0",)], table


def test_findings_see_the_same_name_when_events_are_read_back(ingest, connection, life):
    connection.execute("DELETE FROM folded; INSERT INTO folded VALUES (0)")
    ingest.commit([of("pod-a", life().add(opened("x1", "w0", NOW)).frame())])
    (event,) = [event for _, event in Folding(connection, 1)._read(1)]
    assert (event.exchange, event.worker) == ("pod-a:x1", "peer.pod-a.w0")
    assert as_stored(event, "w0") is event
    connection.execute("UPDATE folded SET n = 0")


def test_what_peers_used_is_no_use_of_this_appliances_budgets(ingest, connection, life):
    ingest.commit([of("pod-a", life().add(opened("x1", "w0", NOW), closed("x1", NOW)).frame())])
    assert history(connection, HistoryRequest(since=0.0)) == []
    ingest.commit([life().add(opened("x1", "w0", NOW), closed("x1", NOW)).frame()])
    assert [row.requests for row in history(connection, HistoryRequest(since=0.0))] == [1]


@pytest.mark.parametrize("peer", ["pod-a", "berlin.example.com", "a"])
def test_a_producer_tells_whose_it_is(peer):
    assert peer_of_producer(peer_producer(peer, "w0")) == peer
    assert peer_of_producer("w0") is None


def written(event, old, new):
    """A frame of one line, in which something was replaced before it was signed for."""
    line, _ = encode_line(genesis("w0", 7), event, {})
    body = line[line.index(b'"body":') + 7 : line.rindex(b',"persons"')]
    assert old in body
    body = body.replace(old, new)
    line = b'{"digest":"%b","body":%b,"persons":{}}\n' % (hashlib.sha256(body).hexdigest().encode(), body)
    return Append(producer="w0", epoch=7, first_seq=1, last_seq=1, peer="pod-a"), line


@pytest.mark.parametrize("text", [b'"\xff"', b'"\xed\xa0\x80"', b"[" * 400_000 + b"]" * 400_000])
def test_a_text_that_nobody_can_read_is_damage_and_stops_nobody_else(ingest, connection, life, text):
    """In members that are skipped, so that the decoder does not look."""
    hostile = written(opened("x1", "w0", NOW), b'"redactions"', b'"more":%b,"redactions"' % text)
    outcomes = ingest.commit([hostile, life().add(opened("x2", "w0", NOW)).frame()])
    assert isinstance(outcomes[0], EvidenceError)
    assert outcomes[1] == Appended(1)
    assert rows(connection, "SELECT exchange FROM exchange_open") == [("x2",)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"text_unscanned":{}', b'"text_unscanned":{"cold":9223372036854775807},"text_unscanned":{}'),
        (b'"exchange":"x1"', b'"exchange":"\\u001b[2J","exchange":"x1"'),
        (b'"service":"openai"', b'"service":"none","service":"openai"'),
    ],
)
def test_a_text_that_says_two_things_is_set_aside(ingest, connection, old, new):
    assert ingest.commit([written(opened("x1", "w0", NOW), old, new)]) == [Appended(1)]
    assert rows(connection, "SELECT fault FROM unplaced") == [("its text can be read in several ways",)]
    assert rows(connection, "SELECT count(*) FROM exchange_open") == [(0,)]


def test_what_a_newer_release_says_more_is_taken(ingest, connection):
    assert ingest.commit([written(opened("x1", "w0", NOW), b'"redactions"', b'"more":[1],"redactions"')])
    assert rows(connection, "SELECT exchange FROM exchange_open") == [("pod-a:x1",)]


def test_a_peer_does_not_use_up_the_alarms_of_others(ingest, connection, life, monkeypatch):
    monkeypatch.setattr(module, "MAX_REMEMBERED_ALARMS", 2)
    ingest.commit([of("pod-a", life().add(*[Notice(NOW, "w0", "panic", "n")] * 4).frame())])
    assert rows(connection, "SELECT count(*) FROM notices") == [(2,)]
    ingest.commit([life().add(msgspec.structs.replace(closed("x1", NOW), status=-1)).frame()])
    assert rows(connection, "SELECT count(*) FROM notices") == [(3,)]


MUCH = 2**63 - 1
OPENED = opened("x1", "w0", NOW)


@pytest.mark.parametrize(
    "event",
    [
        msgspec.structs.replace(OPENED, facts=msgspec.structs.replace(OPENED.facts, request_bytes=MUCH)),
        msgspec.structs.replace(OPENED, inspect_ms=1e308),
        msgspec.structs.replace(closed("x1", NOW), usage=Usage(MUCH)),
        msgspec.structs.replace(closed("x1", NOW), cost=Cost(MUCH)),
        msgspec.structs.replace(closed("x1", NOW), duration_ms=-1e308),
        Tunnelled(NOW, "w0", 1, MUCH, MUCH),
        DetectorsCounted(NOW, "w0", NOW, (DetectorCount("pii", MUCH, 0, 0.0, 0, 0),)),
        DetectorsCounted(NOW, "w0", 1e300, ()),
    ],
)
def test_numbers_that_would_break_every_sum_are_set_aside(ingest, connection, life, event):
    assert ingest.commit([of("pod-a", life().add(event).frame())]) == [Appended(1)]
    assert rows(connection, "SELECT count(*) FROM unplaced") == [(1,)]


def test_words_that_exports_show_as_they_are_are_words():
    said, answer = opened("x1", "w0", NOW), closed("x1", NOW + 1)
    label = Label("an ada lovelace", 1, 0.9, "patterns")
    for record in (
        msgspec.structs.replace(said, facts=msgspec.structs.replace(said.facts, key_shape="of ada lovelace")),
        msgspec.structs.replace(said, facts=msgspec.structs.replace(said.facts, labels=(label,))),
        msgspec.structs.replace(answer, labels=(label,)),
        msgspec.structs.replace(answer, late_labels=(label,)),
    ):
        with pytest.raises(Misfit, match="vocabulary"):
            of_peer(record, "pod-a", "w0", NOW)
    assert of_peer(said, "pod-a", "w0", NOW).exchange == "pod-a:x1"
