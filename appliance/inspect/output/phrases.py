"""Phrases in a text, looked for only where their words are in it at all.

Owns: `Phrases`. Rules: a phrase is an expression with anchors: words that no match of it can be without; one pass over
the words of a text says which phrases are worth a look, so that a long list costs what its few candidates cost.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

_WORD = re.compile(r"\w+")
_MOST = 64  # matches of one phrase


def words_of(text: str) -> frozenset[str]:
    """Every word of a text once, lower case."""
    return frozenset(_WORD.findall(text.lower()))


class Phrase(NamedTuple):
    """`anchors`: lower case, one word each; empty: looked for in every text. `mark`: what the caller knows it by."""

    expression: str
    anchors: tuple[str, ...]
    mark: str = ""


class Phrases:
    """A list of phrases; letters match in either case."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._phrases = tuple(
            (re.compile(one.expression, re.IGNORECASE), frozenset(one.anchors), one.mark) for one in phrases
        )

    def find(self, text: str, words: frozenset[str]) -> Iterator[tuple[re.Match[str], str]]:
        """Matches with the marks of their phrases, phrase by phrase. `words`: of this text, by `words_of`."""
        for shape, anchors, mark in self._phrases:
            if anchors <= words:
                for match in islice(shape.finditer(text), _MOST):
                    yield match, mark
