"""What clients were told of names and addresses: by client, for a time, bounded."""

from hypothesis import given
from hypothesis import strategies as st

from discovery.names_seen import LONGEST_S, MAX_ADDRESSES, MAX_NAMES, SHORTEST_S, NamesSeen

A, B = "192.0.2.1", "192.0.2.2"


def test_an_answer_counts_for_its_client_only():
    seen = NamesSeen()
    seen.note(0, "10.0.0.1", "API.openai.com.", [A], 600)
    assert seen.names(1, "10.0.0.1", A) == ("api.openai.com",)
    assert seen.names(1, "10.0.0.2", A) == ()
    assert seen.addresses(1, "10.0.0.1", "api.OPENAI.com") == (A,)


def test_an_answer_counts_for_its_ttl_within_bounds():
    seen = NamesSeen()
    for name, ttl in (("none", None), ("short", 1), ("long", 10**9), ("own", 1000)):
        seen.note(0, "c", name, [A], ttl)
    assert set(seen.names(SHORTEST_S, "c", A)) == {"none", "short", "long", "own"}
    assert set(seen.names(SHORTEST_S + 1, "c", A)) == {"long", "own"}
    assert seen.names(LONGEST_S, "c", A) == ("long",)
    assert seen.names(LONGEST_S + 1, "c", A) == ()


def test_the_newest_name_comes_first_and_stands_once():
    seen = NamesSeen()
    for name in ("one", "two", "one"):
        seen.note(0, "c", name, [A], 60)
    assert seen.names(0, "c", A) == ("one", "two")


def test_a_name_is_elsewhere_only_where_the_client_knows():
    seen = NamesSeen()
    assert not seen.elsewhere(0, "c", "front.example", A), "nothing is known"
    seen.note(0, "c", "front.example", [B], 60)
    assert seen.elsewhere(0, "c", "front.example", A)
    assert not seen.elsewhere(0, "c", "front.example", B)
    assert not seen.elsewhere(SHORTEST_S + 1, "c", "front.example", A), "the answer is too old"
    seen.note(0, "c", "front.example", [f"10.0.0.{number}" for number in range(64)], 60)
    assert not seen.elsewhere(0, "c", "front.example", A), "there were more than are held"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99), st.integers(0, 99)), max_size=300))
def test_the_tables_stay_within_their_bounds(told):
    seen = NamesSeen(limit=20)
    for client, name, address in told:
        seen.note(0, str(client), f"n{name}", [f"10.0.0.{address}"], 60)
        assert len(seen) <= 40
    for client in range(10):
        for number in range(100):
            assert len(seen.names(0, str(client), f"10.0.0.{number}")) <= MAX_NAMES
            assert len(seen.addresses(0, str(client), f"n{number}")) <= MAX_ADDRESSES
