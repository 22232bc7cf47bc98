"""The life of a held key: one active, what it replaced in overlap, and what is overdue."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.model.names import KeyState
from appliance.route.key_life import DAY, MAX_GENERATIONS, KeyRecord, activated, overdue, retired, staged

NOW = 1_763_700_000.0
OVERLAP = frozenset({KeyState.OVERLAP})


def states(record):
    return [(each.fingerprint, each.state.value) for each in record.generations]


def test_from_new_to_retired():
    record = staged(KeyRecord("team"), "k_1", NOW)
    assert states(record) == [("k_1", "new")]
    assert record.due is None
    record = activated(record, NOW)
    assert record.due == NOW + 90 * DAY
    record = activated(staged(record, "k_2", NOW + 1), NOW + 2, overlap_s=DAY)
    assert states(record) == [("k_1", "overlap"), ("k_2", "active")]
    assert record.of(KeyState.OVERLAP).ends == NOW + 2 + DAY
    record = activated(staged(record, "k_3", NOW + 3), NOW + 4)
    assert states(record) == [("k_1", "retired"), ("k_2", "overlap"), ("k_3", "active")]
    assert states(retired(record, OVERLAP, NOW + 5))[1] == ("k_2", "retired")


def test_a_second_staged_value_takes_the_place_of_the_first():
    assert states(staged(staged(KeyRecord("team"), "k_1", NOW), "k_2", NOW)) == [("k_2", "new")]


def test_what_is_overdue():
    record = activated(staged(activated(staged(KeyRecord("team"), "k_1", NOW), NOW), "k_2", NOW), NOW, overlap_s=DAY)
    assert overdue(record, NOW + DAY - 1) == ()
    (old,) = overdue(record, NOW + DAY)
    assert "k_1" in old
    assert "keys retire" in old
    assert "changed 3 days ago" in overdue(record, NOW + 93 * DAY)[0]
    assert overdue(KeyRecord("never", rotate_days=0, generations=record.generations[1:]), NOW + 999 * DAY) == ()


@given(st.lists(st.sampled_from(["stage", "activate", "retire"]), max_size=120))
def test_whatever_is_done_at_most_one_is_active_and_few_are_kept(steps):
    record = KeyRecord("team")
    for number, step in enumerate(steps):
        if step == "stage":
            record = staged(record, f"k_{number}", NOW + number)
        elif step == "activate" and record.of(KeyState.NEW):
            record = activated(record, NOW + number)
        elif step == "retire":
            record = retired(record, OVERLAP, NOW + number)
        held = [each.state for each in record.generations if each.state is not KeyState.RETIRED]
        assert len(held) == len(set(held))
        assert len(record.generations) <= MAX_GENERATIONS
