"""Groups of names: all names once, small, and hardly moved by a name more or less."""

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ca.groups import grouped, octets
from appliance.ca.reach import UNCONSTRAINED, Reach, reach_of, union
from appliance.config.catalogue import load_catalogue

CATALOGUE = reach_of(load_catalogue().domains())
GROUPS = grouped(CATALOGUE)

names = st.sets(st.integers(0, 10_000).map(lambda number: f"h{number}.example"), min_size=1, max_size=300)


def hold(groups, reach):
    assert sorted(name for group in groups for name in group.domains) == sorted(reach.domains)
    assert union(groups) == reach
    assert all(0 < len(group.domains) <= 60 and octets(group) <= 2_000 for group in groups)


def test_the_catalogue_is_shared_out_whole_and_small():
    hold(GROUPS, CATALOGUE)
    assert len(GROUPS) < 64


@settings(max_examples=60, deadline=None)
@given(names, st.integers(1, 60))
def test_all_names_stand_in_one_group_each(found, length):
    hold(grouped(reach_of(found)), reach_of(found))
    long = reach_of("x" * length + "." + name for name in found)
    hold(grouped(long), long)


@settings(max_examples=60, deadline=None)
@given(names, st.integers(10_001, 20_000))
def test_a_name_more_touches_its_own_group_only(found, number):
    one = f"h{number}.example"
    before, after = set(grouped(reach_of(found))), set(grouped(reach_of(found | {one})))
    gone, made = before - after, after - before
    assert len(gone) <= 1
    assert {name for group in made for name in group.domains} == {one}.union(*(group.domains for group in gone))


def test_a_name_less_in_the_catalogue_touches_few_certificates():
    for name in CATALOGUE.domains[::25]:
        rest = Reach(domains=tuple(other for other in CATALOGUE.domains if other != name))
        assert len(set(grouped(rest)) - set(GROUPS)) <= 1


def test_everything_is_one_group_and_nothing_none():
    assert grouped(UNCONSTRAINED) == (UNCONSTRAINED,)
    assert grouped(Reach()) == ()
