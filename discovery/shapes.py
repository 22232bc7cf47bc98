r"""The outline of a JSON document of which only the beginning is known: which members it has, and short values.

Rules: pure; one pass over at most `MAX_BYTES`, at most `MAX_TOKENS` tokens; no text longer than `MAX_VALUE` is looked
at, and none with an escape: a name never needs one. A list is passed through: the members of its elements are told as
if there were one. What is no JSON has no members; nothing raises.
"""

import re
from itertools import islice
from typing import Final

MAX_BYTES: Final = 4_096
MAX_TOKENS: Final = 512
MAX_DEPTH: Final = 6
MAX_MEMBERS: Final = 160
MAX_VALUE: Final = 128
MAX_SAME: Final = 32  # values of one member, across the elements of lists
# A text, also one that is cut off; a bracket; a comma or colon; a number or word. Possessive: no byte is tried twice.
_TOKEN: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)("?)|([{}\[\],:])|([-+.\w]++)', re.DOTALL)
_OPEN, _CLOSE = (b"{", b"["), (b"}", b"]")

type Members = dict[str, list[str]]


def members(body: bytes) -> Members:
    """`{"object": ["list"], "data.owned_by": ["vllm"]}`: names joined by dots; a long value, or none: empty."""
    outline = _Outline()
    for token in islice(_TOKEN.finditer(body, 0, MAX_BYTES), MAX_TOKENS):
        text, ended, mark, word = token.groups()
        if mark is not None:
            if not outline.mark(mark):
                break
        elif not outline.inside:
            break  # a value alone
        else:
            outline.word(text, ended, word)
    return outline.found


class _Outline:
    """Where in the document the next token stands."""

    __slots__ = ("below", "found", "inside", "key", "names", "told")

    def __init__(self) -> None:
        self.found: Members = {}
        self.names: list[str] = []  # of the members around; empty for an element
        self.inside: list[bool] = []  # whether each of them is an object
        self.key, self.told = "", True  # `told`: in an object, the name of the member is known
        self.below = 0  # how far beyond the depth that is looked at

    def mark(self, mark: bytes) -> bool:
        """A bracket, comma or colon; False: nothing sensible follows."""
        if self.below or (mark in _OPEN and len(self.names) >= MAX_DEPTH):
            self.below += (mark in _OPEN) - (mark in _CLOSE)
        elif mark in _OPEN:
            if self.inside:
                _note(self.found, self.names, self.key, "")
            self.names.append(self.key)
            self.inside.append(mark == b"{")
            self.key, self.told = "", mark != b"{"
        elif mark in _CLOSE:
            if not self.names:
                return False
            self.key, self.told = self.names.pop(), True
            self.inside.pop()
        else:
            self.told = mark == b":" or not (self.inside and self.inside[-1])
        return True

    def word(self, text: bytes | None, ended: bytes | None, word: bytes | None) -> None:
        """A text, number or word: the name of a member, or a value."""
        if self.below:
            return
        if self.told:
            _note(self.found, self.names, self.key if self.inside[-1] else "", _value(text, ended, word))
        elif text is not None:
            self.key = _name(text) if ended else ""


def _note(found: Members, names: list[str], key: str, value: str) -> None:
    path = ".".join([name for name in (*names, key) if name])
    known = found.get(path)
    if known is not None:
        if len(known) < MAX_SAME and value:
            known.append(value)
    elif path and len(found) < MAX_MEMBERS:
        found[path] = [value]


def _name(text: bytes) -> str:
    return text.decode("ascii", "replace") if len(text) <= MAX_VALUE else ""


def _value(text: bytes | None, ended: bytes | None, word: bytes | None) -> str:
    if text is None:
        return (word or b"").decode("ascii", "replace")[:MAX_VALUE]
    if not ended or len(text) > MAX_VALUE or b"\\" in text:
        return ""
    return text.decode("utf-8", "replace")
