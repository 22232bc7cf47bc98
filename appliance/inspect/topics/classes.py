"""Subjects of a text: legal, financial, personnel, health, customers, personal data, credentials, source code.

Theory. Distinct words of a subject are counted (lexicon), strong ones three times; the sum is weighed against how many
distinct words the text has, so that a long text about everything is about nothing. One finding for each subject.
Rules: pure; one pass over the words; what has fewer than `LEAST` points says nothing.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from appliance.inspect.looking import Looked
from appliance.inspect.topics import MAX_CHARS
from appliance.inspect.topics.code import code_score
from appliance.inspect.topics.lexicon import STRONG, WEAK
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

LEAST = 6.0  # points: two words of the subject's own papers, or one and three others
SOURCE_CODE = "SOURCE_CODE"
CODE_FROM = 0.5
_SHORTEST = 24  # code points: what is shorter has no subject
_WORD = re.compile(r"[^\W\d_]+(?:['&-][^\W\d_]+)*")
_APART = "".join(one if one.isalpha() or one in "'&-" else " " for one in map(chr, range(128)))
_STRONG_POINTS, _WEAK_POINTS = 3.0, 1.0


def _points() -> dict[str, tuple[tuple[str, float], ...]]:
    """Word or phrase -> the subjects that it speaks for, with points."""
    found: dict[str, list[tuple[str, float]]] = {}
    for table, points in ((STRONG, _STRONG_POINTS), (WEAK, _WEAK_POINTS)):
        for entity, words in table.items():
            for word in words:
                found.setdefault(" ".join(word.lower().split()), []).append((entity, points))
    return {word: tuple(told) for word, told in found.items()}


def phrases_by_first(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Phrases by their first word, folded."""
    found: dict[str, list[str]] = {}
    for word in words:
        if " " in word:
            found.setdefault(_WORD.findall(word)[0], []).append(word)
    return {first: tuple(phrases) for first, phrases in found.items()}


_POINTS = _points()
_SINGLE = frozenset(word for word in _POINTS if " " not in word)
_PHRASES = phrases_by_first(_POINTS)


class Topics:
    """One finding per subject; its span is from the first to the last sign of it."""

    name = "topics"
    detector_class = "topic"
    version = "1"
    sources = frozenset({Source.USER, Source.TOOL, Source.DOCUMENT, Source.UNKNOWN})

    def find(self, looked: Looked, deadline: float) -> Iterable[Detection]:
        """See Detector."""
        del deadline  # bounded by MAX_CHARS
        text = looked.text[:MAX_CHARS]
        if len(text) < len(looked.text):
            looked.left(self.detector_class)
        if len(text) < _SHORTEST:
            return
        yield from subjects(text)
        score = code_score(text)
        if score >= CODE_FROM:
            yield Detection(0, len(text), SOURCE_CODE, DetectionKind.TOPIC, round(score, 2), self.name)


def subjects(text: str) -> Iterator[Detection]:
    """The subjects of a text, by the words in it."""
    folded = text.lower()  # as long as the text, or nearly: places are for people to look at
    words = words_of(folded)
    sums: dict[str, float] = {}
    spans: dict[str, tuple[int, int]] = {}
    for sign in signs(folded, words, _SINGLE, _PHRASES):
        at = folded.find(sign)
        for entity, points in _POINTS[sign]:
            sums[entity] = sums.get(entity, 0.0) + points
            first, last = spans.get(entity, (at, 0))
            spans[entity] = min(first, at), max(last, min(at + len(sign), len(text)))
    for entity, total in sums.items():
        if total >= LEAST:
            yield Detection(*spans[entity], entity, DetectionKind.TOPIC, weight(total, len(words)), Topics.name)


def words_of(folded: str) -> frozenset[str]:
    """The distinct words of a folded text."""
    if not folded.isascii():
        return frozenset(_WORD.findall(folded))
    # The same in a fifth of the time: only pieces with a mark in them need the expression.
    pieces = set(folded.translate(_APART).split())
    words = set(filter(str.isalpha, pieces))
    words.update(_WORD.findall(" ".join(pieces - words)))
    return frozenset(words)


def signs(
    folded: str, words: frozenset[str], single: frozenset[str], phrases: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    """Words and phrases of a lexicon that stand in a text."""
    yield from words & single
    for first in phrases.keys() & words:
        yield from (phrase for phrase in phrases[first] if phrase in folded)


def weight(total: float, distinct: int) -> float:
    """0-1: points against what a text of so many distinct words would have by chance."""
    return round(1.0 - math.exp(-total / (4.0 + math.sqrt(distinct))), 2)
