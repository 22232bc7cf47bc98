"""Words that hurt, and signs that an answer should not be relied on."""

import codecs
import json
import math

import pytest

from appliance.inspect.looking import Looked
from appliance.inspect.output.confidence import Confidence
from appliance.inspect.output.phrases import Phrase, Phrases, words_of
from appliance.inspect.output.signs import Signs
from appliance.inspect.output.toxic_words import LEVELS
from appliance.inspect.output.toxicity import SCORES, Toxicity
from appliance.model.names import Source


def told(detector, text):
    found = detector.find(Looked(text, Source.ANSWER, lambda _: ()), 0.0)
    return {one.entity: one.score for one in sorted(found, key=lambda one: one.score)}


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, I cannot do this.",
        "I cannot assist with that request.",
        "Unfortunately, I am not able to share it.",
        "Tut mir leid, aber ich kann das nicht beantworten.",
        "Je suis désolé, mais je ne peux pas.",
        "Lo siento, no puedo ayudar.",
    ],
)
def test_refusals(text):
    assert "REFUSAL" in told(Signs(), text)
    assert "REFUSAL" not in told(Signs(), "Here you are. " * 50 + text)


@pytest.mark.parametrize(
    "text", ["I can't wait to help!", "You cannot divide by zero.", "She said sorry. I can do that.", ""]
)
def test_no_refusals(text):
    assert told(Signs(), text) == {}


def test_uncertainty_counts():
    once = told(Signs(), "I'm not sure about the date.")["UNCERTAIN_ANSWER"]
    more = told(Signs(), "I'm not sure. I don't know. I may be wrong. Please verify this.")["UNCERTAIN_ANSWER"]
    assert once < more
    assert "UNCERTAIN_ANSWER" in told(Signs(), "Ich bin mir nicht sicher, ob das stimmt.")


@pytest.mark.parametrize(
    ("text", "cites"),
    [
        ("It was shown [1] and confirmed [2].", True),
        ("It was shown [1] and confirmed [2].\n\nSources:\n[1] A book", False),
        ("It was shown [1], see [2].\n\n[1]: https://x.example\n[2]: https://y.example", False),
        ("According to a recent study, tea helps.", True),
        ("According to a recent study (https://x.example), tea helps.", False),
        ("Take `a[1]` and `b[2]`.", False),
        ("```\nx [1] y [2]\n```\n", False),
        ("x = a[1] + b[1]", False),
    ],
)
def test_citations_without_a_source(text, cites):
    assert ("CITATION_WITHOUT_SOURCE" in told(Signs(), text)) is cites


@pytest.mark.parametrize(("level", "turned"), [(level, word) for level, words in LEVELS.items() for word in words])
def test_every_word_is_found(level, turned):
    word = codecs.decode(turned, "rot13")
    assert told(Toxicity(), f"so {word.capitalize()}!")["TOXICITY"] == SCORES[level]
    assert told(Toxicity(), f'they said "{word}" to me')["TOXICITY"] <= max(SCORES[level] / 2, SCORES[1])


@pytest.mark.parametrize(
    "text",
    [
        "The patient's rectal and vaginal exam showed no bleeding; sexual history was taken.",
        "Scunthorpe, Penistone and Cockermouth are towns; Dick Cheney; assassin; Shitake grow.",
        "Kill the process with kill -9; the child must die first, then the parent is hanged up.",
    ],
)
def test_ordinary_words_are_left_alone(text):
    assert told(Toxicity(), text) == {}


def test_many_words_are_few_findings():
    word = codecs.decode(LEVELS[1][0], "rot13")
    looked = Looked(f"{word} " * 5000, Source.ANSWER, lambda _: ())
    assert len(list(Toxicity().find(looked, 0.0))) == 16


def told_of(*values):
    made = Confidence()
    for value in values:
        made.take(value if isinstance(value, bytes) else json.dumps(value).encode())
    return made.labels()


@pytest.mark.parametrize(
    "shape",
    [
        lambda numbers: {"content": [{"token": "a", "logprob": n, "top_logprobs": [{"logprob": -9}]} for n in numbers]},
        lambda numbers: [{"token": "a", "logprob": n} for n in numbers],
        lambda numbers: {"token_logprobs": [None, *numbers], "tokens": ["a"]},
        lambda numbers: {"chosenCandidates": [{"token": "a", "logProbability": n} for n in numbers]},
    ],
)
def test_confidence_where_it_is_told(shape):
    (label,) = told_of(shape([-1.0] * 20), shape([-2.0] * 20))
    assert (label.entity, label.kind, label.score) == ("LOW_CONFIDENCE", "topic", round(1 - math.exp(-1.5), 3))
    assert told_of(shape([-0.1] * 40)) == ()
    assert told_of(shape([-1.0] * 3)) == ()


def test_hostile_confidence_is_not_told():
    for value in (b"", b"null", b"[1]", b"[" * 100_000, b'{"content": 3}', b'{"content": [{"logprob": "x"}]}', b"\xff"):
        assert told_of(value) == ()
    (label,) = told_of([{"logprob": -1e308}] * 20)
    assert 0.99 < label.score <= 1
    assert told_of([{"logprob": 1e308}] * 20) == ()


def test_phrases_are_looked_for_where_their_words_are():
    phrases = Phrases(
        [Phrase(r"red \w+", ("red",), "a"), Phrase("[0-9]+", (), "b"), Phrase("blue", ("blue", "sky"), "c")]
    )
    text = "Red fox, red hen; 12 blue"
    assert [(match[0], mark) for match, mark in phrases.find(text, words_of(text))] == [
        ("Red fox", "a"),
        ("red hen", "a"),
        ("12", "b"),
    ]
    assert len(list(phrases.find("1 " * 500, words_of("")))) == 64
