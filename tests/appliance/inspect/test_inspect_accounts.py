"""Sums and differences of accounts keep the conservation law."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.accounts import NOTHING, labels_since, minus, plus, usage_since, usage_sum
from appliance.model.detection import Coverage, Label
from appliance.model.event import Usage
from appliance.model.names import DetectionKind

SIZES = st.integers(0, 1000)
REASONS = st.dictionaries(st.sampled_from(["image", "audio", "too_large"]), st.integers(1, 1000))


@st.composite
def coverages(draw):
    structure, scanned, unscanned, opaque = draw(SIZES), draw(SIZES), draw(REASONS), draw(REASONS)
    length = structure + scanned + sum(unscanned.values()) + sum(opaque.values())
    return Coverage(length, structure, scanned, unscanned, opaque, ("pii",))


@given(coverages(), coverages())
def test_what_is_added_and_taken_off_is_as_before_and_balanced(first, second):
    both = plus(first, second)
    assert both.balanced
    assert both.length == first.length + second.length
    assert minus(both, first) == second
    assert minus(both, both).length == 0
    assert plus(NOTHING, first) == first


def test_labels_since():
    mail, key = ("EMAIL_ADDRESS", DetectionKind.PII), ("API_KEY", DetectionKind.SECRET)
    then = (Label(*mail, 2, 0.5), Label(*key, 1, 1.0))
    now = (Label(*mail, 5, 0.9), Label(*key, 1, 1.0))
    assert labels_since(now, then) == (Label(*mail, 3, 0.9),)
    assert labels_since(now, ()) == now


def test_usage():
    first, second = Usage(10, 5, 1, 2, 3), Usage(15, 9, 1, 2, 4, estimated=True)
    assert usage_since(second, first) == Usage(5, 4, 0, 0, 1, estimated=True)
    assert usage_since(first, first) is None
    assert usage_since(first, None) == first
    assert usage_sum(first, Usage(5, 4, 0, 0, 1, estimated=True)) == second
    assert usage_sum(None, first) == usage_sum(first, None) == first
