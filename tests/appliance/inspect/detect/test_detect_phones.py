"""The quick no before the phone library: never a no to what the library takes."""

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.inspect.detect import phones
from appliance.inspect.detect.presidio import load_recognisers

REGIONS = next(one.regions for one in load_recognisers() if one.regions)
FOREVER = 1e9
_PREFIXES = (
    "",
    "0",
    "1",
    "00",
    "90",
    "015",
    "44",
    "49",
    "1",
    "33",
    "972",
    "91",
    "55",
    "440",
    "0055",
    "01144",
    "+",
    "+49",
)
_EXAMPLES = [
    str(found.national_number)
    for region in REGIONS
    for kind in range(11)
    if (found := phonenumbers.example_number_for_type(region, kind))
]


def by_library(text, region):
    return [(one.start, one.end) for one in phonenumbers.PhoneNumberMatcher(text, region, leniency=1)]


_DIGITS = st.one_of(st.sampled_from(_EXAMPLES), st.text("0123456789", min_size=2, max_size=17))
_NUMBERS = st.tuples(st.sampled_from(_PREFIXES), _DIGITS).map("".join)


@st.composite
def written(draw):
    """A number with marks in it, and something beside it."""
    digits = draw(_NUMBERS)
    marks = draw(st.lists(st.sampled_from(["", "", "", " ", "-", ".", " (", ") ", "/"]), min_size=len(digits)))
    inside = "".join(f"{mark}{digit}" for mark, digit in zip(marks, digits, strict=False))
    return draw(st.sampled_from(["", "a ", "x", "("])) + inside + draw(st.sampled_from(["", " b", "%", " ext 12"]))


@settings(max_examples=250, deadline=None)
@given(written())
@example("016049012345")
@example("0 15 11 2345-6789")
def test_each_region_finds_what_the_library_finds(text):
    for region in REGIONS:
        matcher = phones._Matcher(text, region, 1, FOREVER)
        assert [(one.start, one.end) for one in matcher] == by_library(text, region)


@settings(max_examples=150, deadline=None)
@given(written(), st.sampled_from([" ", ", ", "\n", " / "]), written())
def test_all_regions_together_find_what_each_would(first, between, second):
    text = first + between + second
    wide = {span for region in REGIONS for span in by_library(text, region)}
    found = phones.find(text, 0, len(text), (REGIONS, 1), FOREVER)
    assert found <= wide
    # what may be missing lies inside the only candidate of all, which was found whole
    assert found == wide or len(found) == 1


@pytest.mark.parametrize("digits", ["4111111111111111", "10203040506070809", "12"])
def test_what_is_no_number_anywhere_is_refused_at_once(digits):
    assert phones._plans(REGIONS).refuse(digits)


@pytest.mark.parametrize("digits", ["2125550123", "030901820", "004930901820", "01155", "2079460018"])
def test_what_may_be_one_is_not(digits):
    assert not phones._plans(REGIONS).refuse(digits)
