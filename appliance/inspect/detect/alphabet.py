"""Which characters a pattern can consume, derived from the pattern itself.

Owns: the derivation. Rules: what a pattern can match lies inside one maximal run of its alphabet, and what it can look
at without consuming lies inside that run or at most `margin` characters beside it. Where that cannot be shown, the
pattern gets no alphabet and is always run over the whole text: slow, never wrong.

The proof: every consumed character is in the alphabet, so a match cannot leave the run. A look-around whose own
characters all belong to the alphabet stops at the first character outside it; any other look-around is at most
`margin` characters wide.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

# The standard library's regular expression parser: private, pinned by requires-python, and guarded by tests.
_PARSER: Any = import_module("re._parser")
_LARGEST_MARGIN = 8
_CODE_POINTS = 0x110000

# The inside of a class that needs a look at every character only where it names a category.
_CATEGORY = re.compile(r"\\[dws]")
_PLAIN = re.compile(r"(?:\\[dws]|\\U000000[0-7][0-9a-f]-?)*")

type FindAll = Callable[[str, str], Iterable[str]]  # matches of a class in a string, under the engine's own flags


class Alphabet(NamedTuple):
    """`members`: the inside of a character class for `re`, ranges of escaped code points, no flag needed."""

    members: str
    margin: int


@cache
def every_character() -> str:
    """All code points in order, surrogates included; only needed while tables are built."""
    return "".join(map(chr, range(_CODE_POINTS)))


def derive(expression: str, flags: int, find_all: FindAll) -> Alphabet | None:
    """The alphabet of `expression`, or None where a match may span lines or be empty.

    `flags`: of the standard library. `find_all(class, characters)`: how the engine in use reads a class; called with
    few different arguments, worth caching.
    """
    tree = _PARSER.parse(expression, flags)
    pieces: set[str] = set()
    looks: list[Any] = []
    _collect(tree, pieces, looks)
    members = _members(frozenset(pieces), find_all)
    if "\n" in members or tree.getwidth()[0] == 0:
        return None
    margin = 1
    for look in looks:
        inner: set[str] = set()
        nested: list[Any] = []
        _collect(look, inner, nested)
        if _members(frozenset(inner), find_all) <= members and all(item.getwidth()[1] <= 1 for item in nested):
            continue
        margin = max(margin, int(look.getwidth()[1]))
    if margin > _LARGEST_MARGIN:
        return None
    return Alphabet(_class_of(members), margin)


@cache
def _class_of(members: frozenset[str]) -> str:
    return as_class(map(ord, members))


def _collect(tree: Any, pieces: set[str], looks: list[Any]) -> None:
    """Add what `tree` consumes to `pieces` (class expressions) and its look-arounds to `looks`."""
    for operation, value in tree:
        name = str(operation)
        if name in {"LITERAL", "NOT_LITERAL", "IN", "ANY"}:
            pieces.add(_class(name, value))
        elif name in {"ASSERT", "ASSERT_NOT"}:
            looks.append(value[1])
        else:
            for inner in _subtrees(value):
                _collect(inner, pieces, looks)


def _subtrees(value: Any) -> Iterator[Any]:
    if isinstance(value, _PARSER.SubPattern):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _subtrees(item)


def _class(name: str, value: Any) -> str:
    if name == "ANY":
        return r"[\s\S]"
    if name == "IN":
        return f"[{''.join(map(_member, value))}]"
    return f"[{'^' if name == 'NOT_LITERAL' else ''}{_escape(value)}]"


def _member(item: tuple[Any, Any]) -> str:
    name, value = str(item[0]), item[1]
    if name == "NEGATE":
        return "^"
    if name == "RANGE":
        return f"{_escape(value[0])}-{_escape(value[1])}"
    if name == "CATEGORY":
        return _CATEGORIES[str(value)]
    return _escape(value)


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


@cache
def _members(pieces: frozenset[str], find_all: FindAll) -> frozenset[str]:
    """Every character that one of the class expressions matches."""
    found: set[str] = set()
    plain = set()
    for piece in pieces:
        inside = piece[1:-1]
        if piece.startswith("[^") or not _PLAIN.fullmatch(inside):
            found.update(find_all(piece, every_character()))
            continue
        plain.update(_CATEGORY.findall(inside))
        plain.add(_CATEGORY.sub("", inside))
    for inside in filter(None, plain):
        everywhere = _CATEGORY.fullmatch(inside)
        found.update(find_all(f"[{inside}]", every_character() if everywhere else _near_ascii(find_all)))
    return frozenset(found)


@cache
def _near_ascii(find_all: FindAll) -> str:
    """ASCII and what the engine takes for an ASCII letter when case does not matter (long s, Kelvin sign...)."""
    return "".join(find_all(r"[\x00-\x7f]", every_character()))


def _escape(code_point: int) -> str:
    return f"\\U{code_point:08x}"


def characters(members: str) -> list[int]:
    """The code points of the inside of a class."""
    return list(map(ord, re.findall(f"[{members}]", every_character())))


def as_class(code_points: Iterable[int]) -> str:
    """Code points as the inside of a character class."""
    pieces = []
    for first, last in ranges(code_points):
        pieces.append(_escape(first) if first == last else f"{_escape(first)}-{_escape(last)}")
    return "".join(pieces)


def ranges(code_points: Iterable[int]) -> list[tuple[int, int]]:
    """Code points as sorted, closed, disjoint ranges."""
    found: list[tuple[int, int]] = []
    for point in sorted(set(code_points)):
        if found and point == found[-1][1] + 1:
            found[-1] = (found[-1][0], point)
        else:
            found.append((point, point))
    return found


def runs_of(members: str) -> re.Pattern[str]:
    """Matches one run of the alphabet at a place."""
    return re.compile(f"[{members}]+")
