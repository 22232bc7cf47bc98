"""What is reserved for one exchange: amounts along its counters, and what may have been billed."""

import pytest

from addons.booked import Booking, Way, may_be_billed, there, whose
from appliance.config.schema import BudgetEntry
from appliance.ledger.booking import Need, Wanted
from appliance.ledger.budgets import Budgets
from appliance.ledger.levels import request_keys
from appliance.model.event import Attempt
from appliance.model.facts import Facts

FACTS = Facts(principal="p_1", client="a_1", service="openai", host="h", port=443, method="POST", path="/")
BUDGETS = Budgets(
    [
        BudgetEntry(name="r", what="requests", amount=9, window="day"),
        BudgetEntry(name="t", what="tokens", amount=99, window="day"),
        BudgetEntry(name="s", what="requests", amount=9, window="day", per="service"),
    ],
    str,
)


def booking(facts=FACTS):
    made = Booking(Way(facts.service), facts, request_keys(facts), BUDGETS.claims(facts), Wanted(5, 7))
    made.made = 7
    return made


def test_amounts_go_along_the_counters():
    made = booking()
    assert len(made.keys) == len(made.amounts(made.granted)) == len(made.base) + 3
    assert made.amounts(Need(1, 5, 7)) == (*((1,) * len(made.base)), 1, 12, 1)
    assert made.amounts(Need()) == (0,) * len(made.keys)


def test_a_request_counts_once_in_each_counter_and_its_tokens_each_time():
    first, other = booking(), booking(there(FACTS, Way("groq")))
    other.count_as(first)
    counted = dict(zip([(key.level, key.subject) for key in other.keys], other.amounts(Need(1, 5, 7)), strict=True))
    assert counted == {
        ("organisation", ""): 0,
        ("user", "p_1"): 0,
        ("service", "groq"): 1,
        ("budget:r", ""): 0,
        ("budget:t", ""): 12,
        ("budget:s", "groq"): 1,
    }
    third = booking()
    third.count_as(other)
    assert third.amounts(Need(1)) == (0,) * len(third.keys)


@pytest.mark.parametrize(
    ("attempt", "billed"),
    [
        (Attempt("h", 0, sent=True), True),
        (Attempt("h", 504, sent=True), True),
        (Attempt("h", 502, sent=True), True),
        (Attempt("h", 500, sent=True), False),
        (Attempt("h", 429, sent=True), False),
        (Attempt("h", 200, sent=True), False),
        (Attempt("h", 0, sent=False), False),
        (Attempt("h", 0, denied=True), False),
        (Attempt("h", 0), False),
    ],
)
def test_what_went_out_and_got_no_answer_may_be_billed(attempt, billed):
    assert may_be_billed(attempt) == billed


def test_who_is_unknown_is_an_address():
    known = Facts(**{name: getattr(FACTS, name) for name in FACTS.__struct_fields__} | {"identity_method": "jwt"})
    assert (whose(FACTS), whose(known)) == ("a_1", "p_1")
