from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.overlap import cover, resolve
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind


def found(start, end, score=0.5, entity="X"):
    return Detection(start, end, entity, DetectionKind.PII, score, "rule")


DETECTIONS = st.lists(
    st.builds(
        lambda start, length, score, entity: found(start, start + length, score, entity),
        st.integers(0, 30),
        st.integers(0, 10),
        st.sampled_from([0.1, 0.5, 1.0]),
        st.sampled_from("XY"),
    ),
    max_size=25,
)


def overlap(one, other):
    return one.start < other.end and other.start < one.end


@given(DETECTIONS)
def test_the_choice_is_disjoint_sorted_and_leaves_out_only_what_it_must(detections):
    kept = resolve(detections)
    assert list(kept) == sorted(kept)
    assert all(one.end <= other.start for one, other in pairwise(kept))
    assert set(kept) <= set(detections)
    for left_out in set(detections) - set(kept):
        better = [item for item in kept if overlap(item, left_out)]
        assert left_out.start == left_out.end or any(
            (item.end - item.start, item.score) >= (left_out.end - left_out.start, left_out.score) for item in better
        )


@given(DETECTIONS, st.randoms())
def test_order_of_input_does_not_matter(detections, random):
    shuffled = detections[:]
    random.shuffle(shuffled)
    assert resolve(shuffled) == resolve(detections)
    assert resolve(resolve(detections)) == resolve(detections)


def test_longest_then_score_then_earliest():
    assert resolve([found(0, 5, 1.0), found(3, 10, 0.1)]) == (found(3, 10, 0.1),)
    assert resolve([found(0, 5, 0.1), found(3, 8, 0.9)]) == (found(3, 8, 0.9),)
    assert resolve([found(3, 8), found(0, 5)]) == (found(0, 5),)
    assert resolve([found(0, 5), found(5, 8)]) == (found(0, 5), found(5, 8))


@given(DETECTIONS)
def test_cover_leaves_no_character_of_any_detection_outside(detections):
    kept = cover(detections)
    assert all(one.end <= other.start for one, other in pairwise(kept))
    covered = {place for one in kept for place in range(one.start, one.end)}
    assert covered == {place for one in detections for place in range(one.start, one.end)}


def test_cover_keeps_the_rest_of_what_was_displaced():
    assert cover([found(0, 5, 1.0), found(3, 10, 0.1)]) == (found(0, 10, 0.1),)
    assert cover([found(0, 8), found(6, 12), found(11, 30)]) == (found(0, 11), found(11, 30))
