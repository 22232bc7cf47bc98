"""Properties of verdicts over arbitrary rules and facts."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from policy_facts import NOW, decision, facts, label, policy, rule

from appliance.model.facts import Facts
from appliance.model.names import DecisionKind, DetectionKind, Disposition, Layer, Stage
from appliance.policy.rules import LabelMatch, Match, Rule
from appliance.policy.snapshot import PolicySnapshot, decode, encode

NAMES = ("a", "b")


def some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


MATCHES = st.builds(
    Match,
    services=some("openai", "other"),
    apis=some("openai.chat", "x"),
    groups=some(*NAMES),
    departments=some(*NAMES),
    principals=some("p_alice", "p_bob"),
    models=some("gpt*", "*mini"),
    unapproved=st.none() | st.booleans(),
    labels=st.none() | st.builds(LabelMatch, entities=some("A", "B"), min_score=st.sampled_from((0.0, 0.5))),
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    layer = draw(st.sampled_from((Layer.SAFETY, Layer.ORGANISATION)))
    free = layer is Layer.ORGANISATION
    disposition = draw(st.sampled_from(list(Disposition)))
    return rule(
        "r",
        disposition,
        draw(MATCHES),
        layer=layer,
        stage=draw(st.sampled_from((None, Stage.OBSERVE))) if free else None,
        percent=draw(st.sampled_from((100, 50))) if free else 100,
        then={"route": "house"},
    )


# Names come from the place in the list, never from a counter: percentages depend on them.
RULES = st.lists(rules(), max_size=8).map(
    lambda found: [msgspec.structs.replace(each, id=f"r{place}") for place, each in enumerate(found)]
)
FACTS: st.SearchStrategy[Facts] = st.builds(
    facts,
    service=st.sampled_from(("openai", "other", None)),
    api=st.sampled_from(("openai.chat", None)),
    groups=some(*NAMES),
    department=st.sampled_from((*NAMES, None)),
    principal=st.sampled_from(("p_alice", "p_bob", "p_eve")),
    model=st.sampled_from(("gpt-5", "mini", None)),
    labels=st.lists(
        st.builds(label, st.sampled_from(("A", "B")), st.just(DetectionKind.PII), st.sampled_from((0.1, 0.9))),
        max_size=2,
    ).map(tuple),
)
DECISIONS = st.lists(st.sampled_from(list(DecisionKind)), max_size=3).map(
    lambda kinds: tuple(decision(number, kind, route="house") for number, kind in enumerate(kinds, 1))
)


@given(RULES, DECISIONS, FACTS, MATCHES)
def test_one_more_blocking_rule_never_allows_more(given_rules, decisions, seen, match) -> None:
    before = policy(*given_rules, decisions=decisions).judge(seen, NOW)
    after = policy(*given_rules, rule("extra", Disposition.BLOCK, match), decisions=decisions).judge(seen, NOW)
    assert after.effective.strictness >= before.effective.strictness


@given(RULES, FACTS, st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_change_the_disposition(given_rules, seen, random) -> None:
    shuffled = list(given_rules)
    random.shuffle(shuffled)
    one, other = policy(*given_rules).judge(seen, NOW), policy(*shuffled).judge(seen, NOW)
    assert one.disposition is other.disposition
    assert (set(one.entities), set(one.kinds)) == (set(other.entities), set(other.kinds))


@given(RULES, DECISIONS, FACTS)
def test_stage_observe_never_acts_and_would_decide_the_same(given_rules, decisions, seen) -> None:
    watched = policy(*given_rules, decisions=decisions, stage=Stage.OBSERVE).judge(seen, NOW)
    enforced = policy(*given_rules, decisions=decisions).judge(seen, NOW)
    assert watched.effective.strictness <= Disposition.OBSERVE.strictness
    assert watched.disposition is enforced.disposition is enforced.effective


@given(RULES, FACTS)
def test_the_index_finds_what_a_linear_search_finds(given_rules, seen) -> None:
    judged = policy(*given_rules)
    unapproved = seen.service is not None
    expected = {compiled.rule.id for compiled in judged._rules if compiled.matches(seen, unapproved)}
    assert {hit.rule for hit in judged.judge(seen, NOW).hits} == expected


@given(RULES, DECISIONS)
def test_a_snapshot_survives_its_encoding(given_rules, decisions) -> None:
    snapshot = PolicySnapshot(version=3, created=NOW, rules=tuple(given_rules), decisions=decisions)
    assert decode(encode(snapshot)) == snapshot
