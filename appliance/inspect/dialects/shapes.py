"""The strings of JSON events whose shape recurs, without walking each one anew.

Theory: the shape of a valid document is what is left of it when the insides of its string values and its numbers are
taken out. Two documents of one shape have the same pointers in the same order, because a pointer hangs on keys,
brackets and commas alone. So a walk is needed once for each shape, and one regular expression finds the strings.

Rules: the result is that of `jsonspans.parse`, to the bit; a document with a duplicate key, or of a size that is rare
in streams, is walked each time; what is remembered is bounded.
"""

import re
from collections.abc import Mapping

import msgspec

from appliance.inspect.jsonspans import Document, StringSpan, parse, unescape

MAX_EVENT = 8 * 1024
"""Bytes; a larger event is walked."""
MAX_SHAPES = 64
MAX_POINTERS = 8 * 1024
"""Code points of all pointers of a shape that is remembered."""
_Strings = tuple[tuple[str, bool] | None, ...]
"""Of each string of a shape its pointer, and whether it is a key; None: a key of the format, which is not listed."""

_INSIDE = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
# Group 1: a key, which stays as it is; 2: a value, of which a quote stays; a number vanishes.
_SHAPE = re.compile(rb'("' + _INSIDE + rb'")(?=[ \t\r\n]*+:)|(")' + _INSIDE + rb'"|[0-9][0-9.eE+-]*+', re.DOTALL)
# Group 1: the inside.
_STRING = re.compile(rb'"(' + _INSIDE + rb')"', re.DOTALL)


class Shapes:
    """Remembers shapes, for all answers of one format."""

    def __init__(self, known: Mapping[bytes, str]) -> None:
        self._known = known
        self._known_shapes: dict[bytes, _Strings] = {}

    def parse(self, payload: bytes) -> Document:
        """As `jsonspans.parse` with the known keys of this format; MalformedBody alike."""
        if len(payload) > MAX_EVENT:
            return parse(payload, known=self._known)
        try:
            value = msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return parse(payload, known=self._known)  # which allows a little more, and says what is wrong
        shape = _SHAPE.sub(rb"\1\2", payload)
        strings = self._known_shapes.get(shape)
        if strings is None:
            return self._learn(shape, payload)
        return Document(value, _spans(payload, strings))

    def _learn(self, shape: bytes, payload: bytes) -> Document:
        document = parse(payload, known=self._known)
        if not document.duplicate_keys and sum(len(span.pointer) for span in document.strings) <= MAX_POINTERS:
            if len(self._known_shapes) >= MAX_SHAPES:
                self._known_shapes.clear()
            listed = {span.start: (span.pointer, span.is_key) for span in document.strings}
            starts = (token.start(1) for token in _STRING.finditer(payload))
            self._known_shapes[shape] = tuple(listed.get(start) for start in starts)
        return document


def _spans(payload: bytes, strings: _Strings) -> tuple[StringSpan, ...]:
    found: list[StringSpan] = []
    for token, told in zip(_STRING.finditer(payload), strings, strict=True):
        if told is not None:
            pointer, is_key = told
            raw = token[1].decode()
            start, end = token.span(1)
            escaped = "\\" in raw
            text = unescape(raw) if escaped else raw
            found.append(StringSpan(pointer, start, end, text, escaped, is_key))
    return tuple(found)
