"""Personal data: presidio's recognisers, run only where the prefilter says that they could match.

Owns: the exact pass. Rules: findings equal stock presidio's (AnalyzerEngine without names and dates): entity, start,
end and score; an expression that runs out of time raises `DetectorFailure` where presidio would skip it in silence.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import regex

from appliance.inspect.detect import context, hyperscan, phones
from appliance.inspect.detect.alphabet import Reader, derive
from appliance.inspect.detect.english import Tokenizer, tokenizer
from appliance.inspect.detect.failure import DetectorFailure
from appliance.inspect.detect.prefilter import Region
from appliance.inspect.detect.presidio import PATTERN_FLAGS, PatternRule, Recogniser, load_recognisers
from appliance.inspect.detect.tables import Scope
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

_STANDARD_FLAGS = re.DOTALL | re.MULTILINE | re.IGNORECASE


class Found(NamedTuple):
    """A match that passed its recogniser's checks, and what it scores."""

    start: int
    end: int
    score: float


class Pii:
    """All recognisers. `expressions` and `scopes` go into the tables; `scan` gets the regions back."""

    def __init__(self) -> None:
        self._recognisers = load_recognisers()
        self._compiled = [
            (recogniser, [(rule, regex.compile(rule.expression, PATTERN_FLAGS)) for rule in recogniser.patterns])
            for recogniser in self._recognisers
        ]
        self._tokenizer = tokenizer()

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
                yield hyperscan.Expression(rule.expression, hyperscan.SUPERSET), _scope(rule, reader)

    def scan(self, text: str, regions: Mapping[int, Sequence[Region]], total: int, deadline: float) -> list[Detection]:
        """Everything found, overlaps included, as presidio returns it. Raises DetectorFailure.

        `total`: how many of the tables' expressions came from here; what is no pattern's is the phone numbers'.
        `deadline`: on the monotonic clock; behind it the scan gives up.
        """
        phone_expressions = total - sum(len(rules) for _, rules in self._compiled)
        words: context.Surroundings | None = None
        found: list[Detection] = []
        index = 0
        for recogniser, rules in self._compiled:
            count = phone_expressions if recogniser.regions else len(rules)
            seen = {n: regions[index + n] for n in range(count) if index + n in regions}
            index += count
            if not seen:
                continue
            try:
                if recogniser.regions:
                    matches = _phones(text, seen, recogniser, deadline)
                else:
                    matches = _matches(text, seen, recogniser, rules, deadline)
            except TimeoutError:
                raise DetectorFailure(f"{recogniser.name} ran out of time; the text counts as not scanned") from None
            except Exception as error:  # noqa: BLE001 - the text must not travel in a traceback
                raise DetectorFailure(f"{recogniser.name} failed ({type(error).__name__})") from None
            if matches and words is None:
                words = context.Surroundings(text, self._tokenizer)
            if time.monotonic() > deadline:
                raise DetectorFailure(f"{recogniser.name} ran out of time; the text counts as not scanned")
            found.extend(weighed(matches, recogniser, words))
        return found


def weighed(matches: Iterable[Found], recogniser: Recogniser, words: context.Surroundings | None) -> list[Detection]:
    """Scores raised by context, then duplicates removed once more, since a raised score may now cover others."""
    weighed = []
    for start, end, score in matches:
        supported = words is not None and words.support(recogniser.context, start)
        weighed.append(Found(start, end, context.raised(score) if supported else score))
    return [
        Detection(start, end, recogniser.entity, DetectionKind.PII, score, recogniser.name)
        for start, end, score in without_duplicates(weighed)
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
    begin = match.start()
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


def _scope(rule: PatternRule, reader: Reader) -> Scope:
    derived = derive(rule.expression, int(_STANDARD_FLAGS), reader)
    if derived is None:
        return Scope(None, 0, unicode=True)
    return Scope(derived.members, derived.margin, unicode=True)


def _phone_expressions(recogniser: Recogniser) -> Iterator[tuple[hyperscan.Expression, Scope]]:
    alphabet = phones.alphabet()
    scope = Scope(alphabet.members, alphabet.margin, unicode=True)
    short = phones.short_numbers(recogniser.regions)
    for pattern in phones.expressions(alphabet.members, short):
        yield hyperscan.Expression(pattern, hyperscan.PLAIN), scope
