import pytest

from appliance.config.schema import BudgetEntry
from appliance.ledger.budgets import Budgets
from appliance.ledger.file import create
from appliance.ledger.ledger import Ledger
from appliance.ledger.levels import Used
from appliance.ledger.standing import since, standings
from appliance.ledger.windows import Window

NOON = 1_700_000_000 // 86400 * 86400 + 43200.0


@pytest.fixture
def ledger(tmp_path):
    create(tmp_path / "c", slots=64, workers=2, notes=8)
    with Ledger(tmp_path / "c") as opened:
        yield opened


def test_used_reserved_and_when_it_begins_again(ledger):
    entries = [
        BudgetEntry(name="all", what="tokens", amount=100, window="day", warn=50),
        BudgetEntry(name="each", what="requests", amount=60, window="minute", per="user"),
        BudgetEntry(name="now", what="streams", amount=3),
    ]
    budgets = Budgets(entries, str)
    everybody, each, now = budgets.all
    ledger.settle(ledger.reserve([everybody.counter("")], (40,), NOON), (40,), NOON)
    ledger.reserve([everybody.counter(""), each.counter("p_2"), now.counter("")], (30, 5, 1), NOON)
    history = [Used(None, "p_1", None, 1), Used(None, "p_2", None, 1), Used(None, "p_2", "openai", 1)]
    told = {(one.budget, one.subject): one for one in standings(ledger, budgets, history, NOON)}
    assert list(told) == [("all", ""), ("each", "p_2"), ("each", "p_1"), ("now", "")]
    first = told["all", ""]
    assert (first.used, first.reserved, first.limit, first.resets, first.warns) == (70, 30, 100, NOON + 43200, True)
    assert (told["each", "p_2"].used, told["each", "p_2"].reserved, told["each", "p_2"].resets) == (5, 5, None)
    assert (told["each", "p_1"].used, told["now", ""].used, told["now", ""].reserved) == (0, 1, 1)


def test_history_is_asked_as_far_back_as_a_counter_can_reach():
    made = Budgets([BudgetEntry(name="b", what="tokens", amount=1, window="month", per="user")], str).all
    assert since(made, NOON) <= NOON - 31 * 86400
    assert since([], NOON) == NOON
    assert made[0].window is Window.MONTH
