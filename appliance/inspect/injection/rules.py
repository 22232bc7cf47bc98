"""Injection and jailbreak by rules: phrases and structure of a text, added up to one score where they stand together.

Theory: a rule alone is seldom sure, so each has a weight, and those that meet within `NEAR` characters are combined as
independent witnesses (noisy-or). The text as a person reads it is judged, then whatever it says in disguise; that
somebody disguised a command makes it weightier. Each hit of a place that reaches the threshold of its source is told
with the score of the place.

Rules: pure; the same hit twice is one witness; what tools return and documents say is judged by its own rules and
threshold; an application's own words, what a model said and definitions of tools are not judged; bounded in characters,
hits and time. Data: rules.toml beside this file, read once by whoever builds the detector.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import msgspec

from appliance.inspect.injection.disguise import SPEAKING, disguised
from appliance.inspect.injection.phrases import Phrases, Words
from appliance.inspect.injection.structure import Hit, signals
from appliance.inspect.looking import CANONICAL, RAW, Looked
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

NAME = "injection-rules"
FOREIGN = frozenset({Source.TOOL, Source.DOCUMENT})
JUDGED = frozenset({Source.USER, Source.UNKNOWN}) | FOREIGN
THRESHOLD = 0.7
FOREIGN_THRESHOLD = 0.65
NEAR = 2500
"""Characters within which hits are witnesses of one attempt."""
MAX_HITS = 256
MAX_TOLD = 32
_DISGUISED = 0.5  # of the doubt that is left where a phrase had to be decoded first
_CERTAIN = 0.85  # of readings that make words of anything only these count
_REPORTED = 0.5  # of the weight of a phrase that somebody tells of
_DIRECTED = 0.3  # of the weight of what a comment tells a checker of code
_NEXT = 3  # words between a phrase and what makes it harmless
_BEFORE = 8  # words of the sentence before a phrase that say so
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One family of phrases; see rules.toml. `examples` are found by it, `counters` by no rule."""

    name: str
    entity: str
    weight: float
    phrases: tuple[str, ...]
    examples: tuple[str, ...]
    counters: tuple[str, ...]
    unspaced: tuple[str, ...] = ()
    foreign: bool = False
    reported: bool = False


class RuleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rules and the words that they are made of."""

    scrambled: str
    words: dict[str, str]
    rule: tuple[Rule, ...]
    harmless: tuple[str, ...] = ()


class Judged(NamedTuple):
    """What a place of a text adds up to."""

    score: float
    hits: tuple[Hit, ...]


def shipped() -> bytes:
    """The rules that are shipped, as TOML."""
    return (resources.files(__package__) / "rules.toml").read_bytes()


@cache
def standard() -> "Rules":
    """The rules that are shipped, compiled once for all that need them: about 0.1 s."""
    return Rules(shipped())


class Rules:
    """Compiled rules: from a text to hits."""

    def __init__(self, data: bytes) -> None:
        self.version = hashlib.blake2b(data, digest_size=8).hexdigest()
        self.set = msgspec.convert(tomllib.loads(data.decode()), RuleSet)
        classes = {name: words.split() for name, words in self.set.words.items()}
        self._owners = [rule for rule in self.set.rule for _ in rule.phrases]
        phrases = [phrase for rule in self.set.rule for phrase in rule.phrases]
        self._phrases = Phrases(classes, phrases, self.set.scrambled.split(), self.set.harmless)
        self._unspaced = [(rule, re.compile("|".join(rule.unspaced))) for rule in self.set.rule if rule.unspaced]

    def knows(self, words: Iterable[str]) -> bool:
        """Whether any of `words` (lower case) says something to a rule."""
        return self._phrases.knows(words)

    def hits(self, text: str, *, foreign: bool) -> list[Hit]:
        """Where rules match, `MAX_HITS` at most. `foreign`: rules for what tools return and documents say, too."""
        words = self._phrases.read(text)
        matched: list[tuple[int, int, int]] = []
        for found in self._phrases.match(words):
            if foreign or not self._owners[found[0]].foreign:
                matched.append(found)
                if len(matched) >= MAX_HITS:
                    break
        hits: list[Hit] = []
        if matched:
            places = words.places()
            for index, first, behind in matched:
                rule = self._owners[index]
                weight = rule.weight * self._doubt(rule, words, first, behind)
                hits.append(Hit(rule.name, rule.entity, weight, places[first][0], places[behind - 1][1]))
        if not text.isascii() and _UNSPACED.search(text):
            hits += self._in_unspaced(text)
        return hits

    def _doubt(self, rule: Rule, words: Words, first: int, behind: int) -> float:
        """What is left of a phrase's weight by what stands before it and behind it in its sentence."""
        left = 1.0
        if rule.reported and self._phrases.precedes("reported", words, first, _BEFORE):
            left = _REPORTED
        if self._phrases.precedes("directive", words, first, _NEXT):
            left = min(left, _DIRECTED)
        if self._phrases.goes_on(self.set.harmless, words, behind, _NEXT):
            left = min(left, _REPORTED)
        return left

    def _in_unspaced(self, text: str) -> Iterator[Hit]:
        for rule, shape in self._unspaced:
            for count, found in enumerate(shape.finditer(text)):
                if count >= MAX_HITS:
                    break
                yield Hit(rule.name, rule.entity, rule.weight, found.start(), found.end())


class RuleDetector:
    """Rules and structure as a detector of whole texts."""

    name = NAME
    detector_class = "injection"
    sources = JUDGED

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.version = f"4-{rules.version}"

    def find(self, looked: Looked, deadline: float) -> Iterator[Detection]:
        """Hits of every place that adds up to the threshold of the text's source."""
        del deadline  # linear, and fast: tens of microseconds for a page
        judged = self.judge(looked)
        if len(judged.hits) > MAX_TOLD:
            looked.left(self.detector_class)
        for hit in judged.hits[:MAX_TOLD]:
            yield Detection(hit.start, hit.end, hit.entity, DetectionKind.INJECTION, judged.score, f"rule:{hit.rule}")

    def judge(self, looked: Looked) -> Judged:
        """The strongest place; no hits where it stays below the threshold."""
        foreign = looked.source in FOREIGN
        return strongest(self.hits(looked, foreign=foreign), FOREIGN_THRESHOLD if foreign else THRESHOLD)

    def hits(self, looked: Looked, *, foreign: bool) -> list[Hit]:
        """All hits in all readings, placed in the text."""
        read = looked.canonical
        plainly = self._of(looked, read.text, foreign=foreign)
        found = [_placed(hit, read.placed(hit.start, hit.end)) for hit in plainly]
        plain = {(hit.rule, hit.start, hit.end) for hit in found}
        for view in (*looked.others, *disguised(looked)):
            if view.name in {CANONICAL, RAW} or (view.fresh is not None and not self._rules.knows(view.fresh)):
                continue
            speaks = not view.sure or view.name in SPEAKING
            for hit in self._told(looked, view.text, foreign=foreign):
                place = view.placed(hit.start, hit.end)
                if (hit.rule, *place) not in plain and (hit.weight >= _CERTAIN or speaks):
                    weight = 1 - (1 - hit.weight) * _DISGUISED
                    found.append(_placed(hit, place, weight, f"{hit.rule}+{view.name}"))
            for hit in signals(view.text, foreign=foreign) if speaks else ():
                place = view.placed(hit.start, hit.end)
                if (hit.rule, *place) not in plain:
                    found.append(_placed(hit, place, rule=f"{hit.rule}+{view.name}"))
        return found

    def _of(self, looked: Looked, text: str, *, foreign: bool) -> Iterable[Hit]:
        signs = signals(text, foreign=foreign, cut=lambda: looked.left(self.detector_class))
        return (*self._told(looked, text, foreign=foreign), *signs)

    def _told(self, looked: Looked, text: str, *, foreign: bool) -> list[Hit]:
        """Hits of the rules; what stands behind the last that is told counts as not looked at."""
        hits = self._rules.hits(text, foreign=foreign)
        if len(hits) >= MAX_HITS:
            looked.left(self.detector_class)
        return hits


def _placed(hit: Hit, place: tuple[int, int], weight: float | None = None, rule: str = "") -> Hit:
    kept = hit.weight if weight is None else weight
    return Hit(rule or hit.rule, hit.entity, kept, place[0], place[1])


def combined(hits: Sequence[Hit]) -> float:
    """Noisy-or over rules, each by its best hit, in whatever reading."""
    best: dict[str, float] = {}
    for hit in hits:
        rule = hit.rule.partition("+")[0]
        best[rule] = max(hit.weight, best.get(rule, 0.0))
    doubt = 1.0
    for weight in best.values():
        doubt *= 1 - weight
    return round(1 - doubt, 3)


def strongest(hits: list[Hit], threshold: float) -> Judged:
    """The place of `NEAR` characters whose hits add up to most; nothing where that is below `threshold`."""
    if not hits or combined(hits) < threshold:
        return Judged(0.0, ())
    ordered = sorted(hits, key=lambda hit: (hit.start, hit.end, hit.rule))[:MAX_HITS]
    best = Judged(0.0, ())
    behind = 0
    for first, hit in enumerate(ordered):
        behind = max(behind, first)
        while behind < len(ordered) and ordered[behind].start - hit.start <= NEAR:
            behind += 1
        score = combined(ordered[first:behind])
        if score > best.score:
            best = Judged(score, tuple(ordered[first:behind]))
    return best if best.score >= threshold else Judged(0.0, ())
