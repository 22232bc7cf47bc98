"""The operator's own recognisers: what one may look like, and their place beside the shipped ones.

Owns: why one is refused, and their tables. Rules: an expression consumes at most `LONGEST`
characters and says so; it is linear (no repeat inside a repeat unless each turn has a fixed length) and is tried on
hostile texts before it serves; the same prefilter, exact pass and watch over growing texts run them, from tables of
their own, which take a fraction of a second.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import regex

from appliance.inspect.detect import checksums, hyperscan, tables
from appliance.inspect.detect.alphabet import PARSER
from appliance.inspect.detect.families import Family, families
from appliance.inspect.detect.pii import Pii
from appliance.inspect.detect.prefilter import Prefilter
from appliance.inspect.detect.presidio import PATTERN_FLAGS, Check, PatternRule, Recogniser, no_opinion
from appliance.inspect.detect.secrets import Secrets
from appliance.inspect.detect.settings import CustomRule
from appliance.inspect.detect.viable_nfa import Expression, Reading, build
from appliance.model.detection import Detection

LONGEST = 500
SHORTEST = 3
MAX_RECOGNISERS = 200
MAX_PATTERNS = 10
_MAX_POSITIONS = 2000  # of the automaton, all its patterns together
_TRIAL_S = 0.25
_TRIAL_CHARACTERS = 20_000
_LOOPS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_FLAGS = int(re.DOTALL | re.MULTILINE | re.IGNORECASE)
_NAME = r"^[a-z][a-z0-9_-]{0,62}$"
_ENTITY = r"^[A-Z][A-Z0-9_]{1,62}$"


class RecognisersFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in the operator's file."""

    recognisers: tuple[CustomRule, ...] = ()


type Problem = tuple[tuple[str | int, ...], str]

CHECKS: dict[str, Check] = {
    "none": no_opinion,
    "luhn": checksums.luhn,
    "mod97": checksums.mod97,
    "mod11": checksums.mod11,
}


def problems(rule: CustomRule) -> Iterator[Problem]:
    """Why a recogniser is refused: key and reason; nothing where it is sound."""
    yield from _plain_problems(rule)
    faulty = False
    for number, pattern in enumerate(rule.patterns):
        if what := _pattern_problem(pattern):
            faulty = True
            yield ("patterns", number), what
    if not faulty and rule.patterns:
        yield from _tried(rule)


def _plain_problems(rule: CustomRule) -> Iterator[Problem]:
    if not re.match(_NAME, rule.name):
        yield ("name",), "lower-case letters, digits, - and _ only, at most 63, a letter first"
    if not re.match(_ENTITY, rule.entity):
        yield ("entity",), "capital letters, digits and _ only, e.g. STAFF_NUMBER"
    if not 0 < rule.score <= 1:
        yield ("score",), "must lie above 0 and be at most 1"
    if not 1 <= len(rule.patterns) <= MAX_PATTERNS:
        yield ("patterns",), f"give 1 to {MAX_PATTERNS} regular expressions"
    if not rule.examples:
        yield ("examples",), "give at least one text in which it must find something"
    for number, word in enumerate(rule.context):
        if not SHORTEST <= len(word) <= LONGEST or word.split() != [word]:
            yield ("context", number), f"one word of at least {SHORTEST} characters"


def _pattern_problem(pattern: str) -> str:
    """What is wrong with an expression; empty when nothing is."""
    try:
        tree = PARSER.parse(pattern, _FLAGS)
        regex.compile(pattern, PATTERN_FLAGS)
    except (re.error, regex.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {getattr(error, 'msg', type(error).__name__)}"
    least, most = tree.getwidth()
    if most > LONGEST:
        return f"could match more than {LONGEST} characters: bound every repeat, e.g. [0-9]{{1,12}} instead of [0-9]+"
    if least < SHORTEST:
        return f"could match fewer than {SHORTEST} characters: it would find something everywhere"
    if what := _unsafe(tree):
        return what
    try:
        size = len(build([Expression(pattern, _FLAGS, Reading("regex", int(PATTERN_FLAGS)))]).sort)
        hyperscan.compile_expressions([hyperscan.Expression(pattern, hyperscan.SUPERSET)])
    except (ValueError, hyperscan.CompileError) as error:
        return f"cannot be looked for quickly: {error}"
    return f"is too large ({size} positions, at most {_MAX_POSITIONS})" if size > _MAX_POSITIONS else ""


def _unsafe(tree: Any) -> str:
    """Repeats inside repeats, references back, looks further than one character."""
    for operation, value in tree:
        name = str(operation)
        if name in {"GROUPREF", "GROUPREF_EXISTS"}:
            return "refers back to a group: write it out"
        if name in {"ASSERT", "ASSERT_NOT"}:
            if value[1].getwidth()[1] > 1:
                return "looks at more than one character beside the match"
            continue
        if name in _LOOPS and value[0] != value[1] and _varies(value[2]):
            return "repeats what may itself repeat: each turn must have one length"
        for inner in _trees(value):
            if what := _unsafe(inner):
                return what
    return ""


def _varies(tree: Any) -> bool:
    return any(str(name) in _LOOPS and value[0] != value[1] for name, value in tree) or any(
        _varies(inner) for _, value in tree for inner in _trees(value)
    )


def _trees(value: Any) -> Iterator[Any]:
    if isinstance(value, PARSER.SubPattern):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _trees(item)


def _tried(rule: CustomRule) -> Iterator[Problem]:
    """Hostile texts and the operator's own examples."""
    compiled = [regex.compile(pattern, PATTERN_FLAGS) for pattern in rule.patterns]
    pieces = ["a", "A", "0", " ", "a0", "a ", "0-", ".", *(text for text in rule.examples if text)]
    for number, expression in enumerate(compiled):
        try:
            for piece in pieces:
                text = (piece * (_TRIAL_CHARACTERS // len(piece) + 1))[:_TRIAL_CHARACTERS]
                for _ in expression.finditer(text, timeout=_TRIAL_S):
                    pass
        except TimeoutError:
            yield ("patterns", number), f"is too slow: more than {_TRIAL_S} s for {_TRIAL_CHARACTERS} characters"
            return
    for key, texts, wanted in (("examples", rule.examples, True), ("counter_examples", rule.counter_examples, False)):
        for number, text in enumerate(texts):
            if _finds(rule, compiled, text) is not wanted:
                yield (key, number), "nothing is found in it" if wanted else "something is found in it"


def _finds(rule: CustomRule, compiled: Sequence[Any], text: str) -> bool:
    check = CHECKS[rule.checksum]
    return any(check(match.group()) is not False for one in compiled for match in one.finditer(text, timeout=_TRIAL_S))


def recogniser(rule: CustomRule) -> Recogniser:
    """A sound rule as the exact pass takes it."""
    shapes = tuple(
        PatternRule(f"{rule.name}-{number}", pattern, rule.score) for number, pattern in enumerate(rule.patterns)
    )
    words = tuple(word.lower() for word in rule.context)
    plain = rule.checksum == "none"
    return Recogniser(rule.name, rule.entity, shapes, words, CHECKS[rule.checksum], no_opinion, sifts=plain)


class Custom:
    """The operator's recognisers at work; without any it costs nothing."""

    def __init__(self, rules: Sequence[CustomRule], folder: Path | None, unlike: tables.Ranges) -> None:
        """`unlike`: of the shipped tables. `folder`: where tables are kept."""
        self._pii = Pii(tuple(map(recogniser, rules)))
        self._patterns = [pattern for rule in rules for pattern in rule.patterns]
        told = msgspec.json.encode((hyperscan.version(), self._patterns, unlike))
        name = f"custom-{hashlib.sha256(told).hexdigest()[:32]}"
        made = tables.obtain(folder, name, lambda: self._tables(unlike)) if rules else None
        self._prefilter = None if made is None else Prefilter(made)

    def _tables(self, unlike: tables.Ranges) -> tables.Tables:
        expressions = [hyperscan.Expression(pattern, hyperscan.SUPERSET) for pattern in self._patterns]
        anywhere = tables.Scope(None, 0, unicode=True)
        return tables.Tables(hyperscan.compile_expressions(expressions), (anywhere,) * len(expressions), unlike, ())

    def scan(self, text: str, deadline: float) -> list[Detection]:
        """Everything found, overlaps included. DetectorFailure behind the deadline (monotonic clock)."""
        if self._prefilter is None:
            return []
        regions = self._prefilter.regions(text)
        return self._pii.scan(text, regions, len(self._patterns), deadline) if regions else []

    def families(self) -> tuple[Family, ...]:
        """Each as a growing text needs it."""
        if self._prefilter is None:
            return ()
        return families(self._pii, Secrets(()), self._prefilter, len(self._patterns))
