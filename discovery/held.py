"""A table of unfinished things, bounded in number, in bytes and in time.

Rules: oldest first out; time is that of the packets, so a capture is read the same at any speed; whoever loses an
entry is told why by the counter named at construction.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Protocol

from discovery.limits import Tally, Weird


class Piecewise(Protocol):
    """Something that comes in pieces: since when, how many bytes of it are held, and whether its end is no loss."""

    since: float
    size: int
    quiet: bool


class Held[K: Hashable, T: Piecewise](OrderedDict[K, T]):
    """`put`, `grown` after an entry took bytes, `renew`, `drop`, `expire`; probing is that of a dict."""

    def __init__(self, tally: Tally, *, entries: int, total: int, seconds: float, full: Weird, late: Weird) -> None:
        super().__init__()
        self._tally = tally
        self._entries, self._total, self._seconds = entries, total, seconds
        self._full, self._late = full, late
        self._bytes = 0

    def put(self, key: K, item: T) -> None:
        """Take `item` in; the oldest go where there is no room."""
        self.drop(key)
        self[key] = item
        self.grown(item.size)

    def grown(self, by: int) -> None:
        """An entry holds `by` bytes more than before."""
        self._bytes += by
        while len(self) > self._entries or (self._bytes > self._total and self):
            self._lose(next(iter(self)), self._full)

    def renew(self, key: K, now: float) -> None:
        """An entry goes on: its time begins anew, and others go before it."""
        if (item := self.get(key)) is not None:
            item.since = now
            self.move_to_end(key)

    def drop(self, key: K) -> None:
        """Let an entry go, uncounted; nothing happens where there is none."""
        item = self.pop(key, None)
        if item is not None:
            self._bytes -= item.size

    def expire(self, now: float) -> None:
        """Let go what was begun too long before `now`."""
        while self:
            key = next(iter(self))
            if now - self[key].since <= self._seconds:
                return
            self._lose(key, self._late)

    def _lose(self, key: K, why: Weird) -> None:
        if not self[key].quiet:
            self._tally[why] += 1
        self.drop(key)


class Recent[V](OrderedDict[bytes, tuple[float, V]]):
    """A memory of the last `entries` keys, each for `seconds`; what is forgotten is not missed."""

    def __init__(self, entries: int, seconds: float) -> None:
        super().__init__()
        self._entries, self._seconds = entries, seconds

    def note(self, key: bytes, now: float, value: V) -> None:
        """Remember `value`, as the youngest."""
        self[key] = (now, value)
        self.move_to_end(key)
        if len(self) > self._entries:
            self.popitem(last=False)

    def recall(self, key: bytes, now: float) -> V | None:
        """What was noted under `key`, unless it is too old."""
        noted = self.get(key)
        return noted[1] if noted is not None and now - noted[0] <= self._seconds else None

    def expire(self, now: float) -> None:
        """Forget what is older than the limit."""
        while self:
            since, _ = self[next(iter(self))]
            if now - since <= self._seconds:
                return
            self.popitem(last=False)
