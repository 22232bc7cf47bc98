"""Detectors of texts that have gone already: what they say can label an answer or end it, and hide nothing.

Owns: the protocol, and `Whole`, which judges a growing text by the detectors of whole ones. Rules: memory is bounded;
what is told depends on the text alone, not on how it came in pieces.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

WINDOW = 32 * 1024
"""Code points that are judged together."""


class Flag(NamedTuple):
    """What a late detector says of a text: not where, only that."""

    entity: str
    kind: DetectionKind
    score: float
    rule: str


class LateDetector(Protocol):
    """Judges one growing text."""

    def feed(self, text: str) -> Iterable[Flag]:
        """More of the text."""

    def close(self) -> Iterable[Flag]:
        """Nothing follows."""


class Whole:
    """Gathers a text and has it judged in windows, the last one at its end."""

    def __init__(self, judge: Callable[[str], Iterable[Detection]]) -> None:
        self._judge = judge
        self._parts: list[str] = []
        self._size = 0

    def feed(self, text: str) -> Iterable[Flag]:
        """See `LateDetector`."""
        told: list[Flag] = []
        while text:
            piece, text = text[: WINDOW - self._size], text[WINDOW - self._size :]
            self._parts.append(piece)
            self._size += len(piece)
            if self._size == WINDOW:
                told += self.close()
        return told

    def close(self) -> list[Flag]:
        """See `LateDetector`."""
        if not self._parts:
            return []
        text = "".join(self._parts)
        self._parts, self._size = [], 0
        return [Flag(one.entity, one.kind, one.score, one.rule) for one in self._judge(text)]
