"""Shortcuts find what the long way finds: words, choices, signals, words beside a match, and the clock."""

import re
import time

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.inspect.detect import hyperscan
from appliance.inspect.detect.english import tokenizer
from appliance.inspect.detect.failure import DetectorFailure, OutOfTime
from appliance.inspect.detect.pii import Pii, Worth, branching
from appliance.inspect.detect.presidio import PATTERN_FLAGS, load_recognisers
from appliance.inspect.detect.secrets import Secrets
from appliance.inspect.injection.model import _ASCII_TOKEN, TOKEN, once
from appliance.inspect.topics.classes import _WORD, words_of

_URLS = next(one for one in load_recognisers() if one.name == "UrlRecognizer").patterns
_BRANCHED = [
    (regex.compile(rule.expression, PATTERN_FLAGS), regex.compile(branching(rule.expression), PATTERN_FLAGS))
    for rule in _URLS
]
_ENDINGS = st.sampled_from(
    ["com", "co", "community", "it", "items", "uk", "u", "museum", "xn", "c", "I\u017f", "\u212aI"]
)
_ASCII = st.text(st.characters(max_codepoint=127), max_size=80)


@given(st.text("abItcd.:,;!?'-\u00e9e ", min_size=1, max_size=8).filter(str.strip))
@example("don't")
@example("etc.")
@example("cannot,")
@example("a.")
@example("I.")
def test_plain_words_are_split_as_all_are(word):
    word = word.split()[0]
    parts = tokenizer().split_plain(word)
    if parts is not None:
        assert [text for _, text in tokenizer().split(word)] == list(parts)


def test_ordinary_words_are_plain():
    assert tokenizer().split_plain("passport") == ("passport",)
    assert tokenizer().split_plain("passport,") == ("passport", ",")


@given(st.lists(st.one_of(_ENDINGS, st.sampled_from([".", ".", "www1.", "http://", '"', "/x", " "])), max_size=12))
def test_branching_changes_no_match(pieces):
    text = "".join(pieces)
    for plain, branched in _BRANCHED:
        assert [one.span() for one in branched.finditer(text)] == [one.span() for one in plain.finditer(text)]


def test_long_choices_branch_and_short_ones_stay():
    assert branching(_URLS[0].expression) != _URLS[0].expression
    assert branching("(?:(?:ab)|(?:ac))x") == "(?:(?:ab)|(?:ac))x"


@pytest.mark.parametrize(
    ("pattern", "early"),
    [
        ("x[a-z]{20,200}(?![A-Za-z0-9])", "x[a-z]{20}"),
        ("x(?P<secret>[a-z]{20,})", "x(?P<secret>[a-z]{20})"),
        ("x={0,2}", "x={0,2}"),
        ("[0-9]{9}(?![0-9])", "[0-9]{9}(?![0-9])"),
        (r"\b[0-9]{8,17}\b", r"\b[0-9]{8,17}\b"),
    ],
)
def test_a_repeat_at_the_end_is_cut(pattern, early):
    assert hyperscan.ending_early(pattern) == early


@given(_ASCII.map(str.lower))
@example("don't 'stop' a_b ...")
@example("a\x1cb\x0bc\x7f")
def test_tokens_of_ascii_are_tokens(text):
    assert _ASCII_TOKEN.findall(text) == TOKEN.findall(text)


@given(st.lists(st.sampled_from("aab"), max_size=12))
def test_what_repeats_counts_once(words):
    assert once(words) == [word for at, word in enumerate(words) if at == 0 or words[at - 1] != word]


@given(_ASCII.map(str.lower))
@example("r&d don't -well- x''y a-b-c")
def test_words_of_ascii_are_words(text):
    assert words_of(text) == frozenset(_WORD.findall(text))


def _regions(pii, text):
    """Every expression may match anywhere."""
    total = sum(1 for _ in pii.expressions())
    return {key: [(0, len(text))] for key in range(total)}, total


def test_what_cannot_count_is_not_looked_for():
    recognisers = tuple(
        one for one in load_recognisers() if one.name in {"UsPassportRecognizer", "CreditCardRecognizer"}
    )
    pii, text = Pii(recognisers), "passport 123456789 card 4111 1111 1111 1111 x"
    regions, total = _regions(pii, text)
    everything = pii.scan(text, regions, total, time.monotonic() + 60)
    assert {one.entity for one in everything} == {"US_PASSPORT", "CREDIT_CARD"}
    worth = pii.scan(text, regions, total, time.monotonic() + 60, Worth(0.8, frozenset()))
    assert worth == [one for one in everything if one.entity == "CREDIT_CARD"]
    weak = pii.scan(text, regions, total, time.monotonic() + 60, Worth(0.8, frozenset({"US_PASSPORT"})))
    assert weak == everything


def test_keys_and_weighing_ask_the_clock():
    secrets, text = Secrets(), "password=" * 400
    number = next(at for at, (rule, _) in enumerate(secrets.rules) if rule.name == "assigned-secret")
    with pytest.raises(OutOfTime):
        secrets.scan(text, {number: [(0, len(text))]}, 0, time.monotonic() - 1)
    assert secrets.scan(text, {number: [(0, len(text))]}, 0) == []


def test_a_watch_over_the_clock_stops_many_matches():
    one = next(one for one in load_recognisers() if one.name == "UuidRecognizer")
    pii, text = Pii((one,)), "123e4567-e89b-12d3-a456-426614174000 " * 4
    regions, total = _regions(pii, text)
    assert len(pii.scan(text, regions, total, time.monotonic() + 60)) == len(re.findall("123e", text))
    with pytest.raises(DetectorFailure, match="ran out of time"):
        pii.scan(text, regions, total, time.monotonic() - 1)
