"""Verbs about governance: the configuration in force, counters that may not be there, and answers that bind no lock."""

import msgspec
import pytest

from appliance.bus.peer import Peer
from appliance.config.budget_schema import BudgetEntry, BudgetMatch
from appliance.config.effective import write_effective
from appliance.config.schema import Config
from appliance.config.site_key import load_site_key
from appliance.ledger.budgets import Budgets
from appliance.ledger.ledger import Ledger
from appliance.model.pseudonym import Pseudonyms
from appliance.store.budget_pages import BudgetRequest, BudgetsRequest, BudgetState
from appliance.store.governance_verbs import GovernanceVerbs
from appliance.store.people_pages import HeldRequest, PeopleRequest
from appliance.store.reader import Reader

NOW = 1_763_700_000.0
ENTRY = BudgetEntry(name="ann", what="requests", amount=4, window="day", per="user", match=BudgetMatch(user=("ann",)))


@pytest.fixture
async def desk(owner, tmp_path):
    """The verbs, and a way to ask them."""
    config = Config(state_dir=str(tmp_path), run_dir=str(tmp_path), budgets=(ENTRY,))
    reader = Reader(owner.cursor())
    verbs = GovernanceVerbs(config, reader, lambda: NOW).for_analysts()

    async def ask(name, request):
        reply = await verbs[name].handler(request, b"", Peer(0, 0, 0))
        return reply.head, reply.body

    yield config, ask
    await reader.close()


async def test_counters_that_are_not_there_yet(desk):
    _, ask = desk
    head, body = await ask("budgets", BudgetsRequest())
    (state,) = msgspec.json.decode(body, type=list[BudgetState])
    assert "counter file" in head.problem
    assert (state.fullest, state.counters) == (None, 0)
    assert (await ask("budget", BudgetRequest(budget="ann")))[0].problem


async def test_counters_of_whom_a_budget_names(desk, tmp_path):
    config, ask = desk
    person = Pseudonyms(load_site_key(tmp_path)).person
    (budget,) = Budgets(config.budgets, person).all
    (tmp_path / "ledger").mkdir()
    with Ledger(tmp_path / "ledger" / "counters.map", claim=False) as ledger:
        ledger.add_settled(budget.counter(person("ann")), 3, NOW)
        head, body = await ask("budgets", BudgetsRequest())
        (state,) = msgspec.json.decode(body, type=list[BudgetState])
        assert head.problem == ""
        assert (state.fullest.subject, state.fullest.used) == (person("ann"), 3)
        detail, _ = await ask("budget", BudgetRequest(budget="ann"))
        assert [one.used for one in detail.standings] == [3]
    (tmp_path / "ledger" / "counters.map").write_bytes(b"damaged")
    head, _ = await ask("budgets", BudgetsRequest())
    assert "counters.map" in head.problem


async def test_a_reload_shows_at_once(desk, tmp_path):
    config, ask = desk
    fresh = msgspec.structs.replace(config, budgets=(ENTRY, msgspec.structs.replace(ENTRY, name="more")))
    write_effective(fresh, tmp_path)
    head, _ = await ask("budgets", BudgetsRequest())
    assert head.total == 2


async def test_people_and_keys_of_an_empty_site(desk):
    _, ask = desk
    head, body = await ask("people", PeopleRequest(since=NOW - 60))
    assert (head.total, body) == (0, b"[]")
    head, body = await ask("held_keys", HeldRequest())
    assert (head.total, head.problem, body) == (0, "", b"[]")
