"""Words that hurt, in whole answers.

Owns: `Toxicity`. Rules: a word list knows no meaning, so what it says is weak: coarse words 0.3, insults 0.5, threats
and slurs 0.7; half of that inside quotation marks or code, where words are spoken about; the best few per text count.
"""

import codecs
import re
from collections.abc import Iterable

from appliance.inspect.looking import RAW, Looked, View
from appliance.inspect.output.phrases import Phrase, Phrases, words_of
from appliance.inspect.output.toxic_words import LEVELS
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

TOXICITY = "TOXICITY"
SCORES = {1: 0.3, 2: 0.5, 3: 0.7}
_MOST = 16
_QUOTES = "\"'`\u00ab\u00bb\u201c\u201d\u201e\u2018\u2019\u300c\u300d>"
_UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")  # scripts that part no words
_WORD = re.compile(r"\w+")


def _phrase(level: int, turned: str) -> Phrase:
    word = codecs.decode(turned, "rot13")
    if _UNSPACED.search(word):
        return Phrase(re.escape(word), (), str(level))
    spaced = re.escape(word).replace("\\ ", r"\s{1,3}").replace("'", "['\u2019]")
    return Phrase(rf"\b{spaced}\b", tuple(_WORD.findall(word)), str(level))


_PHRASES = Phrases(_phrase(level, word) for level, words in LEVELS.items() for word in words)


class Toxicity:
    """See the module."""

    name = "toxicity"
    detector_class = "output"
    version = "1"
    sources = frozenset({Source.ANSWER})

    def find(self, looked: Looked, deadline: float) -> Iterable[Detection]:
        """See `Detector`."""
        del deadline
        view = View(RAW, looked.text) if looked.text.isascii() else looked.canonical
        found: list[Detection] = []
        for match, level in _PHRASES.find(view.text, words_of(view.text)):
            score = SCORES[int(level)]
            score = score / 2 if _is_spoken_about(view.text, *match.span()) else score
            found.append(Detection(*view.placed(*match.span()), TOXICITY, DetectionKind.OUTPUT, score, self.name))
        if len(found) > _MOST:
            looked.left(self.detector_class)
        return sorted(sorted(found, key=lambda one: (-one.score, one.start))[:_MOST])


def _is_spoken_about(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return before in _QUOTES and after in _QUOTES and bool(before and after)
