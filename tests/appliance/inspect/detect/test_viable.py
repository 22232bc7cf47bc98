"""The automaton never says that a match is closed or has not begun while it is open."""

import re
from math import inf

import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_texts import matching, seeded

from appliance.inspect.detect import viable
from appliance.inspect.detect.viable import Automaton, Cursor
from appliance.inspect.detect.viable_nfa import Expression, Reading, build

PLAIN = Reading("re", 0)
relaxed = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def families(detectors):
    return detectors.families()


@pytest.fixture(scope="module")
def rules(families):
    return [one for family in families for one in family.expressions]


@pytest.fixture(scope="module")
def automaton(rules):
    return Automaton(build(rules), frozenset(range(len(rules))))


def compiled(rule):
    library = regex if rule.reading.library == "regex" else re
    return library.compile(rule.text, rule.reading.flags)


def follow(automaton, text):
    """Per character: since where something could be open, and which rules ended a match."""
    cursor, told = Cursor(automaton), []
    for character in text:
        ended = {}
        cursor.take(character, ended)
        told.append((cursor.since(cursor.node.chosen), set(ended)))
    return told


@relaxed
@given(st.integers(0, 2**32), st.data())
def test_an_open_match_is_known_and_its_end_is_told(rules, automaton, seed, data):
    rng = seeded(seed)
    number = data.draw(st.integers(0, len(rules) - 1))
    rule = rules[number]
    parts = [matching(rule.text, rule.flags, rng, data.draw(st.sampled_from([0, 2, 30]))) for _ in range(2)]
    text = data.draw(st.sampled_from(["", " ", "so ", "x", "\n", "1"])).join(["", *parts, "", "end."])
    told = follow(automaton, text)
    for match in compiled(rule).finditer(text):
        for place in range(match.start() + 1, match.end()):
            assert told[place - 1][0] <= match.start(), (rule.text, text, place)
        assert number in told[match.end() - 1][1], (rule.text, text)


def test_every_rule_has_a_text_whose_match_is_followed(rules, automaton):
    for number, rule in enumerate(rules):
        texts = (" " + matching(rule.text, rule.flags, seeded(seed), 4) + " ." for seed in range(60))
        text, match = next((text, match) for text in texts if (match := compiled(rule).search(text)))
        told = follow(automaton, text)
        assert told[match.end() - 2][0] <= match.start(), rule.text
        assert number in told[match.end() - 1][1], rule.text


def quiet(expression, text, reading=PLAIN):
    automaton = Automaton(build([Expression(expression, reading.flags, reading)]), frozenset({0}))
    return [since for since, _ in follow(automaton, text)]


@pytest.mark.parametrize(
    ("expression", "text", "since"),
    [
        ("abc", "xabx", [1, 1, 1, 4]),
        ("abc", "xabc", [1, 1, 1, 4]),  # complete: nothing that follows can change it
        (r"abc\b", "xabc.", [1, 1, 1, 1, 5]),  # ... but here one more character can
        (r"ab(?!\.x)", "ab.y ", [0, 0, 0, 4, 5]),  # and here two
        (r"\bab+", "cab ab", [1, 2, 3, 4, 4, 4]),  # no word begins at the first a
        (r"(?<!c)a+", "caa", [1, 2, 2]),
        (r"(?<=c)a+", "aca", [1, 2, 2]),
        ("[a-z]{3}9", "abcdef", [0, 0, 0, 1, 2, 3]),  # short counts are exact...
        ("[a-z]{9}9", "abcdefghijkl", [max(0, n - 9) for n in range(1, 13)]),  # long ones no longer than a match is
        ("[a-z]+9", "abcdefghijkl", [0] * 12),
        ("[a-z]{9}(?: *9)?", "abcdefghijkl  ", [*[0] * 9, 1, 2, 3, 3, 3]),  # what was too old comes back by no loop
        ("(?i:k)x", "\u212ax", [0, 2]),
    ],
)
def test_since_where(expression, text, since):
    assert quiet(expression, text) == since


def test_counts_through_prose_are_exact():
    told = quiet("co[a-z ]{0,12}key", "company or so we went on")
    assert told[-1] == 24


def test_a_choice_of_many_words_is_one_class():
    words = "|".join(f"{chr(97 + n % 26)}{chr(97 + n // 26)}x" for n in range(100))
    nfa = build([Expression(f"[.](?:{words})", 0, PLAIN)])
    assert len(nfa.sort) < 5
    assert nfa.depth == (1, 4)


def test_a_look_ahead_without_end_is_refused():
    with pytest.raises(ValueError, match="without end"):
        build([Expression("a(?=b*c)", 0, PLAIN)])


def test_widths_hold_the_reach(rules):
    nfa = build(rules)
    widths = [0] * len(rules)
    for depth, owner in zip(nfa.depth, nfa.rule, strict=True):
        widths[owner] = max(widths[owner], depth)
    assert sum(width == inf for width in widths) < 12
    for rule, width in zip(rules, widths, strict=True):
        seen = [matching(rule.text, rule.flags, seeded(seed), 10**6 if width < 1000 else 9) for seed in (1, 2)]
        assert all(len(text) <= width for text in seen)


def test_memory_is_bounded_and_forgetting_changes_nothing(rules, automaton, monkeypatch):
    text = "".join(matching(rule.text, rule.flags, seeded(7), 6) + " " for rule in rules[::9])
    want = follow(automaton, text)
    monkeypatch.setattr(viable, "_NODES", 40)
    small = Automaton(build(rules), frozenset(range(len(rules))))
    assert follow(small, text) == want
    assert len(small._nodes) <= 42
    monkeypatch.setattr(viable, "_NODES", 10_000)
    monkeypatch.setattr(viable, "_EDGES", 30)
    monkeypatch.setattr(viable, "_CHARACTERS", 5)
    few = Automaton(build(rules), frozenset(range(len(rules))))
    assert follow(few, text) == want
    assert few._edges <= 31
    assert len(few._kinds) <= 5


def test_only_the_chosen_rules_answer_first():
    nfa = build([Expression("ab+c", 0, PLAIN), Expression("b+d", 0, PLAIN)])
    cursor = Cursor(Automaton(nfa, frozenset({1})))
    cursor.take("abb", {})
    assert cursor.since(cursor.node.chosen) == 1
    assert cursor.since(cursor.node.others) == 0
