"""What must not come in, as growing texts need it: the forms of `output` as families of the automaton.

Owns: `OutputFamily`, one per group of forms. Rules: as in `families`; the same judgement as in whole answers.
"""

from collections.abc import Sequence

from appliance.inspect.detect.context import Surroundings
from appliance.inspect.detect.families import Look
from appliance.inspect.detect.pii import Found
from appliance.inspect.detect.viable_nfa import Expression, Reading
from appliance.inspect.output.forms import FORMS
from appliance.inspect.output.patterns import GROUPS, Group, Sight, spans
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

_READING = Reading("re", 0)


class _Judged(Found):
    """A match with what it is: forms of one family are of several entities."""

    sight: Sight


class OutputFamily:
    """Some of the forms. `entities`: all that it may find, the first for its name."""

    kind = DetectionKind.OUTPUT
    words: tuple[str, ...] = ()

    def __init__(self, group: Group) -> None:
        self.name, self.entities, self.best, self._forms = group
        self.entity = self.entities[0]
        self.expressions = tuple(Expression(FORMS[index].shape, 0, _READING) for index in self._forms)

    def look(self, text: str, start: int, rules: Sequence[int], deadline: float) -> Look:
        """See `Family`. Every form is linear in what it reads, so it asks no clock."""
        del deadline
        matched, found = spans(text, start, [self._forms[rule] for rule in rules])
        return Look(matched, [_judged(one) for one in found])

    def weighed(self, found: Sequence[Found], words: Surroundings | None) -> list[Detection]:
        """See `Family`."""
        del words
        return [_told(one) for one in found]


def output_families() -> tuple[OutputFamily, ...]:
    """All of them."""
    return tuple(map(OutputFamily, GROUPS))


def _judged(sight: Sight) -> _Judged:
    made = _Judged(sight.start, sight.end, sight.score)
    made.sight = sight
    return made


def _told(found: Found) -> Detection:
    assert isinstance(found, _Judged)  # noqa: S101 - `look` made it
    sight = found.sight
    return Detection(found.start, found.end, sight.entity, DetectionKind.OUTPUT, sight.score, sight.rule)
