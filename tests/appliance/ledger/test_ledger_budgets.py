from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.config.schema import BudgetEntry, BudgetMatch
from appliance.ledger.budgets import Budgets
from appliance.ledger.windows import Window
from appliance.model.facts import Facts


def person(name):
    return f"p_{name}"


def facts(**more):
    told = {"principal": "p_ann", "client": "a_1", "host": "h", "port": 443, "method": "POST", "path": "/"}
    return Facts(**(told | more))


def budget(name="b", what="requests", amount=10, window="day", match=None, **more):
    return BudgetEntry(name=name, what=what, amount=amount, window=window, match=BudgetMatch(**(match or {})), **more)


def touched(entries, given):
    return {(claim.budget.name, claim.key.subject) for claim in Budgets(entries, person).claims(given)}


def test_a_budget_without_a_match_is_about_everybody():
    (claim,) = Budgets([budget()], person).claims(facts())
    assert (claim.key.level, claim.key.subject, claim.key.window, claim.key.limit) == (
        *("budget:b", "", Window.DAY),
        10,
    )


def test_a_budget_hits_what_has_one_of_each_value_that_it_names():
    entry = budget(match={"department": ("sales", "law"), "model": ("gpt-*",)})
    assert touched([entry], facts(department="law", model="GPT-5"))
    assert not touched([entry], facts(department="it", model="gpt-5"))
    assert not touched([entry], facts(department="law", model="o3"))
    assert not touched([entry], facts(department="law"))
    assert not touched([entry], facts(model="gpt-5"))


def test_users_are_known_by_their_digest_and_models_in_any_case():
    assert touched([budget(match={"user": ("ann",)})], facts())
    assert not touched([budget(match={"user": ("p_ann",)})], facts())
    assert touched([budget(match={"model": ("GPT-5",)})], facts(model="gpt-5"))


def test_keys_groups_services_and_tools():
    given = facts(virtual_key="vk1", groups=("a", "b"), service="openai", tools_declared=("shell",))
    for match in ({"key": ("vk1",)}, {"group": ("b", "x")}, {"service": ("openai",)}, {"tool": ("shell",)}):
        assert touched([budget(match=match)], given)
        assert not touched([budget(match=match)], facts())


def test_each_subject_has_its_counter():
    assert touched([budget(per="user")], facts()) == {("b", "p_ann")}
    assert touched([budget(per="group")], facts(groups=("a", "b"))) == {("b", "a"), ("b", "b")}
    assert touched([budget(per="department")], facts()) == {("b", "-")}


def test_of_models_and_tools_those_have_counters_that_are_named():
    models = budget(per="model", match={"model": ("gpt-5*", "GPT-5-mini", "o3")})
    assert touched([models], facts(model="gpt-5-mini")) == {("b", "gpt-5*"), ("b", "GPT-5-mini")}
    assert touched([models], facts(model="gpt-4")) == touched([models], facts(model=None)) == set()
    tools = budget(per="tool", match={"tool": ("shell", "mail")})
    assert touched([tools], facts(tools_declared=("x", "mail", "shell"))) == {("b", "shell"), ("b", "mail")}
    assert touched([tools], facts(tools_declared=("x",))) == set()


def test_a_budget_that_fits_twice_counts_once():
    assert touched([budget(match={"group": ("a", "b")})], facts(groups=("a", "b"))) == {("b", "")}


def test_amounts_are_whole_and_cost_is_in_millionths():
    made = Budgets([budget("c", "cost", 0.1, warn=50), budget("t", "tokens", 7, warn=100)], person).all
    assert [(one.limit, one.warn) for one in made] == [(100_000, 50_000), (7, None)]
    (streams,) = Budgets([BudgetEntry(name="s", what="streams", amount=2)], person).all
    assert streams.window is Window.RUNNING


NAMES = st.sampled_from(("a", "b", "c"))
SOME = st.lists(NAMES, max_size=2).map(tuple)
MATCHES = st.fixed_dictionaries(dict.fromkeys(BudgetMatch.__struct_fields__, SOME))
GIVEN = st.fixed_dictionaries(
    {
        "principal": NAMES.map(person),
        "department": st.none() | NAMES,
        "virtual_key": st.none() | NAMES,
        "groups": SOME,
        "service": st.none() | NAMES,
        "model": st.none() | NAMES,
        "tools_declared": SOME,
    }
)


@settings(max_examples=200, deadline=None)
@given(matches=st.lists(MATCHES, max_size=6), given=GIVEN)
def test_the_index_finds_what_looking_at_each_would(matches, given):
    entries = [budget(f"b{number}", match=match) for number, match in enumerate(matches)]
    made = Budgets(entries, person)
    expected = {one.name for one in made.all if one.fits(facts(**given))}
    assert {claim.budget.name for claim in made.claims(facts(**given))} == expected


def test_a_thousand_budgets_cost_no_more_than_those_that_fit():
    """Counted, not timed: how many budgets are looked at."""
    entries = [budget(f"d{number}", match={"department": (f"d{number}",)}, per="user") for number in range(1000)]
    made, looked = Budgets(entries, person), []
    kind = type(made.all[0])
    fits = kind.fits
    kind.fits = lambda self, given: looked.append(self) or fits(self, given)
    try:
        assert len(made.claims(facts(department="d7"))) == 1
    finally:
        kind.fits = fits
    assert len(looked) == 1


def test_of_many_groups_those_count_that_a_budget_is_about():
    entry = BudgetEntry(
        name="b", what="requests", amount=1, window="day", per="group", match=BudgetMatch(group=("a", "b"))
    )
    (made,) = Budgets([entry], str).all
    facts = Facts(principal="p", client="a", groups=("x", "b", "y"), host="h", port=1, method="GET", path="/")
    assert [key.subject for key in made.counters(facts)] == ["b"]
