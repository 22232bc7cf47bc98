"""The plan of lives: tables of facts and actions, and what holds for any history."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.supervisor.backoff import BackOff
from appliance.supervisor.plan import Drain, Kill, Plan, Start, State


def workers(count=2, **options):
    return Plan("w", count, overlap=True, drain_s=5, start_s=10, **options)


def ready_workers(count=2):
    plan = workers(count)
    for action in plan.actions(0):
        plan.ready(action.name, 1)
    return plan


@pytest.mark.parametrize(
    ("deaths", "waits"),
    [
        # (time of death, ready since)
        ([(0, None), (1, None), (2, None), (3, None)], [0, 0.25, 0.5, 1]),
        ([(0, None), (5, 1), (6, 5.5)], [0, 0, 0.25]),
        ([(n, None) for n in range(12)], [0, 0.25, 0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15]),
        ([(n, n - 1) for n in range(3)], [0, 0.25, 0.5]),
    ],
    ids=["never ready", "stood, then fell", "ceiling", "not long enough"],
)
def test_back_off(deaths, waits):
    backoff = BackOff()
    assert [backoff.died(now, since) for now, since in deaths] == waits


def test_starts_as_many_as_asked_once():
    plan = workers(3)
    assert plan.actions(0) == [Start("w0"), Start("w1"), Start("w2")]
    assert plan.actions(0) == []
    assert not plan.settled
    for name in ("w0", "w1", "w2"):
        plan.ready(name, 1)
    assert plan.settled
    assert plan.wake(1) is None


def test_a_death_is_followed_by_a_start_of_the_same_name_then_by_waiting():
    plan = ready_workers()
    assert plan.exited("w0", 100) is False
    assert plan.actions(100) == [Start("w0")]
    assert plan.exited("w0", 100) is False
    assert plan.actions(100) == []
    assert plan.wake(100) == 0.25
    assert plan.actions(100.25) == [Start("w0")]
    assert plan.restarts == 2


def test_a_rolling_restart_drains_an_old_one_only_when_a_new_one_is_ready():
    plan = ready_workers()
    plan.roll()
    assert plan.actions(50) == [Start("w2")]
    assert plan.actions(51) == []
    plan.ready("w2", 52)
    assert plan.actions(52) == [Drain("w1"), Start("w3")]
    assert plan.exited("w1", 53) is True
    plan.ready("w3", 54)
    assert plan.actions(54) == [Drain("w0")]
    assert plan.exited("w0", 55) is True
    assert plan.settled
    assert plan.restarts == 0


def test_a_new_generation_that_cannot_start_leaves_the_old_one_serving():
    plan = ready_workers(1)
    plan.roll()
    now = 50.0
    for _ in range(20):
        now += 20
        actions = plan.actions(now)
        assert actions == [Start("w1")]
        plan.exited("w1", now)
        assert plan.lives["w0"].state is State.READY


def test_an_old_one_that_dies_in_a_roll_is_replaced_by_a_new_one():
    plan = ready_workers(2)
    plan.roll()
    assert plan.actions(50) == [Start("w2")]
    plan.exited("w0", 51)
    assert plan.actions(51) == []  # the new one takes its place
    plan.ready("w2", 52)
    assert plan.actions(52) == [Start("w0")]
    assert plan.lives["w1"].state is State.READY


def test_the_store_ends_before_its_successor_starts():
    plan = Plan("store", 1, overlap=False, drain_s=5)
    assert plan.actions(0) == [Start("store")]
    plan.ready("store", 1)
    plan.roll()
    assert plan.actions(2) == [Drain("store")]
    assert plan.actions(2) == []
    assert plan.exited("store", 3)
    assert plan.actions(3) == [Start("store")]


def test_whoever_overruns_its_time_is_killed_once():
    plan = workers(1)
    plan.actions(0)
    assert plan.wake(4) == 6
    assert plan.actions(9.9) == []
    assert plan.actions(10) == [Kill("w0", "still starting after 10 s")]
    assert plan.actions(11) == []
    plan = ready_workers(1)
    plan.stop()
    assert plan.actions(20) == [Drain("w0")]
    assert plan.wake(20) == 15
    assert plan.actions(35) == [Kill("w0", "still draining after 15 s")]


def test_stopping_starts_nobody():
    plan = ready_workers()
    plan.exited("w0", 9)
    plan.stop()
    assert plan.actions(10) == [Drain("w1")]
    plan.exited("w1", 11)
    assert plan.actions(100) == []
    assert plan.wake(100) is None
    assert not plan.lives


def test_names_that_others_use_are_left_alone():
    plan = workers(2)
    plan.taken = frozenset({"w0", "w2"})
    assert plan.actions(0) == [Start("w1"), Start("w3")]


def test_adopted_children_count_and_are_rolled():
    plan = workers(2)
    plan.adopt(["w4", "w5"], 0)
    assert plan.serving == 2
    assert plan.actions(0) == [Start("w0")]


def test_fewer_workers_drain_the_surplus():
    plan = ready_workers(3)
    plan.count = 1
    assert plan.actions(10) == [Drain("w1"), Drain("w2")]


_FACTS = st.lists(
    st.tuples(st.sampled_from(["ready", "exit", "roll", "tick", "count"]), st.integers(0, 9), st.floats(0.01, 8)),
    max_size=60,
)


@settings(max_examples=60)
@given(st.booleans(), _FACTS)
def test_any_history_is_bounded_and_keeps_somebody_serving(overlap, facts):
    plan = Plan("w", 2 if overlap else 1, overlap=overlap, drain_s=5, start_s=10)
    now, alive = 0.0, set()
    for fact, number, pause in facts:
        now += pause
        names = sorted(plan.lives)
        serving = plan.serving
        if fact == "ready" and names:
            plan.ready(names[number % len(names)], now)
        elif fact == "exit" and names:
            name = names[number % len(names)]
            plan.exited(name, now)
            alive.discard(name)
        elif fact == "roll":
            plan.roll()
        serving = plan.serving
        for action in plan.actions(now):
            if isinstance(action, Start):
                assert action.name not in alive
                alive.add(action.name)
            assert action.name in alive
        assert alive == set(plan.lives)
        assert len(alive) <= 2 * plan.count + 1
        if overlap and serving:
            assert plan.serving >= min(serving, plan.count)
