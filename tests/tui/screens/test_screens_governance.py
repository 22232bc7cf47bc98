"""Budgets, routes and people under a pilot."""

import msgspec
import pytest
from governance_store import HOSTILE, GovernanceStore, budget, person

from appliance.store.people_pages import PeopleOrder
from tui.client_state.rows import HELD


def inert(text):
    return not any(mark in text for mark in "\x1b\x07\u202e\u009b")


async def test_budgets_stand_with_bars_and_open_in_full(open_desk, run_dir):
    async with open_desk(store=GovernanceStore(run_dir), size=(160, 40)) as desk:
        await desk.press("6")
        await desk.see("budgets 4", "over", "near", "room", "130%", "UNPRICED", "never 0", "1 model")
        assert inert(desk.text())
        assert "ann" in desk.text()
        await desk.press("enter")
        await desk.see("COUNTERS (2; near 0, full 1)", "over by 30, carried on", "PEOPLE (1)", "MODELS (1)")
        await desk.see("beyond what was granted: $0.02", "3 unpriced: in no sum", "(no virtual key)")
        assert inert(desk.text())
        await desk.press("escape")
        await desk.see("budgets 4")
        await desk.press("j", "enter")
        await desk.see("near", "reserved 10")


async def test_counters_that_cannot_be_read_are_not_shown_as_nought(open_desk, run_dir):
    store = GovernanceStore(run_dir)
    store.head = msgspec.structs.replace(store.head, problem="the file is damaged", unpriced=())
    store.budgets = [budget(fullest=None, counters=0)]
    async with open_desk(store=store) as desk:
        await desk.press("6")
        await desk.see("counters not readable", "the file is damaged", "not known", "?")
        assert "0%" not in desk.text()
        store.head = msgspec.structs.replace(store.head, problem="")
        store.budgets = [budget("fresh", 1)]
        desk.app.screen.refresher.due()
        await desk.see("fresh", "every model that was used has a price")


@pytest.mark.parametrize("size", [(40, 12), (20, 5), (1, 1)])
async def test_narrow_terminals(open_desk, run_dir, size):
    async with open_desk(store=GovernanceStore(run_dir), size=size) as desk:
        for key, verb in (("6", "budgets"), ("7", "migration"), ("8", "people")):
            await desk.press(key)
            await desk.until(lambda verb=verb: desk.store.asked(verb))
            await desk.press("enter", "escape")
        if size == (40, 12):
            await desk.press("6")
            await desk.see("over", "full")


async def test_five_hundred_budgets(open_desk, run_dir):
    store = GovernanceStore(run_dir)
    store.budgets = [budget(f"b{at:03}", 50) for at in range(HELD)]
    store.head = msgspec.structs.replace(store.head, rows=HELD, total=9_999)
    async with open_desk(store=store) as desk:
        await desk.press("6")
        await desk.see("budgets 9,999", "b000")
        await desk.press("G")
        await desk.see("b499")


async def test_routes_migration_and_keys_on_one_page(open_desk, run_dir):
    async with open_desk(store=GovernanceStore(run_dir), size=(160, 40)) as desk:
        await desk.press("7")
        await desk.see("ROUTES (2)", "well on 1/2", "6 faults in a row", "probe failed", "its key is missing")
        await desk.see("MIGRATION (1 decision in force)", "7 redirect chatgpt", "2 still there", "still ann")
        await desk.see("KEYS THAT ARE HELD (2; 1 to be seen to)", "overdue since", "should have been changed")
        assert inert(desk.text())
        targets = tuple(msgspec.structs.replace(one, state="closed", key=True) for one in desk.store.state.targets)
        desk.store.tell(targets=targets)
        await desk.see("well on 2/2")
        assert len(desk.store.asked("migration")) <= 2


async def test_people_their_accounts_and_signals(open_desk, run_dir):
    store = GovernanceStore(run_dir)
    store.persons_seen.append(person(3, person="p_3", personal=0, department=HOSTILE, services=(HOSTILE,)))
    async with open_desk(store=store, size=(160, 40)) as desk:
        await desk.press("8")
        await desk.see("people 3", "ann", "personal 3", "$1.23+?")
        assert inert(desk.text())
        await desk.press("i")
        await desk.see("people 2", "own accounts only")
        await desk.press("i", "o")
        await desk.see("people 3", "most exchanges first")
        await desk.until(lambda: store.asked("people")[-1].order is PeopleOrder.EXCHANGES)
        await desk.press("slash")
        desk.type("sales")
        await desk.press("enter")
        await desk.see("people 2", "filtered")
        await desk.press("enter")
        await desk.see("known by basic, jwt", "SIGNALS (1)", "is asked as one does to copy a model", "900 distinct")
        await desk.see("ACCOUNTS (1)", "personal", "SERVICES (1)", "unpriced", "KEYS (1)", "FINDINGS (1)")
        assert inert(desk.text())
        await desk.press("escape")
        await desk.see("people 2")
