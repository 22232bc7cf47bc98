"""Which target comes first: shares, conversations that stay, targets that are not well."""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.route.order import ordered

KEY = b"k" * 32


class T(NamedTuple):
    name: str
    weight: int | None = None


def names(targets, conversation="c", takes=lambda _: True, key=KEY):
    return [one.name for one in ordered(targets, conversation, key, takes)]


def test_without_weights_the_order_is_the_told_one():
    assert names([T("b"), T("a"), T("c")]) == ["b", "a", "c"]


def test_groups_stay_where_they_stand():
    for number in range(50):
        found = names([T("a"), T("b", 1), T("c", 1), T("d")], str(number))
        assert (found[0], set(found[1:3]), found[3]) == ("a", {"b", "c"}, "d")


def test_shares_follow_the_weights():
    targets = [T("a", 6), T("b", 3), T("c", 1), T("never", 0)]
    first = [names(targets, str(number))[0] for number in range(4000)]
    shares = {name: first.count(name) / 4000 for name in "abc"}
    assert abs(shares["a"] - 0.6) < 0.04
    assert abs(shares["b"] - 0.3) < 0.04
    assert abs(shares["c"] - 0.1) < 0.03
    assert "never" not in first


def test_who_is_not_well_comes_last_and_is_not_left_out():
    assert names([T("a"), T("b"), T("c")], takes=lambda one: one.name != "a") == ["b", "c", "a"]
    assert names([T("a"), T("b")], takes=lambda _: False) == ["a", "b"]


def test_another_site_has_another_order():
    targets = [T(name, 1) for name in "abcdef"]
    assert any(names(targets, str(n)) != names(targets, str(n), key=b"other") for n in range(5))


WEIGHTS = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 9), min_size=2, max_size=6)


@given(WEIGHTS, st.text(max_size=20))
@settings(max_examples=60)
def test_a_conversation_stays_when_another_target_leaves(weights, conversation):
    targets = [T(name, weight) for name, weight in weights.items()]
    found = names(targets, conversation)
    assert sorted(found) == sorted(weights)
    assert found == names(list(reversed(targets)), conversation)
    for gone in found[1:]:
        assert names([one for one in targets if one.name != gone], conversation)[0] == found[0]
    assert names(targets, conversation, lambda one: one.name != found[0]) == [*found[1:], found[0]]
