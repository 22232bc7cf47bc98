"""JSON text as it comes in, with the escapes inside its strings read, and the way back.

Owns: `Unescaped`. Rules: one level of escapes, inside strings only; outside strings, and where an escape is none, text
stands as it is; a piece of an escape waits for the rest, at most eleven characters; a high surrogate waits to see
whether the low one follows. The view depends on the text alone, not on how it was cut.
"""

import re
from bisect import bisect_right

_PLAIN = re.compile(r'[^"\\]+')
_OUTSIDE = re.compile(r'[^"]+')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_LOW = re.compile(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HIGH = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}")
_UNFINISHED = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_UNFINISHED_LOW = re.compile(r"\\?|\\u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Unescaped:
    """`feed` gives what is new of the view; `source` maps its places back. Offsets are code points."""

    __slots__ = ("_inside", "_pending", "_places", "_read", "_shifts", "_viewed")

    def __init__(self) -> None:
        self._inside = False
        self._pending = ""
        self._read = 0  # of the source, all that the view stands for
        self._viewed = 0
        # Behind the view's character n - 1, the source is so much further on; ascending.
        self._places: list[int] = []
        self._shifts: list[int] = []

    def feed(self, text: str) -> str:
        """More of the source: what it adds to the view."""
        return self._read_on(self._pending + text, last=False)

    def close(self) -> str:
        """Nothing follows: what waited stands as it is."""
        return self._read_on(self._pending, last=True)

    def source(self, place: int) -> int:
        """Where in the source the view's character `place` begins; places may only be asked for in ascending order."""
        index = bisect_right(self._places, place) - 1
        shift = self._shifts[index] if index >= 0 else 0
        if index > 0:
            del self._places[:index], self._shifts[:index]
        return place + shift

    def _read_on(self, text: str, *, last: bool) -> str:
        parts: list[str] = []
        at = 0
        while at < len(text):
            step, written = self._next(text, at, last=last)
            if not step:
                break
            at += step
            self._read += step
            self._viewed += len(written)
            if step != len(written):
                self._places.append(self._viewed)
                self._shifts.append(self._read - self._viewed)
            parts.append(written)
        self._pending = text[at:]
        return "".join(parts)

    def _next(self, text: str, at: int, *, last: bool) -> tuple[int, str]:
        """How much of the source the next piece takes (0: it must wait), and what the view says for it."""
        if text[at] == '"':
            self._inside = not self._inside
            return 1, '"'
        plain = (_PLAIN if self._inside else _OUTSIDE).match(text, at)
        if plain:
            return len(plain.group()), plain.group()
        return self._escape(text, at, last=last)

    @staticmethod
    def _escape(text: str, at: int, *, last: bool) -> tuple[int, str]:
        if not last and _UNFINISHED.fullmatch(text, at):
            return 0, ""
        escape = _ESCAPE.match(text, at)
        if not escape:
            piece = text[at : at + 2]
            return len(piece), piece
        if _HIGH.match(text, at):
            if low := _LOW.match(text, escape.end()):
                return low.end() - at, _pair(escape.group(), low.group())
            if not last and _UNFINISHED_LOW.fullmatch(text, escape.end()):
                return 0, ""
        return len(escape.group()), _meaning(escape.group())


def _pair(high: str, low: str) -> str:
    """The character of two surrogates (Unicode 16, 3.8, D76)."""
    return chr(0x10000 + ((_code(high) & 0x3FF) << 10) + (_code(low) & 0x3FF))


def _code(escape: str) -> int:
    return int(escape.removeprefix("\\u"), 16)


def _meaning(escape: str) -> str:
    if escape[1] == "u":
        return chr(_code(escape))
    return _SHORT.get(escape[1], escape[1])
