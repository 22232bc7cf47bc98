"""Letters of other scripts that look like ASCII letters, and words in which they stand for those.

Source: confusables.txt of Unicode Technical Standard 39 (Unicode 15.1): rows whose prototype is one ASCII letter, or a
small capital, for the scripts that are used to deceive; and letters of Latin that no normal form undoes.

Rules: pure; one letter for one letter, so places stay. Only words that mix scripts are read so, and every word where
nothing in the text belongs to the other script alone: Russian and Greek stay what they are.
"""

import re

# Cyrillic, Greek, Armenian, Cherokee and Lisu.
_LOOKALIKES = {
    "4": "\u13ce",
    "6": "\u13ee",
    "A": "\u0391\u0410\u13aa\ua4ee",
    "B": "\u0392\u0412\ua4d0",
    "C": "\u03f9\u0421\u13df\ua4da",
    "D": "\u0500\u13a0\ua4d3",
    "E": "\u0395\u0415\u13ac\ua4f0",
    "F": "\u0492\ua4dd",
    "G": "\u050c\u13c0\ua4d6",
    "H": "\u0397\u041d\u13bb\ua4e7",
    "I": "\u0399\u0406\u0407\ua4f2\ua646",
    "J": "\u037f\u0408\u13ab\ua4d9",
    "K": "\u039a\u041a\u13e6\ua4d7",
    "L": "\u053c\u13de\ua4e1",
    "M": "\u039c\u041c\u13b7\ua4df",
    "N": "\u039d\ua4e0",
    "O": "\u039f\u041e\u0555\u13be\ua4f3",
    "P": "\u03a1\u0420\u13e2\ua4d1",
    "Q": "\u051a",
    "R": "\u13a1\u13d2\ua4e3",
    "S": "\u0405\u0545\u054f\u13d5\u13da\ua4e2",
    "T": "\u03a4\u0422\u13a2\ua4d4",
    "U": "\u054d\ua4f4",
    "V": "\u0474\u13d9\ua4e6",
    "W": "\u051c\u13b3\u13d4\ua4ea",
    "X": "\u03a7\u0425\ua4eb",
    "Y": "\u03a5\u0423\u04ae\u13bd\ua4ec",
    "Z": "\u0396\u0540\u13c3\ua4dc",
    "a": "\u03b1\u0430",
    "b": "\u03b2\u0432\u13cf",
    "c": "\u03f2\u0441",
    "d": "\u0501\u13e7\ua4d2",
    "e": "\u03b5\u0435\u04bd",
    "f": "\u0584",
    "g": "\u0581",
    "h": "\u043d\u04bb\u0570\u13f3",
    "i": "\u03b9\u0456\u0457\u13a5",
    "j": "\u03f3\u0458\u0575",
    "k": "\u03ba\u043a",
    "l": "\u04cf\u056c",
    "m": "\u043c",
    "n": "\u03b7\u0578",
    "o": "\u03bf\u03c3\u043e\u0585",
    "p": "\u03c1\u0440",
    "q": "\u051b\u0566",
    "r": "\u0433",
    "s": "\u0455",
    "t": "\u03c4\u0442",
    "u": "\u03c5\u0446\u057d",
    "v": "\u03bd\u0475",
    "w": "\u03c9\u0448\u051d",
    "x": "\u03c7\u0445",
    "y": "\u03b3\u0443\u04af",
}
# Letters of Latin itself: strokes, hooks, turned ones and small capitals. They are folded everywhere.
_LATIN = {
    "D": "\u0110",
    "H": "\u0126",
    "L": "\u0141",
    "O": "\u00d8",
    "T": "\u0166",
    "a": "\u0250\u0251\u1d00",
    "b": "\u0180\u0183\u0253\u0299",
    "c": "\u1d04",
    "d": "\u0111\u1d05",
    "e": "\u01dd\u1d07",
    "f": "\u0192\ua730",
    "g": "\u0261\u0262",
    "h": "\u0127\u0265\u029c",
    "i": "\u0131\u0269\u026a",
    "j": "\u0237\u1d0a",
    "k": "\u029e\u1d0b",
    "l": "\u0142\u029f",
    "m": "\u1d0d",
    "n": "\u0274",
    "o": "\u00f8\u1d0f",
    "p": "\u1d18",
    "q": "\u01eb",
    "r": "\u024d\u0280",
    "s": "\ua731",
    "t": "\u0167\u0287\u1d1b",
    "u": "\u1d1c",
    "v": "\u028b\u028c\u1d20",
    "w": "\u028d\u1d21",
    "y": "\u024f\u028e\u028f",
    "z": "\u1d22",
}


def _by_letter(told: dict[str, str]) -> dict[int, str]:
    return {ord(one): letter for letter, others in told.items() for one in others}


LATIN = _by_letter(_LATIN)
LOOKALIKES = _by_letter(_LOOKALIKES)
_OTHER = "\u0370-\u052f\u0531-\u0588\u13a0-\u13ff\ua4d0-\ua4ff\uab70-\uabbf\ua640-\ua69f"
_ANY = re.compile(f"[{_OTHER}]")
_ASCII = re.compile("[A-Za-z]")
_GENUINE = re.compile(f"(?![{''.join(map(chr, LOOKALIKES))}])[{_OTHER}]")
_MIXED = re.compile(f"[A-Za-z][0-9_]*+[{_OTHER}]|[{_OTHER}][0-9_]*+[A-Za-z]")
_WORD = re.compile(rf"[A-Za-z0-9_]*+(?:[{_OTHER}]++[A-Za-z0-9_]*+)+")


def plain(text: str) -> str:
    """`text` with what only looks like ASCII as ASCII, letter by letter."""
    if _ANY.search(text) is None:
        return text
    if _GENUINE.search(text) is None:
        return text.translate(LOOKALIKES)
    if _ASCII.search(text) is None or _MIXED.search(text) is None:
        return text
    return _WORD.sub(_read, text)


def _read(word: re.Match[str]) -> str:
    return word[0].translate(LOOKALIKES) if _MIXED.search(word[0]) else word[0]
