"""Readings that only a text with a hidden command asks for: turned round, rotated by thirteen, letters as digits.

Theory: undoing such writing on every text would double the work and make words of anything, so a reading is made only
where some keyword of an attempt shows through in its disguised form, or where digits stand inside words.

Rules: pure; every reading is as long as the text, so that places are found by counting; a text without a disguise costs
a few searches for bytes.
"""

from collections.abc import Iterator

from appliance.inspect.looking import Looked, View
from appliance.inspect.views_places import below

_NAME = "disguise"
_KEYWORDS = (
    *("instruction", "ignore", "disregard", "previous", "prompt", "system", "reveal", "forget", "pretend", "password"),
    *("anweisung", "instruccion", "istruzion", "consigne"),
)
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_HALVES = _LOWER[13:] + _LOWER[:13]
_ROTATION = str.maketrans(_LOWER + _LOWER.upper(), _HALVES + _HALVES.upper())
_ROTATED = tuple(word.translate(_ROTATION) for word in _KEYWORDS)
_TURNED = tuple(word[::-1] for word in _KEYWORDS)
_LEET = str.maketrans("01345678@$!|9+\u20ac", "oieasgtbasiigte")
_OTHER_LEET = str.maketrans("01345678@$!|9+\u20ac", "oleasgtballlgte")
_CLASSES = "".join("d" if chr(code) in "013456789@$" else "w" if chr(code).isalpha() else "." for code in range(128))
_FEW = 3  # words with a digit inside are common in ones and twos


def disguised(looked: Looked) -> tuple[View, ...]:
    """What a text says in disguise; made once for all that ask."""
    if _NAME not in looked.kept:
        read = looked.canonical
        looked.kept[_NAME] = tuple(below(read, view) for view in undisguised(read.text))
    return looked.kept[_NAME]


def undisguised(text: str) -> Iterator[View]:
    """Readings of `text`, which is as a person reads it."""
    lowered = text.lower()
    if any(word in lowered for word in _ROTATED):
        yield View("rot13", text.translate(_ROTATION))
    if any(word in lowered for word in _TURNED):
        size = len(text)
        yield View("reversed", text[::-1], lambda start, end: (size - end, size - start))
    classes = text.translate(_CLASSES) if text.isascii() else ""
    if ("wdw" in classes and classes.count("wdw") + classes.count(".dw") >= _FEW) or "\u20ac" in text:
        yield View("leet", text.translate(_LEET))
        if "1" in text or "!" in text or "|" in text:
            yield View("leet", text.translate(_OTHER_LEET))
