"""Budgets, routes and people as cells and lines: numbers keep their width, and what is not known is never 0."""

import msgspec
import pytest
from governance_store import HOSTILE, budget, person
from hypothesis import given
from hypothesis import strategies as st

from appliance.store.budget_pages import BudgetDetail, Spent, Standing
from appliance.store.finding_pages import ApplianceState, TargetState
from appliance.store.people_pages import HeldHead, HeldKeyState
from tui.client_state import budget_lines, person_lines, route_lines
from tui.client_state.moments import DAY
from tui.client_state.names import Names
from tui.client_state.spans import plain

NOW = 1_763_700_000.0
AMOUNTS = st.integers(0, 2**53)


def told(cells):
    return ["".join(part.text for part in cell) for cell in cells]


@given(used=AMOUNTS, reserved=AMOUNTS, limit=st.integers(1, 2**53))
def test_a_bar_has_its_width_and_is_full_only_when_it_is(used, reserved, limit):
    standing = Standing("", used, min(used, reserved), full=used >= limit, warns=False)
    drawn = budget_lines.bar(standing, limit)
    assert len(drawn) == 12
    assert ("\u00b7" not in drawn) == (used >= limit)
    assert (drawn == "\u00b7" * 12) == (used == 0)


@pytest.mark.parametrize(
    ("used", "reserved", "drawn"),
    [(0, 0, "\u00b7" * 12), (1, 0, "\u2588" + "\u00b7" * 11), (50, 25, "\u2588" * 3 + "\u2592" * 3 + "\u00b7" * 6),
     (99, 0, "\u2588" * 11 + "\u00b7"), (150, 0, "\u2588" * 12)],
)  # fmt: skip
def test_what_is_reserved_is_told_from_what_is_used(used, reserved, drawn):
    assert budget_lines.bar(Standing("", used, reserved, full=used >= 100, warns=False), 100) == drawn


@given(what=st.sampled_from(("cost", "tokens")), value=AMOUNTS)
def test_amounts_have_bounded_widths(what, value):
    assert len(budget_lines.amount(what, value)) <= 8


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (budget(used=10), "room"), (budget(used=85), "near"), (budget(used=100), "full"), (budget(used=101), "over"),
        (budget(fullest=None, counters=0), "?"),
    ],
)  # fmt: skip
def test_how_it_stands_in_a_word(state, word):
    assert budget_lines.word(state).text == word


def test_rows_are_inert_whatever_they_hold():
    hostile = budget(
        HOSTILE, 10, what=HOSTILE, window=HOSTILE, per="key", fullest=Standing(HOSTILE, 1, 0, False, False)
    )
    cells = told(budget_lines.row(hostile, Names(), NOW))
    cells += told(person_lines.row(person(1, department=HOSTILE, services=(HOSTILE,)), Names(), NOW))
    assert len(cells) == len(budget_lines.COLUMNS) + len(person_lines.COLUMNS)
    assert not any(mark in "".join(cells) for mark in "\x1b\x07\u202e\n")


def test_a_cost_without_any_price_is_no_number():
    index = [name for name, _ in person_lines.COLUMNS].index("COST")
    for use, cost in (
        (person(1, cost_micros=None, unpriced=3), "unpriced"),
        (person(1, cost_micros=None, unpriced=0), "-"),
        (person(1, cost_micros=0, unpriced=0), "$0.00"),
        (person(1, cost_micros=5_000_000, unpriced=1), "$5.00+?"),
    ):
        assert told(person_lines.row(use, Names(), NOW))[index] == cost


def test_accounts_that_stand_out_are_never_cut():
    index = [name for name, _ in person_lines.COLUMNS].index("ACCOUNTS")
    width = person_lines.COLUMNS[index][1]
    for use, words in (
        (person(1, personal=99_999, anonymous=99_999, corporate=9), "personal 100k, no login 100k"),
        (person(1, personal=0, corporate=9), "corporate 9"),
        (person(1, personal=0, corporate=0), "not known"),
    ):
        assert told(person_lines.row(use, Names(), NOW))[index] == words
        assert len(words) < width


def test_what_a_model_without_a_price_took_is_no_sum():
    spent = (Spent("m", 2, 9, 8, 0, 0, 2, 0), Spent("n", 2, 9, 8, 0, 0, 0, 0))
    told_of = plain(budget_lines.page(BudgetDetail(budget(), NOW, NOW, models=spent), Names(), NOW))
    (unpriced,), (free,) = ([row for row in told_of.splitlines() if row.startswith(f"  {name} ")] for name in "mn")
    assert "$" not in unpriced
    assert "2 unpriced: in no sum" in unpriced
    assert "$0.00" in free


def test_one_target_that_some_workers_find_ill():
    one = TargetState("w0", "r", "openai", "https://a.test", HOSTILE)
    ill = msgspec.structs.replace(one, worker="w1", state="open", faults=1, until=int(NOW) + 9, probed=False)
    shown = plain(route_lines.routes(ApplianceState(routes=("r", "quiet"), targets=(one, ill)), NOW))
    assert shown.count("https://a.test") == 1
    assert all(words in shown for words in ("well on 1/2", "1 fault in a row", "tried again in 9 s", "probe failed"))
    assert "no worker has told of a target" in shown
    assert "\x1b" not in shown


def test_keys_overdue_and_due():
    held = [
        HeldKeyState("old", "openai", "active", NOW - DAY, NOW - DAY, ("should have been changed",)),
        HeldKeyState("soon", "openai", "active", NOW, NOW + DAY, ()),
        HeldKeyState("gone", "", "", None, None, ("its file is not there",), lies=False),
    ]
    shown = plain(route_lines.keys(HeldHead(7, 7), held, NOW))
    assert all(
        words in shown
        for words in ("7; 2 to be seen to", "overdue since", "to be changed by", "not there", "and 4 more")
    )
    assert "damaged" in plain(route_lines.keys(HeldHead(0, 0, "damaged"), [], NOW))


def test_what_is_not_there_yet_is_not_told_as_none():
    assert "reading" in plain(route_lines.migration(None, Names(), NOW))
    assert "reading" in plain(route_lines.keys(None, [], NOW))
    assert "no decision in force" in plain(route_lines.migration([], Names(), NOW))
