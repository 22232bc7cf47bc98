"""Personal data: presidio's recognisers, run only where the prefilter says that they could match.

Owns: the exact pass. Rules: findings equal stock presidio's (AnalyzerEngine without names and dates): entity, start,
end and score; an expression that runs out of time raises `DetectorFailure` where presidio would skip it in silence.
"""

import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import regex

from appliance.inspect.detect import context, hyperscan, phones
from appliance.inspect.detect.alphabet import PARSER, Reader, derive
from appliance.inspect.detect.english import Tokenizer, tokenizer
from appliance.inspect.detect.failure import DetectorFailure, OutOfTime
from appliance.inspect.detect.prefilter import Region
from appliance.inspect.detect.presidio import PATTERN_FLAGS, PatternRule, Recogniser, load_recognisers, no_opinion
from appliance.inspect.detect.recognisers_own import OWN
from appliance.inspect.detect.spelling import Spelling
from appliance.inspect.detect.tables import Scope
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

_STANDARD_FLAGS = re.DOTALL | re.MULTILINE | re.IGNORECASE


_CHOICE = re.compile(r"\(\?:((?:\(\?:[a-z0-9]+\)\|)+\(\?:[a-z0-9]+\))\)")
_WORD = re.compile("[a-z0-9]+")
_MANY = 50
_EVERY = 64  # matches between two looks at the clock


class Found(NamedTuple):
    """A match that passed its recogniser's checks, and what it scores."""

    start: int
    end: int
    score: float


class Worth(NamedTuple):
    """What counts: findings from a score on, and weaker ones of some entities."""

    least: float
    entities: frozenset[str]


class Pii:
    """All recognisers. `expressions` and `scopes` go into the tables; `scan` gets the regions back."""

    def __init__(self, recognisers: tuple[Recogniser, ...] | None = None) -> None:
        """Presidio's and our own, unless others are given."""
        self._recognisers = (*load_recognisers(), *OWN) if recognisers is None else recognisers
        self._compiled = [
            (
                recogniser,
                [(rule, regex.compile(branching(rule.expression), PATTERN_FLAGS)) for rule in recogniser.patterns],
            )
            for recogniser in self._recognisers
        ]
        self._owners: list[tuple[int, int]] = []
        self._best = [_best(recogniser) for recogniser in self._recognisers]
        self._tokenizer = tokenizer()
        self._spelling = Spelling(word for one in self._recognisers for word in one.context)

    @property
    def recognisers(self) -> Sequence[tuple[Recogniser, Sequence[tuple[PatternRule, Any]]]]:
        """Every recogniser with its compiled patterns, in the order of `expressions`."""
        return self._compiled

    @property
    def tokenizer(self) -> Tokenizer:
        """What splits the words around a match."""
        return self._tokenizer

    def expressions(self) -> Iterator[tuple[hyperscan.Expression, Scope]]:
        """What Hyperscan looks for, in the order that `scan` expects. Slow: it derives every alphabet."""
        reader = Reader(regex.finditer, int(PATTERN_FLAGS))
        for recogniser in self._recognisers:
            if recogniser.regions:
                yield from _phone_expressions(recogniser)
            for rule in recogniser.patterns:
                signal = rule.signal or hyperscan.ending_early(rule.expression)
                yield hyperscan.Expression(signal, hyperscan.SUPERSET), _scope(rule, reader)

    def scan(
        self,
        text: str,
        regions: Mapping[int, Sequence[Region]],
        total: int,
        deadline: float,
        worth: Worth | None = None,
    ) -> list[Detection]:
        """Everything found, overlaps included, as presidio returns it. Raises DetectorFailure.

        `total`: how many of the tables' expressions came from here; what is no pattern's is the phone numbers'.
        `deadline`: on the monotonic clock; behind it the scan gives up. `worth`: who asks for certain things only; what
        cannot become one is not looked for.
        """
        found: list[Detection] = []
        try:
            self._into(found, text, regions, total, deadline, worth)
        except DetectorFailure as fault:
            if time.monotonic() > deadline:
                raise OutOfTime(str(fault), tuple(found), ("pii",)) from None
            raise
        return found

    def _into(
        self,
        found: list[Detection],
        text: str,
        regions: Mapping[int, Sequence[Region]],
        total: int,
        deadline: float,
        worth: Worth | None,
    ) -> None:
        """One recogniser after the other."""
        words = context.Surroundings(text, self._tokenizer, self._spelling)
        for number, seen in sorted(self._by_recogniser(regions, total).items()):
            (recogniser, rules), best = self._compiled[number], self._best[number]
            if worth and best < worth.least and not _may_count(recogniser, best, words, worth):
                continue
            if recogniser.least > 0 and best < 1:
                seen = _telling(recogniser, seen, rules, words)  # noqa: PLW2901 - what is left of it
                if not seen:
                    continue
            matches = self._found(text, seen, recogniser, rules, deadline)
            if time.monotonic() > deadline:
                raise DetectorFailure(f"{recogniser.name} ran out of time; the text counts as not scanned")
            found.extend(weighed(matches, recogniser, words, deadline))

    def _by_recogniser(
        self, regions: Mapping[int, Sequence[Region]], total: int
    ) -> dict[int, dict[int, Sequence[Region]]]:
        """Number of a recogniser -> its expressions, numbered from its own first, with their regions."""
        if len(self._owners) != total:
            phones_alone = total - sum(len(rules) for _, rules in self._compiled)
            sizes = [phones_alone if one.regions else len(rules) for one, rules in self._compiled]
            self._owners = [(owner, number) for owner, size in enumerate(sizes) for number in range(size)]
        found: dict[int, dict[int, Sequence[Region]]] = {}
        for index in sorted(regions):
            if index < total:
                owner, number = self._owners[index]
                found.setdefault(owner, {})[number] = regions[index]
        return found

    @staticmethod
    def _found(
        text: str,
        seen: Mapping[int, Sequence[Region]],
        recogniser: Recogniser,
        rules: Sequence[tuple[PatternRule, Any]],
        deadline: float,
    ) -> list[Found]:
        try:
            if recogniser.regions:
                return _phones(text, seen, recogniser, deadline)
            return _matches(text, seen, recogniser, rules, deadline)
        except TimeoutError:
            raise DetectorFailure(f"{recogniser.name} ran out of time; the text counts as not scanned") from None
        except Exception as error:  # noqa: BLE001 - the text must not travel in a traceback
            raise DetectorFailure(f"{recogniser.name} failed ({type(error).__name__})") from None


def branching(expression: str) -> str:
    """The same expression, with long choices of words branching at their first two letters.

    Which words are tried, and in which order, stays as it was: words that begin otherwise exclude each other.
    """
    return _CHOICE.sub(_branched, expression)


def _branched(choice: re.Match[str]) -> str:
    words = _WORD.findall(choice[1])
    if len(words) < _MANY or min(map(len, words)) < 2:  # noqa: PLR2004 - two letters
        return choice[0]
    firsts: dict[str, dict[str, list[str]]] = {}
    for word in words:
        firsts.setdefault(word[0], {}).setdefault(word[1], []).append(word[2:])
    return _either(
        first + _either(second + _either(rest) for second, rest in seconds.items()) for first, seconds in firsts.items()
    )


def _either(parts: Iterable[str]) -> str:
    return f"(?:{'|'.join(parts)})"


def validates(recogniser: Recogniser) -> bool:
    """Whether its checks can raise a match to 1.0: presidio's own stand-in never does."""
    is_stand_in = getattr(recogniser.validate, "__qualname__", "").startswith("PatternRecognizer.")
    return not (recogniser.sifts or is_stand_in or recogniser.validate is no_opinion)


def _best(recogniser: Recogniser) -> float:
    """What a match scores at most without a word beside it."""
    return 1.0 if validates(recogniser) else max([recogniser.score, *(rule.score for rule in recogniser.patterns)])


def _may_count(recogniser: Recogniser, best: float, words: context.Surroundings, worth: Worth) -> bool:
    """Whether a weak match counts all the same, or a word could lift it."""
    if recogniser.entity in worth.entities:
        return True
    return context.raised(best) >= worth.least and words.occurs(recogniser.context)


def _telling(
    recogniser: Recogniser,
    seen: dict[int, Sequence[Region]],
    rules: Sequence[tuple[PatternRule, Any]],
    words: context.Surroundings,
) -> dict[int, Sequence[Region]]:
    """Without the rules that score too little to be told, where no word lifts them; those hide nothing that is told."""
    if words.occurs(recogniser.context):
        return seen
    return {number: places for number, places in seen.items() if rules[number][0].score >= recogniser.least}


def weighed(
    matches: Iterable[Found], recogniser: Recogniser, words: context.Surroundings | None, deadline: float = math.inf
) -> list[Detection]:
    """Scores raised by context, then duplicates removed once more, since a raised score may now cover others.

    DetectorFailure behind the deadline.
    """
    weighed = []
    for number, (start, end, score) in enumerate(matches, 1):
        if number % _EVERY == 0 and time.monotonic() > deadline:
            raise DetectorFailure(f"{recogniser.name} ran out of time; the text counts as not scanned")
        supported = words is not None and words.support(recogniser.context, start)
        weighed.append(Found(start, end, context.raised(score) if supported else score))
    return [
        Detection(start, end, recogniser.entity, DetectionKind.PII, score, recogniser.name)
        for start, end, score in without_duplicates(weighed)
        if score >= recogniser.least
    ]


def _matches(
    text: str,
    seen: Mapping[int, Sequence[Region]],
    recogniser: Recogniser,
    rules: Sequence[tuple[PatternRule, Any]],
    deadline: float,
) -> list[Found]:
    found: list[Found] = []
    for number, regions in seen.items():
        rule, expression = rules[number]
        for start, end in regions:
            left = max(0, start - _MARGIN)
            window = text[left : end + _MARGIN]
            for match in expression.finditer(window, timeout=max(deadline - time.monotonic(), 0.001)):
                if left + match.start() < start or left + match.end() > end:
                    continue
                found.extend(judged(match, left, rule.score, recogniser))
    return found if recogniser.groups else without_duplicates(found)


def judged(match: Any, left: int, score: float, recogniser: Recogniser) -> Iterator[Found]:
    """The match with the score that the recogniser's checks leave it; nothing where they refuse it."""
    begin = match.start("value") if recogniser.valued else match.start()
    for end in _ends(match) if recogniser.groups else (match.end(),):
        word = match.string[begin:end]
        if not word:
            continue
        valid = recogniser.validate(word)
        judged = score if valid is None else float(bool(valid))
        if judged > 0 and not recogniser.invalidate(word):
            yield Found(left + begin, left + end, judged)
            return


def _ends(match: Any) -> Iterator[int]:
    """Ends of the capturing groups, last first; presidio takes an unset group for the whole match."""
    for group in range(len(match.groups()), 0, -1):
        end = match.end(group)
        yield end if end > 0 else match.end()


def _phones(text: str, seen: Mapping[int, Sequence[Region]], recogniser: Recogniser, deadline: float) -> list[Found]:
    found: list[Found] = []
    how = (recogniser.regions, recogniser.leniency)
    for start, end in sorted({region for regions in seen.values() for region in regions}):
        spans = phones.find(text, start, end, how, deadline)
        found.extend(Found(*span, recogniser.score) for span in spans)
    return without_duplicates(found)


def without_duplicates(found: Iterable[Found]) -> list[Found]:
    """Presidio's EntityRecognizer.remove_duplicates for one entity: drop what another covers with no lower score."""
    kept: list[Found] = []
    active: list[Found] = []
    for item in sorted(set(found), key=lambda item: (item.start, item.start - item.end, -item.score)):
        if item.score == 0:
            continue
        active = [other for other in active if other.end >= item.start]
        if any(item.start >= o.start and item.end <= o.end and item.score <= o.score for o in active):
            continue
        kept.append(item)
        active.append(item)
    return kept


_MARGIN = 8  # at least every scope's margin
_LONGEST = 10_000  # a rule of longer matches looks at whole texts


def _scope(rule: PatternRule, reader: Reader) -> Scope:
    derived = derive(rule.expression, int(_STANDARD_FLAGS), reader)
    if derived is None:
        width = PARSER.parse(rule.expression, int(_STANDARD_FLAGS)).getwidth()[1]
        return Scope(None, 0, unicode=True, reach=width + _MARGIN if width < _LONGEST else 0)
    return Scope(derived.members, derived.margin, unicode=True)


def _phone_expressions(recogniser: Recogniser) -> Iterator[tuple[hyperscan.Expression, Scope]]:
    alphabet = phones.alphabet()
    scope = Scope(alphabet.members, alphabet.margin, unicode=True)
    short = phones.short_numbers(recogniser.regions)
    for pattern in phones.expressions(alphabet.members, short):
        yield hyperscan.Expression(pattern, hyperscan.PLAIN), scope
