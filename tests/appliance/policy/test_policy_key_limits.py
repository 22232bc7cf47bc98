"""What a virtual key may be used for, judged with the rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_facts import NOW, decision, facts, policy, rule

from appliance.model.names import DecisionKind, Disposition, Layer, Stage
from appliance.policy.explain import explain
from appliance.policy.key_limits import beyond_key
from appliance.policy.rules import Match

D = Disposition


def keyed(**changes):
    return facts(virtual_key="k1", **changes)


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        ({}, False),
        ({"key_services": ("openai",)}, False),
        ({"key_services": ("anthropic", "openai")}, False),
        ({"key_services": ("anthropic",)}, True),
        ({"key_services": ("anthropic",), "service": None}, False),  # keys say nothing of what is no AI
        ({"key_models": ("gpt-5*",), "model": "GPT-5-mini"}, False),
        ({"key_models": ("gpt-5*", "o3"), "model": "o3"}, False),
        ({"key_models": ("gpt-5*",), "model": "gpt-4"}, True),
        ({"key_models": ("gpt-5*",), "model": "xgpt-5"}, True),
        ({"key_models": ("gpt-5*",), "model": "gpt-5", "models_beside": ("gpt-5-mini",)}, False),
        ({"key_models": ("gpt-5*",), "model": "gpt-5", "models_beside": ("gpt-5-mini", "o3")}, True),
        ({"key_models": ("gpt-5*",), "model": None}, True),  # files, batches, and what could not be read
        ({"key_models": ("gpt-5*",), "model": None, "method": "get"}, False),
        ({"key_models": ("gpt-5*",), "model": None, "method": "GET", "request_bytes": 9}, True),  # on a socket
        ({"key_models": ("gpt-5*",), "model": None, "service": None}, False),
        ({"key_services": ("openai",), "key_models": ("o3",), "model": "gpt-5"}, True),
    ],
)
def test_what_a_key_is_for(changes, held):
    made = keyed(**changes)
    verdict = policy().decide(made, None, NOW)
    assert (beyond_key(made) is not None) is held
    assert verdict.disposition is (D.BLOCK if held else D.ALLOW)
    assert verdict.rule == ("key:k1" if held else None)


def test_it_is_explained():
    made = keyed(key_services=("anthropic",))
    found = policy().judge(made, NOW)
    told = explain(found, policy())
    assert "Decided by the user rule key:k1" in told
    assert "this key is for anthropic only" in told
    assert found.reason == "this key is for anthropic only"
    models = policy().judge(keyed(key_models=("o3", "o4*"), model="gpt-5"), NOW)
    assert models.reason == "this key is for the models o3, o4* only"


def test_it_stands_among_the_rules_in_its_layer():
    made = keyed(key_services=("anthropic",))
    low, high = rule("low", D.OBSERVE), rule("floor", D.BLOCK, Match(services=("openai",)), layer=Layer.SAFETY)
    found = policy(low, high).judge(made, NOW)
    assert (found.rule, [hit.rule for hit in found.hits]) == ("floor", ["floor", "low", "key:k1"])
    approved = policy(decisions=(decision(3, DecisionKind.APPROVE),)).judge(made, NOW)
    assert (approved.disposition, approved.rule) == (D.BLOCK, "key:k1")
    watched = policy(stage=Stage.OBSERVE).judge(made, NOW)
    assert (watched.disposition, watched.effective) == (D.BLOCK, D.OBSERVE)


NAMES = st.lists(st.sampled_from(["openai", "anthropic", "gpt-5*", "gpt-4", "*"]), max_size=3).map(tuple)


@given(NAMES, NAMES, st.sampled_from([None, "gpt-5", "gpt-4", "o3"]), st.sampled_from(["GET", "POST"]))
def test_a_limit_never_allows_more(services, models, model, method):
    rules = (rule("a", D.REDACT, Match(models=("gpt-5",))), rule("b", D.BLOCK, Match(models=("o3",))))
    without = policy(*rules).judge(keyed(model=model, method=method), NOW)
    with_ = policy(*rules).judge(keyed(model=model, method=method, key_services=services, key_models=models), NOW)
    assert with_.disposition.strictness >= without.disposition.strictness
