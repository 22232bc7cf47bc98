"""People: by whose account, at what cost, and what stands out about them."""

import msgspec
import pytest

from appliance.model.errors import PeerError
from appliance.model.event import Cost
from appliance.model.names import AccountKind, Disposition, FindingKind
from appliance.store.bench import closed, opened
from appliance.store.finding_pages import FindingRequest
from appliance.store.finding_queries import finding
from appliance.store.people import people, person
from appliance.store.people_pages import PeopleOrder, PeopleRequest, PersonRequest

NOW = 1_763_700_000.0
ANN, BOB, EVE = ("p_" + digit * 16 for digit in "123")


def use(exchange, who, ts, *, stopped=False, **more):
    event = opened(exchange, "w0", ts)
    said = {"principal": who, "key_fingerprint": "k_" + "1" * 16, "account": AccountKind.UNKNOWN} | more
    effective = Disposition.BLOCK if stopped else Disposition.ALLOW
    verdict = msgspec.structs.replace(event.verdict, effective=effective)
    return msgspec.structs.replace(event, facts=msgspec.structs.replace(event.facts, **said), verdict=verdict)


def end(exchange, ts, micros=1_000, **more):
    cost = Cost(micros, priced=micros > 0)
    return msgspec.structs.replace(closed(exchange, ts), cost=cost, **more)


@pytest.fixture
def day(connection, ingest, life):
    journal = life("w0").add(
        use("x0", ANN, NOW - 9_999),
        use("x1", ANN, NOW + 1, department="sales"),
        end("x1", NOW + 2, account=AccountKind.PERSONAL, account_id="o_1"),
        use("x2", ANN, NOW + 3, service="anthropic", account=AccountKind.CORPORATE),
        end("x2", NOW + 4, micros=0),
        use("x3", BOB, NOW + 5, stopped=True, account=AccountKind.ANONYMOUS),
        use("x4", EVE, NOW + 6),
        end("x4", NOW + 7, micros=9_000),
        persons={ANN: "ann"},
    )
    ingest.commit([journal.frame()])
    connection.execute(
        "INSERT INTO finding_evidence VALUES (1, 'f1', ?, 'store', 'signal', ?, 'prompts: 900 distinct requests')",
        [NOW + 5, BOB],
    )
    return connection


def listed(connection, **more):
    return people(connection, PeopleRequest(**{"since": NOW} | more))


def test_everybody_with_accounts_and_costs(day):
    head, found = listed(day)
    assert (head.total, [one.person for one in found]) == (3, [EVE, BOB, ANN])
    ann, bob = found[2], found[1]
    assert (ann.department, ann.exchanges, ann.services) == ("r&d", 2, ("anthropic", "openai"))
    assert (ann.personal, ann.corporate, ann.anonymous) == (1, 1, 0)
    assert (ann.cost_micros, ann.unpriced) == (1_000, 1)
    assert (bob.stopped, bob.anonymous, bob.cost_micros, bob.signals) == (1, 1, None, 1)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"order": PeopleOrder.COST}, [EVE, ANN, BOB]),
        ({"order": PeopleOrder.SIGNALS}, [BOB, ANN, EVE]),
        ({"order": PeopleOrder.EXCHANGES, "limit": 1}, [ANN]),
        ({"own": True}, [BOB, ANN]),
        ({"text": "ANN"}, [ANN]),
        ({"text": "anthropic"}, [ANN]),
        ({"text": "' OR 1=1 --"}, []),
        ({"text": "%"}, []),
    ],
)
def test_in_any_order_and_only_who_fits(day, asked, found):
    assert [one.person for one in listed(day, **asked)[1]] == found


def test_one_in_full(day):
    ann = person(day, PersonRequest(person=ANN, since=NOW))
    assert [(one.service, one.exchanges, one.cost_micros, one.unpriced) for one in ann.services] == [
        ("anthropic", 1, None, 1), ("openai", 1, 1_000, 0),
    ]  # fmt: skip
    assert {(one.service, one.account) for one in ann.accounts} == {("anthropic", "corporate"), ("openai", "personal")}
    assert [(key.fingerprint, key.exchanges) for key in ann.keys] == [("k_" + "1" * 16, 2)]
    assert (ann.identity, ann.signals, ann.use.exchanges) == (("basic",), (), 2)


def test_signals_name_their_person_in_words(desk, day):
    day.execute("DELETE FROM finding_evidence")
    desk.see(use("y1", BOB, NOW + 8, service="chatgpt"))
    (finding,) = [one for one in desk.rows().values() if one.subject == "chatgpt"]
    day.execute("UPDATE findings SET kind = 'extraction' WHERE id = ?", [finding.id])
    day.execute(
        "INSERT INTO finding_evidence VALUES (99, ?, ?, 'store', 'signal', ?, 'prompts: 900 distinct requests')",
        [finding.id, NOW + 5, BOB],
    )
    bob = person(day, PersonRequest(person=BOB, since=NOW))
    (signal,) = bob.signals
    assert (signal.kind, signal.subject, signal.text) == (
        FindingKind.EXTRACTION.value, "chatgpt", "prompts: 900 distinct requests",
    )  # fmt: skip
    assert finding.id in {one.id for one in bob.findings}


def test_a_finding_tells_by_whose_accounts_and_who_stands_out(desk, catalogue, connection):
    desk.see(
        use("z1", ANN, NOW - 60, service="chatgpt", account=AccountKind.PERSONAL),
        use("z2", BOB, NOW - 60, service="chatgpt", account=AccountKind.UNKNOWN),
        end("z2", NOW - 50, account=AccountKind.CORPORATE, account_id="o_2"),
        use("z3", EVE, NOW - 9 * 86_400, service="chatgpt", account=AccountKind.ANONYMOUS),
    )
    (found,) = [one for one in desk.rows().values() if one.subject == "chatgpt"]
    connection.execute(
        "INSERT INTO finding_evidence VALUES (99, ?, ?, 'store', 'signal', ?, 'prompts: many')", [found.id, NOW, BOB]
    )
    detail = finding(connection, FindingRequest(finding=found.id), catalogue, NOW)
    assert {(one.account, one.exchanges, one.people) for one in detail.accounts} == {
        ("personal", 1, 1), ("corporate", 1, 1),
    }  # fmt: skip
    assert [(one.person, one.text) for one in detail.signals] == [(BOB, "prompts: many")]


def test_what_an_edge_has_handed_over_counts_once(day):
    day.execute("UPDATE exchange_open SET handed = true WHERE exchange = 'x2'")
    ann = person(day, PersonRequest(person=ANN, since=NOW))
    assert (ann.use.exchanges, ann.use.unpriced) == (1, 0)
    assert [(one.service, one.exchanges) for one in ann.services] == [("openai", 1)]
    assert [key.exchanges for key in ann.keys] == [1]
    assert {one.account for one in ann.accounts} == {"personal"}


def test_nobody_is_refused(day):
    with pytest.raises(PeerError, match="nothing of p_9"):
        person(day, PersonRequest(person="p_9", since=NOW))
