"""Which findings settle a verdict by themselves, and that nothing else in the request changes it then."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_facts import NOW, LabelMatch, Match, facts, label, policy, rule

from appliance.model.detection import Coverage, Selector
from appliance.model.names import DetectionKind, Direction, Disposition, Stage
from appliance.policy.rules import Exemption

KEYS = LabelMatch(kinds=(DetectionKind.SECRET,), min_score=0.5)
BLOCK = Disposition.BLOCK


def blocking(**match):
    return rule("keys", BLOCK, Match(labels=KEYS, **match))


def test_a_rule_that_blocks_by_a_label_settles():
    (selector,) = policy(blocking()).settling(facts(), NOW)
    assert selector == Selector(kinds=("secret",), min_score=0.5, rule="keys")


@pytest.mark.parametrize(
    "made",
    [
        policy(rule("keys", Disposition.REDACT, Match(labels=KEYS))),
        policy(rule("all", BLOCK)),
        policy(blocking(models=("gpt-*",))),
        policy(blocking(apis=("openai.chat",))),
        policy(blocking(unscanned=True)),
        policy(blocking(unscanned_reasons=("image",))),
        policy(blocking(hosted_mcp=("*",))),
        policy(blocking(services=("other",))),
        policy(blocking(directions=(Direction.RESPONSE,))),
        policy(rule("both", BLOCK, Match(labels=LabelMatch(kinds=(DetectionKind.PII,), entities=("X",))))),
        policy(rule("keys", BLOCK, Match(labels=KEYS), stage=Stage.OBSERVE)),
        policy(rule("keys", BLOCK, Match(labels=KEYS), percent=0)),
        policy(blocking(), stage=Stage.OBSERVE),
    ],
)
def test_what_does_not_act_or_rests_on_more_than_a_label_settles_nothing(made):
    assert made.settling(facts(), NOW) == ()


def test_who_is_excepted_is_read_in_full():
    free = Exemption(principals=("p_alice",), reason="test", expires=date(2100, 1, 1))
    made = policy(rule("keys", BLOCK, Match(labels=KEYS), exceptions=(free,)))
    assert made.settling(facts(), NOW) == ()
    assert made.settling(facts(principal="p_bob"), NOW)


_LABELS = st.lists(
    st.builds(
        label,
        st.sampled_from(["A", "B", "C"]),
        st.sampled_from([DetectionKind.PII, DetectionKind.SECRET, DetectionKind.INJECTION]),
        st.sampled_from([0.1, 0.5, 0.9]),
    ),
    max_size=4,
)


@given(_LABELS, st.sampled_from(list(Disposition)), st.booleans())
def test_whatever_else_is_found_or_left_unread_it_is_blocked(more, other, left):
    """A property of the whole engine: one settling label, and any others, any coverage, any other rule."""
    then = {"then": {"route": "r"}} if other is Disposition.REDIRECT else {}
    made = policy(
        blocking(),
        rule("other", other, Match(labels=LabelMatch(entities=("A",))), **then),
        rule("unread", Disposition.HOLD, Match(unscanned=True)),
    )
    assert made.settling(facts(), NOW)
    coverage = Coverage(2, text_unscanned={"decided": 2}) if left else Coverage(2, structure=2)
    seen = facts(labels=(label("K", DetectionKind.SECRET, 0.5), *more), coverage=coverage)
    assert made.decide(seen, None, NOW).effective is BLOCK
