"""Names in one piece of text: what rules add to a model, what they take from it, and that no text breaks them.

The model stands in: it says what it is told, at the places where the words stand.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.analyse.names import names_in
from appliance.analyse.names_case import recased
from appliance.analyse.names_code import CodeLines, is_code, is_identifier
from appliance.analyse.names_doubts import looked_over
from appliance.analyse.names_lists import lists
from appliance.analyse.names_rules import RULES
from appliance.analyse.names_words import Span, reach, words_of

P, L, O = "PERSON", "LOCATION", "ORGANIZATION"  # noqa: E741 - a table of one letter each


def found(text, *said):
    """What is found where a model says `said`: (words, entity)."""
    spans = [(text.index(words), text.index(words) + len(words), entity) for words, entity in said]
    return [(text[one.start : one.end], one.entity) for one in names_in(text, lambda _: spans, lists())]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Please call Dr. Okonjo today.", [("Dr. Okonjo", P)]),
        ("ask mrs tanzer about it", [("mrs tanzer", P)]),
        ("The U.S. Justice Department and Sir", []),
        ("My name is Xiomara Quispe, hello", [("Xiomara Quispe", P)]),
        ("Dear Brunhilde,\nthanks", [("Brunhilde", P)]),
        ("I'm Tired of this", []),
        ("I am Gudrun and I need help", [("Gudrun", P)]),
        ("Best regards,\nTalulah Vane", [("Talulah Vane", P)]),
        ("Sourav, could you look at this?", [("Sourav", P)]),
        ("However, could you look at this?", []),
        ('{"patient": "Okechukwu Nwosu", "age": 4}', [("Okechukwu Nwosu", P)]),
        ("Full name: ottilie brandner\nAge: 3", [("ottilie brandner", P)]),
        ("- name: Validate Configuration", []),
        ('{"name": "Imogen Vale"}', [("Imogen Vale", P)]),
        ("It was Imogen van der Berg who wrote", [("Imogen van der Berg", P)]),
        ("Ludwig J. Wittgenheim wrote it", [("Ludwig J. Wittgenheim", P)]),
        ("She grew up in Zzyzxburg near the lake", [("Zzyzxburg", L)]),
        ("from New Zealand to Kenya", [("New Zealand", L), ("Kenya", L)]),
        ("new zealand", [("new zealand", L)]),
        ("He lives at 12 Thomas Avenue", []),
        ("the May report and a Mark on paper", []),
        ("Priyanka Deshmukh came. Later Deshmukh left.", [("Priyanka Deshmukh", P), ("Deshmukh", P)]),
        ("have you seen imogen vale in kenya", [("imogen vale", P), ("kenya", L)]),
        ("I think imogen is right", [("imogen", P)]),
        ("I saw Zzaro Hernandez there", [("Zzaro Hernandez", P)]),
        ("the HERNANDEZ LOPEZ file", []),
        ("From: Zzaro Quex <zq@example.com>", [("Zzaro Quex", P)]),
        ("From: Sales Team <sales@example.com>", []),
        ('"Zzarolt, Imogen"', [("Zzarolt, Imogen", P)]),
        ("in Zzarolt, Imogen said", [("Imogen", P)]),
        ("my sister Zzaro came", [("Zzaro", P)]),
        ("i'm fine and my boss hates it", []),
        ("my name is zzaro, hello", [("zzaro", P)]),
        ("Officer Zzaro and Dr . Quex came", [("Officer Zzaro", P), ("Dr . Quex", P)]),
        ("the police officer came", []),
        ("Name: Zzaro Hernandez", [("Zzaro Hernandez", P)]),
        ("Júlia and Tómas met", [("Júlia", P), ("Tómas", P)]),
    ],
)
def test_what_grammar_and_lists_tell_without_a_model(text, wanted):
    assert found(text) == wanted


@pytest.mark.parametrize(
    ("text", "said", "wanted"),
    [
        ("We met Azubuike there", ("Azubuike", P), [("Azubuike", P)]),
        ("the JSON and the API", ("JSON", O), []),
        ("We moved here from Arozza", ("Arozza", P), [("Arozza", L)]),
        ("He works at Globotrix now", ("Globotrix", P), [("Globotrix", O)]),
        ("Underwood Partners Ltd wrote", ("Underwood Partners Ltd", P), [("Underwood Partners Ltd", O)]),
        ("Talk to Imogen", ("Imogen", O), [("Imogen", P)]),
        ("So Imogen came", ("Imogen", L), [("Imogen", P)]),
        ("see Kenya", ("Kenya", O), [("Kenya", L)]),
        ("in 226 Ottokar Lane", ("Ottokar", P), []),
        ("call readFile_now", ("readFile", P), []),
        ("mail azubuike@example.com", ("azubuike", P), []),
        ("layer is Layer.USER", ("Layer", P), []),
        ("said Azubuike to Chimamanda", ("Azubuike to Chimamanda", P), [("Azubuike", P), ("Chimamanda", P)]),
        ("Azubuike\nThe Boss", ("Azubuike\nThe Boss", P), [("Azubuike", P), ("Boss", P)]),
        ("The Azubuike", ("The Azubuike", P), [("Azubuike", P)]),
        ("Meet Dr. Azubuike Obi", ("Azubuike Obi", P), [("Dr. Azubuike Obi", P)]),
        ("a song we like", ("song", P), []),
        ("Unlike the Hernandez novel", ("Hernandez", O), [("Hernandez", P)]),
        ("He works at Hernandez now", ("Hernandez", O), [("Hernandez", O)]),
        ("We live in Hernandez now", ("Hernandez", L), [("Hernandez", L)]),
        ("Hernandez Holdings wrote", ("Hernandez Holdings", O), [("Hernandez Holdings", O)]),
        ("shares of HERNANDEZ rose", ("HERNANDEZ", O), [("HERNANDEZ", O)]),
        ("Zzaro shouted at us", ("Zzaro", O), [("Zzaro", P)]),
        ("a film starring Zzaro", ("Zzaro", L), [("Zzaro", P)]),
        ("signed by Zzaro C Quex today", ("Zzaro C Quex", O), [("Zzaro C Quex", P)]),
    ],
)
def test_what_a_model_says_is_looked_at_again(text, said, wanted):
    assert found(text, said) == wanted


def test_in_program_text_only_full_names_count():
    text = "def f(Layer: dict[str, Mapping]) -> Final: return {Imogen: 1, Vec: Imogen Vale}\n"
    said = [("Layer", P), ("Mapping", P), ("Final", O), ("Vec", P)]
    assert found(text, *said) == [("Imogen Vale", P)]
    assert found("We met Layer, Mapping and Vec.\n", ("Vec", P)) == [("Vec", P)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("from collections.abc import Iterable, Iterator", True),
        ("    let x: HashMap<String, Vec<u8>> = f();", True),
        ("SELECT id, name FROM people WHERE id = 3", True),
        ('    {"model": "gpt", "n": [1, 2]},', True),
        ("Please import the data (it is in the mail) and use it.", False),
        ("We met John Smith/Jane Doe (both from Kenya) at 5 o'clock; they left.", False),
        ("", False),
    ],
)
def test_program_and_prose_are_told_apart(line, code):
    assert is_code(line) is code
    assert CodeLines(f"prose\n{line}\nprose").holds(6) is (code and bool(line))


def test_names_are_known_without_their_accents_and_family_names_are_no_words():
    known = lists()
    assert known.is_given("júlia")
    assert known.is_surname("hernández")
    assert not known.is_surname("walker")  # a word as well
    assert not known.surnames & (known.given | {place.lower() for place in known.places})


def test_identifiers_are_told_from_names():
    assert all(map(is_identifier, ("HashMap", "readFile", "XMLHttp", "StrEnum")))
    assert not any(map(is_identifier, ("McDonald", "DeVito", "O'Brien", "MacLeod", "Smith", "VanDyke")))


def test_capitals_are_put_where_none_are_and_every_place_stays():
    text = "ask ß imogen straße of the ﬁrst kenya"
    said = recased(text, words_of(text))
    assert said == "ask ß Imogen Straße of the ﬁrst Kenya"
    assert recased("Ask Imogen of the first", words_of("Ask Imogen of the first")) is None
    assert recased("ASK IMOGEN OF THE DAY", words_of("ASK IMOGEN OF THE DAY")) == "ask Imogen of the day"


def test_without_capitals_only_what_is_known_stands():
    spans = [Span(0, 4, O, "model", 1.0), Span(5, 11, P, "model", 1.0), Span(12, 17, L, "model", 1.0)]
    kept = list(looked_over("Song Imogen Glorp", spans, lists(), recased=True))
    assert [(span.start, span.entity) for span in kept] == [(5, P)]


def test_a_name_ends_where_the_line_or_the_sentence_does():
    words = words_of("Imogen Vale. Then Kenya\nOttokar Lane")
    assert reach(words, 0) == 2
    assert [word.text for word in words_of("Imogen's book, 42 x_y")][:2] == ["Imogen", "book"]


@given(st.text(st.one_of(st.characters(), st.sampled_from("Aa .\n:'\u2019-@Dr")), max_size=120), st.data())
def test_any_text_and_any_model_give_sound_places(text, data):
    def model(seen):
        seen.encode()  # halves of surrogate pairs are not shown to a model
        assert len(seen) == len(text)
        if not text:
            return []
        start = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(start + 1, len(text)))
        return [(start, end, data.draw(st.sampled_from([P, L, O])))]

    for one in names_in(text, model, lists()):
        assert 0 <= one.start < one.end <= len(text)
        assert one.entity in {P, L, O}
        assert text[one.start : one.end].strip()


def test_time_grows_with_the_text_and_not_faster():
    """Counted in words looked at, not in seconds: every rule takes a hostile text of either size."""
    for unit in ("Dr. ", "name: ", "A b ", "a" * 50 + " ", "Hi ", ": ", "I am ", "X, can "):
        for rule in RULES:
            text = unit * 400
            assert sum(1 for _ in rule(text, words_of(text), lists())) <= 1200
