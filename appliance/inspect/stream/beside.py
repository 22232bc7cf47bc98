"""What an event says beside the texts that its reader tells: long numbers, its name, bytes that nobody can parse.

Owns: also which events are in doubt, and which say too much. Rules: pure; a number stands in no string, so what hides
it brings its own quotes; a name is passed over only where the payload says the same word as one of its format's own;
what some reader may still understand is not called plain.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from appliance.inspect.escapes import json_escaped
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.numbers import SURE, long_numbers
from appliance.inspect.redact import Edit, placeholder
from appliance.inspect.stream.events import EventView
from appliance.inspect.stream.tally import AMBIGUOUS, MALFORMED
from appliance.model.detection import Detection, Label, Segment, Selector
from appliance.model.names import DetectionKind

MAX_TEXT = 1024 * 1024
"""Bytes of all texts of one event."""
TOO_MANY_NUMBERS = "too_many_numbers"
_KEYS = DetectionKind.SECRET.value
_NAME = re.compile(rb"[A-Za-z0-9_.:/-]+")
# A quote may belong to a document that more lenient readers take; so may what is no UTF-8, and a NUL is half of UTF-16.
_DOUBTFUL = re.compile(r'["\x00-\x08\x0e-\x1f\x7f]')


def too_much(size: int, view: EventView) -> bool:
    """Whether an event of so many bytes holds more text than can be looked at while others wait."""
    if size <= MAX_TEXT:
        return False
    return view.malformed or sum(one.end - one.start for one in view.texts) > MAX_TEXT


def numbers_in(payload: bytes, view: EventView) -> list[Segment] | None:
    """Long numbers outside all texts and outside what is opaque or taken out; None: more than can be looked at."""
    try:
        found = long_numbers(payload)
    except MalformedBody:
        return None
    if not found or view.malformed:
        return []
    spans = sorted(_spans(view))
    starts = [start for start, _ in spans]
    before = [bisect_right(starts, one.start) for one in found]  # spans are disjoint: only the last one may hold it
    return [one for one, place in zip(found, before, strict=True) if not place or spans[place - 1][1] <= one.start]


def sure(selectors: Iterable[Selector]) -> tuple[Selector, ...]:
    """The same, of what is certain: times and seeds have the shape of telephone numbers."""
    return tuple(msgspec.structs.replace(one, min_score=max(one.min_score, SURE)) for one in selectors)


def sure_labels(labels: Iterable[Label]) -> tuple[Label, ...]:
    """What counts in a number."""
    return tuple(label for label in labels if label.score >= SURE)


def in_names(selectors: Iterable[Selector]) -> tuple[Selector, ...]:
    """The same, of keys and of what is certain: the name of a model holds a date, and that has such a shape too."""
    selectors = tuple(selectors)
    keys = (msgspec.structs.replace(one, kinds=(_KEYS,), entities=()) for one in selectors if _KEYS in one.kinds)
    return (*sure(selectors), *keys)


def name_labels(labels: Iterable[Label]) -> tuple[Label, ...]:
    """What counts in the name of a model."""
    return tuple(label for label in labels if label.kind is DetectionKind.SECRET or label.score >= SURE)


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


def doubt(payload: bytes, view: EventView) -> str | None:
    """Why readers may differ in what an event says; None: they do not."""
    if view.ambiguous:
        return AMBIGUOUS
    return MALFORMED if view.malformed and not is_plain(payload) else None


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
