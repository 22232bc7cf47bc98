"""What an event says beside the texts that its reader tells: long numbers, its name, bytes that nobody can parse.

Rules: pure; a number stands in no string, so what hides it brings its own quotes; a name is passed over only where the
payload says the same word as one of its format's own; what some reader may still understand is not called plain.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from appliance.inspect.escapes import json_escaped
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.numbers import SURE, long_numbers
from appliance.inspect.redact import Edit, placeholder
from appliance.inspect.stream.events import EventView
from appliance.model.detection import Detection, Label, Segment, Selector

TOO_MANY_NUMBERS = "too_many_numbers"
_NAME = re.compile(rb"[A-Za-z0-9_.:/-]+")
# A quote may belong to a document that more lenient readers take; so may what is no UTF-8, and a NUL is half of UTF-16.
_DOUBTFUL = re.compile(r'["\x00-\x08\x0e-\x1f\x7f]')


def numbers_in(payload: bytes, view: EventView) -> list[Segment] | None:
    """Long numbers outside all texts and outside what is opaque or taken out; None: more than can be looked at."""
    try:
        found = long_numbers(payload)
    except MalformedBody:
        return None
    if not found or view.malformed:
        return []
    spans = _spans(view)
    return [one for one in found if not any(start <= one.start < end for start, end in spans)]


def sure(selectors: Iterable[Selector]) -> tuple[Selector, ...]:
    """The same, of what is certain: times and seeds have the shape of telephone numbers."""
    return tuple(msgspec.structs.replace(one, min_score=max(one.min_score, SURE)) for one in selectors)


def sure_labels(labels: Iterable[Label]) -> tuple[Label, ...]:
    """What counts in a number."""
    return tuple(label for label in labels if label.score >= SURE)


def number_edit(number: Segment, found: Sequence[Detection]) -> Edit:
    """A string in the number's place, named after the longest finding."""
    longest = max(found, key=lambda one: one.end - one.start)
    return number.start, number.end, b'"' + json_escaped(placeholder(longest)).encode() + b'"'


def is_word(name: bytes, payload: bytes, view: EventView) -> bool:
    """Whether the payload says `name` too, as a word of its format: an event's type is written twice."""
    if view.malformed or not _NAME.fullmatch(name):
        return False
    at = payload.find(b'"' + name + b'"') + 1
    return at > 0 and not any(start <= at < end for start, end in _spans(view))


def is_plain(payload: bytes) -> bool:
    """Words, marks and other texts of which nobody makes a document."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return False
    return _DOUBTFUL.search(text) is None


def _spans(view: EventView) -> list[tuple[int, int]]:
    texts = [(one.start, one.end) for one in view.texts]
    return texts + [(one.start, one.end) for one in view.opaque] + list(view.repeats)
