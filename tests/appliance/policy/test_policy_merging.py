"""What is done to a request beside hiding, over all rules that act."""

from policy_facts import NOW, facts, policy, rule

from appliance.model.facts import Obligations
from appliance.model.names import Disposition, Layer, Stage
from appliance.policy.explain import explain
from appliance.policy.merging import Hit
from appliance.policy.rules import Limit, Match, Strip

D = Disposition
LEAN = rule(
    "lean",
    D.ALLOW,
    then={
        "strip": Strip(headers=("X-Debug",), tools=("Shell*",)),
        "inject": {"X-Team": "low"},
        "limit": Limit(max_tokens=500),
    },
)
FLOOR = rule(
    "floor",
    D.ALLOW,
    layer=Layer.SAFETY,
    then={
        "strip": Strip(logprobs=True, headers=("x-debug",)),
        "inject": {"x-team": "high"},
        "limit": Limit(max_tokens=900),
    },
)


def test_they_add_up_the_higher_layer_sets_headers_and_the_lower_cap_holds():
    verdict = policy(LEAN, FLOOR, rule("plain", D.OBSERVE)).judge(facts(), NOW)
    assert verdict.obliges == Obligations(
        rules=("floor", "lean"),
        strip_headers=("x-debug",),
        strip_tools=("shell*",),
        strip_logprobs=True,
        inject=(("x-team", "high"),),
        max_tokens=500,
    )


def test_only_rules_that_act_oblige():
    observed = policy(rule("r", D.ALLOW, stage=Stage.OBSERVE, then={"limit": Limit(max_tokens=5)}))
    elsewhere = policy(rule("r", D.ALLOW, Match(services=("x",)), then={"limit": Limit(max_tokens=5)}))
    assert observed.judge(facts(), NOW).obliges is elsewhere.judge(facts(), NOW).obliges is None
    assert policy(rule("r", D.ALLOW)).judge(facts(), NOW).obliges is None


def test_they_are_explained():
    judged = policy(LEAN)
    text = explain(judged.judge(facts(), NOW), judged)
    assert "Of the request headers taken out: x-debug (rule lean)." in text
    assert "Of the request at most: 500 tokens of answer (rule lean)." in text
    assert "headers set: X-Team: low" in text


def test_a_hit_without_rule_and_decision_leads_nowhere():
    (hit,) = policy(rule("r", D.ALLOW)).judge(facts(), NOW).hits
    assert (Hit(hit).route, Hit(hit).reason) == (None, "")
