"""Each detector as a growing text needs it: its rules for the automaton, and an exact look from a place on.

Owns: `Family`, one per recogniser of personal data and per key rule. Rules: a look from a place that no earlier match
crosses finds what the same detector finds there in the whole text; of matches that could still change it may tell
anything, the caller knows which they are.
"""

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from appliance.inspect.detect import context, phones
from appliance.inspect.detect.assigned import Candidate
from appliance.inspect.detect.candidates import entities
from appliance.inspect.detect.failure import DetectorFailure
from appliance.inspect.detect.keyrules import KeyRule
from appliance.inspect.detect.pii import Found, Pii, judged, validates, weighed, without_duplicates
from appliance.inspect.detect.prefilter import Prefilter
from appliance.inspect.detect.presidio import PATTERN_FLAGS, PatternRule, Recogniser
from appliance.inspect.detect.secrets import Secrets, detection, matches
from appliance.inspect.detect.viable_nfa import Expression, Reading
from appliance.model.detection import Detection, Selector
from appliance.model.names import DetectionKind

_STANDARD_FLAGS = int(re.DOTALL | re.MULTILINE | re.IGNORECASE)
_AS_PRESIDIO = Reading("regex", int(PATTERN_FLAGS))
_AS_KEYS = Reading("re", int(re.ASCII))
_LONG = 1000  # characters of an expression that is worth asking the prefilter first

type Span = tuple[int, int]


class Look(NamedTuple):
    """`spans`: everything that was consumed, refused matches too, by which the next look must not be cut.

    `found`: what passed all checks but the words around it.
    """

    spans: list[Span]
    found: list[Found]


class Family(Protocol):
    """`words`: what raises a match's score beside it. `best`: no score is higher. `entities`: all that it may tell."""

    name: str
    entity: str
    entities: tuple[str, ...]
    words: tuple[str, ...]
    best: float
    expressions: tuple[Expression, ...]

    @property
    def kind(self) -> DetectionKind:
        """What class of detection it makes."""

    def look(self, text: str, start: int, rules: Sequence[int], deadline: float) -> Look:
        """Matches from `start` on; `rules` are indices of `expressions`. Raises TimeoutError behind the deadline."""

    def weighed(self, found: Sequence[Found], words: context.Surroundings | None) -> list[Detection]:
        """Detections, scores raised by the words around them."""


class PatternFamily:
    """A recogniser that works by patterns."""

    kind = DetectionKind.PII

    def __init__(
        self, recogniser: Recogniser, rules: Sequence[tuple[PatternRule, Any]], prefilter: Prefilter, first: int
    ) -> None:
        """`first`: the prefilter's expression that is the first of these rules."""
        self.name, self.entity, self.words = recogniser.name, recogniser.entity, recogniser.context
        self.entities: tuple[str, ...] = (self.entity,)
        self.expressions = tuple(Expression(rule.expression, _STANDARD_FLAGS, _AS_PRESIDIO) for rule, _ in rules)
        top = max(rule.score for rule, _ in rules)
        raised = context.raised(top) if recogniser.context or not recogniser.sifts else top
        self.best = 1.0 if validates(recogniser) else raised
        self._recogniser = recogniser
        self._rules = rules
        self._prefilter = prefilter
        self._first = first
        self._slow = any(len(rule.expression) > _LONG for rule, _ in rules)

    def look(self, text: str, start: int, rules: Sequence[int], deadline: float) -> Look:
        """See `Family`."""
        spans: list[Span] = []
        found: list[Found] = []
        for index in self._possible(text, start, rules) if self._slow else rules:
            rule, expression = self._rules[index]
            for match in expression.finditer(text, start, timeout=max(deadline - time.monotonic(), 0.001)):
                spans.append(match.span())
                found.extend(judged(match, 0, rule.score, self._recogniser))
        return Look(spans, found if self._recogniser.groups else without_duplicates(found))

    def _possible(self, text: str, start: int, rules: Sequence[int]) -> list[int]:
        regions = self._prefilter.regions(text[start:])
        return [index for index in rules if self._first + index in regions]

    def weighed(self, found: Sequence[Found], words: context.Surroundings | None) -> list[Detection]:
        """See `Family`."""
        return weighed(found, self._recogniser, words)


class PhoneFamily:
    """Phone numbers; the prefilter says whether digits are worth the matcher's time."""

    kind = DetectionKind.PII

    def __init__(self, recogniser: Recogniser, prefilter: Prefilter, mine: range) -> None:
        """`mine`: the prefilter's expressions that tell of phone numbers."""
        self.name, self.entity, self.words = recogniser.name, recogniser.entity, recogniser.context
        self.entities: tuple[str, ...] = (self.entity,)
        self.best = context.raised(recogniser.score)
        shape, flags, reach = phones.candidate()
        self.expressions: tuple[Expression, ...] = (Expression(shape, flags, Reading("re", int(re.IGNORECASE)), reach),)
        self._recogniser = recogniser
        self._prefilter = prefilter
        self._mine = mine
        self._short: dict[str, bool] = {}  # at most one entry per number below five digits

    def look(self, text: str, start: int, rules: Sequence[int], deadline: float) -> Look:
        """See `Family`."""
        del rules
        candidates = phones.candidates(text, start)
        if not any(self._promising(text[first:last]) for first, last in candidates):
            return Look(candidates, [])
        found, spans = phones.find_from(text, start, (self._recogniser.regions, self._recogniser.leniency), deadline)
        return Look(spans, without_duplicates(Found(*span, self._recogniser.score) for span in found))

    def weighed(self, found: Sequence[Found], words: context.Surroundings | None) -> list[Detection]:
        """See `Family`."""
        return weighed(found, self._recogniser, words)

    def _promising(self, candidate: str) -> bool:
        """Whether it holds the digits of a number; few digits are looked up once and remembered."""
        digits = phones.digits(candidate)
        if len(digits) >= phones.ENOUGH_DIGITS or not digits.isascii():
            return True
        if digits not in self._short:
            self._short[digits] = any(index in self._mine for index in self._prefilter.regions(digits))
        return self._short[digits]


class KeyFamily:
    """A key rule."""

    kind = DetectionKind.SECRET

    def __init__(self, rule: KeyRule, shape: re.Pattern[str]) -> None:
        self.name, self.entity, self.best = rule.name, rule.entity, rule.score
        self.entities = entities(rule)
        self.words: tuple[str, ...] = ()
        self.expressions: tuple[Expression, ...] = (Expression(rule.shape, int(re.ASCII), _AS_KEYS),)
        self._rule = rule
        self._shape = shape

    def look(self, text: str, start: int, rules: Sequence[int], deadline: float) -> Look:
        """See `Family`."""
        del rules, deadline
        matched = list(matches(self._rule, self._shape, text, start, len(text)))
        return Look([one.span for one in matched], [_told(one) for one in matched if one.score])

    def weighed(self, found: Sequence[Found], words: context.Surroundings | None) -> list[Detection]:
        """See `Family`."""
        del words
        return [_detection(one) for one in found]


class _Told(Found):
    """A match with what it is: candidates of one rule are of several entities."""

    candidate: Candidate


def _told(candidate: Candidate) -> _Told:
    made = _Told(*candidate.secret, candidate.score)
    made.candidate = candidate
    return made


def _detection(found: Found) -> Detection:
    assert isinstance(found, _Told)  # noqa: S101 - `look` made it
    return detection(found.candidate)


def families(pii: Pii, secrets: Secrets, prefilter: Prefilter, pii_expressions: int) -> tuple[Family, ...]:
    """All of them. `pii_expressions`: how many of the prefilter's expressions come from `pii`."""
    phone_expressions = pii_expressions - sum(len(rules) for _, rules in pii.recognisers)
    found: list[Family] = []
    index = 0
    for recogniser, rules in pii.recognisers:
        if recogniser.regions:
            found.append(PhoneFamily(recogniser, prefilter, range(index, index + phone_expressions)))
            index += phone_expressions
        else:
            found.append(PatternFamily(recogniser, rules, prefilter, index))
            index += len(rules)
    return (*found, *(KeyFamily(rule, shape) for rule, shape in secrets.rules))


def meant(family: Family, selectors: Sequence[Selector]) -> bool:
    """Whether something that the family finds could be meant by one of `selectors`."""
    return any(
        (family.kind.value in one.kinds or not set(family.entities).isdisjoint(one.entities))
        and family.best >= one.min_score
        for one in selectors
    )


def raises(family: Family, score: float) -> bool:
    """Whether words beside a match could give it a better score."""
    return bool(family.words) and context.raised(score) > score


def looked(family: Family, text: str, start: int, rules: Sequence[int], deadline: float) -> Look:
    """`Family.look`; DetectorFailure, without the text, where it cannot finish."""
    try:
        return family.look(text, start, rules, deadline)
    except TimeoutError:
        raise DetectorFailure(f"{family.name} ran out of time; the text counts as not scanned") from None
    except Exception as error:  # noqa: BLE001 - the text must not travel in a traceback
        raise DetectorFailure(f"{family.name} failed ({type(error).__name__})") from None
