"""Characters that Hyperscan, the `regex` library and `re` do not read alike.

Owns: finding them. Rules: every code point is tried; the three engines carry Unicode tables of different years, so what
one takes for a digit, a letter or an upper-case k the next may not. A run of text beside such a character is never left
to Hyperscan's word.
"""

import re
import string
from collections.abc import Callable, Iterable

import regex  # type: ignore[import-untyped]  # no stubs are shipped with it

from appliance.inspect.detect import hyperscan
from appliance.inspect.detect.alphabet import every_character

_CLASSES = (r"\w", r"\d", r"\s")
_SURROGATES = range(0xD800, 0xE000)  # they cannot be encoded, so Hyperscan never sees them


def unlike() -> set[int]:
    """Code points on which the engines differ in a class or in folding to an ASCII letter, and all surrogates.

    Non-ASCII digits are added too: phone numbers are looked for by ASCII digits.
    """
    found = set(_SURROGATES)
    for seen in _by_hyperscan([*_CLASSES], hyperscan.PLAIN):
        expression = _CLASSES[seen[0]]
        for other in (_by_engine(regex.findall, expression, 0), _by_engine(re.findall, expression, 0)):
            found.update(seen[1] ^ other)
    letters = list(string.ascii_lowercase)
    for index, points in _by_hyperscan(letters, hyperscan.CASELESS):
        found.update(points ^ {ord(letters[index]), ord(letters[index].upper())})
    for engine, flag in ((regex.findall, int(regex.IGNORECASE)), (re.findall, int(re.IGNORECASE))):
        found.update(point for point in _by_engine(engine, "[A-Za-z]", flag) if point > 0x7F)  # noqa: PLR2004 - ASCII
    found.update(point for point in _by_engine(re.findall, r"\d", 0) if point > 0x7F)  # noqa: PLR2004 - ASCII
    return found


def _by_engine(find_all: Callable[..., Iterable[str]], expression: str, flags: int) -> set[int]:
    return set(map(ord, find_all(expression, every_character(), flags)))


def _by_hyperscan(expressions: list[str], flags: int) -> Iterable[tuple[int, set[int]]]:
    # Surrogates cannot be encoded; an index into the rest is turned back into a code point.
    valid = "".join(character for character in every_character() if ord(character) not in _SURROGATES)
    items = [hyperscan.Expression(expression, flags) for expression in expressions]
    hits = hyperscan.Database(hyperscan.compile_expressions(items)).hits(valid)
    for index in range(len(expressions)):
        yield index, {ord(valid[place]) for place in hits.get(index, ())}
