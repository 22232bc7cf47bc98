"""Names of things, such as models and versions: their digits have the shape of telephone numbers and dates.

Rules: pure; in what has the shape of an identifier only keys count and what a checksum makes sure, because replacing
a part of it breaks a call and hides nobody; what holds a blank, an `@` or a `+` is no identifier.
"""

import re
from collections.abc import Iterable

from appliance.inspect.numbers import SURE
from appliance.model.detection import Detection, Segment
from appliance.model.names import DetectionKind

_SHAPE = re.compile(r"[A-Za-z0-9._:/~-]{1,256}\Z")
_ONE_IN_ELEVEN = "UK_NHS"  # its checksum holds for one time in eleven, and times are in every log
_SECONDS = re.compile(r"1\d{9}\Z")  # since 1970, from 2001 to 2033; the health service gives out no such number
_MODEL_KEYS = ("/model", "/modelId")
_COUNTED = ("01234567890123456789", "98765432109876543210")
_FEWEST_COUNTED = 10  # digits: shorter pieces of a count stand in real numbers


def is_identifier(text: str) -> bool:
    """Whether `text` has the shape of an identifier, a version or a number."""
    return _SHAPE.match(text) is not None


def is_count(text: str) -> bool:
    """Whether `text` is digits counted up or down and nothing else: an alphabet in code, a sample, nobody's number."""
    return len(text) >= _FEWEST_COUNTED and text.isdecimal() and any(text in counted for counted in _COUNTED)


def is_moment(text: str, entities: Iterable[str]) -> bool:
    """Whether a number is a time, and all that was found in it is what a time has by chance."""
    return _SECONDS.match(text) is not None and all(one == _ONE_IN_ELEVEN for one in entities)


def names_model(segment: Segment, model: str | None) -> bool:
    """Whether a segment is where a body names its model; `model`: as the body's reader understood it."""
    if not segment.pointer.endswith(_MODEL_KEYS) or not segment.text[:1].isalpha() or not is_identifier(segment.text):
        return False
    return segment.text == model or segment.channel == "metadata"


def telling(text: str, found: Iterable[Detection]) -> tuple[Detection, ...]:
    """What counts in an identifier, or in a number that stands for itself."""
    return tuple(one for one in found if one.kind is DetectionKind.SECRET or _is_sure(text, one))


def _is_sure(text: str, one: Detection) -> bool:
    if one.entity == _ONE_IN_ELEVEN and _SECONDS.match(text[one.start : one.end]):
        return False
    return one.score >= SURE
