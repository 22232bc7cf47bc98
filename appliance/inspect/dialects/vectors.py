"""Rows of numbers in JSON: embeddings, and texts that a client has cut into token ids.

Theory: no detector can read them, and there may be millions, more than a JSON document may hold elsewhere. So their
insides are blanked before the document is read: every byte keeps its place, and what was taken out is told.

Rules: pure; linear; only arrays of nothing but numbers are taken, and never one with a whole number of eight digits or
more, because that may be a card or an account (see numbers.py).
"""

import re
from functools import cache
from typing import NamedTuple

from appliance.inspect.dialects.repeats import blanked
from appliance.inspect.view import Opaque

_STEP_OVER = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_WHOLE = rb"-?+[0-9]{1,7}+(?![0-9.eE])"  # a token id, or a component of a quantised vector
_REAL = rb"-?+[0-9]{1,3}+(?:\.[0-9]++(?:[eE][+-]?+[0-9]++)?+|[eE][+-]?+[0-9]++)"
_NUMBER = rb"(?:" + _WHOLE + rb"|" + _REAL + rb")"
_BLANK = rb"[ \t\r\n]*+"


class Vectors(NamedTuple):
    """A document with its rows of numbers blanked: as long as before. `spans`: the insides of those arrays."""

    data: bytes
    spans: tuple[tuple[int, int], ...] = ()

    def among(self, opaque: tuple[Opaque, ...], reason: str) -> tuple[Opaque, ...]:
        """`opaque` and the rows, opaque for this reason, in the order of their places."""
        if not self.spans:
            return opaque
        rows = [Opaque(start, end, reason) for start, end in self.spans]
        return tuple(sorted([*opaque, *rows], key=lambda span: span.start))


def without_vectors(body: bytes, least: int) -> Vectors:
    """Blank every array of `least` numbers or more (1 at the lowest) that holds nothing else."""
    spans = tuple(found.span(1) for found in _row(least).finditer(body) if found[1] is not None)
    return Vectors(blanked(body, spans), spans)


@cache
def _row(least: int) -> re.Pattern[bytes]:
    """Strings, and arrays of `least` numbers with their inside as group 1."""
    more = rb"(?:" + _BLANK + rb"," + _BLANK + _NUMBER + rb"){%d,}+" % (least - 1)
    return re.compile(_STEP_OVER + rb"|\[(" + _BLANK + _NUMBER + more + _BLANK + rb")\]", re.DOTALL)
