"""Properties of verdicts over arbitrary rules and facts."""

from datetime import date

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from policy_facts import NOW, OPENAI, decision, facts, label, policy, rule

from appliance.model.facts import Facts
from appliance.model.names import DecisionKind, DetectionKind, Disposition, Layer, Stage
from appliance.policy.engine import TURNED_AWAY
from appliance.policy.rules import LabelMatch, Limit, Match, Moments, Rule, Size, Step
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
    paths=some("/v1/*", "*/files"),
    tools=some("shell*", "a"),
    virtual_keys=some("k1", "k2"),
    countries=some("US", "unknown"),
    request_bytes=st.none() | st.builds(Size, min=st.sampled_from((0, 10)), max=st.sampled_from((None, 10, 100))),
    time=st.none()
    | st.builds(Moments, days=some("fri", "sat"), hours=st.just(("08:00-09:00",)), outside=st.booleans()),
)
STEPS = (
    Step(begins=date(2027, 1, 1), disposition=Disposition.OBSERVE),
    Step(begins=date(2027, 1, 10), disposition=Disposition.COACH, percent=50),
    Step(begins=date(2027, 1, 15), disposition=Disposition.BLOCK, percent=80),
    Step(begins=date(2027, 1, 20), disposition=Disposition.BLOCK),
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    layer = draw(st.sampled_from((Layer.SAFETY, Layer.ORGANISATION)))
    free = layer is Layer.ORGANISATION
    disposition = draw(st.sampled_from(list(Disposition)))
    steps = STEPS if free and draw(st.booleans()) else ()
    limit = Limit(request_bytes=draw(st.sampled_from((None, 5, 50))))
    return rule(
        "r",
        Disposition.BLOCK if steps else disposition,
        draw(MATCHES),
        layer=layer,
        rollout=steps,
        stage=draw(st.sampled_from((None, Stage.OBSERVE))) if free else None,
        percent=draw(st.sampled_from((100, 50))) if free and not steps else 100,
        then={"route": "house", "limit": limit},
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
    path=st.sampled_from(("/v1/chat/completions", "/v1/files", "/")),
    tools_declared=some("Shell_run", "a"),
    virtual_key=st.sampled_from(("k1", "k3", None)),
    request_bytes=st.sampled_from((0, 10, 60, 1000)),
    labels=st.lists(
        st.builds(label, st.sampled_from(("A", "B")), st.just(DetectionKind.PII), st.sampled_from((0.1, 0.9))),
        max_size=2,
    ).map(tuple),
)
DECISIONS = st.lists(st.sampled_from(list(DecisionKind)), max_size=3).map(
    lambda kinds: tuple(decision(number, kind, route="house") for number, kind in enumerate(kinds, 1))
)


MOMENTS = st.integers(0, 60 * 24).map(lambda hour: NOW - 20 * 86_400 + hour * 3_600)


@given(RULES, DECISIONS, FACTS, MATCHES, MOMENTS)
def test_one_more_blocking_rule_never_allows_more(given_rules, decisions, seen, match, now) -> None:
    before = policy(*given_rules, decisions=decisions)
    after = policy(*given_rules, rule("extra", Disposition.BLOCK, match), decisions=decisions)
    assert after.judge(seen, now).effective.strictness >= before.judge(seen, now).effective.strictness
    assert after.decide(seen, OPENAI, now).effective.strictness >= before.decide(seen, OPENAI, now).effective.strictness


@given(RULES, DECISIONS, FACTS, MOMENTS)
def test_what_the_destination_denies_is_denied_and_all_else_is_judged_by_the_request(given_rules, decisions, seen, now):
    judged = policy(*given_rules, decisions=decisions)
    denied = judged.destination(
        OPENAI if seen.service == "openai" else None,
        principal=seen.principal,
        client=seen.client,
        now=now,
        host=seen.host,
        groups=seen.groups,
        department=seen.department,
    )
    service = OPENAI if seen.service == "openai" else None
    expected = denied if denied.effective in TURNED_AWAY else judged.judge(seen, now)
    assert judged.decide(seen, service, now) == expected


@given(RULES, FACTS, MOMENTS, st.integers(1, 400))
def test_a_rollout_never_becomes_laxer_with_time(given_rules, seen, now, hours) -> None:
    always = [
        msgspec.structs.replace(each, match=msgspec.structs.replace(each.match, time=None)) for each in given_rules
    ]
    judged = policy(*always)
    assert (
        judged.judge(seen, now + hours * 3_600).disposition.strictness >= judged.judge(seen, now).disposition.strictness
    )


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
    matching = [one for one in judged._rules if one.matches(seen, unapproved) and one.due(seen, NOW)]
    expected = {compiled.rule.id for compiled in matching}
    assert {hit.rule for hit in judged.judge(seen, NOW).hits} == expected


@given(RULES, DECISIONS)
def test_a_snapshot_survives_its_encoding(given_rules, decisions) -> None:
    snapshot = PolicySnapshot(version=3, created=NOW, rules=tuple(given_rules), decisions=decisions)
    assert decode(encode(snapshot)) == snapshot
