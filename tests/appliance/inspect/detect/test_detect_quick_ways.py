"""Quick ways to an answer say what the long ways say: words beside a match, words in a text, numbers of no region."""

import re

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.inspect.detect import context, phones
from appliance.inspect.detect.english import tokenizer
from appliance.inspect.detect.presidio import load_recognisers
from appliance.inspect.detect.spelling import Spelling

_WORDS = (  # noqa: SIM905 - read as a text
    "call phone card number the of and is my account ssn: don't cannot I'm 12:30 +49 (555) 212-555-0100 a@b.co"
    " key=4111 4111 1,234. U.S. x foo-bar \u00e9t\u00e9 . , -- :) ... 8am"
).split()
_SPACES = st.sampled_from([" ", " ", " ", " ", "\n", "  ", "", "\t", ", "])
_TEXTS = st.lists(st.tuples(st.sampled_from(_WORDS), _SPACES), min_size=1, max_size=80).map(
    lambda pairs: "".join(word + space for word, space in pairs)
)
_WANTED = (("phone", "call"), ("card",), ("account", "number"), ("ssn",), ("key",), ("am",), ("foo", "12"))
_PHONES = next(one for one in load_recognisers() if one.regions)
_HOW = _PHONES.regions, _PHONES.leniency


def long_way(text: str, words: tuple[str, ...], start: int) -> bool:
    """What `support` says where the whole text is split."""
    near = context.Surroundings(text, tokenizer())._keywords_beside(start) or []
    return any(wanted in word for word in near for wanted in words)


@settings(max_examples=150)
@given(_TEXTS, st.data())
def test_words_beside_a_place_are_those_of_the_whole_text(text, data):
    places = [found.start() for found in re.finditer(r"(?<!\w)[+(]?\d", text)] or [0]
    start = data.draw(st.one_of(st.sampled_from(places), st.integers(0, len(text) - 1)))
    words = context.Surroundings(text, tokenizer())
    for wanted in _WANTED:
        assert words.support(wanted, start) is long_way(text, wanted, start), (text, wanted, start)


@pytest.mark.parametrize(
    ("before", "wanted"), [("phone", True), ("phone river music garden river music", False), ("phone\n\n\n\n\n", True)]
)
def test_far_from_both_ends_the_nearest_words_count(before, wanted):
    filler = "garden river music " * 200
    text = f"{filler}{before} 4111 {filler}"
    assert context.Surroundings(text, tokenizer()).support(("phone",), text.index("4111")) is wanted
    assert long_way(text, ("phone",), text.index("4111")) is wanted


def test_places_in_one_long_run_share_what_stands_beside_them():
    """A run as long as its text would else be kept once for each of thousands of places."""
    text = f"card {'x!a#' * 3000} end"
    words = context.Surroundings(text, tokenizer())
    for start in range(6000, 6100, 4):
        assert words.support(("card", "x!a"), start) is long_way(text, ("card", "x!a"), start)
    assert len(words._said) == 25
    assert len(set(map(id, words._said.values()))) == 1


@settings(max_examples=70)
@given(_TEXTS, st.sampled_from(["the of and is my ", "garden of ", "a,b: the\n", "river  "]), st.data())
def test_in_a_long_text_the_same_words_count(text, filler, data):
    around = filler * (700 // len(filler))
    start = data.draw(st.integers(0, len(text) - 1)) + len(around)
    whole = around + text + around
    words = context.Surroundings(whole, tokenizer())
    for wanted in (*_WANTED, ("garden",), ("river",), ("of",)):
        assert words.support(wanted, start) is long_way(whole, wanted, start), (text, wanted, start)


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ("phone\nriver music garden dog ", True),
        ("phone\nriver music garden dog cat bird ", False),
        (f"phone{'x' * 30} river music garden dog cat {'the ' * 42}", True),  # a word that the first look cuts
        (f"phone{'x' * 30} river music garden dog cat bird {'the ' * 40}", False),
    ],
)
def test_a_bracket_is_no_keyword(before, wanted):
    text = f"{'the ' * 100}{before}(4111) {'river ' * 100}"
    start = text.index("(4111")
    assert context.Surroundings(text, tokenizer()).support(("phone",), start) is wanted
    assert long_way(text, ("phone",), start) is wanted


@given(st.text("abcp\u00e9# ", max_size=30))
@example("")
def test_words_that_occur_are_those_that_stand_in_the_text(text):
    words = ("ab", "pc", "\u00e9c", "a#", "c")
    assert Spelling(words)(text) == {word for word in words if word in text}


def test_no_words_occur_nowhere():
    assert Spelling(())("anything") == frozenset()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.from_regex(r"[0-9]{1,9}", fullmatch=True), st.sampled_from([" ", ".", "-", "(", ") ", "x", "e", "/"])
        )
    )
)
@example(["030", " ", "12345678"])
@example(["(", "212", ") ", "555", "-", "0100"])
@example(["e", "2125550100", "x", "5"])
@example(["10", ".", "52", ".", "14", ".", "116"])
def test_a_hopeless_run_holds_no_number(parts):
    run = " " + "".join(parts)
    if phones._is_hopeless(run, _HOW[0]):
        found = {
            (match.start, match.end)
            for region in _HOW[0]
            for match in phonenumbers.PhoneNumberMatcher(run, region, leniency=_HOW[1])
        }
        assert not found


@pytest.mark.parametrize("run", ["4111 1111 1111 1111", "948668091", "0000", "1.2.3.4", "f903e02e77622"])
def test_ordinary_numbers_are_hopeless(run):
    assert phones._is_hopeless(run if run[0].isalpha() else f" {run}", _HOW[0])


@pytest.mark.parametrize("run", ["212-555-0100", "+49 30 901820", "030 901820", "1 2 3 4 5 6 7"])
def test_what_may_be_a_number_is_not(run):
    assert not phones._is_hopeless(f" {run}", _HOW[0])
