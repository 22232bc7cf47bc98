"""What another policy would have made of what has happened."""

import pytest
from policy_facts import CATALOGUE, NOW, facts, label, policy, rule

from appliance.model.names import Direction, Disposition
from appliance.policy import replaying
from appliance.policy.replaying import Replay, what_is_done
from appliance.policy.rules import LabelMatch, Limit, Match, Redact

D = Disposition
HIGH = Redact(entities=("EMAIL_ADDRESS",), min_score=0.95)
MAILS = LabelMatch(entities=("EMAIL_ADDRESS",), min_score=0.4)


def replayed(before, after, *seen):
    run = Replay(policy(*after), None if before is None else policy(*before), CATALOGUE)
    for number, one in enumerate(seen):
        run.take(one, NOW, "allow", 100 * number if number else None)
    return run.told()


def test_the_effect_is_told_by_what_it_was_and_would_be():
    people = [facts(principal=name) for name in ("p_a", "p_b", "p_a")]
    told = replayed([rule("r", D.COACH)], [rule("r", D.COACH), rule("s", D.BLOCK, Match(principals=("p_a",)))], *people)
    assert (told.exchanges, told.changed, told.people, told.people_changed) == (3, 2, 2, 1)
    (change,) = told.changes
    assert (change.before, change.after, change.rule, change.exchanges, change.people) == ("coach", "block", "s", 2, 1)
    assert (told.cost_micros, change.cost_micros, change.unpriced) == (300, 200, 1)


@pytest.mark.parametrize(
    ("after", "differs"),
    [
        (rule("another-name", D.REDACT, Match(labels=MAILS)), False),
        (rule("r", D.REDACT, Match(labels=LabelMatch(entities=("EMAIL_ADDRESS",), min_score=0.6))), False),
        (rule("r", D.REDACT, Match(labels=LabelMatch(entities=("EMAIL_ADDRESS",), min_score=0.95))), True),
        (rule("r", D.REDACT, Match(labels=MAILS), then={"redact": HIGH}), True),
        (rule("r", D.REDACT, Match(labels=MAILS), then={"limit": Limit(max_tokens=5)}), True),
        (rule("r", D.REDACT, Match(labels=MAILS, directions=(Direction.REQUEST, Direction.RESPONSE))), True),
    ],
)
def test_only_what_somebody_would_notice_counts(after, differs):
    seen = facts(labels=(label(score=0.9),))
    told = replayed([rule("r", D.REDACT, Match(labels=MAILS))], [after], seen)
    assert bool(told.changed) is differs


def test_against_the_record_the_recorded_disposition_counts():
    assert replayed(None, [rule("r", D.ALLOW)], facts()).changed == 0
    assert replayed(None, [rule("r", D.OBSERVE)], facts()).changed == 1


def test_what_is_kept_of_people_and_kinds_is_bounded(monkeypatch):
    monkeypatch.setattr(replaying, "MAX_PEOPLE", 5)
    monkeypatch.setattr(replaying, "MAX_KINDS", 1)
    seen = [facts(principal=f"p_{number}", department="ab"[number % 2]) for number in range(10)]
    after = [rule(name, D.BLOCK, Match(departments=(name,))) for name in "ab"]
    told = replayed([], after, *seen)
    assert told.at_least
    assert (told.exchanges, told.changed) == (10, 10)
    assert {change.before for change in told.changes} == {"allow", replaying.OTHERS}
    assert sum(change.exchanges for change in told.changes) == 10


def test_what_is_done_says_nothing_of_who_decided():
    one, other = (policy(rule(name, D.BLOCK)).judge(facts(), NOW) for name in "ab")
    assert what_is_done(one, facts()) == what_is_done(other, facts())
