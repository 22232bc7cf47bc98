"""What rules mean for answers, and for what could not be scanned."""

from datetime import date

import pytest
from policy_facts import NOW, LabelMatch, Match, facts, label, policy, rule

from appliance.config.policy_file import load_policy
from appliance.model.detection import Coverage, Detection, Selector
from appliance.model.errors import OperatorError
from appliance.model.names import DetectionKind, Direction, Disposition, Stage
from appliance.policy.explain import explain
from appliance.policy.rules import Exemption, Redact
from appliance.policy.soundness import problems

SECRETS = LabelMatch(kinds=(DetectionKind.SECRET,), min_score=0.5)
BOTH = (Direction.REQUEST, Direction.RESPONSE)
BACK = (Direction.RESPONSE,)


def judged(*rules, stage=Stage.ENFORCE, **changes):
    return policy(*rules, stage=stage).judge(facts(**changes), NOW)


def test_a_rule_looks_at_requests_unless_it_is_told_otherwise():
    assert judged(rule("a", Disposition.REDACT, Match(labels=SECRETS))).answer_hides == ()


def test_what_is_hidden_in_an_answer_is_known_before_it_comes():
    verdict = judged(rule("a", Disposition.REDACT, Match(labels=SECRETS, directions=BOTH)))
    assert verdict.answer_hides == (Selector(kinds=("secret",), min_score=0.5, rule="a"),)
    assert (verdict.answer_ends, verdict.disposition, verdict.hits) == ((), Disposition.ALLOW, ())


def test_a_rule_for_answers_alone_leaves_requests_alone():
    verdict = judged(
        rule("a", Disposition.BLOCK, Match(labels=SECRETS, directions=BACK)), labels=(label("K", DetectionKind.SECRET),)
    )
    assert (verdict.disposition, verdict.hits) == (Disposition.ALLOW, ())
    assert verdict.answer_ends == (Selector(kinds=("secret",), min_score=0.5, rule="a"),)


@pytest.mark.parametrize(
    ("labels", "asked", "meant"),
    [
        (None, Redact(), Selector(kinds=("pii", "secret"), rule="a")),
        (None, Redact(entities=("X",)), Selector(entities=("X",), rule="a")),
        (SECRETS, Redact(kinds=(DetectionKind.PII,)), Selector(kinds=("pii",), min_score=0.5, rule="a")),
        (LabelMatch(entities=("X",), kinds=(DetectionKind.PII,)), Redact(), Selector(entities=("X",), rule="a")),
        (LabelMatch(min_score=0.7), Redact(), Selector(kinds=tuple(DetectionKind), min_score=0.7, rule="a")),
    ],
)
def test_what_a_rule_means(labels, asked, meant):
    verdict = judged(rule("a", Disposition.REDACT, Match(labels=labels, directions=BACK), then={"redact": asked}))
    assert verdict.answer_hides == (meant,)


def test_who_asks_and_where_still_decide():
    match = Match(labels=SECRETS, directions=BACK, services=("openai",), groups=("board",))
    made = rule("a", Disposition.REDACT, match)
    assert judged(made).answer_hides == ()
    assert judged(made, groups=("board",)).answer_hides
    assert judged(made, groups=("board",), service="other").answer_hides == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": Stage.OBSERVE},
        {"percent": 0},
        {"exceptions": (Exemption(principals=("p_alice",), reason="x", expires=date(2999, 1, 1)),)},
    ],
)
def test_a_rule_that_does_not_act_hides_nothing(changes):
    made = rule("a", Disposition.REDACT, Match(labels=SECRETS, directions=BACK), **changes)
    assert judged(made).answer_hides == ()


def test_in_stage_observe_the_verdict_says_what_would_be():
    verdict = judged(rule("a", Disposition.REDACT, Match(labels=SECRETS, directions=BACK)), stage=Stage.OBSERVE)
    assert (verdict.stage, bool(verdict.answer_hides)) == (Stage.OBSERVE, True)


@pytest.mark.parametrize(
    ("disposition", "match", "word"),
    [
        (Disposition.HOLD, Match(directions=BACK), "hold an answer"),
        (Disposition.COACH, Match(directions=BOTH), "coach an answer"),
        (Disposition.BLOCK, Match(directions=BACK), "must say on what"),
        (Disposition.REDACT, Match(directions=()), "request, response or both"),
    ],
)
def test_what_cannot_be_done_to_an_answer_is_refused(disposition, match, word):
    made = rule("a", disposition, match)
    assert any(word in fault for fault in problems(made))
    with pytest.raises(OperatorError, match=word):
        policy(made)


def test_reasons_for_which_something_was_not_scanned():
    made = rule("a", Disposition.BLOCK, Match(unscanned_reasons=("too_large", "image")))
    assert judged(made).disposition is Disposition.ALLOW
    assert judged(made, coverage=Coverage(9, 2, 3, {"too_large": 4})).disposition is Disposition.BLOCK
    assert judged(made, coverage=Coverage(9, 2, 3, {}, {"image": 4})).disposition is Disposition.BLOCK
    assert judged(made, coverage=Coverage(9, 2, 3, {"out_of_time": 4})).disposition is Disposition.ALLOW


def test_an_answer_that_was_not_scanned_is_a_late_finding():
    made = policy(rule("a", Disposition.OBSERVE, Match(unscanned_reasons=("image",), directions=BACK)))
    assert made.late(facts(), Coverage(4, 4), NOW) == ()
    assert made.late(facts(), Coverage(4, 0, 0, {}, {"image": 4}), NOW) == ("a",)
    anything = policy(rule("b", Disposition.OBSERVE, Match(unscanned=True, directions=BACK)))
    assert anything.late(facts(), Coverage(4, 4), NOW) == ()
    assert anything.late(facts(), Coverage(4, 0, 0, {"too_large": 4}), NOW) == ("b",)


def test_tool_servers_that_a_provider_is_to_call():
    made = rule("a", Disposition.BLOCK, Match(hosted_mcp=("*.example.com",)))
    assert judged(made, hosted_mcp=("tools.example.com",)).disposition is Disposition.BLOCK
    assert judged(made, hosted_mcp=("tools.example.org",)).disposition is Disposition.ALLOW
    assert judged(made).disposition is Disposition.ALLOW


def test_the_shipped_policy_hides_keys_both_ways_and_persons_only_on_the_way_up():
    verdict = judged(*load_policy(None), category="model_api")
    assert [selector.rule for selector in verdict.answer_hides] == ["secrets-to-ai"]
    found = [Detection(0, 1, "AWS_ACCESS_KEY_ID", DetectionKind.SECRET, 0.9, "r")]
    found.append(Detection(0, 1, "EMAIL_ADDRESS", DetectionKind.PII, 1.0, "r"))
    assert [verdict.answer_hides[0].takes(one) for one in found] == [True, False]


def test_an_answer_is_explained():
    made = policy(
        rule("a", Disposition.REDACT, Match(labels=SECRETS, directions=BACK)),
        rule("b", Disposition.BLOCK, Match(labels=LabelMatch(entities=("CARD",)), directions=BACK)),
        stage=Stage.OBSERVE,
    )
    told = explain(made.judge(facts(), NOW), made)
    assert "In the answer hidden: secret from score 0.5 on (rule a)." in told
    assert "The answer is ended by: CARD (rule b)." in told
    assert "answers are not changed" in told
