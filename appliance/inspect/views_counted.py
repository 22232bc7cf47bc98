"""What patterns find in a view, and which of it counts beside what the letters say themselves.

Rules: pure; what the original says already is said once; in a view that is sure only keys, checksums and whole mail
addresses count, for decoding makes digits and letters of anything; what is of no one piece of a view is nothing.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from msgspec.structs import replace

from appliance.inspect.identifiers import telling
from appliance.inspect.looking import View
from appliance.inspect.views_numbers import is_card
from appliance.inspect.views_places import Piece, together
from appliance.model.detection import Detection

_CARD = "CREDIT_CARD"
_ADDRESS = "IP_ADDRESS"  # has no checksum, but nobody writes four bytes so by accident
COUNTING = frozenset({_CARD, _ADDRESS})
"""Of these weak findings may count in a view that is sure; of other entities those from `numbers.SURE` on, and keys."""
_LINK = "URL"  # anything with a dot in it
_SPREAD = frozenset({"spaced", "digits", "lines", "reversed"})
_DELIBERATE = frozenset({"url", "base64", "hex", "spaced", "spelled", "lines"})
_GUESSES = frozenset({"lines", "reversed", "rot13"})


def counted(
    view: View, find: Callable[[str], Iterable[Detection]], known: Iterable[Detection]
) -> tuple[Detection, ...]:
    """Findings of `find` in `view`, placed in the original. `known`: what was found there before."""
    read = view if view.parts is None else _worth(view, view.parts)
    if not read.text:
        return ()
    said = [one for one in find(read.text) if _counts(read, one)]
    placed = (replace(one, start=start, end=end) for one in said for start, end in [read.placed(one.start, one.end)])
    there = [one for one in placed if one.start < one.end]
    return tuple(_news(there, known, guessed=view.name in _GUESSES)) if there else ()


def _worth(view: View, parts: Iterable[tuple[int, int]]) -> View:
    """The parts of a view as one."""
    return together(view.name, [_part(view, start, end) for start, end in parts], sure=view.sure)


def _part(view: View, start: int, end: int) -> Piece:
    return Piece(view.text[start:end], lambda first, last: view.placed(start + first, start + last))


def _counts(view: View, one: Detection) -> bool:
    if not view.sure:
        return True
    if one.entity == _ADDRESS and view.name in _DELIBERATE:
        return True
    if one.entity == _CARD and view.name in _SPREAD:
        letters = view.text[one.start : one.end]
        return is_card("".join([letter for letter in letters if letter.isdigit()]))
    return bool(telling(view.text, (one,))) and not (one.entity == _LINK and view.name in _GUESSES)


def _news(found: list[Detection], known: Iterable[Detection], *, guessed: bool) -> Iterator[Detection]:
    """What is not known yet. A guess says nothing about what is known in part."""
    spans: dict[tuple[str, float], list[tuple[int, int]]] = {}
    for one in known:
        spans.setdefault((one.entity, one.score), []).append((one.start, one.end))
    indices = {key: _Reach(of) for key, of in spans.items()}
    for one in dict.fromkeys(found):
        better = [index for (entity, score), index in indices.items() if entity == one.entity and score >= one.score]
        if not any(index.says(one.start, one.end, guessed=guessed) for index in better):
            yield one


class _Reach:
    """Spans of one kind, and how far those that begin before a place reach."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        spans.sort()
        self._starts = [start for start, _ in spans]
        self._ends = list(accumulate((end for _, end in spans), max))

    def says(self, start: int, end: int, *, guessed: bool) -> bool:
        """Whether one of the spans covers this one, or for a guess meets it."""
        if guessed:
            number = bisect_left(self._starts, end)
            return number > 0 and self._ends[number - 1] > start
        number = bisect_right(self._starts, start)
        return number > 0 and self._ends[number - 1] >= end
