"""Where the letters of a view stand in the text that it was made from.

Owns: the offset maps. Rules: spans are half-open, in code points; a place is the smallest span of the original that
covers what was read, so nothing that was dropped beside it belongs to it, and all that was dropped inside does; maps
are made in one pass and asked in logarithmic time. An empty place says that a span is of no one thing.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from appliance.inspect.looking import View

type Place = Callable[[int, int], tuple[int, int]]
type Edit = tuple[int, int, str]  # from, to and what stands there instead

NOWHERE = (0, 0)
BETWEEN = "\n \0 \n"
"""Stands between pieces of a view; no pattern crosses it."""


class Edits:
    """A text with some places rewritten; the rest stands as it was."""

    def __init__(self) -> None:
        self._read: list[int] = []  # where an edit begins in the view, and where it ends
        self._read_end: list[int] = []
        self._start: list[int] = []  # the same in the original
        self._end: list[int] = []

    def add(self, read: tuple[int, int], span: tuple[int, int]) -> None:
        """`read`: in the view; `span`: in the original. In the order of the text."""
        self._read.append(read[0])
        self._read_end.append(read[1])
        self._start.append(span[0])
        self._end.append(span[1])

    def place(self, start: int, end: int) -> tuple[int, int]:
        """A span of the view in the original."""
        if end <= start:
            return NOWHERE
        return self._left(start), self._right(end - 1)

    def _left(self, at: int) -> int:
        number = bisect_right(self._read, at) - 1
        if number < 0:
            return at
        if at < self._read_end[number]:
            return self._start[number]
        return self._end[number] + at - self._read_end[number]

    def _right(self, last: int) -> int:
        number = bisect_right(self._read, last) - 1
        if number < 0:
            return last + 1
        if last < self._read_end[number]:
            return self._end[number]
        return self._end[number] + last + 1 - self._read_end[number]


def rewritten(text: str, edits: Iterable[Edit], start: int = 0, end: int | None = None) -> tuple[str, Edits]:
    """`text` from `start` to `end` with `edits` made, which are sorted and disjoint, and its places in `text`."""
    told: list[str] = []
    places = Edits()
    places.add((0, 0), (start, start))
    size, at = 0, start
    for begin, stop, new in edits:
        told += (text[at:begin], new)
        size += begin - at
        places.add((size, size + len(new)), (begin, stop))
        size += len(new)
        at = stop
    told.append(text[at:end])
    return "".join(told), places


class Piece(NamedTuple):
    """A part of a view: its letters, and where a span of them stands in the original."""

    text: str
    place: Place


def picked(text: str, positions: Sequence[int]) -> Piece:
    """Single letters of `text`, in any one direction."""

    def place(start: int, end: int) -> tuple[int, int]:
        first, last = positions[start], positions[end - 1]
        return min(first, last), max(first, last) + 1

    return Piece("".join([text[at] for at in positions]), place)


def whole(inside: str, start: int, end: int) -> Piece:
    """What a stretch of the original says as a whole: no part of it can be told from the rest."""
    return Piece(inside, lambda _start, _end: (start, end))


def together(name: str, pieces: Sequence[Piece], *, sure: bool = True) -> View:
    """One view of many pieces. What crosses from one to the next is nowhere."""
    starts: list[int] = []
    size = 0
    for piece in pieces:
        starts.append(size)
        size += len(piece.text) + len(BETWEEN)

    def place(start: int, end: int) -> tuple[int, int]:
        number = bisect_right(starts, start) - 1
        first = starts[number]
        if end <= start or end - first > len(pieces[number].text):
            return NOWHERE
        return pieces[number].place(start - first, end - first)

    return View(name, BETWEEN.join([piece.text for piece in pieces]), place, sure)


def below(outer: View, inner: View) -> View:
    """A view of `outer`'s text as one of the text that `outer` was made from."""
    inside = inner.placed

    def place(start: int, end: int) -> tuple[int, int]:
        first, last = inside(start, end)
        return outer.placed(first, last) if first < last else NOWHERE

    return inner._replace(place=place, sure=inner.sure or outer.sure)
