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
from importlib import import_module
from typing import Any, NamedTuple

# The standard library's regular expression parser: private, pinned by requires-python, and guarded by tests.
PARSER: Any = import_module("re._parser")
_LARGEST_MARGIN = 8
_CODE_POINTS = 0x110000

# The inside of a class that needs a look at every character only where it names a category.
_CATEGORY = re.compile(r"\\[dws]")
_PLAIN = re.compile(r"(?:\\[dws]|\\U000000[0-7][0-9a-f]-?)*")

type Mask = int
"""A set of code points: bit n stands for code point n."""


class Alphabet(NamedTuple):
    """`members`: the inside of a character class for `re`, ranges of escaped code points, no flag needed."""

    members: str
    margin: int


class Reader:
    """How one engine reads character classes under its flags. Remembers every answer: use it, then drop it."""

    def __init__(self, find: Callable[..., Iterable[Any]], flags: int) -> None:
        self._find = find
        self._flags = flags
        self._every = every_character()
        self._known: dict[str, Mask] = {}
        near = members_of(self.everywhere(r"[\x00-\x7f]"))
        # ASCII and what the engine takes for an ASCII letter when case does not matter: long s, Kelvin sign...
        self._near_ascii = "".join(map(chr, near))

    def everywhere(self, piece: str) -> Mask:
        """All code points in a class."""
        if piece not in self._known:
            spans = (match.span() for match in self._find(f"{piece}+", self._every, flags=self._flags))
            self._known[piece] = mask_of(spans)
        return self._known[piece]

    def near_ascii(self, piece: str) -> Mask:
        """Code points in a class whose members are written in ASCII."""
        points = (ord(match.group()) for match in self._find(piece, self._near_ascii, flags=self._flags))
        return mask_of((point, point + 1) for point in points)


def every_character() -> str:
    """All code points in order, surrogates included: a place in it is a code point."""
    return "".join(map(chr, range(_CODE_POINTS)))


def derive(expression: str, flags: int, reader: Reader) -> Alphabet | None:
    """The alphabet of `expression`, or None where a match may span lines or be empty.

    `flags`: of the standard library. `reader`: the engine in use, with the flags that it will run under.
    """
    tree = PARSER.parse(expression, flags)
    pieces: set[str] = set()
    looks: list[Any] = []
    _collect(tree, pieces, looks)
    members = _members(pieces, reader)
    if members >> ord("\n") & 1 or tree.getwidth()[0] == 0:
        return None
    margin = 1
    for look in looks:
        inner: set[str] = set()
        nested: list[Any] = []
        _collect(look, inner, nested)
        stays_inside = not _members(inner, reader) & ~members
        if stays_inside and all(item.getwidth()[1] <= 1 for item in nested):
            continue
        margin = max(margin, int(look.getwidth()[1]))
    if margin > _LARGEST_MARGIN:
        return None
    return Alphabet(as_class(members), margin)


def _collect(tree: Any, pieces: set[str], looks: list[Any]) -> None:
    """Add what `tree` consumes to `pieces` (class expressions) and its look-arounds to `looks`."""
    for operation, value in tree:
        name = str(operation)
        if name in {"LITERAL", "NOT_LITERAL", "IN", "ANY"}:
            pieces.add(class_of(name, value))
        elif name in {"ASSERT", "ASSERT_NOT"}:
            looks.append(value[1])
        else:
            for inner in _subtrees(value):
                _collect(inner, pieces, looks)


def _subtrees(value: Any) -> Iterator[Any]:
    if isinstance(value, PARSER.SubPattern):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _subtrees(item)


def class_of(name: str, value: Any) -> str:
    """A parsed item that consumes one character (ANY, IN, LITERAL, NOT_LITERAL) as a class expression."""
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


def _members(pieces: Iterable[str], reader: Reader) -> Mask:
    """Every code point that one of the class expressions matches."""
    found = 0
    for piece in pieces:
        inside = piece[1:-1]
        if piece.startswith("[^") or not _PLAIN.fullmatch(inside):
            found |= reader.everywhere(piece)
            continue
        for category in _CATEGORY.findall(inside):
            found |= reader.everywhere(category)
        if written_out := _CATEGORY.sub("", inside):
            found |= reader.near_ascii(f"[{written_out}]")
    return found


def _escape(code_point: int) -> str:
    return f"\\U{code_point:08x}"


def characters(members: str) -> Mask:
    """The code points of the inside of a class, as `re` reads it without flags."""
    return mask_of(match.span() for match in re.finditer(f"[{members}]+", every_character()))


def mask_of(spans: Iterable[tuple[int, int]]) -> Mask:
    """Half-open spans as a mask. Neighbours that follow each other are joined first: each step costs a whole mask."""
    found = first = last = 0
    for start, end in spans:
        if start != last:
            found |= ((1 << last - first) - 1) << first
            first = start
        last = end
    return found | ((1 << last - first) - 1) << first


def ranges(mask: Mask) -> list[tuple[int, int]]:
    """A mask as sorted, closed, disjoint ranges."""
    bits = f"{mask:b}"[::-1]
    return [(run.start(), run.end() - 1) for run in re.finditer("1+", bits)]


def members_of(mask: Mask) -> list[int]:
    """A mask as single code points."""
    return [point for first, last in ranges(mask) for point in range(first, last + 1)]


def as_class(mask: Mask) -> str:
    """A mask as the inside of a character class."""
    spans = ranges(mask)
    return "".join(_escape(first) if first == last else f"{_escape(first)}-{_escape(last)}" for first, last in spans)


def runs_of(members: str) -> re.Pattern[str]:
    """Matches one run of the alphabet at a place."""
    return re.compile(f"[{members}]+")
