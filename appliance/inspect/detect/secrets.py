"""Secrets in text: the key rules, run only where the prefilter says that they could match.

Owns: the exact pass over the regions. Rules: what was matched never leaves this module, only its place; the rules read
ASCII alone, so that no Unicode table has a say.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from appliance.inspect.detect import hyperscan
from appliance.inspect.detect.alphabet import Reader, derive
from appliance.inspect.detect.keyrules import KEY_RULES, KeyRule
from appliance.inspect.detect.prefilter import Region
from appliance.inspect.detect.tables import Scope
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

_COUNTED = re.compile(r"\{([0-9]+),([0-9]+)\}")
_LONG = 64
_ENOUGH = 20
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
            expression = hyperscan.Expression(rule.signal or _shortened(rule.shape), hyperscan.ASCII_SUPERSET)
            derived = None if rule.signal else derive(rule.shape, int(re.ASCII), reader)
            if derived is None:
                yield expression, Scope(None, 0, unicode=False)
            else:
                yield expression, Scope(derived.members, derived.margin, unicode=False)

    def scan(self, text: str, regions: Mapping[int, Sequence[Region]], first: int) -> list[Detection]:
        """Every match in the regions; the rules' expressions are numbered from `first`."""
        found: list[Detection] = []
        for index, seen in regions.items():
            if index < first:
                continue
            rule, shape = self._rules[index - first]
            for start, end in seen:
                found.extend(_matches(text, start, end, rule, shape))
        return found


def _shortened(shape: str) -> str:
    """A shape that matches wherever `shape` does and compiles fast: long counted repeats become open-ended."""
    return _COUNTED.sub(
        lambda count: f"{{{min(int(count[1]), _ENOUGH)},}}" if int(count[2]) > _LONG else count[0], shape
    )


def _matches(text: str, start: int, end: int, rule: KeyRule, shape: re.Pattern[str]) -> Iterator[Detection]:
    left = max(0, start - _MARGIN)
    for match in shape.finditer(text[left : end + _MARGIN]):
        if left + match.start() < start or left + match.end() > end:
            continue
        begin, stop = match.span("secret" if "secret" in shape.groupindex else 0)
        yield Detection(left + begin, left + stop, rule.entity, DetectionKind.SECRET, rule.score, rule.name)
