"""One exchange, two records: an edge's and the central appliance's. It counts once, and both stay."""

import msgspec
import pytest

from appliance.model.event import Cost
from appliance.store.bench import closed, opened
from appliance.store.folding import Folding, _Body
from appliance.store.handed import is_handed
from appliance.store.peers import as_stored
from appliance.store.shares import SharesRequest, shares
from appliance.store.tally_pages import TallyRequest

NOW = 1_763_700_000.0
COST = Cost(300)
OPENS = "SELECT n, producer, body FROM exchange_open ORDER BY n"


def of_edge(frame):
    head, body = frame
    return msgspec.structs.replace(head, peer="berlin", edge=True), body


def edited(event, *edits):
    return msgspec.structs.replace(event, edits=edits)


def commit(ingest, life):
    """An exchange of the edge that was handed over, its record here, and one that the edge has turned away."""
    handed = edited(opened("e1", "w0", NOW), "central:central.test:9444")
    at_edge = life().add(handed, msgspec.structs.replace(closed("e1", NOW + 1), usage=None, cost=None))
    turned_away = life("w1").add(opened("e2", "w1", NOW), msgspec.structs.replace(closed("e2", NOW), usage=None))
    here = life().add(
        edited(opened("c1", "w0", NOW), "edge:berlin:e1"), msgspec.structs.replace(closed("c1", NOW + 1), cost=COST)
    )
    ingest.commit([of_edge(at_edge.frame()), of_edge(turned_away.frame()), here.frame()])


def test_both_records_stay_and_name_one_exchange(ingest, connection, life):
    commit(ingest, life)
    rows = connection.execute("SELECT exchange, handed FROM exchange_open ORDER BY 1").fetchall()
    assert rows == [("berlin:e1", True), ("berlin:e2", None), ("c1", None)]
    joined = """SELECT count(*) FROM exchange_open here JOIN exchange_open there ON there.handed
                AND list_contains(from_json(json_extract(here.body, '$.event.edits'), '["VARCHAR"]'),
                                  'edge:' || there.exchange)"""
    assert connection.execute(joined).fetchone() == (1,)


def test_sums_count_it_once(ingest, connection, life):
    commit(ingest, life)
    spent = connection.execute("SELECT sum(exchanges), sum(cost_micros) FROM v_spend").fetchone()
    assert spent == (2, 300)
    assert [share.through for share in shares(connection, SharesRequest())] == [2]


def test_counters_count_it_once(ingest, life):
    commit(ingest, life)
    series = msgspec.to_builtins(ingest.tally.told(TallyRequest()).series)
    assert sum(one["value"] for one in series if one["family"] == "exchanges_opened") == 2
    assert sum(one["value"] for one in series if one["family"] == "exchanges_closed") == 2


@pytest.mark.parametrize("from_disk", [False, True])
def test_findings_are_made_of_one_of_them(ingest, connection, life, from_disk):
    commit(ingest, life)
    connection.execute("INSERT INTO folded VALUES (0)")
    rows = connection.execute(OPENS).fetchall()
    events = [(n, as_stored(msgspec.json.decode(body, type=_Body).event, producer)) for n, producer, body in rows]
    folding = Folding(connection, 100 if from_disk else 0)
    if not from_disk:
        folding.note(events, 100)
    assert sorted(event.exchange for _, event in folding.chunk().events) == ["berlin:e2", "c1"]


def test_an_edges_own_store_counts_what_it_has_handed_over():
    event = edited(opened("e1", "w0", NOW), "central:central.test:9444")
    assert not is_handed(event)
    assert is_handed(msgspec.structs.replace(event, worker="peer.berlin.w0"))
    assert not is_handed(msgspec.structs.replace(event, worker="peer.berlin.w0", edits=("include_usage",)))


def test_who_is_no_edge_hides_nothing_from_the_sums(ingest, connection, life):
    head, body = life().add(edited(opened("e1", "w0", NOW), "central:central.test:9444")).frame()
    ingest.commit([(msgspec.structs.replace(head, peer="pod"), body)])
    assert connection.execute("SELECT count(*) FROM exchange_open").fetchone() == (0,)
    assert connection.execute("SELECT fault FROM unplaced").fetchall() == [("only an edge hands exchanges over",)]
