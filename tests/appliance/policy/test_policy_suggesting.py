"""From words of analysts to changes of rules."""

from datetime import date

import pytest
from policy_facts import rule

from appliance.model.names import DetectionKind, Disposition
from appliance.policy.rules import Exemption, LabelMatch, Match, Redact
from appliance.policy.suggesting import LEAST, Word, applied, suggestions

UNTIL = date(2027, 6, 30)
MAILS = rule("mails", Disposition.REDACT, Match(labels=LabelMatch(entities=("EMAIL_ADDRESS",), min_score=0.4)))
BOTH = rule(
    "both", Disposition.REDACT, Match(labels=LabelMatch(entities=("EMAIL_ADDRESS", "IBAN_CODE"), min_score=0.4))
)


def words(verdict, *scores, service="openai", entity="EMAIL_ADDRESS"):
    return [Word(entity, "pii", verdict, service, score) for score in scores]


WRONG = words("wrong", 0.4, 0.45, 0.5, 0.5, 0.55)


def test_a_threshold_that_parts_wrong_from_right_is_raised():
    (made,), none = suggestions([MAILS], [*WRONG, *words("right", 0.85, 0.9)], UNTIL)
    assert none == ()
    (after,) = made.after
    assert after.match.labels == LabelMatch(entities=("EMAIL_ADDRESS",), min_score=0.56)
    assert made.why == "5 of 7 were wrong; from 0.56 on, 5 of these go and 0 right ones"
    assert applied([MAILS], [made]) == (after,)


def test_a_rule_about_several_is_split_so_that_the_others_stay():
    (made,), _ = suggestions([BOTH], WRONG, UNTIL)
    rest, own = made.after
    assert (rest.id, rest.match.labels.entities, rest.match.labels.min_score) == ("both", ("IBAN_CODE",), 0.4)
    assert (own.id, own.match.labels.entities, own.match.labels.min_score) == (
        "both.email-address",
        ("EMAIL_ADDRESS",),
        0.56,
    )
    other = rule("other", Disposition.BLOCK)
    assert applied([BOTH, other], [made]) == (rest, other, own)


def test_where_scores_do_not_part_them_a_service_is_excepted_until_a_day():
    said = [*words("wrong", *[0.9] * LEAST, service="github"), *words("right", 0.9, 0.9, service="openai")]
    (made,), _ = suggestions([MAILS], said, UNTIL)
    (exemption,) = made.after[0].exceptions
    assert exemption == Exemption(
        services=("github",), reason="EMAIL_ADDRESS: analysts called 5 of 7 wrong", expires=UNTIL
    )
    assert made.after[0].match == MAILS.match


@pytest.mark.parametrize(
    "said",
    [
        WRONG[:-1],
        [*WRONG, *words("right", *[0.3] * 5), *words("right", *[0.6] * 5)],
        words("unsure", *[0.5] * 20),
        words("wrong", *[0.1] * 9),  # below what the rule counts
        words("wrong", *[0.5] * 9, entity="IBAN_CODE"),
    ],
)
def test_few_words_and_words_about_something_else_change_nothing(said):
    assert suggestions([MAILS], said, UNTIL) == ((), ())


def test_what_stands_in_the_way_is_told():
    kinds = rule("kinds", Disposition.REDACT, Match(labels=LabelMatch(kinds=(DetectionKind.PII,))))
    named = rule("named", Disposition.REDACT, MAILS.match, then={"redact": Redact(entities=("EMAIL_ADDRESS",))})
    mixed = [*words("wrong", *[0.9] * 6), *words("right", *[0.9] * 5)]
    made, told = suggestions([kinds, named], WRONG, UNTIL)
    assert made == ()
    assert [line.partition(", but ")[2] for line in told] == [
        "the rule names kinds: name entities in it first",
        "the rule says by name what is redacted: change it by hand",
    ]
    assert "no score parts them" in suggestions([MAILS], mixed, UNTIL)[1][0]


def test_rules_that_only_watch_and_rules_of_other_services_are_left_alone():
    watching = rule("w", Disposition.OBSERVE, MAILS.match)
    elsewhere = rule("e", Disposition.REDACT, Match(services=("mistral",), labels=MAILS.match.labels))
    assert suggestions([watching, elsewhere], WRONG, UNTIL) == ((), ())
