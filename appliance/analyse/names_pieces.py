"""Long texts in pieces, cut where sentences end, so that what was read once need not be read again.

Rules: pure; every character is in one piece's core; a piece begins a little before its core, so that a name that the
cut divides is whole in one of both; where a text grows at its end, its first pieces stay the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from appliance.model.detection import Detection

SIZE: Final = 2_000  # code points of a core; 25 ms of a model of names
OVERLAP: Final = 100
_ENDS: Final = ("\n", ". ", " ")


class Piece(NamedTuple):
    """`text` begins at `start` of the whole; what ends before `core` belongs to the piece before."""

    start: int
    core: int
    text: str


def pieces_of(text: str) -> Iterator[Piece]:
    """All of `text`."""
    core = 0
    while core < len(text):
        end = _cut(text, core)
        start = max(0, core - OVERLAP)
        yield Piece(start, core, text[start:end])
        core = end


def joined(pieces: Sequence[Piece], found: Iterable[Sequence[Detection]]) -> tuple[Detection, ...]:
    """What was found in the pieces, by places of the whole, sorted."""
    whole: set[Detection] = set()
    for piece, detections in zip(pieces, found, strict=True):
        for one in detections:
            if one.end + piece.start > piece.core:
                whole.add(msgspec.structs.replace(one, start=one.start + piece.start, end=one.end + piece.start))
    return tuple(sorted(whole))


def _cut(text: str, core: int) -> int:
    """Where a core ends: behind the last end of a line, sentence or word in its second half."""
    limit = core + SIZE
    if limit >= len(text):
        return len(text)
    for mark in _ENDS:
        at = text.rfind(mark, core + SIZE // 2, limit)
        if at >= 0:
            return at + len(mark)
    return limit
