"""Injection and jailbreak by a linear model over windows of words.

Theory: a text is cut into words and marks (numbers count as nothing, what repeats counts once); each word and each
pair of neighbours has a weight; a window's margin is the sum of its weights over the root of its length, and the
text's is that of its best window, so that a command buried in a page is not thinned by the page. Sums up to each
place are made once, so that a window costs two look-ups. What somebody writes is read in long windows, what tools
return and documents say in short ones, since there an attempt is a sentence or two between others. Where the weights
come from, what they reach and what they miss: docs/models/injection.md.

Rules: pure; the text as a person reads it is judged, then whatever it says in disguise; an application's own words,
what a model said and definitions of tools are not judged. Bounded: `CAP` characters of a reading (beginning, end and
pieces of the middle), `MAX_VIEWS` readings. One finding a text: from the first word of the best window to its last.
"""

import hashlib
import math
import re
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import accumulate, chain, compress, islice, repeat
from operator import ne
from typing import NamedTuple

from appliance.inspect.injection.disguise import SPEAKING, disguised
from appliance.inspect.injection.weights import Reading, Weights, read
from appliance.inspect.looking import Looked, View
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

NAME = "injection-model"
SHA256 = "adf783484b7a82c7e136608ece41928724d946e3fddf206ad8a7cc30369c8167"
"""Of model.bin as it was trained."""
ENTITY = "PROMPT_INJECTION"
OWN, FOREIGN = "own", "foreign"
"""Classes of thresholds: what somebody writes, and what tools return or documents say."""
CLASSES: Mapping[Source, str] = {
    Source.USER: OWN,
    Source.UNKNOWN: OWN,
    Source.TOOL: FOREIGN,
    Source.DOCUMENT: FOREIGN,
}
CAP = 20_000
"""Code points of one reading that are judged."""
MAX_VIEWS = 12
_LEAST_POWER = -700  # exp's range
_FIRST, _LAST, _PIECE = 10_000, 5_000, 1_000
TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?|[^\w\s]{1,3}")
# The same for what is ASCII and lower case, in half the time.
_ASCII_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?+|[\x00-\x08\x0e-\x1b!-/:-@\[-^`{-\x7f]{1,3}+")


_VOWELS, _HEX = frozenset("aeiouy"), frozenset("abcdef")
_LONGEST_WORD = 16
_WORTH = -1.5  # log odds of a probability of 0.18: what is below reaches no threshold
_HIDDEN = frozenset({"rot13", "reversed", "scrambled", "spaced"})
_HIDING = 0.7  # log odds: nobody writes so without a reason
_LIST, _JOINED = 10, 2  # words from which a window is a list, and words that join sentences, fewer of which make it one
_JOINS = frozenset(
    re.findall(
        r"[^\s]+",
        """a the and or of to in on for with from by at as is are be was were it this that these those you your i me my
        we us our he she they them his her their not no do don't does can will must should would have has all any what
        which who how when if then so but now before after above about into out up there here just also only more every
        der die das den dem und oder zu mit von auf für ist sind nicht alle was wie du dein deine dir ich mir ein eine
        le la les de des du et ou à en dans avec pour est tu ton tes vous votre je moi que qui ne pas tout toutes
        el los las y o con por para es su sus tus mi todo todas il lo gli e di da per che non tutte os um uma em""",
    )
)
_LEAST_SAID = 0.5  # of a window's words: what is less is hashes, certificates, tables


class Best(NamedTuple):
    """The best window of a text: its margin and its place."""

    margin: float
    start: int
    end: int


class Model:
    """Margins of texts by given weights."""

    def __init__(self, weights: Weights) -> None:
        self.version = weights.version
        self._reads = dict(zip((OWN, FOREIGN), weights.shape.reads, strict=True))
        self.thresholds = {kind: one.threshold for kind, one in self._reads.items()}
        self._shape = weights.shape
        self._numbers = weights.numbers
        self._singles = weights.singles
        self._pairs = {_as_laid(key): weight for key, weight in weights.pairs.items()}
        largest = max(one.window for one in weights.shape.reads)
        self._lengths = [1 / math.sqrt(size + weights.shape.shift) for size in range(largest + 1)]

    def probability(self, margin: float, kind: str = OWN, more: float = 0.0) -> float:
        """0 to 1; calibrated on texts of which half were attacks. `more`: log odds from elsewhere."""
        reading = self._reads[kind]
        power = reading.slope * margin + reading.offset + more
        return 1 / (1 + math.exp(-power)) if power > _LEAST_POWER else 0.0

    def best(self, text: str, kind: str = OWN) -> Best | None:
        """The best window of the judged part of `text`; None: no words in it."""
        found: Best | None = None
        for start, piece in _judged(text):
            one = self._best(piece, self._reads[kind])
            if one and (found is None or one.margin > found.margin):
                found = Best(one.margin, one.start + start, one.end + start)
        return found

    def knows(self, words: Iterable[str]) -> bool:
        """Whether any of `words` (lower case) has a weight."""
        return any(word in self._numbers for word in words)

    def _best(self, text: str, reading: Reading) -> Best | None:
        lowered = text.lower()
        words = once(_token(lowered).findall(lowered))
        if not words:
            return None
        size = reading.window, reading.step
        margin, first, last = self._window(words, *size)
        if reading.slope * margin + reading.offset >= _WORTH and not _is_said(words[first:last]):
            apart = [(self._window(words[one:end], *size), one) for one, end in _said(words, *size)]
            if not apart:
                return None
            (margin, first, last), start = max(apart)
            first, last = first + start, last + start
        if margin < 0 or len(lowered) != len(text):
            return Best(margin, 0, len(text))
        return Best(margin, *_places(lowered, first, last))

    def _window(self, words: Sequence[str], size: int, step: int) -> tuple[float, int, int]:
        """Margin of the best window and which words it holds."""
        numbers = list(map(self._numbers.get, words, repeat(0)))
        gained = list(map(self._singles.__getitem__, numbers))
        pairs = self._paired(numbers)  # each counts at its first word; the last word has none
        block = math.gcd(size, step)
        blocks = range(0, len(numbers), block)
        sums = [0, *accumulate(sum(gained[at : at + block]) + sum(pairs[at : at + block]) for at in blocks)]
        best, place = -math.inf, (0, 0)
        for start in range(0, max(len(words) - size, 0) + step, step):
            end = min(start + size, len(words))
            margin = (sums[-(-end // block)] - sums[start // block]) * self._lengths[end - start]
            if margin > best:
                best, place = margin, (start, end)
            if end == len(words):
                break
        return best * self._shape.unit + self._shape.bias, *place

    def _paired(self, numbers: Sequence[int]) -> list[int]:
        """A weight for each two neighbours: their numbers of 16 bits, as they lie, are a key of 32."""
        data = memoryview(array("H", numbers).tobytes())
        halves = (data[shift : shift + (len(data) - shift) // 4 * 4].cast("I") for shift in (0, 2))
        even, odd = (map(self._pairs.get, half, repeat(0)) for half in halves)
        pairs = [0] * (len(numbers) - 1)
        pairs[::2], pairs[1::2] = even, odd
        return pairs


class ModelDetector:
    """The model as a detector of whole texts."""

    name = NAME
    detector_class = "injection"
    sources = frozenset(CLASSES)

    def __init__(self, model: Model, thresholds: Mapping[str, float] | None = None) -> None:
        """`thresholds`: probabilities of the classes of sources; the model's own where there is none."""
        self._model = model
        self._thresholds = {**model.thresholds, **(thresholds or {})}
        self.version = f"2-{model.version}"  # of what is read, and of the weights

    def find(self, looked: Looked, deadline: float) -> Iterator[Detection]:
        """The best window over all readings, where it reaches the threshold of the source."""
        del deadline  # linear and capped: a millisecond or two at most
        score, start, end = self.judge(looked)
        if score >= self._thresholds[CLASSES.get(looked.source, OWN)]:
            rule = f"model:{self._model.version[:8]}"
            yield Detection(start, end, ENTITY, DetectionKind.INJECTION, round(score, 3), rule)

    def judge(self, looked: Looked) -> tuple[float, int, int]:
        """Probability and place of the best window, whether or not it reaches a threshold."""
        top: tuple[float, int, int] = (0.0, 0, 0)
        kind = CLASSES.get(looked.source, OWN)
        for view in _readings(looked, self._model.knows):
            if len(view.text) > CAP:
                looked.left("injection")
            found = self._model.best(view.text, kind)
            more = _HIDING if view.name in _HIDDEN else 0.0
            if found and (score := self._model.probability(found.margin, kind, more)) > top[0]:
                start, end = view.placed(found.start, found.end)
                top = (score, start, end) if start < end else (score, 0, len(looked.text))  # it crosses pieces
        return top


def _as_laid(pair: int) -> int:
    """A pair of words, the first in the upper 16 bits, as this machine reads their two numbers lying side by side."""
    return int.from_bytes(array("H", (pair >> 16, pair & 0xFFFF)).tobytes(), sys.byteorder)


def _token(lowered: str) -> re.Pattern[str]:
    return _ASCII_TOKEN if lowered.isascii() else TOKEN


def once(words: Sequence[str]) -> list[str]:
    """Words without those that repeat the one before: a line of marks says no more than one of them."""
    return [*words[:1], *compress(words[1:], map(ne, words, islice(words, 1, None)))]


def _readings(looked: Looked, knows: Callable[[Iterable[str]], bool]) -> Iterator[View]:
    """The text as a person reads it, and what it holds in disguise; letters made of anything have no weight.

    Where readings only make words that nobody `knows`, they say nothing new.
    """
    read = looked.canonical
    yield read
    said = disguised(looked)
    if not any(view.fresh and knows(view.fresh) for view in said):
        said = tuple(view for view in said if view.fresh is None)
    hidden = (view for view in looked.others if view.name in SPEAKING)
    further = chain(said, hidden)
    yield from islice(further, MAX_VIEWS)
    if next(further, None) is not None:
        looked.left("injection")


def _said(words: Sequence[str], size: int, step: int) -> Iterator[tuple[int, int]]:
    """Stretches of words of which every window is language."""
    begins: int | None = None
    end = 0
    for start in range(0, max(len(words) - size, 0) + step, step):
        if _is_said(words[start : start + size]):
            begins = start if begins is None else begins
            end = min(start + size, len(words))
        elif begins is not None:
            yield begins, end
            begins = None
        if start + size >= len(words):
            break
    if begins is not None:
        yield begins, end


def _is_said(words: Sequence[str]) -> bool:
    """Whether a window is language: most of its words could be spoken, and some are what sentences are joined with.

    Letters between digits are no words, and a list of names, keys or counters says nothing to anybody.
    """
    letters = [word for word in words if word[:1].isalpha()]
    if sum(map(_is_spoken, letters)) < _LEAST_SAID * len(letters):
        return False
    return len(letters) < _LIST or sum(word in _JOINS or not word.isascii() for word in letters) >= _JOINED


def _is_spoken(word: str) -> bool:
    if not word.isascii() or word in {"a", "i"}:
        return True
    return 1 < len(word) <= _LONGEST_WORD and not _VOWELS.isdisjoint(word) and not _HEX.issuperset(word)


def _judged(text: str) -> Iterator[tuple[int, str]]:
    """All of a text up to `CAP`; of a longer one its beginning, its end and pieces spread over what lies between."""
    if len(text) <= CAP:
        yield 0, text
        return
    pieces = (CAP - _FIRST - _LAST) // _PIECE
    between = len(text) - _FIRST - _LAST
    yield 0, text[:_FIRST]
    for number in range(pieces):
        start = _FIRST + (between - _PIECE) * number // (pieces - 1)
        yield start, text[start : start + _PIECE]
    yield len(text) - _LAST, text[-_LAST:]


def _places(lowered: str, first: int, last: int) -> tuple[int, int]:
    """Where the words from `first` up to `last` stand."""
    start, end, number, before = 0, len(lowered), -1, ""
    for token in _token(lowered).finditer(lowered):
        if token[0] != before:
            number += 1
            before = token[0]
            if number == first:
                start = token.start()
            if number == last:
                break
        end = token.end()
    return start, end


@cache
def shipped() -> Model:
    """The model by the weights that are shipped; ValueError: they are damaged."""
    data = (resources.files(__package__) / "model.bin").read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError("model.bin is not the file that was shipped: install the release again")
    return Model(read(data))
