"""Rules that come into force step by step."""

from datetime import UTC, date, datetime

from policy_facts import NOW, facts, policy, rule

from appliance.model.names import Disposition
from appliance.policy.rollout import Later, pieces
from appliance.policy.rules import Limit, Match, Size, Step

D = Disposition
STEPS = (
    Step(begins=date(2027, 1, 1), disposition=D.OBSERVE),
    Step(begins=date(2027, 1, 10), disposition=D.COACH, percent=30),
    Step(begins=date(2027, 1, 20), disposition=D.BLOCK, percent=60),
    Step(begins=date(2027, 2, 1), disposition=D.BLOCK),
)
MOVING = rule("moving", D.BLOCK, Match(services=("openai",)), rollout=STEPS)


def at(month, day):
    return datetime(2027, month, day, 12, tzinfo=UTC).timestamp()


def shares(now):
    judged = policy(MOVING)
    found = [judged.judge(facts(principal=f"p_{number}"), now).disposition for number in range(400)]
    return {what: found.count(what) / 400 for what in set(found)}


def test_each_principal_is_at_the_last_step_that_reaches_them():
    assert shares(at(1, 5)) == {D.OBSERVE: 1.0}
    coached = shares(at(1, 15))
    assert set(coached) == {D.OBSERVE, D.COACH}
    assert 0.2 < coached[D.COACH] < 0.4
    blocked = shares(at(1, 25))
    assert set(blocked) == {D.OBSERVE, D.BLOCK}  # whoever was taught is among those who are blocked now
    assert shares(at(2, 2)) == {D.BLOCK: 1.0}


def test_before_the_first_day_nothing_holds():
    assert policy(MOVING).judge(facts(), datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp()).hits == ()
    assert policy(MOVING).judge(facts(), datetime(2027, 1, 1, tzinfo=UTC).timestamp()).disposition is D.OBSERVE


def test_the_destination_is_denied_as_the_request_is():
    judged = policy(MOVING)
    for number in range(50):
        seen = facts(principal=f"p_{number}")
        denied = judged.destination(None, principal=seen.principal, client="a_1", now=at(1, 25), host=seen.host)
        assert denied.rule is None  # it names a service, and here is none
        assert judged.decide(seen, None, at(1, 25)).disposition is judged.judge(seen, at(1, 25)).disposition


def test_the_pieces_of_a_rule():
    first, second, *_ = pieces(MOVING)
    assert (first.rule.then.disposition, first.begins) == (D.OBSERVE, datetime(2027, 1, 1, tzinfo=UTC).timestamp())
    assert [later.percent for later in first.later] == [30, 60, 100]
    assert second.later[0] == Later(datetime(2027, 1, 20, tzinfo=UTC).timestamp(), 60)
    plain = rule("plain", D.ALLOW)
    assert [piece.rule for piece in pieces(plain)] == [plain]


def test_what_is_larger_than_the_limit_is_blocked_and_says_so():
    limited = rule("small", D.ALLOW, then={"limit": Limit(request_bytes=100)}, reason="Small requests only.")
    judged = policy(limited)
    assert judged.judge(facts(request_bytes=100), NOW).disposition is D.ALLOW
    verdict = judged.judge(facts(request_bytes=101), NOW)
    assert (verdict.disposition, verdict.rule) == (D.BLOCK, "small")
    assert verdict.reason == "The request is larger than 100 bytes. Small requests only."


def test_a_limit_keeps_to_the_sizes_that_the_rule_is_about():
    between = rule("r", D.ALLOW, Match(request_bytes=Size(max=200)), then={"limit": Limit(request_bytes=100)})
    judged = policy(between)
    assert [judged.judge(facts(request_bytes=size), NOW).disposition for size in (100, 101, 201)] == [
        D.ALLOW, D.BLOCK, D.ALLOW,
    ]  # fmt: skip
