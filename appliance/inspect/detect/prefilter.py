"""One Hyperscan pass over a text, and the regions in which exact rules must then look.

Owns: the superset argument. Rules: a region is a union of maximal runs of the rule's alphabet, so nothing that the rule
matches crosses its border; every match of a rule lies in one of its regions. Why nothing is lost:

1. An expression is given to Hyperscan as a prefilter: every end of a match is reported, and perhaps more.
2. Where Hyperscan reads a character otherwise than the exact engine (`unlike`), the runs that hold it or touch it are
   regions of their own, hit or not. Look-arounds need no more: Hyperscan has none, so a prefilter drops them.
3. A rule without an alphabet but of bounded length gets what lies within that length around its hits, each of which is
   inside a match: so no match, not even one that only begins to look like one, crosses the border of a region.
4. What a match depends on lies in its run and `margin` characters beside it (`alphabet`); exact rules get to see both.
"""

import re
from collections.abc import Iterable

from appliance.inspect.detect.alphabet import runs_of
from appliance.inspect.detect.hyperscan import Database
from appliance.inspect.detect.tables import Ranges, Scope, Tables

_FIRST_STEP = 64
# Regions closer than this become one: exact rules cost less per character than per region.
_WORTH_JOINING = 8

# Stand for unlike characters while their neighbourhoods are looked up. From a private use area; where a text holds them
# itself they count as unlike, which only lets a rule see more.
_NARROW = "\ue000"
_OTHER = "\ue001"

type Region = tuple[int, int]  # half-open, code points


class Prefilter:
    """Built from tables; one call of `regions` per text."""

    def __init__(self, tables: Tables) -> None:
        self._database = Database(tables.database)
        self._members = [scope.members for scope in tables.scopes]
        self._reaches = [scope.reach for scope in tables.scopes]
        self._runs = {members: runs_of(members) for members in self._members if members is not None}
        self._marks = _expanded(tables.unlike, _OTHER) | _expanded(tables.narrow, _NARROW) | {_NARROW: _NARROW}
        self._unlike_ascii = tuple(character for character in self._marks if character.isascii())
        # Expressions that share an alphabet also share the neighbourhood of an unlike character.
        self._alike: dict[Scope, list[int]] = {}
        for index, scope in enumerate(tables.scopes):
            if scope.unicode:
                self._alike.setdefault(scope, []).append(index)
        self._mixed = {scope: _mixed_runs(scope) for scope in self._alike}

    def regions(self, text: str) -> dict[int, list[Region]]:
        """Expression -> its regions in `text`, ascending and disjoint; expressions without one are left out."""
        found = {}
        for index, places in self._database.hits(text).items():
            if regions := self._widened(text, places, self._members[index], self._reaches[index]):
                found[index] = regions
        if not text.isascii() or any(character in text for character in self._unlike_ascii):
            for index, more in self._beside_unlike(text).items():
                found[index] = _joined([*found[index], *more]) if index in found else more
        return found

    def _widened(self, text: str, places: Iterable[int], members: str | None, reach: int) -> list[Region]:
        if members is None and reach:
            return _joined((max(0, place - reach), min(len(text), place + reach)) for place in places)
        if members is None:
            return [(0, len(text))]
        run = self._runs[members]
        found: list[Region] = []
        reached = 0
        for place in places:
            if place < reached:
                continue
            match = run.match(text, place)
            if match is None:
                continue  # a hit whose last character the exact rule could not have consumed
            found.append((_start_of_run(text, place, run), match.end()))
            reached = match.end()
        return found

    def _beside_unlike(self, text: str) -> dict[int, list[Region]]:
        """Runs of a rule's alphabet and of unlike characters together that hold at least one of the latter."""
        found: dict[int, list[Region]] = {}
        marks = {ord(character): self._marks[character] for character in set(text) if character in self._marks}
        if not marks:
            return found
        marked = text.translate(marks)
        for scope, indices in self._alike.items():
            if scope.members is None:
                regions = [(0, len(text))]
            else:
                spans = (run.span() for run in self._mixed[scope].finditer(marked))
                regions = _joined(span for span in spans if _marked(marked, *span))
            if regions:
                found.update(dict.fromkeys(indices, regions))
        return found


def _joined(regions: Iterable[Region]) -> list[Region]:
    """Ascending and disjoint again; near neighbours become one, which only lets a rule see more."""
    found: list[Region] = []
    for start, end in sorted(regions):
        if found and start - found[-1][1] <= _WORTH_JOINING:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _expanded(ranges: Ranges, mark: str) -> dict[str, str]:
    return {chr(point): mark for first, last in ranges for point in range(first, last + 1)}


def _marked(marked: str, start: int, end: int) -> bool:
    return marked.find(_OTHER, start, end) >= 0 or marked.find(_NARROW, start, end) >= 0


def _mixed_runs(scope: Scope) -> re.Pattern[str]:
    """Runs of an alphabet and of marks with at least one character that the rule could consume; linear on any text."""
    if scope.wide:
        return re.compile(f"[{scope.agreed}{_NARROW}{_OTHER}]+")
    consumed = f"{scope.agreed}{_NARROW}"
    return re.compile(f"(?<!{_OTHER}){_OTHER}*+[{consumed}][{consumed}{_OTHER}]*")


def _start_of_run(text: str, place: int, run: re.Pattern[str]) -> int:
    """Walk left in growing steps, each one match on the reversed piece."""
    step = _FIRST_STEP
    while place > 0:
        piece = text[max(0, place - step) : place][::-1]
        match = run.match(piece)
        length = match.end() if match else 0
        place -= length
        if length < len(piece):
            break
        step *= 4
    return place
