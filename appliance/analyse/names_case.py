"""Letters as a model of names was taught them: texts without capitals, or of capitals only, with the usual ones.

Rules: pure; every place stays what it was, so that what is found in the copy stands at the same place in the text.
"""

from collections.abc import Sequence
from typing import Final

from appliance.analyse.names_lists import NO_NAMES, PARTICLES
from appliance.analyse.names_words import Word

_FEW: Final = 0.02  # share of capitalised words below which a text has none
_MANY: Final = 0.75
_ENOUGH: Final = 2  # words
_ALWAYS: Final = frozenset({"i", "i'm", "i\u2019m", "i'll", "i've", "i'd"})  # capitals even where there are no others


def recased(text: str, words: Sequence[Word]) -> str | None:
    """The text with a capital on every word that could be a name; None: its letters are as usual."""
    if len(words) < _ENOUGH:
        return None
    capitals = sum(word.capital and word.lower not in _ALWAYS for word in words)
    if capitals <= len(words) * _FEW:
        return _put(text, words)
    shouted = sum(len(word.text) > 1 and word.text.isupper() for word in words)
    return _put(text, words) if shouted > len(words) * _MANY else None


def _put(text: str, words: Sequence[Word]) -> str:
    letters = list(text)
    for word in words:
        plain = word.lower in NO_NAMES or word.lower in PARTICLES
        for at in range(word.start, word.end):
            old = text[at]
            new = old.upper() if at == word.start and not plain else old.lower()
            letters[at] = new if len(new) == 1 else old
    return "".join(letters)
