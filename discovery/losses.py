"""What a capture lost, second by second, and the sums of its parts.

Rules: pure, the clock is an argument; bounded by the seconds remembered.
"""

from collections import Counter, deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from appliance.model.event import LostSecond
from discovery.report import Tally

SECONDS: Final = 60  # remembered
WORST: Final = 5  # named


class Minute(NamedTuple):
    """Packets lost in a minute; the epoch second that lost most, and how many; 0: none."""

    lost: int = 0
    worst_at: int = 0
    worst_lost: int = 0


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of what parts of one capture tell."""
    each = list(tallies)
    weird: Counter[str] = Counter()
    for one in each:
        weird.update(one.weird)
    return Tally(
        sum(one.packets for one in each),
        sum(one.observations for one in each),
        sum(one.missed for one in each),
        sum(one.held_back for one in each),
        dict(weird),
    )


class Losses:
    """Packets lost in each of the last seconds, and read in the same; seconds without a loss are not kept."""

    def __init__(self) -> None:
        self._sum = self._read = 0
        self._passed = (0, 0)  # epoch second, packets read in it
        self._unrecorded: deque[LostSecond] = deque(maxlen=SECONDS)
        self._seconds: deque[tuple[int, int]] = deque(maxlen=SECONDS)  # epoch second, packets
        self._untold: deque[tuple[int, int]] = deque(maxlen=SECONDS)  # of them, since `take`

    def note(self, now: float, missed: int, read: int = 0) -> None:
        """`missed`, `read`: packets since the capture began, as told at `now` (epoch seconds)."""
        grown, self._sum = missed - self._sum, missed
        came, self._read = max(0, read - self._read), read
        self._pass(int(now), came)
        if grown <= 0:
            return
        if not self._unrecorded or self._unrecorded[-1].second != int(now):
            self._unrecorded.append(LostSecond(int(now), 0, self._passed[1] - came))
        last = self._unrecorded[-1]
        self._unrecorded[-1] = LostSecond(last.second, last.dropped + grown, self._passed[1])
        _add(self._seconds, int(now), grown)
        _add(self._untold, int(now), grown)

    def _pass(self, second: int, came: int) -> None:
        """`came` packets were read in this second."""
        self._passed = (second, came + (self._passed[1] if self._passed[0] == second else 0))
        if self._unrecorded and self._unrecorded[-1].second == second:
            last = self._unrecorded[-1]
            self._unrecorded[-1] = LostSecond(second, last.dropped, self._passed[1])

    def record(self, before: float) -> tuple[LostSecond, ...]:
        """Seconds with a loss that began and ended before that time, each once; `before` inf: all there are."""
        whole = [one for one in self._unrecorded if one.second + 1 <= before]
        self._unrecorded = deque((one for one in self._unrecorded if one.second + 1 > before), SECONDS)
        return tuple(whole)

    def since(self, oldest: float) -> tuple[tuple[int, int], ...]:
        """(epoch second, packets lost) from `oldest` on, in order."""
        return tuple(pair for pair in self._seconds if pair[0] >= oldest)

    def minute(self, now: float) -> Minute:
        """Of the sixty seconds before `now`; what a clock that was set back calls the future is left out."""
        seconds = [(lost, second) for second, lost in self.since(now - SECONDS) if second <= now]
        if not seconds:
            return Minute()
        worst_lost, worst_at = max(seconds)
        return Minute(sum(lost for lost, _ in seconds), worst_at, worst_lost)

    def take(self) -> str:
        """The worst seconds since the last call, in words, in order; empty: nothing was lost."""
        worst = sorted(sorted(self._untold, key=lambda pair: -pair[1])[:WORST])
        self._untold.clear()
        return ", ".join(f"{lost} at {datetime.fromtimestamp(second, UTC):%H:%M:%S}" for second, lost in worst)


def _add(seconds: deque[tuple[int, int]], second: int, lost: int) -> None:
    if seconds and seconds[-1][0] == second:
        lost += seconds.pop()[1]
    seconds.append((second, lost))
