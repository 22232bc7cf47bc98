"""Where budgets stand: counters of the ledger, who took what, and models without a price."""

import zoneinfo
from functools import partial

import msgspec
import pytest

from appliance.config.budget_schema import BudgetEntry, BudgetMatch
from appliance.ledger.budgets import Budgets
from appliance.ledger.ledger import Ledger
from appliance.ledger.levels import Used
from appliance.ledger.standing import standings_of
from appliance.model.errors import PeerError
from appliance.model.event import Cost, Usage
from appliance.model.names import Outcome
from appliance.store import budgets as asked
from appliance.store.bench import closed, opened
from appliance.store.budget_pages import BudgetsRequest

NOW = 1_763_700_000.0  # 2025-11-21 04:40 UTC
ANN, BOB = "p_" + "1" * 16, "p_" + "2" * 16
ENTRIES = (
    BudgetEntry(name="all", what="cost", amount=10, window="month"),
    BudgetEntry(name="each", what="requests", amount=4, window="day", per="user"),
    BudgetEntry(name="board", what="tokens", amount=1_000, window="day", match=BudgetMatch(group=("board",))),
    BudgetEntry(name="ann", what="requests", amount=3, window="hour", per="user", match=BudgetMatch(user=("ann",))),
    BudgetEntry(name="running", what="streams", amount=2, per="user"),
    BudgetEntry(name="tool", what="requests", amount=2, window="day", match=BudgetMatch(tool=("search",))),
)


def use(exchange, who=ANN, ts=NOW - 60, **more):
    event = opened(exchange, "w0", ts)
    facts = {"principal": who, "groups": (), "virtual_key": None, "model": "gpt-4o-mini"} | more
    return msgspec.structs.replace(event, facts=msgspec.structs.replace(event.facts, **facts))


def end(exchange, ts=NOW - 30, micros=2_000_000, **more):
    cost = Cost(micros, priced=micros > 0, overrun_micros=more.pop("overrun", 0))
    return msgspec.structs.replace(closed(exchange, ts), cost=cost, usage=Usage(100, 50), model_served=None, **more)


@pytest.fixture
def told(ingest, life):
    journal = life("w0")

    def take(*events):
        first = len(journal.lines) + 1
        journal.add(*events)
        ingest.commit([journal.frame(first)])

    return take


@pytest.fixture
def site(tmp_path):
    """What the ledger counted, and how to read it."""
    made = Budgets(ENTRIES, {"ann": ANN, "bob": BOB}.__getitem__)
    with Ledger(tmp_path / "counters.map") as ledger:

        def count(times, need, **facts):
            said = Used(None, facts.pop("who"), "openai", 1, "gpt-4o-mini", **facts).facts
            for claim in made.claims(said):
                if need.get(claim.budget.what):
                    ledger.add_settled(claim.key, times * need[claim.budget.what], NOW)

        yield asked.Site(made, zoneinfo.ZoneInfo("UTC"), partial(standings_of, ledger)), count, ledger


def states(connection, site):
    head, rows = asked.budgets(connection, BudgetsRequest(), site, NOW)
    return head, {row.name: row for row in rows}


def test_each_budget_with_its_fullest_counter(connection, told, site):
    site, count, _ = site
    told(use("x1"), use("x2", BOB))
    count(4, {"requests": 1, "cost": 2_600_000}, who=ANN)
    count(1, {"requests": 1}, who=BOB)
    head, found = states(connection, site)
    assert (head.problem, head.partial, head.total) == ("", False, 6)
    each, everything = found["each"], found["all"]
    assert (each.fullest.subject, each.fullest.used, each.fullest.full) == (ANN, 4, True)
    assert (each.counters, each.near, each.full, each.resets) == (2, 0, 1, 1_763_769_600.0)
    assert (everything.fullest.used, everything.fullest.over, everything.full) == (10_400_000, 400_000, 1)
    assert (found["board"].fullest.used, found["board"].counters) == (0, 0)
    assert found["ann"].matches == ("user: 1 named",)
    assert found["board"].matches == ("group: board",)
    assert found["tool"].window == "day"


def test_the_fullest_comes_first_and_the_answer_is_bounded(connection, told, site):
    site, count, _ = site
    told(use("x1"))
    count(3, {"requests": 1}, who=ANN)
    head, rows = asked.budgets(connection, BudgetsRequest(limit=2), site, NOW)
    assert ([row.name for row in rows], head.rows, head.total) == (["ann", "each"], 2, 6)
    assert rows[1].fullest.warns is False


def test_what_is_reserved_is_told(connection, site):
    site, _, ledger = site
    key = site.budgets.all[0].counter("")
    ledger.reserve([key], [9_000_000], NOW)
    _, found = states(connection, site)
    assert (found["all"].fullest.used, found["all"].fullest.reserved) == (9_000_000, 9_000_000)
    assert (found["all"].near, found["all"].full) == (1, 0)


def test_a_ledger_that_cannot_be_read_says_so_and_nothing_stands_at_nought(connection, site):
    blind = site[0]._replace(read=None, fault="the file is damaged")
    head, found = states(connection, blind)
    assert head.problem == "the file is damaged"
    assert {row.fullest for row in found.values()} == {None}
    assert asked.budget(connection, "all", blind, NOW).problem == "the file is damaged"


def test_too_many_people_are_told_as_partial(connection, told, site, monkeypatch):
    monkeypatch.setattr(asked, "MAX_LOOKS", 5)
    told(*(use(f"x{at}", f"p_{at:016x}") for at in range(9)))
    head, _ = states(connection, site[0])
    assert head.partial


def test_who_took_what_of_one(connection, told, site):
    told(
        use("x1"), end("x1", overrun=7),
        use("x2", BOB, virtual_key="vk1"), end("x2", micros=0),
        use("x3", ts=NOW - 3_600), end("x3", outcome=Outcome.BLOCKED, attempts=()),
        use("x4", ts=NOW - 40 * 86_400), end("x4", ts=NOW - 40 * 86_400),
    )  # fmt: skip
    detail = asked.budget(connection, "all", site[0], NOW)
    assert [(one.what, one.exchanges, one.cost_micros, one.unpriced) for one in detail.people] == [
        (ANN, 1, 2_000_000, 0), (BOB, 1, 0, 1),
    ]  # fmt: skip
    assert [(one.what, one.exchanges) for one in detail.keys] == [("", 1), ("vk1", 1)]
    assert [(one.what, one.input_tokens) for one in detail.models] == [("gpt-4o-mini", 200)]
    assert (detail.overrun_micros, detail.since) == (7, 1_761_955_200.0)


@pytest.mark.parametrize(
    ("name", "people"),
    [("board", {BOB}), ("ann", {ANN}), ("tool", {ANN}), ("running", {BOB}), ("each", {ANN, BOB})],
)
def test_only_what_counts_in_it(connection, told, site, name, people):
    told(use("x1", tools_declared=("search",)), end("x1"), use("x2", BOB, groups=("board", "staff")))
    assert {one.what for one in asked.budget(connection, name, site[0], NOW).people} == people


def test_what_other_appliances_counted_is_not_counted_twice(connection, told, site):
    told(use("x1"))
    connection.execute("UPDATE exchange_open SET producer = 'peer.berlin.w0'")
    assert asked.budget(connection, "each", site[0], NOW).people == ()


def test_models_without_a_price_are_listed_and_never_nought(connection, told, site):
    told(
        use("x1"), end("x1", micros=0), use("x2", BOB), end("x2", micros=0), use("x3"), end("x3"),
        use("x4", model=None), end("x4", micros=0),
    )  # fmt: skip
    head, _ = states(connection, site[0])
    assert [(one.service, one.model, one.exchanges, one.people, one.input_tokens) for one in head.unpriced] == [
        ("openai", "gpt-4o-mini", 2, 2, 200),
        ("openai", "", 1, 1, 100),
    ]


def test_what_an_edge_has_handed_over_is_unpriced_once(connection, told):
    told(use("x1"), end("x1", micros=0))
    connection.execute("UPDATE exchange_open SET handed = true")
    assert asked.unpriced(connection, NOW) == ()


def test_an_unknown_budget_is_refused(connection, site):
    with pytest.raises(PeerError, match="no budget"):
        asked.budget(connection, "nope", site[0], NOW)
