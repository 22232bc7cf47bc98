"""What became of every value of a source: nothing of it is passed over in silence.

Rules: a line covers its place and all below it that has no line of its own; what no line covers is told as unknown;
values are never shown, because any of them may be a secret, and names are made inert.
"""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from appliance.config.yaml_source import Path_, Value
from appliance.sanitise import one_line

UNKNOWN = "not known to this import: nothing of it is taken"
_WIDTH = 60


class Outcome(StrEnum):
    """What became of a value."""

    TAKEN = "taken"  # as it is
    TRANSLATED = "translated"  # into something of ours
    NONE = "no counterpart"


class Line(msgspec.Struct, frozen=True):
    """`values`: how many values of the source it is about. `place`: file, then the path of the value."""

    place: str
    outcome: Outcome
    words: str
    values: int = 1


class Account:
    """The lines of one source."""

    def __init__(self, value: Value, name: str) -> None:
        self._value = value
        self._name = name
        self._told: dict[Path_, tuple[Outcome, str]] = {}

    def taken(self, path: Path_, words: str = "") -> None:
        """It holds here as it did there."""
        self._told[path] = (Outcome.TAKEN, words)

    def became(self, path: Path_, words: str) -> None:
        """It is something of ours now."""
        self._told[path] = (Outcome.TRANSLATED, words)

    def none(self, path: Path_, why: str) -> None:
        """There is nothing like it here."""
        self._told[path] = (Outcome.NONE, why)

    def known(self, path: Path_) -> bool:
        """It has a line of its own."""
        return path in self._told

    def lines(self) -> tuple[Line, ...]:
        """In the order of the source."""
        counts: dict[Path_, int] = {}
        for leaf in leaves(self._value):
            path = self._covering(leaf)
            counts[path] = counts.get(path, 0) + 1
        return tuple(self._line(path, count) for path, count in counts.items())

    def _covering(self, leaf: Path_) -> Path_:
        for length in range(len(leaf), -1, -1):
            if leaf[:length] in self._told:
                return leaf[:length]
        return leaf

    def _line(self, path: Path_, count: int) -> Line:
        outcome, words = self._told.get(path, (Outcome.NONE, UNKNOWN))
        return Line(f"{self._name}: {shown(path)}", outcome, words, count)


def shown(path: Path_) -> str:
    """A path for people: `model_list[0].litellm_params.model`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{one_line(part, _WIDTH)}" for part in path)
    return text.removeprefix(".") or "(whole)"


def leaves(value: Value, path: Path_ = ()) -> Iterator[Path_]:
    """Places of all values that hold no others; an empty list or section is one."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))
    else:
        yield path
