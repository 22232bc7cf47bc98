"""Stage, versions and decisions on their way."""

import msgspec
import pytest

from appliance.store.finding_pages import ApplianceState, SensorState, WorkerState
from appliance.store.pages import Person
from tui.client_state.names import Names
from tui.client_state.spans import plain
from tui.client_state.standing import PENDING, Standing


def state(version=7, applied=(7, 7), **changes) -> ApplianceState:
    workers = tuple(WorkerState(f"w{at}", ready=True, applied=each) for at, each in enumerate(applied))
    given = ApplianceState(phase="up", stage="observe", version=version, workers=workers)
    return msgspec.structs.replace(given, **changes)


def bar(standing) -> str:
    return plain([(standing.badge(), *standing.bar())])


@pytest.mark.parametrize(("stage", "badge"), [("observe", "OBSERVE"), ("enforce", "ENFORCE"), ("\x1b[2J", "UNKNOWN")])
def test_the_stage_is_a_word_and_a_tone(stage, badge):
    standing = Standing()
    standing.learn(state(stage=stage))
    assert standing.badge().text.strip() == badge
    assert standing.badge().tone == badge.lower()
    assert standing.enforcing is (stage == "enforce")


def test_before_anybody_told():
    assert "waiting for word" in bar(Standing())


def test_a_late_word_does_not_bring_an_old_policy_back():
    standing = Standing()
    standing.learn(state(8, (8, 8)))
    standing.snapshot(9)
    standing.learn(state(8, (9, 8)))
    assert (standing.version, standing.applied()) == (9, (1, 2))
    assert "policy 9 applied on 1/2" in bar(standing)


def test_a_decision_arrives_once_when_every_ready_worker_has_it():
    standing = Standing()
    standing.learn(state())
    standing.decided(3, 8)
    assert standing.arrived() == []
    assert "1 on the way" in bar(standing)
    standing.learn(state(8, (8, 7)))
    assert standing.arrived() == []
    standing.learn(state(8, (8, 7), workers=(WorkerState("w0", ready=True, applied=8), WorkerState("w1", ready=False))))
    assert standing.arrived() == [(3, 1)]
    assert standing.arrived() == []


def test_no_ready_worker_applies_nothing():
    standing = Standing()
    standing.learn(state(workers=()))
    standing.decided(1, 8)
    assert standing.arrived() == []


def test_decisions_on_the_way_are_bounded():
    standing = Standing()
    for number in range(10 * PENDING):
        standing.decided(number, number)
    assert len(standing._pending) == PENDING


def test_trouble_is_in_the_bar():
    standing = Standing()
    sensors = (SensorState("s", "eth0", "failed", "no right"), SensorState("t", "eth1", "capturing"))
    standing.learn(state(sensors=sensors, problems=("a", "b"), phase="draining"))
    told = bar(standing)
    assert "sensors 1/2, 1 failed" in told
    assert "problems 2" in told
    assert "draining" in told


def test_names_are_asked_for_once_and_inert():
    names = Names()
    assert names.wanted(["p_a", "p_b", "p_a"]) == ("p_a", "p_b")
    names.learn(("p_a", "p_b"), [Person("p_a", "ann\x1b[31m", 0, 0)])
    assert names.wanted(["p_a", "p_b", "p_c"]) == ("p_c",)
    assert (names.show("p_a"), names.show("p_b"), names.show("p_c")) == ("ann\\x1b[31m", "p_b", "p_c")
