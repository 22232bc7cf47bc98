"""The state machine: what decisions, marks and time make of a finding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.findings.state import STEPS, Standing, Step, allowed, next_expiry, resolve
from appliance.model.decision import Decision, Scope
from appliance.model.names import DecisionKind, FindingState, Surface
from appliance.policy.decisions import in_force

NOW = 1_763_700_000.0
SOME = Scope(groups=("research",))


def decision(number, kind, **changed):
    said = {"number": number, "ts": NOW + number, "author": "ada", "role": "admin", "service": "chat"}
    return Decision(**said | {"decision": DecisionKind(kind)} | changed)


def undo(number, undoes):
    return decision(number, "dismiss", undoes=undoes)


def state(*decisions, surface=Surface.WEB, now=NOW + 1000, marked=False):
    return resolve(in_force(decisions), surface, now, marked=marked)


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([], ("new", None)),
        ([("approve", {})], ("approved", 1)),
        ([("coach", {})], ("coached", 1)),
        ([("redirect", {"route": "r"})], ("redirected", 1)),
        ([("block", {})], ("blocked", 1)),
        ([("dismiss", {})], ("dismissed", 1)),
        # Policy obeys the strictest that touches traffic, whatever came last.
        ([("block", {}), ("approve", {})], ("blocked", 1)),
        ([("coach", {}), ("redirect", {"route": "r"})], ("redirected", 2)),
        ([("redirect", {"route": "r"}), ("coach", {})], ("redirected", 1)),
        ([("block", {}), ("block", {})], ("blocked", 2)),
        ([("approve", {}), ("block", {})], ("blocked", 2)),
        # The last word closes a finding, and opens it again.
        ([("block", {}), ("dismiss", {})], ("dismissed", 2)),
        ([("dismiss", {}), ("approve", {})], ("approved", 2)),
        ([("block", {}), ("dismiss", {}), ("approve", {})], ("blocked", 1)),
        # For some people only.
        ([("block", {"scope": SOME})], ("triaged", 1)),
        ([("dismiss", {"scope": SOME}), ("coach", {"scope": SOME})], ("triaged", 2)),
        ([("approve", {}), ("block", {"scope": SOME})], ("approved", 1)),
        # Other doors, and time.
        ([("block", {"surface": Surface.WEB})], ("blocked", 1)),
        ([("block", {"surface": Surface.API})], ("new", None)),
        ([("block", {"expires": NOW + 1000})], ("new", None)),
        ([("block", {"expires": NOW + 1001})], ("blocked", 1)),
        ([("approve", {}), ("block", {"expires": NOW + 500})], ("approved", 1)),
        # Undo, and undo of undo.
        ([("block", {}), ("dismiss", {"undoes": 1})], ("new", None)),
        ([("approve", {}), ("block", {}), ("dismiss", {"undoes": 2})], ("approved", 1)),
        ([("dismiss", {}), ("approve", {}), ("dismiss", {"undoes": 2})], ("dismissed", 1)),
        ([("block", {}), ("dismiss", {"undoes": 1}), ("dismiss", {"undoes": 2})], ("blocked", 1)),
        ([("block", {}), ("coach", {"undoes": 1})], ("coached", 2)),
    ],
)
def test_decisions_set_the_state(decisions, expected):
    made = [decision(number, kind, **changed) for number, (kind, changed) in enumerate(decisions, 1)]
    assert state(*made)[:2] == expected


def test_an_analysts_mark_shows_where_nothing_is_decided():
    assert state(marked=True) == Standing(FindingState.TRIAGED)
    assert state(decision(1, "block"), marked=True).state is FindingState.BLOCKED
    assert state(decision(1, "block"), undo(2, 1), marked=True).state is FindingState.TRIAGED


def test_only_what_moves_traffic_tells_since_when():
    moved = {kind: state(decision(1, kind)).moved for kind in DecisionKind}
    since = NOW + 1
    assert moved == {"approve": None, "coach": since, "redirect": since, "block": since, "dismiss": None}


def test_when_the_next_one_expires():
    made = [decision(1, "block", expires=NOW + 5), decision(2, "coach", expires=NOW + 3), decision(3, "approve")]
    assert [next_expiry(made, now) for now in (NOW, NOW + 3, NOW + 5)] == [NOW + 3, NOW + 5, None]


def test_the_table_is_whole():
    assert set(STEPS) == set(Step)
    for step in (Step.SEEN, Step.DECIDED, Step.LIFTED):
        assert set(STEPS[step]) == set(FindingState)
    assert not allowed(Step.MARK, FindingState.DISMISSED, FindingState.TRIAGED)


SCOPES = st.sampled_from([Scope(), Scope(), SOME])
PROPOSALS = st.tuples(
    st.sampled_from(DecisionKind), SCOPES, st.sampled_from([None, Surface.WEB, Surface.API]),
    st.sampled_from([None, None, 1, 3]),
)  # fmt: skip
STEPS_TAKEN = st.lists(st.one_of(PROPOSALS, st.integers(1, 8), st.just("mark"), st.just("seen")), max_size=12)


@given(STEPS_TAKEN)
def test_no_history_leaves_the_table(steps):
    """Decisions, undos, expiry, marks and sightings in any order: every step is one that the table allows."""
    made, marked = [], False
    now, number = NOW, 0
    before = state(now=now)
    for taken in steps:
        now += 1
        # Time alone comes first: whatever has expired meanwhile.
        lapsed = state(*made, now=now, marked=marked)
        assert allowed(Step.LIFTED, before.state, lapsed.state)
        kind, before = Step.SEEN, lapsed
        if taken == "mark":
            if before.state is not FindingState.NEW:
                continue
            kind, marked = Step.MARK, True
        elif isinstance(taken, int):
            if taken > number:
                continue
            number += 1
            kind = Step.LIFTED
            made.append(decision(number, "dismiss", ts=now, undoes=taken))
        elif taken != "seen":
            number += 1
            word, scope, surface, lasts = taken
            expires = now + lasts if lasts else None
            made.append(decision(number, word, ts=now, scope=scope, surface=surface, expires=expires))
            kind = Step.DECIDED
        after = state(*made, now=now, marked=marked)
        assert allowed(kind, before.state, after.state), (kind, before, after)
        before = after


@given(st.lists(PROPOSALS, max_size=8))
def test_what_is_undone_might_never_have_been(proposals):
    made = []
    for number, (word, scope, surface, _) in enumerate(proposals, 1):
        made.append(decision(number, word, scope=scope, surface=surface))
    without = state(*made)
    number = len(made) + 1
    assert state(*made, decision(number, "block"), undo(number + 1, number)) == without
