"""Pages, detail and counts over findings; who is met once; what is searched."""

import itertools

import msgspec
import pytest

from appliance.findings.fold import Delta, Subject
from appliance.model.errors import PeerError
from appliance.model.event import Notice, Refused
from appliance.model.names import (
    FindingKind,
    FindingState,
    Governance,
    Leg,
    ObservationKind,
    RefusalReason,
    Severity,
    Surface,
)
from appliance.store.bench import closed, opened
from appliance.store.fill import fill
from appliance.store.finding_pages import FindingRequest, FindingsRequest, ObservationsRequest, OverviewRequest
from appliance.store.finding_parties import Parties
from appliance.store.finding_queries import HOURS, finding, findings
from appliance.store.finding_rows import FEW, FindingRow, FindingTable
from appliance.store.overview import overview
from appliance.store.owner import Owner, Settings
from appliance.store.queries import observations

NOW = 1_763_700_000.0


def row(number, **changed):
    name = f"Service {number}"
    said = {
        "id": f"f_{number:02}", "kind": "service_in_use", "subject": f"s{number}", "name": name, "owner": "Acme",
        "category": "assistant", "surface": "api", "severity": "medium", "rank": 2, "last_seen": NOW + number,
        "words": f"{name}\ns{number}\nAcme\nassistant".lower(),
    }  # fmt: skip
    return FindingRow(**said | changed)


@pytest.fixture
def table(connection):
    return FindingTable(connection)


@pytest.fixture
def many(table):
    rows = [
        row(number, severity=list(Severity)[number % 5], rank=number % 5, last_seen=NOW + number // 7)
        for number in range(30)
    ]
    table.insert(rows)
    return rows


def pages(connection, **filters):
    before = None
    for _ in range(40):
        head, found = findings(connection, FindingsRequest(limit=4, before=before, **filters))
        yield head, found
        if head.next is None:
            return
        before = head.next
    raise AssertionError("no end")


@pytest.mark.usefixtures("many")
def test_pages_show_each_finding_once_the_worst_and_newest_first(connection):
    shown = list(itertools.chain.from_iterable(found for _, found in pages(connection)))
    keys = [(found.severity.rank, found.last_seen, found.id) for found in shown]
    assert keys == sorted(keys, reverse=True)
    assert len({found.id for found in shown}) == 30
    assert {head.total for head, _ in pages(connection)} == {30}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {"f_00", "f_01", "f_02", "f_03"}),
        ({"states": (FindingState.TRIAGED, FindingState.BLOCKED)}, {"f_01", "f_02"}),
        ({"kinds": (FindingKind.NAME_DISAGREEMENT,)}, {"f_03"}),
        ({"governance": Governance.BYPASS}, {"f_01"}),
        ({"severity": Severity.HIGH}, {"f_01", "f_03"}),
        ({"surface": Surface.WEB}, {"f_02"}),
        ({"since": NOW + 3}, {"f_03"}),
        ({"text": "SERVICE 2"}, {"f_02"}),
        ({"text": "Straße"}, {"f_03"}),
        ({"text": "%"}, set()),
        ({"text": "acme\nassistant", "states": (FindingState.BLOCKED,)}, {"f_02"}),
    ],
)
def test_filters(connection, table, filters, expected):
    table.insert([
        row(0), row(1, state="triaged", governance="bypass", severity="high", rank=3),
        row(2, state="blocked", surface="web"),
        row(3, kind="name_disagreement", severity="critical", rank=4, words="straße\n"),
    ])  # fmt: skip
    head, found = findings(connection, FindingsRequest(**filters))
    assert ({each.id for each in found}, head.total, head.rows) == (expected, len(expected), len(expected))


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 3 * FEW])
def test_few_and_many_rows_are_written_alike(connection, count):
    table = FindingTable(connection)
    rows = [row(number) for number in range(count)]
    table.insert(rows)
    changed = [msgspec.structs.replace(each, bypass=7, state="blocked", decision=3, bypass_last=NOW) for each in rows]
    table.update(changed, {each.id: each for each in rows})
    assert sorted(FindingTable(connection).get([each.id for each in rows]).values(), key=lambda r: r.id) == changed


def test_the_memory_of_rows_is_bounded_and_right(connection):
    table = FindingTable(connection, keep=3)
    rows = [row(number) for number in range(6)]
    table.insert(rows)
    table.keep(rows)
    assert len(table._kept) == 3
    assert table.get([each.id for each in rows]) == {each.id: each for each in rows}
    assert table.get(["f_none"]) == {}


@pytest.mark.parametrize("most", [1000, 10, 0], ids=["in memory", "partly", "asked of the table"])
def test_a_party_is_new_once(connection, most):
    met = {f"p_{number}": NOW for number in range(30)}
    for _ in range(2):
        parties = Parties(connection, most)
        parties.meet("f_1", "person", met)
        assert parties.meet("f_1", "person", {**met, "p_new": NOW}) <= 1
        assert parties.meet("f_2", "person", {"p_1": NOW}) <= 1
        assert len(parties._known) <= most
    rows = connection.execute("SELECT finding, count(*), count(DISTINCT digest) FROM finding_parties GROUP BY 1")
    assert sorted(rows.fetchall()) == [("f_1", 31, 31), ("f_2", 1, 1)]


class TestDetail:
    """Everything about one finding."""

    def ask(self, desk, subject, kind="service_in_use", now=NOW + 3600):
        return finding(desk.connection, FindingRequest(finding=desk.one(subject, kind).id), desk.catalogue, now)

    def test_a_service_in_use(self, desk, observed):
        event = opened("x1", "w0", NOW)
        seen = {"service": "openai", "surface": Surface.API, "client": event.facts.client}
        desk.see(
            event, opened("x2", "w0", NOW + 10), closed("x1", NOW),
            observed(**seen, count=3, until=NOW + 60), observed(**seen, seen=ObservationKind.DNS, ts=NOW + 90),
            observed(**{**seen, "client": "a_7"}, leg=Leg.PROXY, ts=NOW + 5),
            observed(),
        )  # fmt: skip
        detail = self.ask(desk, "openai")
        assert detail.finding == desk.one("openai")
        hosts = {party.digest: party for party in detail.hosts}
        assert detail.hosts[0].digest == event.facts.client  # the newest first
        both = hosts[event.facts.client]
        assert (both.governed, both.bypass, both.hints, both.first_seen, both.last_seen) == (1, 3, 1, NOW, NOW + 90)
        assert (hosts["a_7"].hints, hosts["a_7"].kind) == (1, "host")
        assert [(party.governed, party.first_seen) for party in detail.people] == [(1, NOW + 10), (1, NOW)]
        assert {sign.kind for sign in detail.evidence} == {"exchange", "tls", "dns"}
        assert [sign.n for sign in detail.evidence] == sorted((sign.n for sign in detail.evidence), reverse=True)

    def test_the_last_48_hours_end_now(self, desk, observed):
        hour = 3600
        desk.see(
            observed(ts=NOW, count=2), observed(ts=NOW - hour - 1), observed(ts=NOW - 47 * hour - 1, count=5),
            observed(ts=NOW - 48 * hour - 1), observed(ts=NOW + 60),
        )  # fmt: skip
        series = self.ask(desk, "chatgpt", now=NOW).series
        assert (len(series), series[-1], series[-2], series[0], sum(series)) == (HOURS, 2, 1, 5, 8)

    def test_refusals(self, desk):
        def refused(number, **changed):
            said = {"host": "front.example", "detail": "SNI names chatgpt.com", "client": "a_1"} | changed
            return Refused(
                NOW + number, "w0", RefusalReason.NAME_DISAGREEMENT, said["client"], "p_1", said["host"], 443,
                said["detail"],
            )  # fmt: skip

        desk.see(refused(0), refused(5), refused(9, client="a_2", host="chatgpt.com"), refused(1, detail=""))
        detail = self.ask(desk, "chatgpt", "name_disagreement")
        assert [(party.digest, party.governed, party.last_seen) for party in detail.hosts] == [
            ("a_2", 1, NOW + 9), ("a_1", 2, NOW + 5),
        ]  # fmt: skip
        assert [(party.digest, party.governed) for party in detail.people] == [("p_1", 3)]
        assert sum(detail.series) == 3
        assert len(self.ask(desk, "front.example", "name_disagreement").hosts) == 1

    def test_parties_outlive_their_events(self, desk):
        desk.see(opened("x", "w0", NOW))
        desk.connection.execute("DELETE FROM exchange_open")
        (party,) = self.ask(desk, "openai").people
        assert (party.first_seen, party.last_seen, party.governed) == (NOW, NOW, 0)

    def test_there_is_none(self, connection, catalogue):
        with pytest.raises(PeerError, match="no finding f_x") as caught:
            finding(connection, FindingRequest(finding="f_x"), catalogue, NOW)
        assert caught.value.status == 404


def test_observations_are_paged_and_filtered(desk, observed):
    desk.see(*(observed(ts=NOW + number, source=f"eth{number % 2}") for number in range(6)))
    page = observations(desk.connection, ObservationsRequest(limit=2, source="eth1"))
    assert [found.ts for found in page] == [NOW + 5, NOW + 3]
    older = observations(desk.connection, ObservationsRequest(limit=9, source="eth1", before=page[-1].n))
    assert [found.ts for found in older] == [NOW + 1]


def test_the_overview_counts_since_a_time(desk, observed, catalogue):
    blocked = opened("x3", "w0", NOW + 50)
    blocked = msgspec.structs.replace(blocked, verdict=msgspec.structs.replace(blocked.verdict, effective="block"))
    desk.see(
        opened("x1", "w0", NOW - 500), opened("x2", "w0", NOW + 1), blocked, observed(count=4, until=NOW + 9),
        observed(seen=ObservationKind.DNS, client="a_2"), Notice(NOW, "w0", "alarm", "n"),
        Notice(NOW, "w0", "info", "n"),
        Refused(NOW, "w0", RefusalReason.SMUGGLING, "a_1", "p_1", "h", 443),
    )  # fmt: skip
    told = overview(desk.connection, OverviewRequest(since=NOW), catalogue)
    assert (told.by_state, told.by_severity) == ({"new": 2}, {"high": 1, "medium": 1})
    assert (told.exchanges, told.refused, told.redacted, told.people, told.hosts) == (2, 2, 2, 2, 4)
    assert (told.observations, told.bypass, told.alarms) == (5, 4, 1)
    assert [(top.service, top.name, top.exchanges, top.bypass, top.people) for top in told.top] == [
        ("chatgpt", "ChatGPT", 0, 4, 0), ("openai", "OpenAI API", 2, 0, 2),
    ]  # fmt: skip


def test_an_empty_store_has_an_overview(connection, catalogue):
    told = overview(connection, OverviewRequest(), catalogue)
    assert (told.exchanges, told.people, told.top, told.by_state) == (0, 0, (), {})


def test_deltas_of_one_finding_have_its_id():
    assert Delta(Subject(FindingKind.SERVICE_IN_USE, "openai", Surface.API)).id.startswith("f_")


def test_a_filled_store_pages_like_any_other(tmp_path):
    fill(tmp_path, findings=300, exchanges=40, now=NOW)
    owner = Owner.open(tmp_path / "store", NOW, Settings(memory_limit="256MB", threads=1))
    connection = owner.cursor()
    shown = [each.id for _, found in pages(connection, severity=Severity.HIGH) for each in found]
    head, _ = findings(connection, FindingsRequest(severity=Severity.HIGH))
    assert len(shown) == len(set(shown)) == head.total > 30
    assert connection.execute("SELECT count(*) FROM v_exchanges").fetchall() == [(40,)]
    connection.close()
    owner.close()
