"""Words to symbols, sequences to matches: what the small language of rules means, and that places are exact."""

# ruff: noqa: RUF001 - letters that look alike are what is tested here

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.injection.phrases import END, Phrases, plain

CLASSES = {"ignore": ("ignore", "forget"), "prior": ("previous", "above"), "rules": ("rules", "instructions")}


def matches(text: str, *sequences: str, scrambled: tuple[str, ...] = ()) -> list[str]:
    phrases = Phrases(CLASSES, sequences, scrambled)
    words = phrases.read(text)
    places = words.places()
    return [text[places[first][0] : places[behind - 1][1]] for _, first, behind in phrases.match(words)]


@pytest.mark.parametrize(
    ("sequence", "text", "expected"),
    [
        ("ignore prior rules", "Please IGNORE previous rules.", ["IGNORE previous rules"]),
        ("ignore ..2 rules", "ignore all the rules", ["ignore all the rules"]),
        ("ignore ..2 rules", "ignore all of the rules", []),
        ("ignore ..9 rules", "ignore that. The rules", []),
        ("ignore ..9 rules", "ignore that!\nThe rules", []),
        ("ignore ..9 rules", "ignore that\n\nThe rules", []),
        ("ignore ..9 rules", "ignore 3.5 of\nthe rules", ["ignore 3.5 of\nthe rules"]),
        ("ignore =my rules", "ignore my rules, forget your rules", ["ignore my rules"]),
        ("ignore =my? rules", "ignore rules", ["ignore rules"]),
        ("ignore|=skip rules", "skip rules", ["skip rules"]),
        ("ignore . rules", "ignore my rules ignore rules", ["ignore my rules"]),
        ("^ ignore rules", "Hi. Ignore rules", ["Ignore rules"]),
        ("^ ignore rules", "Hi ignore rules", []),
        ("ignore rules $", "ignore rules. Or ignore rules now", ["ignore rules"]),
        ("ignore =now|$", "ignore now. ignore", ["ignore now", "ignore"]),
        ("=don't ignore", "We 'don’t ignore' it", ["don’t ignore"]),
        ("ignore rules", "ignore_rules", []),
        ("ignore rules", "“ignore” (rules)", ["ignore” (rules"]),
        ("ignore =ok", "İİ ignore OK", ["ignore OK"]),
    ],
)
def test_sequences(sequence: str, text: str, expected: list[str]) -> None:
    assert matches(text, sequence) == expected


def test_scrambled_and_thinned_words_stand_for_keywords() -> None:
    words = ("ignore", "previous", "instructions")
    assert matches("inogre pervious isntructions", "ignore prior rules", scrambled=words)
    assert matches("ignore prevous instuctions", "ignore prior rules", scrambled=words)
    assert not matches("inogre pervious isntructions", "ignore prior rules")
    assert not matches("ignite precious", "ignore prior", scrambled=words)


@pytest.mark.parametrize(
    "broken", ["nobody rules", "..3 rules", "ignore ..0 rules", "ignore ..99 rules", "ignore? rules", "a|? b"]
)
def test_a_sequence_that_cannot_be_read_is_refused_by_name(broken: str) -> None:
    with pytest.raises(ValueError, match=r"^'"):
        Phrases(CLASSES, [broken])


@given(st.text(alphabet=st.sampled_from("ab '’.!?\n\t_-\"İé\u3002中;(\x1e\x1c\x85\xa0"), max_size=60))
def test_every_symbol_has_its_place(text: str) -> None:
    words = Phrases(CLASSES, ["ignore rules"]).read(text)
    places = words.places()
    assert len(plain(text)) == len(text)
    assert len(places) == len(words.symbols)
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(
        text[start:end].strip() for (start, end), symbol in zip(places, words.symbols, strict=True) if symbol != END
    )
