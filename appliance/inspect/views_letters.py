"""The letters of a text as a person reads them: nothing hidden, one form of each letter, no disguise by other scripts.

Dropped: format characters, tags, variation selectors, soft hyphens, fillers and combining marks. Folded: compatibility
forms (NFKC) of up to `LONGEST` letters, accents on letters of Latin, Greek and Cyrillic, digits of all scripts, dashes,
quotation marks and blanks. Then words that mix scripts (`confusables`). Sources: Unicode Standard Annexes 15 and 44.

Rules: pure; ASCII costs nothing; every step but the last is of single characters, so that a table which fills as it is
used says it all; a combining mark belongs to the letter before it, and whatever else is dropped to none.
"""

import re
import unicodedata
from collections.abc import Iterator

from appliance.inspect.confusables import LATIN, plain
from appliance.inspect.views_places import Edit, Edits, rewritten

_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u2800\u3164\uffa0")
_QUOTES = dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u02bc\u2032", "'") | dict.fromkeys(
    "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'
)
_ALIKE = _QUOTES | {
    "\u2044": "/",
    "\u2215": "/",
    "\u2212": "-",
    "\u3002": ".",
    "\u2028": "\n",
    "\u2029": "\n",
    "\u2026": "\u2026",
}
_ENCLOSED = (0x1F150, 0x1F170, 0x1F1E6)  # where alphabets in black circles, in black squares and of flags begin
_ALIKE |= {chr(first + number): chr(ord("A") + number) for first in _ENCLOSED for number in range(26)}
_UNSEEN = frozenset({"Cf", "Mn", "Me"})
_AS_ONE = {"Pd": "-", "Zs": " "}
LONGEST = 4
"""Letters that one character may stand for; longer ones are signs for whole phrases, and stay."""
_MANY = 20_000  # folded characters that are remembered
_SCRIPTS_WITH_ACCENTS = range(0x370, 0x530)  # Greek and Cyrillic


def _fold(character: str) -> str:
    """What one character is read as; empty: it is not seen."""
    category = unicodedata.category(character)
    if character in _FILLERS or category in _UNSEEN:
        return ""
    if character in _ALIKE:
        return _ALIKE[character]
    if category in _AS_ONE:
        return _AS_ONE[category]
    if category == "Nd":
        return str(unicodedata.decimal(character))
    same = unicodedata.normalize("NFKC", character)
    if same == character or len(same) > LONGEST:
        return _unaccented(character)
    return "".join([_fold(one) for one in same])


def _unaccented(character: str) -> str:
    if ord(character) in LATIN:
        return LATIN[ord(character)]
    parts = unicodedata.normalize("NFD", character)
    base = parts[0]
    if len(parts) == 1 or not (base.isascii() or ord(base) in _SCRIPTS_WITH_ACCENTS or ord(base) in LATIN):
        return character
    return LATIN.get(ord(base), base)


class _Folds(dict[int, str]):
    """Characters and what they are read as; fills as it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self._resized: set[str] = set()
        self._shape: re.Pattern[str] | None = None

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = character if code < _ASCII else _fold(character)
        if len(folded) != 1 and character not in self._resized:
            self._resized.add(character)
            self._shape = None
        if len(self) < _MANY:
            self[code] = folded
        return folded

    def resized(self, text: str) -> list[int]:
        """Places of characters that are read as none or several; `text` has been translated before."""
        if not self._resized:
            return []
        shape = self._shape
        if shape is None:
            shape = self._shape = re.compile(f"[{''.join(sorted(self._resized))}]")
        return [one.start() for one in shape.finditer(text)]


_FOLDS = _Folds()
_ASCII = 0x80
_MARKS = frozenset({"Mn", "Me"})
_OTHERS = re.compile("[^\x00-\x7f]+")
_FEW = 8  # where one letter in so many is not ASCII, only those are translated


def read_letters(text: str) -> tuple[str, Edits | None] | None:
    """The letters, and their places where these differ; None: they stand as they are read."""
    if text.isascii():
        return None
    few = len(text) - len(text.encode("ascii", "ignore")) < len(text) // _FEW
    folded = _OTHERS.sub(_folded, text) if few else text.translate(_FOLDS)
    places: Edits | None = None
    if folded != text and (resized := _FOLDS.resized(text)):
        _, places = rewritten(text, _resizing(text, resized))
    folded = plain(folded)
    return (folded, places) if places is not None or folded != text else None


def _folded(run: re.Match[str]) -> str:
    return run[0].translate(_FOLDS)


def _resizing(text: str, resized: list[int]) -> Iterator[Edit]:
    """Where the number of letters changes. A combining mark goes with what stands before it."""
    start = end = 0
    new = ""
    for at in resized:
        letter = text[at]
        folded = _FOLDS[ord(letter)]
        joins = not folded and unicodedata.category(letter) in _MARKS
        if at == end and start < end and (joins if new else not folded):
            end = at + 1  # one more mark on the same letter, or one more that is not seen
            continue
        if start < end:
            yield start, end, new
        if joins and at > end and (before := _FOLDS[ord(text[at - 1])]):
            start, end, new = at - 1, at + 1, before
        else:
            start, end, new = at, at + 1, folded
    if start < end:
        yield start, end, new
