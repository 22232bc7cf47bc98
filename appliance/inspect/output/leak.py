"""Whether an answer repeats the instructions that its application gave the model.

Owns: shingles (hashes of eight words in a row) and how many of them an answer holds. Rules: kept are hashes, never
words, about `MOST` of them at most, chosen by their value so that both sides choose alike; a share counts from
`LEAST_SHARE` on. What is translated, reworded or encoded is not found.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

SYSTEM_PROMPT_LEAK = "SYSTEM_PROMPT_LEAK"
WIDTH = 8
LEAST_WORDS = 40
LEAST_SHINGLES = 8  # fifteen words in a row
LEAST_SHARE = 0.15
STEPS = (LEAST_SHARE, 0.5, 0.8)
MOST = 2000
_MOST_WORDS = 50_000
_WORD = re.compile(r"\w+")
_OPEN = re.compile(r"\w+\Z")
_LONGEST = 64


class Shingles(NamedTuple):
    """Hashes that are multiples of `every`, and how many there are."""

    hashes: frozenset[int] = frozenset()
    every: int = 1


NONE = Shingles()


def shingles_of(texts: Iterable[str]) -> Shingles:
    """Of system and developer texts; none where they are too short to tell anything."""
    hashes: set[int] = set()
    words = 0
    for text in texts:
        row = _Row()
        for match in _WORD.finditer(text):
            words += 1
            if words > _MOST_WORDS:
                break
            hashes.update(row.next(match[0]))
    if words < LEAST_WORDS:
        return NONE
    every = max(1, -(-len(hashes) // MOST))
    return Shingles(frozenset(one for one in hashes if one % every == 0), every)


class _Row:
    """The last words of a text."""

    def __init__(self) -> None:
        self._words: deque[str] = deque(maxlen=WIDTH)

    def next(self, word: str) -> Iterator[int]:
        """The shingle that ends with `word`, where there are enough words."""
        self._words.append(word[:_LONGEST].lower())
        if len(self._words) == WIDTH:
            yield hash(tuple(self._words))


class Repeats:
    """Counts, as a text comes in pieces, which shingles it holds."""

    def __init__(self, shingles: Shingles) -> None:
        self.first = self.last = 0  # where what was repeated begins and ends; code points
        self._shingles = shingles
        self._seen: set[int] = set()
        self._row = _Row()
        self._starts: deque[int] = deque(maxlen=WIDTH)
        self._open = ""
        self._at = 0

    @property
    def share(self) -> float:
        """Of the instructions, how much was repeated; 0 where it is too little to tell."""
        known = len(self._shingles.hashes)
        share = len(self._seen) / known if known else 0.0
        least = max(1, LEAST_SHINGLES // self._shingles.every)
        return share if len(self._seen) >= least and share >= LEAST_SHARE else 0.0

    def feed(self, text: str) -> None:
        """More of it; a word that may go on waits."""
        text = self._open + text
        tail = _OPEN.search(text, max(0, len(text) - _LONGEST))
        until = tail.start() if tail and len(tail[0]) < _LONGEST else len(text)
        self._open = text[until:]
        self._take(text[:until])

    def close(self) -> None:
        """Nothing follows."""
        self._take(self._open)
        self._open = ""

    def _take(self, text: str) -> None:
        hashes, every = self._shingles
        for match in _WORD.finditer(text):
            self._starts.append(self._at + match.start())
            for one in self._row.next(match[0]):
                if one % every == 0 and one in hashes:
                    self.first = self.first if self._seen else self._starts[0]
                    self.last = self._at + match.end()
                    self._seen.add(one)
        self._at += len(text)
