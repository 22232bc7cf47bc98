"""Rules and their differences in words."""

from datetime import date

from policy_facts import label, rule

from appliance.model.names import Disposition, Stage
from appliance.policy.rules import LabelMatch, Limit, Match, Step
from appliance.policy.wording import described, differences, who

D = Disposition


def test_a_rule_in_one_line():
    moving = rule(
        "r",
        D.BLOCK,
        Match(groups=("lab", "hr"), services=("openai",), labels=LabelMatch(entities=("X",), min_score=0.4), ai=True),
        then={"limit": Limit(max_tokens=5)},
        rollout=(Step(begins=date(2027, 1, 1), disposition=D.BLOCK, percent=10),),
    )
    assert described(moving) == (
        "block; limit max_tokens 5; block from 2027-01-01 for 10 % for groups lab, hr: "
        "services openai; labels entities X, min_score 0.4; ai yes"
    )
    assert described(rule("r", D.OBSERVE, stage=Stage.OBSERVE)) == "observe; only recorded for everybody: anything"
    assert who(rule("r", D.BLOCK, Match(users=("ann",)), percent=20)) == "users ann, 20 % of them"
    assert label().entity not in described(moving)


def test_what_came_went_and_changed():
    before = [rule("a", D.BLOCK), rule("b", D.COACH, Match(groups=("x", "y"))), rule("c", D.BLOCK)]
    after = [rule("a", D.BLOCK), rule("b", D.BLOCK, Match(groups=("y", "z"))), rule("d", D.OBSERVE)]
    changed, added, removed = differences(before, after)
    assert (changed.rule, changed.kind, changed.affected) == ("b", "changed", "groups x, y; now groups y, z")
    assert changed.details == ("match.groups: + z, - x", "then.disposition: block, was coach")
    assert (added.rule, added.kind, added.details) == ("d", "added", ("observe for everybody: anything",))
    assert (removed.rule, removed.kind) == ("c", "removed")


def test_a_field_that_came_or_went_is_told():
    one, other = rule("a", D.BLOCK, reason="no"), rule("a", D.BLOCK, percent=5)
    ((difference),) = differences([one], [other])
    assert set(difference.details) == {"percent: now 5", "reason: no longer no"}


def test_another_order_may_change_the_route():
    one, other = rule("a", D.BLOCK), rule("b", D.BLOCK)
    (told,) = differences([one, other], [other, one])
    assert (told.kind, told.affected) == ("order", "requests with more than one route")
    assert differences([one, other], [one, other]) == ()
