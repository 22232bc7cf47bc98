"""After each character: since where some rule could still be inside a match.

Owns: the automaton made deterministic as texts come by, and its bounded memory. Rules: a `Node` is what is alive,
oldest beginnings first, each state only under its oldest beginning; where they began stands beside, in a `Cursor`. An
answer may be earlier than the truth, never later. All texts of a worker share one automaton per choice of rules.
"""

import threading
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from appliance.inspect.detect.viable_nfa import Before, Nfa

_NODES = 10_000
_EDGES = 60_000
_CHARACTERS = 20_000
_PICKERS = 4096

type Starts = tuple[int, ...]
type Edge = tuple["Node", "Picker", tuple[int, ...]]
type Groups = tuple[frozenset[int], ...]
type Bounds = tuple[tuple[int, float], ...]
type Picker = Callable[[Starts], Starts]


class _Kind(NamedTuple):
    """What the automaton knows of a character: the positions that read it, and what it is as the one before."""

    members: frozenset[int]
    looks: frozenset[int]


class Node(dict[str, "Edge"]):
    """What is alive. A mapping from the next character; what it does not hold yet is worked out when asked for.

    `widths`: per group, how long a match can be that stands where the group does. `chosen`, `others`: indices of groups
    of the chosen rules and of the rest, with their widths.
    """

    __slots__ = ("before", "chosen", "groups", "others", "owner", "widths")

    def __init__(self, owner: "Automaton", groups: Groups, before: frozenset[int]) -> None:
        super().__init__()
        self.owner = owner
        self.groups = groups
        self.before = before
        self.widths, self.chosen, self.others = owner.bounds(groups)

    def __missing__(self, character: str) -> Edge:
        return self.owner.edge(self, character)


class Automaton:
    """All rules, of which some are `chosen`: theirs is the first answer."""

    def __init__(self, nfa: Nfa, chosen: frozenset[int]) -> None:
        self._nfa = nfa
        self._chosen = frozenset(position for position, rule in enumerate(nfa.rule) if rule in chosen)
        self._lock = threading.Lock()
        self._kinds: dict[str, _Kind] = {}
        self._alike: dict[frozenset[int], _Kind] = {}
        self._begins: dict[tuple[frozenset[int], frozenset[int], frozenset[int]], frozenset[int]] = {}
        self._looks = frozenset(before.sort for start in nfa.starts for before in start.before)
        self._nodes: dict[tuple[Groups, frozenset[int]], Node] = {}
        self._edges = 0
        self.root = self._node((), frozenset())

    def bounds(self, groups: Groups) -> tuple[tuple[float, ...], Bounds, Bounds]:
        """Widths of all groups; groups of the chosen rules, and of the others: later ones only if they are wider."""
        widths = tuple(max(self._nfa.depth[position] for position in group) for group in groups)
        found: tuple[list[tuple[int, float]], list[tuple[int, float]]] = ([], [])
        for index, (group, width) in enumerate(zip(groups, widths, strict=True)):
            mine = found[0] if group <= self._chosen else found[1]
            if not mine or width > mine[-1][1]:
                mine.append((index, width))
        return widths, tuple(found[0]), tuple(found[1])

    def edge(self, node: Node, character: str) -> Edge:
        """Where `character` leads, which groups live on there, and the rules that end a match with it."""
        with self._lock:
            if len(self._nodes) > _NODES or self._edges > _EDGES:
                self._forget()
            kind = self._kind(character)
            read: set[int] = set()
            kept: list[int] = []
            groups: list[frozenset[int]] = []
            begun = self._begun(node.before, kind)
            begins = ((len(node.groups), begun & self._chosen), (len(node.groups), begun - self._chosen))
            for index, follows in (*enumerate(map(self._followers, node.groups)), *begins):
                now = (follows & kind.members) - read
                read |= now
                if living := now & self._nfa.lasting:
                    kept.append(index)
                    groups.append(frozenset(living))
            ended = tuple({self._nfa.rule[position] for position in read & self._nfa.accepting})
            to = self._node(tuple(groups), kind.looks)
            made = to, _moves(node, to, tuple(kept)), ended
            node[character] = made
            self._edges += 1
            return made

    def _followers(self, group: frozenset[int]) -> frozenset[int]:
        return frozenset[int]().union(*(self._nfa.follow[position] for position in group))

    def _node(self, groups: Groups, before: frozenset[int]) -> Node:
        key = groups, before
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = Node(self, groups, before)
        return found

    def _forget(self) -> None:
        """All nodes at once, links too: a text that stands on one walks on from there into new ones."""
        for node in self._nodes.values():
            node.clear()
        self._nodes = {(self.root.groups, self.root.before): self.root}
        self._edges = 0

    def _kind(self, character: str) -> _Kind:
        found = self._kinds.get(character)
        if found is None:
            if len(self._kinds) >= _CHARACTERS:
                self._kinds.clear()
            sorts = self._nfa.sorts.of(character)
            if sorts not in self._alike:
                members = frozenset(position for position, sort in enumerate(self._nfa.sort) if sort in sorts)
                self._alike[sorts] = _Kind(members, sorts & self._looks)
            found = self._kinds[character] = self._alike[sorts]
        return found

    def _begun(self, before: frozenset[int], kind: _Kind) -> frozenset[int]:
        key = before, kind.looks, kind.members
        if key not in self._begins:
            self._begins[key] = frozenset(
                start.position
                for start in self._nfa.starts
                if start.position in kind.members and all(_holds(one, before, kind.looks) for one in start.before)
            )
        return self._begins[key]


def _holds(wanted: Before, before: frozenset[int], here: frozenset[int]) -> bool:
    if wanted.edge:
        return (wanted.sort in before) is not (wanted.sort in here)
    return (wanted.sort in before) is wanted.wanted


def _moves(node: Node, to: Node, kept: tuple[int, ...]) -> Picker:
    """From the beginnings of a node's groups and the one just begun to those of the groups that live on.

    Where a group comes to a place where matches may be longer than they can have become so far, it begins no earlier
    than the longest of these.
    """
    old = len(node.groups)
    bounds = tuple(
        (place, node.widths[index])
        for place, index in enumerate(kept)
        if index < old and to.widths[place] > node.widths[index] + 1
    )
    pick = _picker(kept, old + 1)
    return _bounded(pick, bounds) if bounds else pick


def _bounded(pick: Picker, bounds: Bounds) -> Picker:
    def bounded(starts: Starts) -> Starts:
        found = list(pick(starts))
        for place, width in bounds:
            found[place] = max(found[place], starts[-1] - int(width))
        return tuple(found)

    return bounded


@lru_cache(_PICKERS)
def _picker(kept: tuple[int, ...], total: int) -> Picker:
    """From the beginnings of all groups and the one just begun to those that live on."""
    first = kept[0] if kept else 0
    if kept == tuple(range(first, first + len(kept))):
        piece: Picker = itemgetter(slice(first, first + len(kept)))
        return _same if len(kept) == total else piece
    single: Picker = itemgetter(*kept)
    return single


def _same(starts: Starts) -> Starts:
    return starts


class Cursor:
    """How far one text has come."""

    __slots__ = ("at", "node", "starts")

    def __init__(self, automaton: Automaton) -> None:
        self.node = automaton.root
        self.starts: Starts = ()
        self.at = 0

    def take(self, text: str, ended: dict[int, int]) -> None:
        """Read on; `ended` learns of each rule where it last ended a match (offset behind it)."""
        node, starts, at = self.node, self.starts, self.at
        for character in text:
            node, pick, rules = node[character]
            starts = pick((*starts, at))
            at += 1
            if rules:
                for rule in rules:
                    ended[rule] = at
        self.node, self.starts, self.at = node, starts, at

    def since(self, bounds: Bounds) -> int:
        """The earliest place where a match of the rules behind `bounds` could have begun that is still open."""
        at = earliest = self.at
        for index, width in bounds:
            start = self.starts[index]
            if at - start > width:
                start = at - int(width)
            if start < earliest:  # noqa: PLR1730 - per piece of text, and a call of min costs as much as all of this
                earliest = start
        return earliest
