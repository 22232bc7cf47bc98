"""From sightings to records: the first of its kind at once, what repeats as one record per interval.

Owns: the table of what was seen lately. Rules: pure, time as an argument; nothing that was taken is forgotten without
a record, not by a full table and not at the end; equal input gives equal records, so that a file that is read again
gives them again in the same order. A record never holds a client's address, only its digest.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from appliance.model.event import Observed

MAX_ENTRIES: Final = 32_768

type Key = tuple[str, str, str, str, str, str | None, str | None, tuple[str, ...]]


class Recorded(msgspec.Struct, frozen=True):
    """A record to be journalled, with the address that its `client` stands for."""

    event: Observed
    address: str

    @property
    def persons(self) -> Mapping[str, str]:
        """Digest to clear value."""
        return {self.event.client: self.address}


class _Entry(msgspec.Struct):
    """What repeats: its interval began at `since`; the record of `count` repeats so far, from `first` to `last`.

    `up`, `down`: bytes of those repeats whose sizes are known.
    """

    sample: Observed
    address: str
    since: float
    count: int = 0
    first: float = 0.0
    last: float = 0.0
    up: int | None = None
    down: int | None = None
    at_least: bool = False


class Aggregate:
    """The table of one sensor. `interval_s` 0: every sighting is a record of its own."""

    def __init__(self, interval_s: float, limit: int = MAX_ENTRIES) -> None:
        self._interval_s, self._limit = interval_s, limit
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()  # by `since`, oldest first

    def __len__(self) -> int:
        return len(self._entries)

    def take(self, sighting: Observed, address: str) -> Iterator[Recorded]:
        """One more sighting; the records that are due because of it."""
        yield from self.due(sighting.ts)
        key = (
            *(sighting.client, sighting.service, sighting.seen, sighting.leg, sighting.name),
            *(sighting.cause, sighting.contradicts, sighting.kinds),
        )
        if (entry := self._entries.get(key)) is not None:
            _repeat(entry, sighting)
            return
        yield Recorded(replace(sighting, until=sighting.ts), address)
        if self._interval_s <= 0:
            return
        while len(self._entries) >= self._limit:
            yield from _told(self._entries.popitem(last=False)[1])
        self._entries[key] = _Entry(sighting, address, sighting.ts)

    def due(self, now: float) -> Iterator[Recorded]:
        """Records of the intervals that are over. What was seen in its interval goes on being watched for."""
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if now - entry.since < self._interval_s:
                return
            del self._entries[key]
            if entry.count:
                yield from _told(entry)
                self._entries[key] = _Entry(entry.sample, entry.address, now)

    def flush(self) -> Iterator[Recorded]:
        """Everything that is not told yet; the table is empty then."""
        while self._entries:
            yield from _told(self._entries.popitem(last=False)[1])


def _repeat(entry: _Entry, sighting: Observed) -> None:
    entry.first = min(entry.first, sighting.ts) if entry.count else sighting.ts
    entry.last = max(entry.last, sighting.ts) if entry.count else sighting.ts
    entry.count += sighting.count
    entry.up, entry.down = _sum(entry.up, sighting.bytes_up), _sum(entry.down, sighting.bytes_down)
    entry.at_least |= sighting.at_least
    entry.sample = sighting


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)


def _told(entry: _Entry) -> Iterator[Recorded]:
    if entry.count:
        event = replace(
            entry.sample,
            ts=entry.first,
            until=entry.last,
            count=entry.count,
            bytes_up=entry.up,
            bytes_down=entry.down,
            at_least=entry.at_least,
        )
        yield Recorded(event, entry.address)
