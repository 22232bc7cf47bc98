"""Events to rows: the same columns as the schema, and nothing that a column would silently drop."""

import msgspec
import pytest

from appliance.model.detection import Coverage, DetectorCount, Label
from appliance.model.event import DetectorsCounted, LostSecond, PacketsLost, Tunnelled, Usage
from appliance.model.names import DetectionKind
from appliance.store.bench import closed, opened
from appliance.store.placing import Misfit, Origin, row_of
from appliance.store.rows import TABLES

ORIGIN = Origin(1, "w0", 7, 1, "d" * 64, "{}")
TYPES = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR", bool: "BOOLEAN", tuple[str, ...]: "VARCHAR[]"}
TYPES |= {tuple[int, ...]: "BIGINT[]", tuple[float, ...]: "DOUBLE[]"}


@pytest.mark.parametrize("row", TABLES, ids=TABLES.values())
def test_a_row_has_its_tables_columns(connection, row):
    table = connection.execute(
        "SELECT column_name, data_type, NOT is_nullable FROM duckdb_columns() WHERE table_name = ? "
        "ORDER BY column_index",
        [TABLES[row]],
    ).fetchall()
    fields = [(field.name, *declared(field.type)) for field in msgspec.structs.fields(row)]
    assert fields == [(name, "BIGINT" if kind == "INTEGER" else kind, needed) for name, kind, needed in table]


def declared(annotation):
    for plain, kind in TYPES.items():
        if annotation == plain:
            return kind, True
        if annotation == plain | None:
            return kind, False
    raise AssertionError(annotation)


def with_facts(**changed):
    event = opened("x", "w0", 1.0)
    return msgspec.structs.replace(event, facts=msgspec.structs.replace(event.facts, **changed))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (with_facts(coverage=None), "without coverage"),
        (with_facts(coverage=None, request_bytes=0), "without coverage"),
        (msgspec.structs.replace(closed("x", 1.0), coverage=None), "without coverage"),
        (with_facts(coverage=Coverage(10, 3, 3)), "add up"),
        (with_facts(request_bytes=2**63), "outside"),
        (with_facts(request_bytes=-1), "outside"),
        (with_facts(port=2**31), "outside"),
        (with_facts(coverage=Coverage(-1, -1)), "outside"),
        (msgspec.structs.replace(closed("x", 1.0), usage=Usage(input_tokens=-5)), "outside"),
        (msgspec.structs.replace(closed("x", 1.0), coverage=Coverage(4, 5)), "add up"),
        (msgspec.structs.replace(closed("x", 1.0), response_bytes=2**64), "outside"),
        (Tunnelled(1.0, "w0", 1, 2**63, 0), "outside"),
        (DetectorsCounted(1.0, "w0", 0.0, (DetectorCount("a", -1, 0, 0.0),)), "outside"),
        (DetectorsCounted(1.0, "w0", 0.0, (DetectorCount("a", 1, 0, float("nan")),)), "seconds"),
        (DetectorsCounted(1.0, "w0", 0.0, (DetectorCount("a", 1, 0, 0.0),) * 65), "more than"),
        (PacketsLost(1.0, "s0", "eth0", ()), "0 seconds"),
        (PacketsLost(1.0, "s0", "eth0", (LostSecond(1, 1, 1),) * 61), "61 seconds"),
        (PacketsLost(1.0, "s0", "eth0", (LostSecond(-1, 1, 1),)), "outside"),
        (PacketsLost(1.0, "s0", "eth0", (LostSecond(2**60, 1, 1),)), "time"),
        ({"count": 0}, "no sighting"),
        ({"count": -3}, "outside"),
        ({"confidence": 1.5}, "confidence"),
        ({"port": -1}, "outside"),
        ({"ts": -1.0}, "time"),
        ({"until": 1e18}, "time"),
    ],
)
def test_what_breaks_a_law_does_not_become_a_row(event, why, observed):
    with pytest.raises(Misfit, match=why):
        row_of(ORIGIN, observed(**event) if isinstance(event, dict) else event)


def test_groups_stand_one_a_line():
    assert row_of(ORIGIN, with_facts(groups=("board", "a b"))).groups == "board\na b"


def test_an_observation_ends_no_earlier_than_it_begins(observed):
    assert row_of(ORIGIN, observed(ts=50.0, until=0.0)).until == 50.0


def test_an_answer_that_never_came_needs_no_coverage():
    lost = msgspec.structs.replace(closed("x", 1.0), response_bytes=0, coverage=None)
    assert row_of(ORIGIN, lost).coverage_length is None


def test_what_an_answer_carried_stands_in_its_row():
    labels = (Label("B", DetectionKind.SECRET, 2, 1.0), Label("A", DetectionKind.PII, 1, 0.5))
    event = msgspec.structs.replace(
        closed("x", 1.0), labels=labels, redactions=2, tools_called=("send",), gone_bytes=7, finish=("stop",)
    )
    row = row_of(ORIGIN, event)
    assert (row.answer_entities, row.answer_findings, row.answer_redactions) == (("A", "B"), 3, 2)
    assert (row.tools_called, row.gone_bytes) == (("send",), 7)


@pytest.mark.parametrize(
    ("late", "told"), [(None, None), ((), ()), ((Label("PERSON", DetectionKind.PII, 1, 0.9),), ("PERSON",))]
)
def test_what_was_found_in_a_request_that_had_gone_stands_with_its_end(late, told):
    assert row_of(ORIGIN, msgspec.structs.replace(closed("x", 1.0), late_labels=late)).late_entities == told


def test_what_a_client_sent_after_the_opening_stands_in_its_row():
    sent = Coverage(10, 1, 2, {"too_large": 3}, {"audio": 4})
    row = row_of(ORIGIN, msgspec.structs.replace(closed("x", 1.0), sent=sent))
    assert (row.sent_bytes, row.sent_unscanned) == (10, 7)
    row = row_of(ORIGIN, closed("x", 1.0))
    assert (row.sent_bytes, row.sent_unscanned) == (0, 0)
    with pytest.raises(Misfit):
        row_of(ORIGIN, msgspec.structs.replace(closed("x", 1.0), sent=Coverage(10, -1, 11)))


def test_coverage_is_summed_by_where_bytes_went():
    coverage = Coverage(10, 1, 2, {"too_large": 3}, {"image": 1, "audio": 3})
    row = row_of(ORIGIN, with_facts(coverage=coverage))
    assert (row.coverage_length, row.coverage_structure, row.coverage_scanned) == (10, 1, 2)
    assert (row.coverage_unscanned, row.coverage_opaque) == (3, 4)
