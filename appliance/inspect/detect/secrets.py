"""Secrets in text: the key rules, run only where the prefilter says that they could match.

Owns: the exact pass over the regions, and what a match becomes (`matches`), for whole texts and growing ones alike.
Rules: what was matched never leaves this module, only its place; the rules read ASCII alone, so that no Unicode table
has a say.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence

from appliance.inspect.detect import hyperscan
from appliance.inspect.detect.alphabet import Reader, derive
from appliance.inspect.detect.assigned import Candidate, candidates
from appliance.inspect.detect.candidates import CANDIDATES
from appliance.inspect.detect.checks import DOUBTFUL, factor
from appliance.inspect.detect.failure import OutOfTime
from appliance.inspect.detect.fillers import stock_account
from appliance.inspect.detect.keyrules import SHAPED_RULES, KeyRule
from appliance.inspect.detect.prefilter import Region
from appliance.inspect.detect.tables import Scope
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

KEY_RULES: tuple[KeyRule, ...] = (*SHAPED_RULES, *CANDIDATES)

_BESIDE = re.compile(r"\(\?<?[!=]")  # looks around
_COUNTED = re.compile(r"\{([0-9]+),([0-9]+)\}")
_LONG = 64
_ENOUGH = 20
_EVERY = 64  # candidates between two looks at the clock
_CLASSES = ("secret", "pii")  # which of them is not complete then: personal data comes behind keys
_MARGIN = 8  # at least every scope's margin


class Secrets:
    """All key rules. `expressions` go into the tables; `scan` gets the regions back."""

    def __init__(self, rules: Sequence[KeyRule] = KEY_RULES) -> None:
        self._rules = [(rule, re.compile(rule.shape, re.ASCII)) for rule in rules]

    @property
    def rules(self) -> Sequence[tuple[KeyRule, re.Pattern[str]]]:
        """Every rule with its compiled shape."""
        return self._rules

    def expressions(self) -> Iterator[tuple[hyperscan.Expression, Scope]]:
        """What Hyperscan looks for, in the order that `scan` expects."""
        reader = Reader(re.finditer, int(re.ASCII | re.IGNORECASE))  # parts of the rules ignore case
        for rule, _ in self._rules:
            exact = rule.judge and not _BESIDE.search(rule.signal)
            flags = hyperscan.ASCII if exact else hyperscan.ASCII_SUPERSET
            expression = hyperscan.Expression(rule.signal or _shortened(hyperscan.ending_early(rule.shape)), flags)
            derived = derive(rule.shape, int(re.ASCII), reader)
            if derived is None:
                yield expression, Scope(None, 0, unicode=False)
            else:
                yield expression, Scope(derived.members, derived.margin, unicode=False)

    def scan(
        self, text: str, regions: Mapping[int, Sequence[Region]], first: int, deadline: float = math.inf
    ) -> list[Detection]:
        """Every match in the regions; the rules' expressions are numbered from `first`.

        Keys that are known by their letters come first. `deadline`: on the monotonic clock; OutOfTime behind it, with
        what was found until then.
        """
        found: list[Detection] = []
        looked = 0
        for index in sorted(index for index in regions if index >= first):
            rule, shape = self._rules[index - first]
            for start, end in regions[index]:
                for one in matches(rule, shape, text, start, end):
                    looked += 1
                    if looked % _EVERY == 0 and time.monotonic() > deadline:
                        raise OutOfTime(f"{rule.name} ran out of time", tuple(found), _CLASSES)
                    if one.score:
                        found.append(detection(one))
        return found


def matches(rule: KeyRule, shape: re.Pattern[str], text: str, start: int, end: int) -> Iterator[Candidate]:
    """Everything that a rule matches inside `text[start:end]`, seen with what stands beside it; refused ones too."""
    if rule.judge:
        yield from candidates(rule, shape, text, start, end)
        return
    group = "secret" if "secret" in shape.groupindex else 0
    for match in shape.finditer(text, start, min(len(text), end + _MARGIN)):  # looks around reach beyond both ends
        if match.end() <= end:
            yield Candidate(match.span(), match.span(group), rule.entity, _score(rule, match, group), rule.name)


def _score(rule: KeyRule, match: re.Match[str], group: str | int) -> float:
    value = match[group]
    if "user" in match.re.groupindex and stock_account(match["user"], value):
        return round(rule.score * DOUBTFUL, 2)
    return round(rule.score * factor(rule.check, value), 2)


def detection(found: Candidate) -> Detection:
    """What leaves: a place and a name."""
    return Detection(*found.secret, found.entity, DetectionKind.SECRET, found.score, found.rule)


def _shortened(shape: str) -> str:
    """A shape that matches wherever `shape` does and compiles fast: long counted repeats become open-ended."""
    return _COUNTED.sub(
        lambda count: f"{{{min(int(count[1]), _ENOUGH)},}}" if int(count[2]) > _LONG else count[0], shape
    )
