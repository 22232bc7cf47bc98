"""Keys that were seen: who used them, of whose account, and which are used after the day."""

import msgspec
import pytest

from appliance.model.event import ExchangeOpened
from appliance.model.names import AccountKind
from appliance.store.bench import closed, opened
from appliance.store.exposure import exposure
from appliance.store.exposure_pages import FEW, ExposureRequest

NOW = 1_763_700_000.0
ANN, BOB = "p_" + "1" * 16, "p_" + "2" * 16
BOX, PC = "a_" + "1" * 16, "a_" + "2" * 16
ONE, TWO = "k_" + "1" * 16, "k_" + "2" * 16


def use(exchange, ts, edits=(), **more) -> ExchangeOpened:
    event = opened(exchange, "w0", ts)
    said = {"principal": ANN, "client": BOX, "key_fingerprint": ONE, "key_shape": "openai_project"}
    said |= {"client_name": "litellm", "client_version": "1.82.8", "account": AccountKind.UNKNOWN}
    return msgspec.structs.replace(event, facts=msgspec.structs.replace(event.facts, **said | more), edits=edits)


@pytest.fixture
def told(ingest, life):
    journal = life("w0")

    def take(*events):
        first = len(journal.lines) + 1
        journal.add(*events)
        (outcome,) = ingest.commit([journal.frame(first)])
        assert outcome.acked == len(journal.lines)

    return take


def ask(connection, **more):
    return exposure(connection, ExposureRequest(**{"since": NOW} | more))[1]


@pytest.fixture
def day(connection, told):
    answer = msgspec.structs.replace(closed("x1", NOW + 12), account=AccountKind.PERSONAL, account_id="o_1")
    told(
        use("x0", NOW - 100, key_fingerprint="k_" + "9" * 16),
        use("x1", NOW + 10),
        answer,
        use("x2", NOW + 20, principal=BOB, client=PC, client_name="curl", client_version=None, service="anthropic"),
        use("x3", NOW + 30, key_fingerprint=TWO, edits=("credentials_stripped", "held:team"), client=PC),
        use("x4", NOW + 40, key_fingerprint=None),
        use("x5", NOW + 500),
    )
    return connection


def test_each_key_with_whom_and_what(day):
    one, two = sorted(ask(day), key=lambda each: each.fingerprint)
    assert (one.fingerprint, one.exchanges, one.shape, one.held) == (ONE, 3, "openai_project", None)
    assert (one.principals, one.clients, one.services) == ((ANN, BOB), (BOX, PC), ("anthropic", "openai"))
    assert one.programs == ("curl", "litellm/1.82.8")
    assert (one.accounts, one.account_ids) == (("personal", "unknown"), ("o_1",))
    assert (one.first_seen, one.last_seen, one.after, one.still_used) == (NOW + 10, NOW + 500, 0, False)
    assert (two.fingerprint, two.held, two.exchanges) == (TWO, "team", 1)


def test_what_is_used_after_the_day(day):
    one, two = sorted(ask(day, until=NOW + 100), key=lambda each: each.fingerprint)
    assert (one.exchanges, one.after, one.last_after, one.still_used) == (2, 1, NOW + 500, True)
    assert (two.after, two.last_after) == (0, None)


def test_no_limit_hides_what_is_used_after_the_day(day):
    (first,) = ask(day, until=NOW + 100, limit=1)
    assert (first.fingerprint, first.still_used) == (ONE, True)
    assert [each.fingerprint for each in ask(day, until=NOW + 100)] == [ONE, TWO]


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({"program": "litellm"}, {ONE, TWO}),
        ({"program": "LiteLLM/1.82.8"}, {ONE, TWO}),
        ({"program": "litellm/1.82.7"}, set()),
        ({"program": "curl"}, {ONE}),
        ({"client": PC}, {ONE, TWO}),
        ({"client": BOX}, {ONE}),
        ({"principal": BOB}, {ONE}),
        ({"service": "anthropic"}, {ONE}),
        ({"program": "%"}, set()),
        ({"program": "' OR 1=1 --"}, set()),
    ],
)
def test_only_what_was_asked_for(day, asked, keys):
    assert {each.fingerprint for each in ask(day, **asked)} == keys


def test_later_use_counts_whoever_it_was(day):
    (one,) = ask(day, until=NOW + 15, client=BOX)
    assert (one.principals, one.after) == ((ANN,), 2)


def test_records_of_before_keys_had_columns_are_read_from_their_texts(day):
    told = ask(day), ask(day, program="litellm", until=NOW + 100)
    day.execute("UPDATE exchange_open SET key_fingerprint = NULL, held = NULL, account = NULL, client_name = NULL")
    day.execute("UPDATE exchange_close SET account = NULL, account_id = NULL")
    assert ask(day) == []
    day.execute("INSERT INTO key_columns SELECT max(n) FROM exchange_open")
    assert (ask(day), ask(day, program="litellm", until=NOW + 100)) == told


def test_a_view_has_the_same(day):
    rows = day.execute(
        "SELECT key_fingerprint, held, account, account_id, client_name, CAST(sum(exchanges) AS BIGINT) "
        "FROM v_key_uses WHERE first_seen >= ? GROUP BY ALL ORDER BY ALL",
        [NOW],
    ).fetchall()
    assert rows == [
        (ONE, None, "personal", "o_1", "litellm", 1),
        (ONE, None, "unknown", None, "curl", 1),
        (ONE, None, "unknown", None, "litellm", 1),
        (TWO, "team", "unknown", None, "litellm", 1),
    ]


def test_what_an_edge_has_handed_over_counts_once(day):
    day.execute("UPDATE exchange_open SET handed = true WHERE exchange = 'x3'")
    assert [each.fingerprint for each in ask(day)] == [ONE]
    assert day.execute("SELECT count(*) FROM v_key_uses WHERE key_fingerprint = ?", [TWO]).fetchall() == [(0,)]


def test_of_a_key_that_is_used_much_the_newest_answers_are_asked(connection, told, monkeypatch):
    monkeypatch.setattr("appliance.store.exposure.ASKED", 2)
    events = [use(f"x{at}", NOW + at) for at in range(5)]
    named = {0: AccountKind.PERSONAL, 4: AccountKind.CORPORATE}
    events += [
        msgspec.structs.replace(closed(f"x{at}", NOW + 10), account=kind, account_id=f"o_{at}")
        for at, kind in named.items()
    ]
    told(*events, use("y", NOW + 1, account=AccountKind.ANONYMOUS))
    (one,) = ask(connection)
    assert (one.accounts, one.account_ids) == (("anonymous", "corporate", "unknown"), ("o_4",))


def test_many_are_told_as_few_and_a_count(connection, told):
    told(*(use(f"x{at}", NOW + at, principal=f"p_{at:016x}") for at in range(40)))
    told(*(use(f"y{at}", NOW + at, key_fingerprint=f"k_{at:016x}") for at in range(5)))
    head, found = exposure(connection, ExposureRequest(since=NOW, limit=2))
    assert (head.rows, head.total, len(found)) == (2, 6, 2)
    assert len(found[0].principals) == FEW
