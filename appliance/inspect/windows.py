"""Texts longer than what detectors take at once, scanned in overlapping windows.

Rules: every character is inside at least one window, and what is shorter than the overlap is inside one as a whole;
nothing found is dropped: a finding that a window cuts is kept beside the whole one from its neighbour, and overlap
resolution takes the longer.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from appliance.inspect.failure import OutOfTime
from appliance.inspect.looking import Seen
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
    return look_whole(detectors, text, source, is_late).found


def look_whole(
    detectors: Scanner,
    text: str,
    source: Source = Source.UNKNOWN,
    is_late: Callable[[], bool] | None = None,
    enough: Callable[[Detection], bool] | None = None,
) -> Seen:
    """`scan_whole`, with what was not looked at in full.

    `enough`: whether a finding makes further ones needless; the rest of the text is left then, and `skipped` says so.
    """
    size = detectors.max_chars
    if len(text) <= size:
        return _look(detectors, text, source, enough)
    step = size - min(OVERLAP, size // 4)
    found: set[Detection] = set()
    partial: set[str] = set()
    for start in range(0, len(text), step):
        if start and is_late is not None and is_late():
            found.update(_shifted(one, start) for one in keys_in(detectors, text[start:]))
            raise OutOfTime("a text's later windows were not reached", tuple(sorted(found)), detectors.classes)
        try:
            seen = _look(detectors, text[start : start + size], source, enough)
        except OutOfTime as short:
            found.update(_shifted(one, start) for one in short.found)
            found.update(_shifted(one, start + step) for one in keys_in(detectors, text[start + step :]))
            raise OutOfTime(str(short), tuple(sorted(found)), detectors.classes) from None
        found.update(_shifted(one, start) for one in seen.found)
        partial.update(seen.partial)
        if start + size >= len(text):
            return Seen(tuple(sorted(found)), tuple(sorted(partial)), seen.skipped)
        if seen.skipped or (enough is not None and any(map(enough, seen.found))):
            return Seen(
                tuple(sorted(found)), tuple(sorted(partial)), tuple(getattr(detectors, "stages", detectors.classes))
            )
    return Seen(tuple(sorted(found)), tuple(sorted(partial)))


def _look(detectors: Scanner, text: str, source: Source, enough: Callable[[Detection], bool] | None) -> Seen:
    look = getattr(detectors, "look", None)
    if look is None:
        return Seen(detectors.scan(text, source))
    seen: Seen = look(text, source, enough)
    return seen


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
