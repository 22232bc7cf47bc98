"""Which evidence is kept: each reason once per finding, client and kind within an interval.

Rules: pure, the time is the event's own; bounded in reasons remembered and in reasons kept per finding and interval, so
that an army of clients cannot fill the store with the same sentence; forgetting too early costs a repeat, never a
reason that is new.
"""

from collections import OrderedDict
from typing import Final

MAX_REMEMBERED: Final = 100_000
SHORTEST_S: Final = 0.001
MAX_PER_FINDING: Final = 50  # kept per interval: no more is ever shown

type Reason = tuple[str, str, str, str]  # finding, client, kind, text


class Suppression:
    """Remembers what was kept last. `interval_s`: seconds."""

    def __init__(self, interval_s: float, remember: int = MAX_REMEMBERED) -> None:
        self._interval = max(interval_s, SHORTEST_S)
        self._remember = remember
        self._last: OrderedDict[int, float] = OrderedDict()
        self._kept: OrderedDict[tuple[str, int], int] = OrderedDict()  # by finding and number of the interval

    def full(self, finding: str, ts: float) -> bool:
        """No further reason for this finding is kept in this interval."""
        return self._kept.get((finding, int(ts // self._interval)), 0) >= MAX_PER_FINDING

    def admits(self, reason: Reason, ts: float) -> bool:
        """The reason is to be kept as evidence now; asking takes it as kept."""
        window = (reason[0], int(ts // self._interval))
        kept = self._kept.get(window, 0)
        if kept >= MAX_PER_FINDING:
            return False
        key = hash(reason)
        last = self._last.get(key)
        if last is not None and abs(ts - last) < self._interval:
            return False
        self._note(self._last, key, ts)
        self._note(self._kept, window, kept + 1)
        return True

    def kept(self, reason: Reason, ts: float) -> None:
        """Was kept in an earlier life."""
        self._note(self._last, hash(reason), ts)

    def _note[K, V](self, table: OrderedDict[K, V], key: K, value: V) -> None:
        table[key] = value
        table.move_to_end(key)
        if len(table) > self._remember:
            table.popitem(last=False)
