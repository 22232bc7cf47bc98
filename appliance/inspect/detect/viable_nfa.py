"""Expressions as one automaton over positions that follows every match and perhaps more.

Owns: the construction (Glushkov's), sorts of characters. Rules: what is built matches at least what the expressions
match, never less: look-arounds inside are dropped, long counts become open-ended, big choices become one class. What is
known from outside the consumed text is kept apart: one character before (`Start.before`), and `reach`, how many
characters behind a match can still overturn it. `depth`: no match is longer when it stands at a position.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, NamedTuple

import regex

from appliance.inspect.detect.alphabet import PARSER, class_of

_EXACT_COUNT = 8  # a repeat is copied out up to here...
_EXACT_POSITIONS = 64  # ...and up to so many positions where its text could go on through prose or is of digits alone
_MANY = 64  # alternatives: more become one class
_ENDLESS = 1 << 30
_LOOPS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_CHARACTERS = frozenset({"LITERAL", "NOT_LITERAL", "IN", "ANY"})


class Reading(NamedTuple):
    """How character classes are read: by `regex` or by the standard library, under these flags."""

    library: str
    flags: int

    def having(self, more: int, less: int) -> "Reading":
        """With case switched inside an expression; other flags do not change what a class holds."""
        case = int(re.IGNORECASE)
        return self._replace(flags=(self.flags | more & case) & ~(less & case))

    def reads(self, piece: str) -> Callable[[str], object]:
        """Whether one character is in a class."""
        compiled: Any = regex.compile(piece, self.flags) if self.library == "regex" else re.compile(piece, self.flags)
        full: Callable[[str], object] = compiled.fullmatch
        return full


class Expression(NamedTuple):
    """One rule. `flags`: of the standard library's parser. `reach`: at least this."""

    text: str
    flags: int
    reading: Reading
    reach: int = 0


class Before(NamedTuple):
    """What must stand before a match. `edge`: a word ends or begins there; else the sort stands there or does not."""

    sort: int
    wanted: bool
    edge: bool


class Start(NamedTuple):
    """A position where matches begin."""

    position: int
    before: frozenset[Before]


class Sorts:
    """Distinct character classes, numbered."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Reading, frozenset[str]], int] = {}
        self._tests: list[tuple[Callable[[str], object], ...]] = []

    def number(self, reading: Reading, pieces: Iterable[str]) -> int:
        """The sort of characters in at least one of the classes."""
        key = reading, frozenset(pieces)
        if key not in self._numbers:
            self._numbers[key] = len(self._tests)
            self._tests.append(tuple(reading.reads(piece) for piece in key[1]))
        return self._numbers[key]

    def of(self, character: str) -> frozenset[int]:
        """All sorts that a character belongs to."""
        return frozenset(n for n, tests in enumerate(self._tests) if any(test(character) for test in tests))


class Nfa(NamedTuple):
    """Per position: its sort, its rule (index of the expression), its depth, the positions behind it.

    `accepting`: where matches end; `lasting`: where they are still open once the position was read.
    """

    sorts: Sorts
    sort: tuple[int, ...]
    rule: tuple[int, ...]
    depth: tuple[float, ...]
    follow: tuple[frozenset[int], ...]
    accepting: frozenset[int]
    lasting: frozenset[int]
    starts: tuple[Start, ...]


def build(expressions: Sequence[Expression]) -> Nfa:
    """All expressions side by side. ValueError where one looks ahead without end."""
    made = _Builder()
    for number, expression in enumerate(expressions):
        tree = PARSER.parse(expression.text, expression.flags)
        reach = max(expression.reach, _reach(tree))
        if reach >= _ENDLESS:
            raise ValueError(f"expression {number} looks ahead without end")
        made.add(tree, expression.reading, reach)
    return Nfa(
        made.sorts,
        tuple(made.sort),
        tuple(made.rule),
        tuple(made.depth),
        tuple(map(frozenset, made.follow)),
        frozenset(made.accepting),
        frozenset(made.lasting),
        tuple(made.starts),
    )


class _Part(NamedTuple):
    """A piece of an expression: can it be empty, where it begins (and what must stand before), where it ends."""

    empty: bool
    first: dict[int, frozenset[Before]]
    last: set[int]


class _Builder:
    def __init__(self) -> None:
        self.sorts = Sorts()
        self.sort: list[int] = []
        self.rule: list[int] = []
        self.depth: list[float] = []
        self.follow: list[set[int]] = []
        self.accepting: set[int] = set()
        self.lasting: set[int] = set()
        self.starts: list[Start] = []
        self._rules = 0
        self._groups: dict[int, Any] = {}

    def add(self, tree: Any, reading: Reading, reach: int) -> None:
        """One more rule."""
        began = len(self.sort)
        self._groups = {}
        part = self._sequence(tree, reading, 0)
        self.accepting |= part.last
        ends = part.last
        for _ in range(1, reach):
            behind = self._position(reading, (r"[\s\S]",), max(self.depth[position] for position in ends))
            for position in ends:
                self.follow[position].add(behind)
            ends = {behind}
        self.lasting |= {n for n in range(began, len(self.sort)) if self.follow[n]}
        self.lasting |= ends if reach else set()
        self.starts += [Start(position, before) for position, before in part.first.items()]
        self._rules += 1

    def _position(self, reading: Reading, pieces: Iterable[str], before: float) -> int:
        """`before`: what a match has consumed at most before this position."""
        self.sort.append(self.sorts.number(reading, pieces))
        self.depth.append(before + 1)
        self.rule.append(self._rules)
        self.follow.append(set())
        return len(self.sort) - 1

    def _link(self, ends: Iterable[int], begins: Iterable[int]) -> None:
        targets = set(begins)
        for end in ends:
            self.follow[end] |= targets

    def _sequence(self, tree: Any, reading: Reading, depth: float) -> _Part:
        whole = _Part(True, {}, set())
        before: frozenset[Before] = frozenset()
        for index, (operation, value) in enumerate(tree):
            name = str(operation)
            if name in {"AT", "ASSERT", "ASSERT_NOT"}:
                if not whole.first:  # what stands further inside is dropped: more is followed then, never less
                    before |= self._before(name, value, reading)
                continue
            whole = self._joined(whole, self._item(name, value, reading, depth))
            depth += _widest(tree[index : index + 1])
        return whole._replace(first={position: also | before for position, also in whole.first.items()})

    def _joined(self, left: _Part, right: _Part) -> _Part:
        self._link(left.last, right.first)
        first = left.first | right.first if left.empty else left.first
        return _Part(left.empty and right.empty, first, right.last | left.last if right.empty else right.last)

    def _item(self, name: str, value: Any, reading: Reading, depth: float) -> _Part:
        if name in _CHARACTERS:
            position = self._position(reading, (class_of(name, value),), depth)
            return _Part(False, {position: frozenset()}, {position})
        if name == "SUBPATTERN":
            group, more, less, inner = value
            inside = reading.having(more, less)
            self._groups[group] = inner, inside
            return self._sequence(inner, inside, depth)
        if name == "BRANCH":
            return self._choice(value[1], reading, depth)
        if name in _LOOPS:
            least, most, inner = value
            return self._repeat((int(least), int(most)), inner, reading, depth)
        if name == "ATOMIC_GROUP":
            return self._sequence(value, reading, depth)
        if name == "GROUPREF":
            inner, inside = self._groups[value]
            part = self._sequence(inner, inside, depth)
            return part._replace(first=dict.fromkeys(part.first, frozenset()))
        raise ValueError(f"an expression uses {name}, which cannot be followed")

    def _choice(self, trees: Sequence[Any], reading: Reading, depth: float) -> _Part:
        if len(trees) > _MANY:
            return self._any_of(trees, reading, depth)
        parts = [self._sequence(tree, reading, depth) for tree in trees]
        first = {position: before for part in parts for position, before in part.first.items()}
        return _Part(any(part.empty for part in parts), first, {end for part in parts for end in part.last})

    def _any_of(self, trees: Sequence[Any], reading: Reading, depth: float) -> _Part:
        """One position that stands for any text made of the trees' characters."""
        pieces = {piece for tree in trees for piece in _pieces(tree)}
        position = self._position(reading, pieces, depth + max(map(_widest, trees)) - 1)
        self.follow[position].add(position)
        return _Part(any(tree.getwidth()[0] == 0 for tree in trees), {position: frozenset()}, {position})

    def _repeat(self, count: tuple[int, int], tree: Any, reading: Reading, depth: float) -> _Part:
        least, most = count
        if most > _EXACT_COUNT and most * _size(tree) > self._budget(tree, reading):
            before = inf if most >= _ENDLESS else depth + (most - 1) * _widest(tree)
            part = self._sequence(tree, reading, before)
            self._link(part.last, part.first)
            return part._replace(empty=part.empty or least == 0)
        whole = _Part(True, {}, set())
        for copy in range(most):
            part = self._sequence(tree, reading, depth + copy * _widest(tree))
            whole = self._joined(whole, part if copy < least else part._replace(empty=True))
        return whole

    def _budget(self, tree: Any, reading: Reading) -> int:
        pieces = _pieces(tree)
        reads = [reading.reads(piece) for piece in pieces]
        through_prose = any(read(" ") for read in reads)
        digits_alone = not any(read(letter) for read in reads for letter in "aZ _")
        return _EXACT_POSITIONS if through_prose or digits_alone else _EXACT_COUNT

    def _before(self, name: str, value: Any, reading: Reading) -> frozenset[Before]:
        """What can be told from one character before; nothing where that does not do."""
        if name == "AT":
            word = self.sorts.number(reading, (r"[\w]",))
            return frozenset({Before(word, True, True)} if str(value) == "AT_BOUNDARY" else ())
        direction, look = value
        if direction > 0 or len(look) != 1 or str(look[0][0]) not in _CHARACTERS:
            return frozenset()
        sort = self.sorts.number(reading, (class_of(str(look[0][0]), look[0][1]),))
        return frozenset({Before(sort, name == "ASSERT", False)})


def _widest(tree: Any) -> float:
    """Characters that a tree consumes at most."""
    width = int(tree.getwidth()[1])
    return inf if width >= _ENDLESS else width


def _pieces(tree: Any) -> set[str]:
    """The classes of everything that a tree consumes."""
    found: set[str] = set()
    for operation, value in tree:
        name = str(operation)
        if name in _CHARACTERS:
            found.add(class_of(name, value))
        for inner in _inside(name, value):
            found |= _pieces(inner)
    return found


def _inside(name: str, value: Any) -> Sequence[Any]:
    """The trees inside an item that consume what it consumes."""
    if name == "BRANCH":
        trees: Sequence[Any] = value[1]
        return trees
    if name in _LOOPS:
        return (value[2],)
    if name == "SUBPATTERN":
        return (value[3],)
    return (value,) if name == "ATOMIC_GROUP" else ()


def _size(tree: Any) -> int:
    """Positions that a tree takes when it is copied out."""
    size = 0
    for operation, value in tree:
        name = str(operation)
        times = min(int(value[1]), _EXACT_COUNT) if name in _LOOPS else 1
        size += int(name in _CHARACTERS) + times * sum(map(_size, _inside(name, value)))
    return size


def _reach(tree: Any) -> int:
    """How many characters behind its match a tree can look at."""
    found = 0
    for index, (operation, value) in enumerate(tree):
        name = str(operation)
        if name == "AT":
            here = 1
        elif name in {"ASSERT", "ASSERT_NOT"}:
            here = int(value[1].getwidth()[1]) + _reach(value[1]) if value[0] > 0 else 0
        else:
            here = max(map(_reach, _inside(name, value)), default=0)
        found = max(found, here - int(tree[index + 1 :].getwidth()[0]))
    return found
