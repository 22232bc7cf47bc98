"""Findings follow events and decisions, each event once whatever dies when."""

import msgspec
import pytest

from appliance.model.decision import Decision, Proposal, Scope
from appliance.model.errors import OperatorError, PeerError
from appliance.model.event import ExchangeClosed, Notice, Refused
from appliance.model.names import DecisionKind, FindingState, Leg, ObservationKind, RefusalReason, Stage, Surface
from appliance.policy.disk import write_snapshot
from appliance.policy.snapshot import PolicySnapshot
from appliance.store import decisions as decisions_module
from appliance.store import finding_merge, folding
from appliance.store.bench import closed, opened
from appliance.store.decisions import ADMIN, Decisions
from appliance.store.finding_pages import FindingRequest, TriageRequest
from appliance.store.finding_queries import finding
from appliance.store.finding_rows import FindingRow
from appliance.store.finding_standing import Standings
from appliance.store.findings import Findings
from appliance.store.owner import Owner, Settings
from appliance.store.retention import delete_batch, trim_evidence
from appliance.store.wire import Decide

NOW = 1_763_700_000.0


def count(connection, table):
    return connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]


def history(desk, subject="chatgpt"):
    detail = finding(desk.connection, FindingRequest(finding=desk.one(subject).id), desk.catalogue, NOW)
    return [(step.author, step.before, step.after, step.decision, step.reason) for step in reversed(detail.history)]


@pytest.fixture
def office(desk, tmp_path):
    """Decides; `decide(kind, service)` stamps and answers with the number."""
    folder = tmp_path / "policy"
    write_snapshot(folder, PolicySnapshot(version=1, created=1.0, stage=Stage.ENFORCE))
    decisions = Decisions(desk.connection, folder, desk.clock, lambda _version: None, followers=desk.findings)

    def decide(kind, service="chatgpt", **changed):
        version = 1 + count(desk.connection, "decisions")
        proposal = Proposal(decision=DecisionKind(kind), service=service, **{"reason": f"{kind} it", **changed})
        return decisions.decide(Decide(proposal=proposal, expected_version=version), "ada", ADMIN).decision.number

    return decide


def test_events_become_findings(desk, observed):
    rows = desk.see(
        opened("x1", "w0", NOW), closed("x1", NOW), opened("x2", "w0", NOW + 1),
        observed(count=4, until=NOW + 30), observed(client="a_2", seen=ObservationKind.DNS),
        Refused(NOW, "w0", RefusalReason.NAME_DISAGREEMENT, "a_9", "p_9", "front.example", 443, "SNI chatgpt.com"),
        Notice(NOW, "w0", "info", "n"),
    )  # fmt: skip
    assert {(kind, subject, row.severity, row.governance) for (kind, subject), row in rows.items()} == {
        ("service_in_use", "openai", "medium", "governed"),
        ("service_in_use", "chatgpt", "high", "bypass"),
        ("name_disagreement", "chatgpt", "high", "governed"),
    }
    used, seen = rows["service_in_use", "openai"], rows["service_in_use", "chatgpt"]
    assert (used.governed, used.people, used.hosts, used.name, used.owner) == (2, 2, 2, "OpenAI API", "OpenAI")
    assert (seen.bypass, seen.hints, seen.people, seen.hosts) == (4, 1, 0, 2)
    assert (seen.first_seen, seen.last_seen, seen.state) == (NOW, NOW + 30, FindingState.NEW)
    assert desk.changes == [1]


def test_more_of_the_same_adds_up_in_one_row(desk, observed):
    for number in range(5):
        desk.see(observed(ts=NOW + number, client=f"a_{number % 2}"))
    assert (desk.one().bypass, desk.one().hosts, len(desk.rows())) == (5, 2, 1)
    assert count(desk.connection, "finding_evidence") == 2


def test_a_service_that_no_catalogue_knows(desk, observed):
    row = desk.see(observed(service="brand_new", category="video"))["service_in_use", "brand_new"]
    assert (row.name, row.owner, row.category) == ("brand_new", "", "video")


def test_hostile_names_share_one_finding_when_they_are_too_many(desk, monkeypatch):
    monkeypatch.setattr(finding_merge, "MAX_STRANGERS", 3)
    refused = [
        Refused(NOW, "w0", RefusalReason.NAME_DISAGREEMENT, "a_1", "p_1", f"h{number}.example", 443)
        for number in range(10)
    ]
    desk.see(*refused[:5])
    rows = desk.see(*refused)
    assert {subject for _, subject in rows} == {
        "h0.example", "h1.example", "h2.example", finding_merge.OTHERS,
    }  # fmt: skip
    assert sum(row.governed for row in rows.values()) == 15
    desk.restart()
    assert len(desk.see(refused[9])) == 4


class TestOnce:
    """Each event is counted once."""

    def test_a_crash_between_taking_in_and_folding(self, desk, observed):
        desk.see(observed(), opened("x1", "w0", NOW))
        desk.take(observed(client="a_2"), opened("x2", "w0", NOW), closed("x2", NOW))
        desk.restart()  # what was in memory is gone
        assert desk.findings.pending
        desk.fold()
        assert (desk.one().bypass, desk.one("openai").governed) == (2, 2)
        desk.restart()
        desk.fold()
        assert (desk.one().bypass, desk.one("openai").governed, desk.one("openai").people) == (2, 2, 2)

    def test_a_crash_in_mid_fold(self, desk, observed, monkeypatch):
        class Crash(BaseException):
            pass

        def die(*_arguments, **_more):
            raise Crash

        desk.take(observed())
        monkeypatch.setattr(desk.findings._folding, "write", die)
        with pytest.raises(Crash):
            desk.findings.fold()
        assert (count(desk.connection, "findings"), count(desk.connection, "finding_parties")) == (0, 0)
        desk.restart()
        desk.fold()
        assert desk.one().bypass == 1

    def test_a_store_that_held_exchanges_before_it_knew_findings(self, desk, observed, monkeypatch):
        monkeypatch.setattr(folding, "CHUNK", 7)
        for number in range(30):
            desk.take(opened(f"x{number}", "w0", NOW + number), closed(f"x{number}", NOW + number))
        desk.connection.execute("DELETE FROM exchange_open WHERE n BETWEEN 20 AND 45")  # a hole, as retention leaves it
        desk.restart()
        desk.take(observed())  # live events meanwhile
        desk.fold()
        left = count(desk.connection, "exchange_open")
        assert (desk.one("openai").governed, desk.one("openai").people, desk.one().bypass) == (left, left, 1)

    def test_more_than_memory_holds_is_read_back(self, desk, observed, monkeypatch):
        monkeypatch.setattr(folding, "MAX_WAITING", 5)
        for number in range(4):
            desk.take(*(observed(client=f"a_{number}") for _ in range(3)))
        desk.fold()
        assert (desk.one().bypass, desk.one().hosts) == (12, 4)

    def test_the_mark_moves_though_nothing_concerns_a_finding(self, desk, monkeypatch):
        monkeypatch.setattr(folding, "WRITE_MARK", 3)
        for number in range(5):
            desk.see(Notice(NOW + number, "w0", "info", "n"))
        assert desk.connection.execute("SELECT n FROM folded").fetchall() == [(3,)]


class TestFaults:
    """Evidence goes on whatever happens to findings."""

    @pytest.fixture
    def faulty(self, desk):
        yield desk
        desk.faults.clear()

    def test_an_event_that_cannot_be_folded_is_left_out_and_told(self, faulty, observed, monkeypatch):
        fold = faulty.findings._fold._observed

        def trip(deltas, n, event):
            if event.client == "a_bad":
                raise ValueError("poison")
            fold(deltas, n, event)

        monkeypatch.setattr(faulty.findings._fold, "_observed", trip)
        faulty.see(observed(), observed(client="a_bad"), observed(client="a_2"))
        assert (faulty.one().bypass, faulty.one().hosts) == (2, 2)
        assert [note for note, _ in faulty.faults] == ["event_not_folded"]
        assert "1 events are left out of findings, the first is row 2: ValueError: poison" in faulty.faults[0][1]

    def test_tables_that_cannot_be_written_stop_folding_and_nothing_else(self, faulty, observed, monkeypatch):
        faulty.see(observed())
        monkeypatch.setattr(faulty.findings._table, "update", lambda *_: 1 / 0)
        faulty.see(observed())
        assert not faulty.findings.pending
        assert [note for note, _ in faulty.faults] == ["findings_stopped"]
        faulty.see(observed())
        assert (faulty.one().bypass, count(faulty.connection, "observations")) == (1, 3)
        faulty.restart()
        faulty.fold()
        assert faulty.one().bypass == 3


class TestDecisions:
    """Findings follow decisions in the decision's own transaction."""

    def test_state_severity_and_history_follow(self, desk, office, observed):
        desk.see(observed())
        number = office("block")
        row = desk.one()
        assert (row.state, row.severity, row.governance, row.decision) == ("blocked", "info", "unknown", number)
        assert history(desk) == [("ada", "new", "blocked", 1, "block it")]
        assert len(desk.changes) == 2

    def test_going_past_a_decision_is_critical(self, desk, office, observed):
        desk.see(observed(), observed(leg=Leg.PROXY))
        office("redirect", route="openai")
        assert (desk.one().severity, desk.one().governance) == ("info", "governed")
        desk.see(observed(ts=NOW + 50))
        assert (desk.one().severity, desk.one().governance) == ("critical", "bypass")

    def test_undo_goes_back_and_says_who(self, desk, office, observed):
        desk.see(observed())
        office("approve")
        office("coach")
        office("dismiss", undoes=2, reason="too hard")
        office("dismiss", undoes=1)
        assert history(desk) == [
            ("ada", "new", "approved", 1, "approve it"), ("ada", "approved", "coached", 2, "coach it"),
            ("ada", "coached", "approved", 3, "too hard"), ("ada", "approved", "new", 4, "dismiss it"),
        ]  # fmt: skip
        assert (desk.one().state, desk.one().severity, desk.one().decision) == ("new", "high", None)

    def test_an_undo_that_names_another_service_still_reaches_the_right_one(self, desk, office, observed):
        desk.see(observed())
        office("block")
        office("dismiss", service="openai", undoes=1)
        assert desk.one().state == "new"

    def test_a_surface_and_a_scope(self, desk, office, observed):
        desk.see(observed(), observed(surface=Surface.API))
        office("block", surface=Surface.API)
        office("coach", scope=Scope(groups=("research",)))
        states = desk.connection.execute("SELECT surface, state, decision FROM findings ORDER BY surface").fetchall()
        assert states == [("api", "blocked", 1), ("web", "triaged", 2)]

    def test_a_finding_that_comes_later_stands_where_it_was_decided(self, desk, office, observed):
        office("approve")
        assert (desk.see(opened("x", "w0", NOW)), desk.one("openai").state)[1] == "new"
        desk.see(observed())
        assert (desk.one().state, desk.one().decision, history(desk)) == ("approved", 1, [])

    def test_a_dismissed_finding_stays_dismissed(self, desk, office, observed):
        desk.see(observed())
        office("dismiss")
        desk.see(observed(ts=NOW + 500, client="a_2"))
        assert (desk.one().state, desk.one().severity, desk.one().bypass) == ("dismissed", "info", 2)

    def test_expiry_goes_back(self, desk, office, observed):
        times = [NOW]
        desk.clock = lambda: times[0]
        desk.restart()
        decisions = [NOW + 100]
        desk.see(observed())
        office("block", expires=decisions[0])
        desk.findings.reload()
        assert desk.findings.expires == NOW + 100
        times[0] = NOW + 99
        desk.findings.restate()
        assert desk.one().state == "blocked"
        times[0] = NOW + 100
        desk.findings.restate()
        assert (desk.one().state, desk.findings.expires) == ("new", None)
        assert history(desk)[-1] == ("gnomon", "blocked", "new", None, "a decision has expired")

    def test_what_was_decided_while_the_store_was_away(self, desk, office, observed):
        desk.see(observed())
        office("block")
        desk.connection.execute("UPDATE findings SET state = 'new', decision = NULL")
        desk.restart()
        assert desk.one().state == "blocked"

    def test_what_cannot_be_written_was_not_decided(self, desk, office, observed, monkeypatch):
        desk.see(observed())

        def refuse(*_):
            raise OperatorError("disk full")

        monkeypatch.setattr(decisions_module, "write_snapshot", refuse)
        with pytest.raises(OperatorError):
            office("block")
        assert (desk.one().state, count(desk.connection, "finding_states")) == ("new", 0)
        desk.see(observed(ts=NOW + 1))
        assert (desk.one().state, desk.one().severity) == ("new", "high")


def test_a_row_stands_by_the_decisions_in_force():
    said = {"author": "ada", "role": "admin", "service": "chatgpt"}
    block = Decision(number=1, ts=NOW, decision=DecisionKind.BLOCK, expires=NOW + 60, **said)
    row = FindingRow(
        id="f", kind="service_in_use", subject="chatgpt", name="", owner="", category="", surface="web",
        confidence=1.0, last_seen=NOW + 5, bypass_last=NOW + 5, bypass=1,
    )  # fmt: skip
    standings = Standings([block])
    assert (standings.subjects, standings.expires(NOW)) == ({"chatgpt"}, NOW + 60)
    blocked = standings.settled(row, NOW + 10)
    assert (blocked.state, blocked.decision, blocked.severity, blocked.rank) == ("blocked", 1, "critical", 4)
    assert standings.settled(blocked, NOW + 60).state == "new"
    undone = Standings([block, Decision(number=2, ts=NOW, decision=DecisionKind.DISMISS, undoes=1, **said)])
    assert (undone.settled(blocked, NOW + 10).state, undone.expires(NOW)) == ("new", None)


class TestTriage:
    """An analyst's mark."""

    def test_new_becomes_triaged_and_stays_so_behind_a_decision(self, desk, office, observed):
        desk.see(observed())
        marked = desk.findings.triage(
            TriageRequest(finding=desk.one().id, expected=FindingState.NEW, reason="hm"), "eve"
        )
        assert marked == desk.one()
        assert history(desk) == [("eve", "new", "triaged", None, "hm")]
        office("block")
        office("dismiss", undoes=1)
        assert desk.one().state == "triaged"

    def test_what_does_not_fit_is_refused(self, desk, office, observed):
        desk.see(observed())
        ask = TriageRequest(finding=desk.one().id, expected=FindingState.NEW)
        office("block")
        for request, status in (
            (ask, 409),
            (msgspec.structs.replace(ask, expected=FindingState.BLOCKED), 409),
            (msgspec.structs.replace(ask, finding="f_none"), 404),
        ):
            with pytest.raises(PeerError) as caught:
                desk.findings.triage(request, "eve")
            assert caught.value.status == status
        assert desk.one().state == "blocked"


class TestForgetting:
    """Retention of findings."""

    def test_what_nobody_decided_goes_with_all_that_hangs_on_it(self, desk, office, observed):
        desk.see(observed(), opened("x", "w0", NOW))
        office("block")
        place = ("findings", "touched")
        assert [delete_batch(desk.connection, place, NOW + 9e9) for _ in range(2)] == [1, 0]
        assert list(desk.rows()) == [("service_in_use", "chatgpt")]
        for table in ("finding_parties", "finding_evidence"):
            assert {name for (name,) in desk.connection.execute(f"SELECT finding FROM {table}").fetchall()} == {
                desk.one().id
            }
        desk.findings.reload()
        desk.see(opened("x2", "w0", NOW))
        assert (desk.one("openai").governed, desk.one("openai").people) == (1, 1)

    def test_evidence_is_trimmed_to_the_newest(self, desk, observed):
        desk.see(*(observed(client=f"a_{number}") for number in range(9)))
        trim_evidence(desk.connection, 4)
        rows = desk.connection.execute("SELECT client FROM finding_evidence ORDER BY n").fetchall()
        assert rows == [("a_5",), ("a_6",), ("a_7",), ("a_8",)]


def test_an_observation_from_an_old_capture_is_kept_from_when_it_was_taken(desk, observed):
    desk.see(observed(ts=1_000_000_000.0))
    ((taken,),) = desk.connection.execute("SELECT taken FROM observations").fetchall()
    assert taken >= NOW


def test_the_file_itself_keeps_it_over_a_restart(tmp_path, clock, catalogue, life, observed):
    """The same with DuckDB's own file: closed, opened, gone on."""
    from appliance.store.ingest import Ingest

    journal = life()
    for round_ in range(2):
        owner = Owner.open(tmp_path / "store", NOW, Settings(memory_limit="256MB", threads=1))
        connection = owner.cursor()
        findings = Findings(connection, catalogue, clock)
        ingest = Ingest(connection, clock, round_, findings)
        findings.begin(ingest.position)
        journal.add(observed(), ExchangeClosed("x", NOW, "completed"))
        ingest.commit([journal.frame(2 * round_ + 1)])
        findings.fold()
        assert connection.execute("SELECT bypass, hosts FROM findings").fetchall() == [(round_ + 1, 1)]
        connection.close()
        owner.close()
