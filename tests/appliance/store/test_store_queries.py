"""Named queries: pages, filters, sums."""

import itertools

import msgspec
import pytest

from appliance.model.event import Attempt, Cost, LostSecond, Notice, PacketsLost, Refused, Tunnelled, Usage
from appliance.model.names import Outcome, RefusalReason
from appliance.store import queries
from appliance.store.bench import closed, opened
from appliance.store.pages import (
    MAX_LIMIT,
    ExchangeRequest,
    ExchangesRequest,
    HistoryRequest,
    LossesRequest,
    NoticesRequest,
    PersonsRequest,
    RefusalsRequest,
    SpanRequest,
    TunnelsRequest,
)
from appliance.store.queries import QUERIES

NOW = 1_763_700_000.0


@pytest.fixture
def history(ingest, life):
    journal = life()
    for number in range(25):
        journal.add(opened(f"x{number}", f"w{number % 2}", NOW + number), persons={f"p_{number}": f"name {number}"})
        if number % 5:
            outcome = Outcome.BLOCKED if number % 5 == 1 else Outcome.COMPLETED
            attempts = () if outcome is Outcome.BLOCKED else (Attempt("h", 200),)
            event = msgspec.structs.replace(closed(f"x{number}", NOW + number + 0.5), outcome=outcome)
            journal.add(msgspec.structs.replace(event, attempts=attempts, cost=Cost(micros=7)))
    journal.add(closed("x1", NOW + 90))  # a second close of one exchange counts nowhere
    journal.add(Refused(NOW, "w0", RefusalReason.SMUGGLING, "a_1", "p_1", "evil.example", 443))
    journal.add(Notice(NOW, "w0", "alarm", "journal_filling"), Tunnelled(NOW, "w0", 3, 10, 20))
    ingest.commit([journal.frame()])
    return journal


def pages(connection, **filters):
    before = None
    for _ in range(20):
        page = queries.exchanges(connection, ExchangesRequest(limit=4, before=before, **filters))
        yield from page
        if not page:
            return
        before = page[-1].n


@pytest.mark.usefixtures("history")
def test_pages_show_every_exchange_once_newest_first(connection):
    assert [row.exchange for row in pages(connection)] == [f"x{number}" for number in reversed(range(25))]


@pytest.mark.usefixtures("history")
def test_newer_than_what_was_seen(connection):
    seen = queries.exchanges(connection, ExchangesRequest(limit=3))
    assert queries.exchanges(connection, ExchangesRequest(after=seen[0].n)) == []
    assert queries.exchanges(connection, ExchangesRequest(after=seen[2].n)) == seen[:2]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"worker": "w1"}, range(1, 25, 2)),
        ({"outcome": "running"}, range(0, 25, 5)),
        ({"outcome": "blocked"}, range(1, 25, 5)),
        ({"service": "openai", "since": NOW + 20, "until": NOW + 22}, (20, 21)),
        ({"model": "gpt-4o-mini", "worker": "w0", "outcome": "running"}, (0, 10, 20)),
        ({"service": "x' OR 1=1 --"}, ()),
        ({"host": "%"}, ()),
    ],
)
@pytest.mark.usefixtures("history")
def test_filters(connection, filters, expected):
    found = [row.exchange for row in pages(connection, **filters)]
    assert found == [f"x{number}" for number in sorted(expected, reverse=True)]


@pytest.mark.usefixtures("history")
def test_a_row_carries_its_close_or_none(connection):
    by_name = {row.exchange: row for row in queries.exchanges(connection, ExchangesRequest())}
    assert (by_name["x0"].outcome, by_name["x0"].status) == (None, None)
    assert (by_name["x1"].outcome, by_name["x1"].status, by_name["x1"].input_tokens) == ("blocked", 200, 512)
    assert by_name["x1"].entities == ["EMAIL_ADDRESS", "OPENAI_API_KEY"]


def test_one_exchange_with_its_exact_records(connection, history):
    records = queries.exchange(connection, ExchangeRequest(exchange="x1"))
    assert [record.kind for record in records] == ["open", "close", "close"]
    assert all(bytes(record.body) in history.frame()[1] for record in records)
    assert queries.exchange(connection, ExchangeRequest(exchange="none")) == []


@pytest.mark.usefixtures("history")
def test_other_tables(connection):
    assert [row.host for row in queries.refusals(connection, RefusalsRequest(reason="smuggling"))] == ["evil.example"]
    assert queries.refusals(connection, RefusalsRequest(reason="malformed_request")) == []
    assert [row.note for row in queries.notices(connection, NoticesRequest(severity="alarm"))] == ["journal_filling"]
    assert [row.bytes_up for row in queries.tunnels(connection, TunnelsRequest())] == [10]
    people = queries.persons(connection, PersonsRequest(digests=("p_3", "p_none", "p_4")))
    assert sorted((person.digest, person.value) for person in people) == [("p_3", "name 3"), ("p_4", "name 4")]


@pytest.mark.usefixtures("history")
def test_sums(connection):
    counted = {row.outcome: row.exchanges for row in queries.counts(connection, SpanRequest())}
    assert sum(counted.values()) == 25
    assert counted[None] == 5
    [used] = queries.usage(connection, SpanRequest(until=NOW + 1000))
    [none] = [row for row in queries.usage(connection, SpanRequest(since=NOW + 24)) if row.service]
    assert (used.exchanges, used.input_tokens, used.principals) == (25, 20 * 512, 25)
    assert none.exchanges == 1
    [covered] = queries.coverage(connection, SpanRequest())
    assert covered.length == covered.structure + covered.scanned + covered.unscanned + covered.opaque
    assert (covered.exchanges, covered.incomplete) == (25, 0)


@pytest.mark.usefixtures("history")
def test_history_counts_what_was_used_page_by_page(connection):
    whole = queries.history(connection, HistoryRequest(since=NOW + 5, unused=("blocked", "lost")))
    assert [row.n for row in whole] == sorted((row.n for row in whole), reverse=True)
    assert sum(row.requests for row in whole) == len([n for n in range(5, 25) if n % 5 != 1])
    first = queries.history(connection, HistoryRequest(since=NOW + 5, unused=("blocked", "lost"), limit=7))
    rest = queries.history(connection, HistoryRequest(since=NOW + 5, unused=("blocked", "lost"), before=first[-1].n))
    assert first + rest == whole
    assert len(queries.history(connection, HistoryRequest())) == 25
    assert sum(row.micros for row in queries.history(connection, HistoryRequest())) == 20 * 7


def test_what_was_ended_in_mid_answer_was_used(connection, ingest, life):
    journal = life().add(opened("x1", "w0", NOW))
    journal.add(msgspec.structs.replace(closed("x1", NOW), outcome=Outcome.BLOCKED, attempts=(Attempt("h", 200),)))
    ingest.commit([journal.frame()])
    assert [row.requests for row in queries.history(connection, HistoryRequest(unused=("blocked",)))] == [1]
    assert queries.history(connection, HistoryRequest())[0].groups == "research"


LOST = Attempt("a:443", 0, "reset", service="openai", sent=True, usage=Usage(3, estimated=True), cost=Cost(micros=30))
FULL = Attempt("b:443", 0, "no room: budget b", service="mistral", denied=True)
ANSWERED = Attempt("c:443", 200, service="groq", model="llama", sent=True, usage=Usage(5, 7), cost=Cost(micros=12))


def tried(ingest, life):
    """One exchange over three targets."""
    journal = life().add(opened("x1", "w0", NOW))
    event = msgspec.structs.replace(closed("x1", NOW), usage=Usage(5, 7), cost=Cost(micros=42))
    journal.add(msgspec.structs.replace(event, attempts=(LOST, FULL, ANSWERED)))
    ingest.commit([journal.frame()])


def test_history_counts_each_attempt_for_its_own_service(connection, ingest, life):
    tried(ingest, life)
    found = queries.history(connection, HistoryRequest())
    assert [(one.service, one.requests, one.input_tokens, one.output_tokens, one.micros) for one in found] == [
        ("openai", 0, 3, 0, 30),
        ("groq", 1, 5, 7, 12),
    ]
    first = queries.history(connection, HistoryRequest(limit=1))
    assert first + queries.history(connection, HistoryRequest(before=first[0].n)) == found


def test_attempts_are_told_one_by_one(connection, ingest, life):
    tried(ingest, life)
    rows = connection.execute(
        "SELECT number, service, status, sent, denied, input_tokens, output_tokens, usage_estimated, cost_micros "
        "FROM v_attempts ORDER BY number"
    ).fetchall()
    assert rows == [
        (1, "openai", 0, True, False, 3, 0, True, 30),
        (2, "mistral", 0, None, True, None, None, None, None),
        (3, "groq", 200, True, False, 5, 7, False, 12),
    ]
    assert connection.execute("SELECT attempts FROM v_exchanges").fetchall() == [(2,)]


@pytest.mark.usefixtures("history")
def test_a_single_attempt_is_told_by_its_exchange(connection):
    told = connection.execute("SELECT count(*), sum(input_tokens), sum(cost_micros) FROM v_attempts").fetchall()
    assert (
        told
        == connection.execute(
            "SELECT count(*), sum(input_tokens), sum(cost_micros) FROM v_exchanges WHERE attempts = 1"
        ).fetchall()
    )


def test_views_agree_with_the_queries(connection, history):
    assert connection.execute("SELECT count(*), count(outcome) FROM v_exchanges").fetchall() == [(25, 20)]
    assert connection.execute("SELECT sum(exchanges), sum(input_tokens) FROM v_usage").fetchall() == [(25, 10_240)]
    assert connection.execute("SELECT bytes = structure + scanned + unscanned + opaque FROM v_coverage").fetchall() == [
        (True,)
    ]
    assert queries.table_sizes(connection)["exchange_open"] == 25
    assert [mark.seq for mark in queries.marks(connection)] == [len(history.lines)]


COUNTED = {queries.judged_count}  # one number


def test_nothing_is_unbounded():
    for query in QUERIES.values():
        fields = {field.name for field in msgspec.structs.fields(query.request)}
        assert fields & {"limit", "exchange", "digests"} or query.run in COUNTED
    for limit in (0, -1, MAX_LIMIT + 1):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"limit": limit}, ExchangesRequest)


@pytest.mark.usefixtures("history")
def test_every_filter_is_a_column(connection):
    for name, query in QUERIES.items():
        fields = msgspec.structs.fields(query.request)
        texts = [f.name for f in fields if f.name not in {"limit", "digests", "exchange", "by", "now"}]
        given = {"now": 5.0} if any(f.required and f.name == "now" for f in fields) else {}
        for field in itertools.chain(texts):
            value = 5.0 if field in {"since", "until"} else 5 if field in {"before", "after"} else "blocked"
            assert query.run(connection, query.request(**given, **{field: value})) is not None, name


def test_seconds_with_losses_are_rows_of_their_own_in_the_view(connection, ingest, life):
    seconds = LostSecond(1_763_700_001, 7, 100), LostSecond(1_763_700_004, 2, 90)
    journal = life()
    for sensor in ("s0", "s1"):
        journal.add(PacketsLost(NOW, sensor, "eth0", seconds))
    ingest.commit([journal.frame()])
    [row] = queries.losses(connection, LossesRequest(sensor="s1"))
    assert (row.source, row.seconds, row.dropped, row.passed) == (
        "eth0",
        [1_763_700_001, 1_763_700_004],
        [7, 2],
        [100, 90],
    )
    shown = "SELECT second, dropped, passed, epoch(\"at\") FROM v_packet_losses WHERE sensor = 's0' ORDER BY second"
    assert connection.execute(shown).fetchall() == [(*msgspec.structs.astuple(one), one.second) for one in seconds]


def test_spend_by_user_department_service_model_and_key(connection, ingest, life):
    journal = life()
    costs = (Cost(micros=40, overrun_micros=15), Cost(priced=False), None)
    for number, cost in enumerate(costs):
        event = opened(f"x{number}", "w0", NOW)
        facts = msgspec.structs.replace(event.facts, virtual_key="k1", principal="p_1")
        journal.add(msgspec.structs.replace(event, facts=facts))
        journal.add(msgspec.structs.replace(closed(f"x{number}", NOW + 1), cost=cost))
    ingest.commit([journal.frame()])
    found = connection.execute(
        "SELECT principal, virtual_key, exchanges, cost_micros, overrun_micros, unpriced FROM v_spend"
    ).fetchall()
    assert found == [("p_1", "k1", 3, 40, 15, 1)]
    assert connection.execute("SELECT cost_micros, cost_priced FROM v_exchanges ORDER BY n").fetchall() == [
        (40, True), (None, False), (None, None),
    ]  # fmt: skip
