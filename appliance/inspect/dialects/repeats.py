"""Values that write a text once more in pieces: log probabilities of tokens, token ids, a message beside its delta.

Rules: pure; one pass, however many there are, and a repeat inside a repeat is part of it; a value is taken only where
the format has it (`is_repeat` is asked with the key and its pointer); the keys asked about must not be among the known
names of the format, or they are not listed.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from appliance.inspect.jsonspans import StringSpan

IsRepeat = Callable[[StringSpan], bool]
Spans = tuple[tuple[int, int], ...]
_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|([{\[])|([}\]])', re.DOTALL)
_SAYS = re.compile(rb'["0-9]')


class Once(NamedTuple):
    """What is left of a document: its `strings` outside all repeats; `spans` of the values that repeat."""

    strings: tuple[StringSpan, ...]
    spans: Spans = ()


def without_repeats(
    data: bytes, strings: tuple[StringSpan, ...], is_repeat: IsRepeat, words: frozenset[str] = frozenset()
) -> Once:
    """Take out the objects and arrays whose key `is_repeat` knows; `strings` are those of `data`.

    Such a key is a word of the format, and so is one of `words`, which is listed only to be asked about. An empty value
    repeats nothing and is left alone.
    """
    if not any(string.is_key for string in strings):
        return Once(strings)
    kept: list[StringSpan] = []
    spans: list[tuple[int, int]] = []
    behind = 0
    for string in strings:
        if string.start < behind:
            continue
        if not string.is_key:
            kept.append(string)
        elif is_repeat(string):
            span = value_after(data, string.end)
            if span is not None and _SAYS.search(data, *span):
                spans.append(span)
                behind = span[1]
        elif string.text not in words:
            kept.append(string)
    return Once(tuple(kept), tuple(spans))


def blanked(data: bytes, spans: Spans) -> bytes:
    """`data` with blanks at `spans`: every other byte keeps its place."""
    if not spans:
        return data
    changed = bytearray(data)
    for start, end in spans:
        changed[start:end] = b" " * (end - start)
    return bytes(changed)


def value_after(payload: bytes, key_end: int) -> tuple[int, int] | None:
    """The span of the object or array that is the value of the key whose inside ends at `key_end`; None: no such."""
    depth = 0
    start = -1
    for mark in _MARK.finditer(payload, key_end + 1):
        if mark.lastindex is None:
            if not depth:
                return None
            continue
        if mark.lastindex == 1:
            if not depth:
                start = mark.start()
                if payload[key_end + 1 : start].strip(b" \t\r\n") != b":":
                    return None
            depth += 1
        else:
            depth -= 1
            if depth <= 0:
                return (start, mark.end()) if start >= 0 else None
    return None
