"""What part of use passes the appliance, by whom; and whether traffic has moved since a decision."""

import msgspec
import pytest

from appliance.model.names import Cause, FindingState, Leg, ObservationKind, Surface
from appliance.store.bench import opened
from appliance.store.finding_moved import moved
from appliance.store.finding_pages import OverviewRequest
from appliance.store.overview import overview
from appliance.store.queries import QUERIES
from appliance.store.shares import SharesRequest, causes, shares

NOW = 1_763_700_000.0


def exchange(number, client="a_1", principal="p_1", department="research", service="openai", ts=NOW):
    record = opened(f"x{number}", "w0", ts)
    facts = msgspec.structs.replace(
        record.facts, client=client, principal=principal, department=department, service=service, surface=Surface.API
    )
    return msgspec.structs.replace(record, facts=facts)


@pytest.fixture
def site(ingest, life, observed, connection):
    """p_1 at a_1 uses openai four times on three connections, and twice past; two people share a_2; a_3 is nobody's.

    A second sensor sees less of a_1, and a connection of a_1 rejected our certificate.
    """
    wire = {"service": "openai", "surface": Surface.API}
    ingest.commit(
        [
            life()
            .add(
                *(exchange(number) for number in range(4)),
                exchange(5, "a_2", "p_2", "sales"),
                exchange(6, "a_2", "p_3", "law"),
                observed(client="a_1", leg=Leg.PROXY, count=3, **wire),
                observed(client="a_1", leg=Leg.PROXY, count=2, sensor="other", **wire),
                observed(client="a_1", leg=Leg.PROXY, count=9, cause=Cause.PINNED, **wire),
                observed(client="a_1", count=2, cause=Cause.QUIC, seen=ObservationKind.QUIC, **wire),
                observed(client="a_2", count=5, cause=Cause.DIRECT_ADDRESS, **wire),
                observed(client="a_3", service="chatgpt", count=7, cause=Cause.DIRECT_ADDRESS),
                observed(client="a_3", service="chatgpt", count=70, seen=ObservationKind.DNS),
                observed(client="a_3", service="chatgpt", count=700, seen=ObservationKind.FLOW),
            )
            .frame()
        ]
    )
    return connection


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("service", {"openai": (5, 7), "chatgpt": (0, 7)}),
        ("host", {"a_1": (3, 2), "a_2": (2, 5), "a_3": (0, 7)}),
        ("person", {"p_1": (3, 2), "p_2": (1, 0), "p_3": (1, 0), "": (0, 12)}),
        ("department", {"research": (3, 2), "sales": (1, 0), "law": (1, 0), "": (0, 12)}),
    ],
)
def test_shares_are_told_by_what_is_asked(site, by, told):
    found = QUERIES["shares"].run(site, SharesRequest(by=by))
    assert {one.key: (one.through, one.past) for one in found} == told
    assert all(one.governed == round(one.through / (one.through + one.past), 4) for one in found)
    assert [one.past for one in found] == sorted((one.past for one in found), reverse=True)


def test_what_two_sensors_saw_counts_once_and_another_hour_again(site, ingest, life, observed):
    wire = {"service": "openai", "surface": Surface.API, "client": "a_9", "leg": Leg.PROXY, "count": 2}
    seen = (observed(**wire), observed(**wire, sensor="other"), observed(**wire, ts=NOW + 3600, until=NOW + 3600))
    ingest.commit([life("w1").add(*seen).frame()])
    found = {one.key: (one.through, one.past) for one in shares(site, SharesRequest(by="host"))}
    assert found["a_9"] == (4, 0)


def test_at_the_gateway_each_exchange_counts(site, ingest, life, observed):
    opened_there = [msgspec.structs.replace(one, facts=msgspec.structs.replace(one.facts, listener="gateway"))
                    for one in (exchange(20), exchange(21))]  # fmt: skip
    ingest.commit([life("w1").add(*opened_there).frame()])
    assert {one.key: one.through for one in shares(site, SharesRequest(by="host"))}["a_1"] == 5


def test_shares_have_a_beginning_and_an_end(site):
    assert shares(site, SharesRequest(since=NOW + 1)) == []
    assert len(shares(site, SharesRequest(by="host", limit=2))) == 2


def test_causes_are_summed(site):
    assert causes(site, 0) == {"quic": 2, "direct_address": 12}
    assert causes(site, NOW + 1) == {}


def test_the_overview_tells_the_part_that_passed(site, catalogue):
    found = overview(site, OverviewRequest(), catalogue)
    assert (found.governed, found.causes) == (round(5 / 19, 4), {"quic": 2, "direct_address": 12})
    assert overview(site, OverviewRequest(since=NOW + 9), catalogue).governed is None


def _decided(connection, ts):
    columns = connection.execute("DESCRIBE decisions").fetchall()
    given = {"number": 1, "ts": ts, "service": "openai", "decision": "redirect"}
    values = [given.get(name, [] if "[]" in kind else "x" if kind == "VARCHAR" else 0) for name, kind, *_ in columns]
    connection.execute(f"INSERT INTO decisions VALUES ({', '.join('?' * len(values))})", values)


@pytest.mark.parametrize(
    ("at", "word", "counts"),
    [
        (NOW + 10, "not seen since", (0, 0, 0, 7)),
        (NOW - 10, "not moved", (6, 5, 7, 0)),
    ],
)
def test_a_finding_tells_what_became_of_it(site, make_finding, at, word, counts):
    _decided(site, at)
    found = moved(site, make_finding(FindingState.REDIRECTED))
    assert (found.word, (found.exchanges, found.via, found.past, found.before)) == (word, counts)
    assert found.last_past == (NOW if found.past else None)


def test_traffic_that_only_passes_has_moved(site, make_finding, ingest, life, observed):
    _decided(site, NOW + 10)
    later = observed(ts=NOW + 20, until=NOW + 20, leg=Leg.PROXY, service="openai", surface=Surface.API)
    ingest.commit([life("w1").add(later).frame()])
    found = moved(site, make_finding(FindingState.BLOCKED))
    assert (found.word, found.via, found.past, found.before) == ("moved", 1, 0, 7)


@pytest.mark.parametrize("state", [FindingState.NEW, FindingState.APPROVED, FindingState.DISMISSED])
def test_where_nothing_was_to_move_nothing_is_told(site, make_finding, state):
    _decided(site, NOW - 10)
    assert moved(site, make_finding(state)) is None


def test_a_decision_that_is_not_there_tells_nothing(site, make_finding):
    assert moved(site, make_finding(FindingState.BLOCKED)) is None


@pytest.fixture
def make_finding():
    from appliance.model.finding import Finding
    from appliance.model.names import FindingKind, Governance, Severity

    def make(state):
        return Finding(
            id="f_1", kind=FindingKind.SERVICE_IN_USE, subject="openai", name="OpenAI", owner="", category="",
            surface=Surface.API, severity=Severity.INFO, state=state, governance=Governance.UNKNOWN, confidence=1.0,
            first_seen=0, last_seen=0, governed=0, bypass=0, hints=0, people=0, hosts=0, decision=1,
        )  # fmt: skip

    return make


def test_a_contradiction_is_a_finding_with_its_hosts(desk, observed, catalogue):
    from appliance.model.names import FindingKind
    from appliance.store.finding_pages import FindingRequest
    from appliance.store.finding_queries import finding

    signs = {"kinds": (FindingKind.NAME_DISAGREEMENT,), "contradicts": "another", "evidence": ("sni chatgpt.com",)}
    rows = desk.see(observed(client="a_1", count=2, **signs), observed(client="a_2", cause=Cause.QUIC, **signs))
    assert set(rows) == {("service_in_use", "chatgpt"), ("name_disagreement", "chatgpt")}
    one = rows["name_disagreement", "chatgpt"]
    assert (one.bypass, one.hosts, one.severity) == (3, 2, "high")
    detail = finding(desk.connection, FindingRequest(finding=one.id), catalogue, NOW)
    assert {party.digest: party.bypass for party in detail.hosts} == {"a_1": 2, "a_2": 1}
    assert {reason.text for reason in detail.evidence} == {"sni chatgpt.com", "cause quic; sni chatgpt.com"}
    assert detail.moved is None


def test_sizes_make_no_sighting_and_no_evidence(desk, observed):
    size = {"seen": ObservationKind.FLOW, "bytes_up": 5, "bytes_down": 6, "at_least": True}
    desk.see(observed(), observed(ts=NOW + 5, **size))
    one = desk.one()
    assert (one.bypass, one.hints, one.last_seen) == (1, 0, NOW + 5)
    rows = desk.connection.execute("SELECT seen, bytes_up, bytes_down, at_least FROM v_observations ORDER BY n")
    assert rows.fetchall() == [("tls", None, None, False), ("flow", 5, 6, True)]
    assert desk.connection.execute("SELECT count(*) FROM finding_evidence").fetchall() == [(1,)]


def test_a_weak_hint_is_a_sign_of_no_known_way(desk, observed):
    desk.see(observed(seen=ObservationKind.FLOW, service="unnamed", confidence=0.2, evidence=("cadence of 62",)))
    one = desk.one("unnamed")
    assert (one.hints, one.bypass, one.severity, one.governance) == (1, 0, "low", "unknown")
