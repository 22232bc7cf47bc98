from hypothesis import given
from hypothesis import strategies as st

from appliance.config.schema import BudgetEntry
from appliance.ledger.booking import MOST, Need, Wanted, amounts, price, room_for
from appliance.ledger.budgets import Budgets, Claim
from appliance.ledger.prices import site_rates
from appliance.ledger.table import Denied

RATES = site_rates({"in": "2", "out": "10", "req": "5"})


def claim(what, amount):
    (budget,) = Budgets([BudgetEntry(name="b", what=what, amount=amount, window="day")], str).all
    return Claim(budget, budget.counter(""))


def test_every_kind_of_budget_takes_its_part():
    whats = ("requests", "tokens", "input_tokens", "output_tokens", "cost")
    claims = [claim(what, 10) for what in whats]
    claims += [Claim(*one) for one in [claim("requests", 1)]]
    assert amounts(claims, Need(1, 20, 3, 456, 1)) == (1, 23, 20, 3, 456, 1)
    assert Need(1, 20, 3, 456, 1).of("streams") == 1


def test_no_number_that_anybody_tells_is_too_great_to_be_booked():
    claims = [claim("tokens", 10), claim("cost", 10)]
    assert amounts(claims, Need(1, 2**53, 2**55, 2**70)) == (MOST, MOST)


def test_a_price_is_rounded_up_and_none_is_nothing():
    assert price(RATES, 100, 10) == 100 * 2 + 10 * 10 + 5000
    assert price(site_rates({"in": "0.1", "out": "0"}), 1, 0) == 1
    assert price(None, 100, 10) == 0
    assert price(site_rates({"in": "3"}), 100, 10) == 300


def test_room_for_an_answer():
    wanted = Wanted(30, 1000, rates=RATES)
    for what, used, room in (
        ("tokens", 10, 60),
        ("output_tokens", 10, 90),
        ("requests", 10, 0),
        ("input_tokens", 0, 0),
    ):
        one = claim(what, 100)
        assert room_for(wanted, one, Denied(one.key, used, 1.0)) == room
    cost = claim("cost", 0.006)
    assert room_for(wanted, cost, Denied(cost.key, 0, 1.0)) == (6000 - 5000 - 60) // 10
    assert room_for(wanted, cost, Denied(cost.key, 1500, 1.0)) == -1
    assert room_for(Wanted(30, 1000), cost, Denied(cost.key, 0, 1.0)) == 0


@given(received=st.integers(0, 5000), made=st.integers(0, 5000), left=st.integers(0, 10**6), out=st.integers(0, 50))
def test_what_fits_costs_no_more_than_what_is_left_and_one_more_does(received, made, left, out):
    rates = site_rates({"in": "2", "out": str(out)})
    wanted, one = Wanted(received, made, rates=rates), claim("cost", 1)
    found = room_for(wanted, one, Denied(one.key, one.budget.limit - left, 1.0))
    assert found < 0 or price(rates, received, found) <= left
    assert found == made or price(rates, received, found + 1) > left


def test_a_request_needs_itself_its_texts_its_answer_and_a_stream():
    assert Wanted(30, 10, stream=True, rates=RATES).need() == Need(1, 30, 10, 5160, 1)
    assert Wanted(30, 10).need(4) == Need(1, 30, 4, 0, 0)
