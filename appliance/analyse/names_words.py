"""The words of a text as rules of names see them, and how far a name reaches from a word.

Rules: pure; linear in the text; places are code points; a name stands in one line and has at most `MOST` words.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from appliance.analyse.names_code import is_identifier
from appliance.analyse.names_lists import AFTER_NAMES, NO_NAMES, PARTICLES, PRODUCTS, STREET_ENDS, STREET_STARTS

MOST: Final = 6
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019\u2011-][^\W\d_]+)*")
_GAPS: Final = frozenset({" ", ". ", ".", "  ", "\u00a0", " \ufeff"})


class Word(NamedTuple):
    """A run of letters, with apostrophes and hyphens inside. `gap`: what stands between it and the word before."""

    start: int
    end: int
    text: str
    lower: str
    gap: str

    @property
    def capital(self) -> bool:
        """It begins with a capital."""
        return self.text[0].isupper()

    @property
    def initial(self) -> bool:
        """One capital letter."""
        return len(self.text) == 1 and self.text.isupper()


class Span(NamedTuple):
    """Something found: PERSON, LOCATION or ORGANIZATION at a place, and which rule says so."""

    start: int
    end: int
    entity: str
    rule: str
    score: float


def words_of(text: str) -> list[Word]:
    """All words, in order. What hangs on a word as `'s` is not part of it."""
    found: list[Word] = []
    before = 0
    for match in _WORD.finditer(text):
        start, end = match.span()
        if text[end - 2 : end] in {"'s", "\u2019s"} and end - start > 2:  # noqa: PLR2004 - the length of 's
            end -= 2
        word = text[start:end]
        found.append(Word(start, end, word, word.lower(), text[before:start]))
        before = match.end()
    return found


def is_name_word(word: Word) -> bool:
    """Whether a capitalised word may be a part of a name."""
    lower = word.lower
    if not word.capital or lower in NO_NAMES or lower in PRODUCTS:
        return False
    return lower not in STREET_ENDS and lower not in STREET_STARTS and not is_identifier(word.text)


def reach(words: Sequence[Word], first: int, most: int = MOST) -> int:
    """Where a name that begins with word `first` ends: the place behind its last word."""
    last = at = first + 1
    while at < len(words) and at - first < most:
        word, gap = words[at], words[at].gap
        follows = gap in _GAPS and (gap != "." or words[at - 1].initial)
        if not follows or (gap == ". " and not _abbreviated(words[at - 1])):
            break
        if is_name_word(word):
            last = at + 1
        elif word.lower not in PARTICLES and word.lower not in AFTER_NAMES:
            break
        at += 1
    return last


def _abbreviated(word: Word) -> bool:
    return word.initial or word.lower in {"jr", "sr", "st", "wm"}
