"""Tokens equal those of spaCy's blank English pipeline."""

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.inspect.detect.english import tokenizer

JOINED = (
    "don't|can't've|C++|:)|:-(|;)|o.o|(:|a:1|the:two|x--y|$5|5%|U.S.|e.g.|http://a.b/c?d|a@b.co|3pm|10km|'tis|\u2019s|"
    "\u2014|...|(|)|\"|,|.| |  |\n|\t|\u00a0|\u3000|é|中文|can\u2019t|I'm:)x"
)
WORDS = JOINED.split("|")


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=3)), max_size=12).map("".join))
def test_same_tokens(nlp, text):
    text = text.encode("utf-8", "ignore").decode()
    assert tokenizer().split(text) == [(token.idx, token.text) for token in nlp(text)]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=6).filter(lambda word: ":" not in word))
def test_same_keywords(nlp, word):
    word = word.encode("utf-8", "ignore").decode()
    lexeme = nlp.vocab[word] if word else None
    assert tokenizer().is_keyword(word) is bool(
        lexeme and not lexeme.is_stop and not lexeme.is_punct and word not in {"be", "-PRON-"}
    )


def test_stop_words(nlp):
    assert tokenizer().stop_words == nlp.Defaults.stop_words
