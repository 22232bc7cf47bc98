"""What each detector has cost and found since the process began: texts, findings, time, failures.

Rules: numbers only, never a text; one entry per detector and per rule, both of which the release and the configuration
bound; time is handed in. Counts are for people: two threads at once may lose one.
"""

from collections.abc import Iterable

import msgspec

from appliance.model.detection import DetectorCount


class _Sums(msgspec.Struct):
    texts: int = 0
    found: int = 0
    seconds: float = 0.0
    failed: int = 0
    late: int = 0


class Statistics:
    """Of one set of detectors."""

    def __init__(self) -> None:
        self._sums: dict[str, _Sums] = {}
        self.asked = 0
        self.remembered = 0

    def ran(self, name: str, seconds: float, found: int) -> None:
        """A detector has looked at a text."""
        sums = self._of(name)
        sums.texts += 1
        sums.found += found
        sums.seconds += seconds

    def failed(self, name: str, seconds: float, *, late: bool) -> None:
        """A detector gave up; `late`: for want of time."""
        sums = self._of(name)
        sums.texts += 1
        sums.seconds += seconds
        if late:
            sums.late += 1
        else:
            sums.failed += 1

    def told(self) -> tuple[DetectorCount, ...]:
        """All of them, in the order in which they first ran."""
        return tuple(
            DetectorCount(name, one.texts, one.found, round(one.seconds, 6), one.failed, one.late)
            for name, one in self._sums.items()
        )

    def add(self, counts: Iterable[DetectorCount]) -> None:
        """What others have counted."""
        for one in counts:
            sums = self._of(one.name)
            sums.texts += one.texts
            sums.found += one.found
            sums.seconds += one.seconds
            sums.failed += one.failed
            sums.late += one.late

    def _of(self, name: str) -> _Sums:
        found = self._sums.get(name)
        if found is None:
            found = self._sums[name] = _Sums()
        return found


def together(*groups: Iterable[DetectorCount]) -> tuple[DetectorCount, ...]:
    """One for each name."""
    sums = Statistics()
    for counts in groups:
        sums.add(counts)
    return sums.told()


def since(now: Iterable[DetectorCount], then: Iterable[DetectorCount]) -> tuple[DetectorCount, ...]:
    """What `now` has more than `then`, an earlier state of the same counts; names without anything new are left out."""
    before = {one.name: one for one in then}
    found: list[DetectorCount] = []
    for one in now:
        old = before.get(one.name, DetectorCount(one.name, 0, 0, 0.0))
        seconds = max(0.0, round(one.seconds - old.seconds, 6))
        more = (one.texts - old.texts, one.found - old.found, one.failed - old.failed, one.late - old.late)
        if any(more):
            found.append(DetectorCount(one.name, more[0], more[1], seconds, more[2], more[3]))
    return tuple(found)
