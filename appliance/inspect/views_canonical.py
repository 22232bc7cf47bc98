"""The text as whoever receives it reads it: letters without disguise, JSON and HTML undone, to a fixed point.

Owns: the canonical view and which parts of it patterns need to read. Rules: pure; at most `ROUNDS` rounds, and
`View.cut` tells whether something is left then; only what stands near a digit or an `@` and reads otherwise than the
letters do is worth a second look by patterns, since no pattern finds anything without one (but private keys, which are
looked for by their first line).
"""

import re

from appliance.inspect.looking import CANONICAL, View
from appliance.inspect.views_escapes import unescaped
from appliance.inspect.views_letters import read_letters
from appliance.inspect.views_places import Edits, Place

ROUNDS = 4
NEAR = 80
"""Characters around digits that patterns may need: the match and the words beside it."""
_AS_TELLING = bytes(ord("0" if byte in b"0123456789@" else ".") for byte in range(256))
_TELLING = re.compile(rb"0(?:\.{0,80}0)*+")
_KEY = "PRIVATE KEY"
_LONGEST_KEY = 16_384


def canonical(text: str) -> View | None:
    """The view; None where the text stands as it is read."""
    if text.isascii() and "\\" not in text and "&" not in text:
        return None
    read, maps, cut = text, list[Edits](), False
    for _ in range(ROUNDS):
        before = read
        if letters := read_letters(read):
            read = letters[0]
            if letters[1] is not None:
                maps.append(letters[1])
        if undone := unescaped(read):
            read = undone[0]
            maps.append(undone[1])
        if read == before or not undone:
            break
    else:
        cut = unescaped(read) is not None
    if read == text:
        return None
    place = _chained(maps)
    return View(CANONICAL, read, place, parts=_parts(text, read, place), cut=cut)


def _chained(maps: list[Edits]) -> Place | None:
    if len(maps) < 2:  # noqa: PLR2004 - one map is its own chain
        return maps[0].place if maps else None

    def place(start: int, end: int) -> tuple[int, int]:
        for one in reversed(maps):
            start, end = one.place(start, end)
        return start, end

    return place


def _parts(text: str, read: str, place: Place | None) -> tuple[tuple[int, int], ...]:
    """Where `read` says something near a digit that `text` does not."""
    found: list[tuple[int, int]] = []
    for start, end in _windows(read):
        first, last = (start, end) if place is None else place(start, end)
        if text[first:last] != read[start:end]:
            found.append((start, end))
    return tuple(found)


def _windows(read: str) -> list[tuple[int, int]]:
    forms = read.encode("ascii", "replace").translate(_AS_TELLING)
    near = [(max(0, one.start() - NEAR), min(len(read), one.end() + NEAR)) for one in _TELLING.finditer(forms)]
    if _KEY in read:
        near += [(max(0, one.start() - NEAR), one.start() + _LONGEST_KEY) for one in re.finditer(_KEY, read)]
        near.sort()
    windows: list[tuple[int, int]] = []
    for start, end in near:
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(end, windows[-1][1]))
        else:
            windows.append((start, min(end, len(read))))
    return windows
