"""Texts longer than what detectors take at once, scanned in overlapping windows.

Rules: every character is inside at least one window, and what is shorter than the overlap is inside one as a whole;
nothing found is dropped: a finding that a window cuts is kept beside the whole one from its neighbour, and overlap
resolution takes the longer.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from appliance.inspect.failure import OutOfTime
from appliance.model.detection import Detection
from appliance.model.names import Source

OVERLAP = 4096
"""Code points; longer than any key or address. A quarter of the window where that is smaller."""


class Scanner(Protocol):
    """What finds things in text. An exception from `scan` is a reason to fail closed.

    `scan` covers the first `max_chars` code points of its text and no more.
    """

    version: str
    classes: tuple[str, ...]
    max_chars: int

    def scan(self, text: str, source: Source = Source.UNKNOWN) -> tuple[Detection, ...]:
        """Findings in one text; `source`: whose words it is."""


def scan_whole(
    detectors: Scanner, text: str, source: Source = Source.UNKNOWN, is_late: Callable[[], bool] | None = None
) -> tuple[Detection, ...]:
    """Findings in all of `text`, however long; sorted when it took more than one window.

    `is_late`: asked before each further window; OutOfTime where it says so, or where a window ran out of time itself.
    """
    size = detectors.max_chars
    if len(text) <= size:
        return detectors.scan(text, source)
    step = size - min(OVERLAP, size // 4)
    found: set[Detection] = set()
    for start in range(0, len(text), step):
        if start and is_late is not None and is_late():
            found.update(_shifted(one, start) for one in keys_in(detectors, text[start:]))
            raise OutOfTime("a text's later windows were not reached", tuple(sorted(found)), detectors.classes)
        try:
            found.update(_shifted(one, start) for one in detectors.scan(text[start : start + size], source))
        except OutOfTime as short:
            found.update(_shifted(one, start) for one in short.found)
            found.update(_shifted(one, start + step) for one in keys_in(detectors, text[start + step :]))
            raise OutOfTime(str(short), tuple(sorted(found)), detectors.classes) from None
        if start + size >= len(text):
            break
    return tuple(sorted(found))


def keys_in(detectors: Scanner, text: str) -> tuple[Detection, ...]:
    """Keys alone, in a text for which there is no time: they are found fast, and must not leave behind a slow text."""
    keys = getattr(detectors, "keys", None)
    if keys is None:
        return ()
    size = detectors.max_chars
    step = size - min(OVERLAP, size // 4)
    found: set[Detection] = set()
    for start in range(0, max(len(text), 1), step):
        found.update(_shifted(one, start) for one in keys(text[start : start + size]))
        if start + size >= len(text):
            break
    return tuple(sorted(found))


def _shifted(detection: Detection, by: int) -> Detection:
    return replace(detection, start=detection.start + by, end=detection.end + by) if by else detection
