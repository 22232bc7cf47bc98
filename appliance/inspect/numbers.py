"""Long numbers of a JSON body: a card or an account is written as a number as well as in a string.

Rules: works on bytes that are known to be valid JSON (one document, or lines of them), so it needs no error handling; a
whole number of `MIN_DIGITS` digits or more is text as it is written; shorter ones, fractions and
the bounds of machine integers are structure; a body without any costs one search; their count is bounded.
"""

import re
from collections.abc import Iterator

from appliance.inspect.jsonspans import MalformedBody
from appliance.model.detection import Segment

NUMBER = "number"
"""The channel of these segments; a replacement has to bring its own quotes."""
MIN_DIGITS = 8
"""The shortest number that a detector knows; shorter ones are counts, sizes and tokens."""
MAX_NUMBERS = 50_000
"""Long numbers in a body, as many as strings."""
SURE = 0.8
"""The lowest score that counts in a number: a seed or a time has the shape of a telephone number, not its checksum."""
# What JSON Schema writes for the reach of an integer: some read as telephone numbers, and a schema in which they are
# replaced is refused by its reader.
_BOUNDS = frozenset(b"%d" % (2**bits - less) for bits in (31, 32, 53, 63, 64) for less in (0, 1))
# Everything that a number may hold as `0`, all else as a blank: a run of them is found ten times as fast as by a search
# for the expression below.
_AS_RUNS = bytes(ord("0") if byte in b"0123456789.eE+-" else ord(" ") for byte in range(256))
_RUN = b"0" * MIN_DIGITS
# What may stand before a number in JSON, and the number; in strings it matches too much, which costs time only.
_LIKELY = re.compile(rb"[\[,: \t\r\n]-?+[0-9][0-9.eE+-]{7}")
_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?+-?+[0-9][0-9.eE+-]{7}")
# Strings are stepped over; group 1: a number.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|(-?+[0-9][0-9.eE+-]{7,}+)', re.DOTALL)


def long_numbers(data: bytes) -> list[Segment]:
    """The long numbers outside strings, in the order of their places; MalformedBody when there are too many."""
    runs = data.translate(_AS_RUNS)
    if _RUN not in runs:
        return []
    found: list[Segment] = []
    for start, end in _stepping(data) if b"\\" in data else _counting(data, runs):
        raw = data[start:end]
        if not _is_identifier(raw):
            continue
        found.append(Segment("unknown", NUMBER, raw.decode(), "", start, end))
        if len(found) > MAX_NUMBERS:
            raise MalformedBody("too_many_numbers", f"JSON body holds more than {MAX_NUMBERS} long numbers")
    return found


def _stepping(data: bytes) -> Iterator[tuple[int, int]]:
    """Where long numbers stand outside strings, whatever these hold."""
    if _LIKELY.search(data) is not None or _FIRST.match(data) is not None:
        yield from (token.span() for token in _TOKEN.finditer(data) if token[1] is not None)


def _counting(data: bytes, runs: bytes) -> Iterator[tuple[int, int]]:
    """The same where no string has an escape: what has an even number of quotes before it stands outside them."""
    at = quotes = end = 0
    while end >= 0 and (start := runs.find(_RUN, end)) >= 0:
        quotes += data.count(b'"', at, start)
        at, end = start, runs.find(b" ", start)
        if not quotes % 2:
            yield start, end if end >= 0 else len(data)


def _is_identifier(raw: bytes) -> bool:
    """A whole number that is long enough: measurements have fractions and exponents, cards and accounts have none."""
    whole, _, fraction = raw.lstrip(b"-").partition(b".")
    return whole.isdigit() and len(whole) >= MIN_DIGITS and not fraction.strip(b"0") and whole not in _BOUNDS
