"""Which requests wait for names: those that a rule with `names: wait` may concern and act on, whatever they carry."""

from datetime import date

import pytest
from policy_facts import CATALOGUE, NOW, facts

from appliance.model.names import Direction, Disposition, Stage
from appliance.policy.engine import compile_policy
from appliance.policy.rules import Exemption, LabelMatch, Match, Rule, Then
from appliance.policy.snapshot import PolicySnapshot, decode, encode
from appliance.policy.soundness import problems

PERSONS = LabelMatch(entities=("PERSON",))


def rule(names, match=Match(labels=PERSONS), **more):  # noqa: B008 - a frozen record
    return Rule(
        id=f"r-{names}-{len(more)}".lower(), match=match, then=Then(disposition=Disposition.REDACT, names=names), **more
    )


def policy(*rules):
    snapshot = PolicySnapshot(version=1, created=0.0, stage=Stage.ENFORCE, rules=rules)
    assert decode(encode(snapshot)) == snapshot
    return compile_policy(snapshot, CATALOGUE, b"key", str)


def test_without_such_a_rule_nothing_is_read():
    made = policy(rule(None))
    assert (made.reads_names, made.names(facts(), NOW)) == (False, None)


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ([rule("wait")], "wait"),
        ([rule("late")], "late"),
        ([rule("late"), rule("wait", reason="x")], "wait"),
        ([rule("wait", Match(services=("openai",), labels=PERSONS))], "wait"),
        ([rule("wait", Match(services=("other",), labels=PERSONS))], None),
        ([rule("wait", Match(users=("bob",), labels=PERSONS))], None),
        ([rule("wait", Match(models=("gpt-*",), unscanned=True, labels=PERSONS))], "wait"),
        ([rule("wait", stage=Stage.OBSERVE)], "late"),
        ([rule("wait", percent=0)], "late"),
    ],
)
def test_a_request_waits_where_a_rule_that_acts_may_concern_it(rules, wanted):
    made = policy(*rules)
    assert made.reads_names
    assert made.names(facts(), NOW) == wanted


def test_an_exception_lifts_the_waiting():
    free = Exemption(principals=("p_alice",), reason="test", expires=date(2100, 1, 1))
    made = policy(rule("wait", exceptions=(free,)))
    assert made.names(facts(), NOW) == "late"
    assert made.names(facts(principal="p_bob"), NOW) == "wait"


def test_names_are_asked_for_in_requests_only():
    answers = Match(labels=PERSONS, directions=(Direction.RESPONSE,))
    assert any("then.names" in one for one in problems(rule("wait", answers)))
    assert problems(rule("wait", Match(labels=PERSONS, directions=(Direction.REQUEST, Direction.RESPONSE)))) == ()
