"""Readings that only a text with a hidden command asks for.

Turned round, rotated by thirteen, letters as digits, scrambled words, marks between letters, words without blanks.

Theory: undoing such writing on every text would double the work and make words of anything, so a reading is made only
where a word that every text has, or a keyword of an attempt, shows through in its disguised form, or where digits stand
inside words. What a text holds in code is undone in the same way.

Rules: pure; places of every reading lead back; a text without a disguise costs a few searches for bytes and one look
at its words.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import filterfalse, islice, permutations

from appliance.inspect.injection.vocabulary import cut, known, unscrambled
from appliance.inspect.looking import CANONICAL, RAW, Looked, View
from appliance.inspect.views_places import below, rewritten

SPEAKING = frozenset({"url", "base64", "hex", "tags", "variation", "spaced"})
"""Views that are text as a whole, and are judged like any other."""
SHORT = 800
"""Code points of a text that is read for scrambled words whatever it says."""
MAX_HELD = 6
"""Views of one text that are read for a disguise inside."""
_NAME = "disguise"
_KEYWORDS = (
    *("instruction", "ignore", "disregard", "previous", "prompt", "system", "reveal", "forget", "pretend", "password"),
    *("anweisung", "instruccion", "istruzion", "consigne"),
)
# Of what is left of these words once they are disguised, none is a word itself.
_USUAL = "the and you your all that this with have what will must from not how who when they them her his und nicht que"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_HALVES = _LOWER[13:] + _LOWER[:13]
_ROTATION = str.maketrans(_LOWER + _LOWER.upper(), _HALVES + _HALVES.upper())
_ROTATED = tuple(word.translate(_ROTATION) for word in _KEYWORDS)
_TURNED = tuple(word[::-1] for word in _KEYWORDS)
_WORDS_ROTATED = frozenset(word.translate(_ROTATION) for word in _USUAL.split())
_WORDS_TURNED = frozenset(word[::-1] for word in _USUAL.split()) - {"ton", "dna", "reh", "sih", "woh"}
_LONGER = """that this with from have your what will they them then when some more like just over only also into than
  very must such make know take come want give show about which their there would these other could after first never"""
_LOOKS_RIGHT = frozenset({"form", "three", "tow", "mroe"}) | frozenset(_LONGER.split())
_SCRAMBLED = (
    frozenset(word[0] + "".join(inner) + word[-1] for word in _LONGER.split() for inner in permutations(word[1:-1]))
    - _LOOKS_RIGHT
)
_DISGUISED = _WORDS_ROTATED | _WORDS_TURNED | _SCRAMBLED
_TOKEN = re.compile(r"\S+")
_MARKED = re.compile(r"[A-Za-z0-9](?:(?P<by>[._|*/~-])[^\s](?:(?P=by)[^\s])*+)")
_ENOUGH = 8  # marks between single letters
_LEET = str.maketrans("01345678@$!|9+\u20ac", "oieasgtbasiigte")
_OTHER_LEET = str.maketrans("01345678@$!|9+\u20ac", "oleasgtballlgte")
_CLASSES = "".join("d" if chr(code) in "013456789@$" else "w" if chr(code).isalpha() else "." for code in range(128))
_WORD = re.compile(r"[^\W\d_]{4,}")  # shorter ones come of any key
_LEAST_LETTERS, _WORDS = 3, 2  # of a word that is read as one, and how many of them
_AROUND = ".,;:?\"'()"  # a word, though part of none
_FEW = 3  # words with a digit inside are common in ones and twos


def disguised(looked: Looked) -> tuple[View, ...]:
    """What a text says in disguise, and what it holds in code says so; made once for all that ask."""
    if _NAME not in looked.kept:
        looked.kept[_NAME] = tuple(_disguised(looked))
    return looked.kept[_NAME]


def _disguised(looked: Looked) -> Iterator[View]:
    read = looked.canonical
    held = [view for view in looked.others if view.name in SPEAKING and view.name not in {CANONICAL, RAW}][:MAX_HELD]
    for view in undisguised(read.text):
        yield below(read, view)
    if any(view.name == "spaced" for view in held):
        for view in unmarked(read.text):
            yield below(read, view)
    for outer in held:
        inside = [*undisguised(outer.text), *(together(outer.text) if outer.name == "spaced" else ())]
        for view in inside:
            yield below(outer, view)._replace(sure=False)


def undisguised(text: str) -> Iterator[View]:
    """Readings of `text`, which is as a person reads it."""
    lowered = text.lower()
    pieces = set(lowered.split())
    signs, shown = _DISGUISED & pieces, "\n".join(pieces)  # what is said twice is looked at once
    if signs & _WORDS_ROTATED or any(word in shown for word in _ROTATED):
        yield View("rot13", text.translate(_ROTATION))
    if signs & _WORDS_TURNED or any(word in shown for word in _TURNED):
        size = len(text)
        yield View("reversed", text[::-1], lambda start, end: (size - end, size - start))
        yield View("reversed", _TOKEN.sub(lambda word: word[0][::-1], text))
    if (signs & _SCRAMBLED or len(text) <= SHORT) and len(lowered) == len(text) and (said := unscrambled(lowered)):
        yield View("scrambled", said)
    classes = text.translate(_CLASSES) if text.isascii() else ""
    if ("wdw" in classes and classes.count("wdw") + classes.count(".dw") >= _FEW) or "\u20ac" in text:
        odd = [*filterfalse(str.isalpha, pieces)]
        if not _is_leet(odd):
            return
        yield _spoken(text, odd, _LEET)
        if "1" in text or "!" in text or "|" in text:
            yield _spoken(text, odd, _OTHER_LEET)


def _spoken(text: str, pieces: Sequence[str], letters: dict[int, int]) -> View:
    """Digits and marks as letters, with the words that come of `pieces`: of a key or a number comes none."""
    changed = [(piece, said) for piece, said in zip(pieces, _read(pieces, letters), strict=True) if piece != said]
    fresh = set(_WORD.findall("\n".join([said for _, said in changed])))
    plain = fresh.intersection(_WORD.findall("\n".join([piece for piece, _ in changed])))
    fresh -= plain
    for piece, said in changed if plain else ():
        if here := plain.intersection(_WORD.findall(said)):
            fresh |= here.difference(_WORD.findall(piece))
    return View("leet", text.translate(letters), fresh=frozenset(fresh))


def _read(pieces: Iterable[str], letters: dict[int, int]) -> list[str]:
    """Each of the pieces, which hold no blanks, with other letters."""
    return "\n".join(pieces).translate(letters).split("\n")


def _is_leet(pieces: Iterable[str]) -> bool:
    """Whether words come out where signs are read as letters, which those of code and versions do not."""
    met = [*{word for piece in pieces if len(word := piece.strip(_AROUND)) >= _LEAST_LETTERS}]
    words, readings = known(), zip(met, _read(met, _LEET), _read(met, _OTHER_LEET), strict=False)
    found = (one for word, one, other in readings if one != word and (one in words or other in words))
    return len([*islice(found, _WORDS)]) == _WORDS


def together(text: str) -> Iterator[View]:
    """A reading of what has no blanks any more."""
    if parts := cut(text):
        yield View("spaced", parts[0], parts[1].place)


def unmarked(text: str) -> Iterator[View]:
    """A reading without the marks between single letters: `i.g.n.o.r.e a.l.l`, `i-g-n-o-r-e-a-l-l`."""
    tokens = (token for token in _TOKEN.finditer(text) if _MARKED.fullmatch(token[0]))
    edits = [(at, at + 1, "") for token in tokens for at in range(token.start() + 1, token.end(), 2)]
    if len(edits) >= _ENOUGH:
        said, places = rewritten(text, edits)
        read = View("spaced", said, places.place)
        yield read
        for view in together(said):
            yield below(read, view)
