import re

import pytest

from appliance.inspect.detect.alphabet import Reader, as_class, characters, derive, mask_of, members_of, ranges


@pytest.fixture(scope="module")
def reader():
    return Reader(re.finditer, 0)


def points(members):
    return {chr(point) for point in members_of(characters(members))}


@pytest.mark.parametrize(
    ("expression", "consumes", "margin"),
    [
        (r"\b[0-9]{3}\b", "0123456789", 1),
        (r"(?<!x)ab|c+", "abc", 1),
        (r"(?!1a{3}(?!a))[1a]+", "1a", 1),  # a long look-ahead over the alphabet itself stays inside the run
        (r"a(?!\.b)", "a", 2),  # one that leaves it needs its width beside the run
        (r"([ab])\1", "ab", 1),
        (r"(?:a|(?:b|[c-e]))?f", "abcdef", 1),
    ],
)
def test_derived(reader, expression, consumes, margin):
    alphabet = derive(expression, 0, reader)
    assert points(alphabet.members) == set(consumes)
    assert alphabet.margin == margin


@pytest.mark.parametrize("expression", [r"a\sb", r"[^x]", r"a*", r".", r"a\nb", r"a(?!bcdefghij)"])
def test_what_cannot_be_confined_has_no_alphabet(reader, expression):
    assert derive(expression, re.DOTALL, reader) is None


def test_case_is_read_by_the_engine_in_use():
    alphabet = derive("[k]", re.IGNORECASE, Reader(re.finditer, int(re.IGNORECASE)))
    assert points(alphabet.members) == {"K", "k", "\u212a"}


def test_masks():
    mask = mask_of([(1, 4), (9, 10), (2, 3), (0x10FFFF, 0x110000)])
    assert ranges(mask) == [(1, 3), (9, 9), (0x10FFFF, 0x10FFFF)]
    assert members_of(mask) == [1, 2, 3, 9, 0x10FFFF]
    assert characters(as_class(mask)) == mask
    assert ranges(0) == []
