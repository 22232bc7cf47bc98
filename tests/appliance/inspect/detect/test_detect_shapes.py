"""The notation of the rule file: what it writes, and what texts are made of it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.detect.shapes import CLASSES, cut_short, expression, sample


@pytest.mark.parametrize(
    ("shape", "written"),
    [
        ("aio_<word:28>", "aio_[A-Za-z0-9]{28}"),
        ("sk-<url:20-40>", "sk-[A-Za-z0-9_-]{20,40}"),
        ("dp.<pt|sk>.<hex:1>", r"dp\.(?:pt|sk)\.[0-9a-f]"),
        ("a+b", r"a\+b"),
        ("<uuid>", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ],
)
def test_written(shape, written):
    assert expression(shape) == written


@pytest.mark.parametrize("shape", ["<nothing:3>", "a<b", "a>b"])
def test_what_cannot_be_read_is_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        expression(shape)


repeats = st.builds(
    lambda name, least, more: f"<{name}:{least}-{least + more}>",
    st.sampled_from(sorted(CLASSES)),
    st.integers(1, 40),
    st.integers(0, 9),
)
literals = st.text("abc.$^+*?()[]{}|\\-_/:= ", min_size=1, max_size=6).filter(lambda text: "<" not in text)
shapes = st.lists(st.one_of(repeats, literals, st.just("<on|off>")), min_size=1, max_size=5).map("".join)


@given(shapes, st.text(max_size=3))
def test_a_sample_is_of_its_shape_and_the_same_for_the_same_seed(shape, seed):
    text = sample(shape, seed)
    assert re.fullmatch(expression(shape), text)
    assert text == sample(shape, seed)


@given(st.sampled_from(sorted(CLASSES)), st.integers(3, 60), st.text(max_size=3))
def test_what_is_cut_short_is_not_of_its_shape(name, count, seed):
    shape = f"lead_<{name}:{count}>"
    assert not re.fullmatch(expression(shape), cut_short(shape, seed))
