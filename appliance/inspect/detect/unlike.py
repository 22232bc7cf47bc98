"""Characters that Hyperscan, the `regex` library and `re` do not read alike.

Owns: finding them. Rules: every code point is tried; the three engines carry Unicode tables of different years, so what
one takes for a digit, a letter or an upper-case k the next may not. A run of text beside such a character is never left
to Hyperscan's word.
"""

import re
import string
from collections.abc import Iterator

import regex

from appliance.inspect.detect import hyperscan
from appliance.inspect.detect.alphabet import Mask, Reader, every_character, mask_of

_CLASSES = (r"\w", r"\d", r"\s")
_SURROGATES = (0xD800, 0xE000)  # they cannot be encoded, so Hyperscan never sees them
_ASCII: Mask = (1 << 0x80) - 1


def unlike() -> Mask:
    """Code points on which the engines differ in a class or in folding to an ASCII letter, and all surrogates.

    Non-ASCII digits are added too: phone numbers are looked for by ASCII digits.
    """
    found = mask_of([_SURROGATES])
    engines = (Reader(regex.finditer, 0), Reader(re.finditer, 0))
    for expression, seen in _by_hyperscan(_CLASSES, hyperscan.PLAIN):
        for engine in engines:
            found |= seen ^ engine.everywhere(expression)
    found |= engines[1].everywhere(r"\d") & ~_ASCII
    for letter, seen in _by_hyperscan(tuple(string.ascii_lowercase), hyperscan.CASELESS):
        found |= seen ^ (1 << ord(letter) | 1 << ord(letter.upper()))
    for folding in (Reader(regex.finditer, int(regex.IGNORECASE)), Reader(re.finditer, int(re.IGNORECASE))):
        found |= folding.everywhere("[A-Za-z]") & ~_ASCII
    return found


def _by_hyperscan(expressions: tuple[str, ...], flags: int) -> Iterator[tuple[str, Mask]]:
    """Each expression for one character with the code points that it matches."""
    items = [hyperscan.Expression(expression, flags) for expression in expressions]
    database = hyperscan.Database(hyperscan.compile_expressions(items))
    first, behind = _SURROGATES
    every = every_character()
    hits = database.hits(every[:first] + every[behind:])
    for index, expression in enumerate(expressions):
        points = (place if place < first else place + behind - first for place in hits.get(index, ()))
        yield expression, mask_of((point, point + 1) for point in points)
