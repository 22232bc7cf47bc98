"""Decisions: who may, what is refused, and what is in force."""

import grp
import os
import pwd

import msgspec
import pytest

from appliance.bus.peer import Peer
from appliance.model.decision import Decision, Proposal, Scope
from appliance.model.errors import OperatorError, PeerError
from appliance.model.names import DecisionKind, Stage
from appliance.policy.disk import read_current, write_snapshot
from appliance.policy.snapshot import PolicySnapshot, decode
from appliance.store import decisions as module
from appliance.store.decisions import ADMIN, ANALYST, Decisions, role_of
from appliance.store.pages import DecisionsRequest
from appliance.store.queries import decisions as listed
from appliance.store.wire import Decide

BLOCK = Proposal(decision=DecisionKind.BLOCK, service="openai", reason="until reviewed")


@pytest.fixture
def folder(tmp_path):
    write_snapshot(tmp_path / "policy", PolicySnapshot(version=1, created=1.0, stage=Stage.ENFORCE))
    return tmp_path / "policy"


@pytest.fixture
def told():
    return []


@pytest.fixture
def desk(connection, folder, clock, told):
    return Decisions(connection, folder, clock, told.append)


def rows(connection):
    return connection.execute("SELECT number, author, role, decision, undoes, snapshot FROM decisions").fetchall()


def test_a_decision_is_stamped_recorded_and_in_force(desk, connection, folder, told):
    decided = desk.decide(Decide(proposal=BLOCK, expected_version=1), "ada", ADMIN)
    assert (decided.version, decided.decision.number, decided.decision.author) == (2, 1, "ada")
    current = read_current(folder)
    assert (current.version, current.decisions, current.stage) == (2, (decided.decision,), Stage.ENFORCE)
    assert rows(connection) == [(1, "ada", ADMIN, "block", None, 2)]
    kept = connection.execute("SELECT version, content FROM snapshots ORDER BY version").fetchall()
    assert [version for version, _ in kept] == [1, 2]
    assert decode(kept[1][1]) == current
    assert told == [2]


def test_undo_is_a_new_decision(desk, connection, folder):
    desk.decide(Decide(proposal=BLOCK, expected_version=1), "ada", ADMIN)
    undo = Proposal(decision=DecisionKind.DISMISS, service="openai", undoes=1)
    desk.decide(Decide(proposal=undo, expected_version=2), "bob", ANALYST)
    assert [decision.number for decision in read_current(folder).decisions] == [1, 2]
    assert [(row.number, row.undone) for row in listed(connection, DecisionsRequest())] == [(2, False), (1, True)]
    with pytest.raises(PeerError, match="already undone"):
        desk.decide(Decide(proposal=undo, expected_version=3), "bob", ANALYST)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"service": ""}, "name a service"),
        ({"reason": "x" * 5000}, "at most"),
        ({"scope": Scope(principals=("p",) * 1001)}, "scope"),
        ({"decision": DecisionKind.REDIRECT}, "needs a route"),
        ({"expires": 5.0}, "expire before"),
        ({"expires": 1e308}, "after the year 2099"),
        ({"expires": float("inf")}, "after the year 2099"),
        ({"scope": Scope(principals=("maria",))}, "digests"),
        ({"scope": Scope(clients=("p_0123456789abcdef",))}, "digests"),
        ({"scope": Scope(groups=(" ",))}, "group"),
        ({"scope": Scope(groups=("g" * 257,))}, "group"),
        ({"undoes": 9}, "no decision 9"),
    ],
)
def test_a_proposal_that_makes_no_sense_changes_nothing(desk, connection, folder, changed, why):
    with pytest.raises(PeerError, match=why) as caught:
        desk.decide(Decide(proposal=msgspec.structs.replace(BLOCK, **changed), expected_version=1), "ada", ADMIN)
    assert caught.value.status == 422
    assert (rows(connection), read_current(folder).version) == ([], 1)


def test_a_policy_that_changed_meanwhile_is_a_conflict(desk, connection):
    with pytest.raises(PeerError, match="at version 1, you looked at 7") as caught:
        desk.decide(Decide(proposal=BLOCK, expected_version=7), "ada", ADMIN)
    assert caught.value.status == 409
    assert rows(connection) == []


def test_without_a_first_snapshot_nothing_is_decided(connection, tmp_path, clock, told):
    with pytest.raises(OperatorError, match="no policy snapshot yet"):
        Decisions(connection, tmp_path, clock, told.append).decide(
            Decide(proposal=BLOCK, expected_version=0), "ada", ADMIN
        )


def test_what_cannot_be_written_was_not_decided(desk, connection, folder, told):
    (folder / "policy-2.json").write_text("someone else's")
    with pytest.raises(OperatorError, match="nothing was overwritten"):
        desk.decide(Decide(proposal=BLOCK, expected_version=1), "ada", ADMIN)
    assert (rows(connection), told) == ([], [])


def test_a_crash_between_snapshot_and_commit_loses_no_record(desk, connection, folder, clock, told, monkeypatch):
    class Crash(BaseException):
        pass

    def write_and_die(*arguments):
        write_snapshot(*arguments)
        raise Crash

    monkeypatch.setattr(module, "write_snapshot", write_and_die)
    with pytest.raises(Crash):
        desk.decide(Decide(proposal=BLOCK, expected_version=1), "ada", ADMIN)
    assert rows(connection) == []
    assert len(read_current(folder).decisions) == 1
    fresh = Decisions(connection, folder, clock, told.append)
    assert (fresh.reconcile(), fresh.reconcile()) == (1, 0)
    assert rows(connection) == [(1, "ada", ADMIN, "block", None, 2)]
    stored = connection.execute("SELECT body FROM decisions").fetchall()[0][0]
    assert msgspec.json.decode(stored, type=Decision) == read_current(folder).decisions[0]


def test_roles_come_from_the_system():
    group = grp.getgrgid(os.getgid()).gr_name
    stranger = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, 4242) and entry.pw_gid != os.getgid())
    assert role_of(Peer(1, 0, 0), 4242, None) == ADMIN
    assert role_of(Peer(1, 4242, 4242), 4242, None) == ADMIN
    assert role_of(Peer(1, stranger.pw_uid, os.getgid()), 4242, group) == ANALYST
    assert role_of(Peer(1, stranger.pw_uid, 54321), 4242, grp.getgrgid(stranger.pw_gid).gr_name) == ANALYST
    for analysts in (None, group, "no-such-group"):
        with pytest.raises(PeerError) as caught:
            role_of(Peer(1, stranger.pw_uid, 54321), 4242, analysts)
        assert caught.value.status == 403
