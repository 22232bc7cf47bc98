"""What was recorded of connections whose sizes are still to come, so that they go to the right one.

Owns: which record the sizes of a connection belong to. Rules: pure, times are those of the packets; bounded. Ports are
used again, and the sizes of the connection before may have found no room: so a record takes only the sizes of a
connection in whose time it was made, never those of another with the same ends.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from appliance.model.event import Observed
from appliance.model.observation import Observation
from discovery.joining import SLACK_S, Key

MAX_OPEN: Final = 8_192  # connections
MAX_RECORDS: Final = 4  # of the same ends: services in one connection, or connections whose end was not heard of


class _Waiting(msgspec.Struct):
    """A record, and from when to when its service was seen between these ends."""

    event: Observed
    since: float
    until: float


class Awaited:
    """One sensor's table."""

    def __init__(self, limit: int = MAX_OPEN) -> None:
        self._limit = limit
        self._open: OrderedDict[Key, list[_Waiting]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def note(self, key: Key, event: Observed) -> None:
        """`event` was recorded of the connection that has these ends now."""
        waiting = self._open.setdefault(key, [])
        last = waiting[-1] if waiting else None
        if last is not None and last.event.service == event.service:
            last.until = max(last.until, event.ts)
        else:
            waiting.append(_Waiting(event, event.ts, event.ts))
            del waiting[:-MAX_RECORDS]
        self._open.move_to_end(key)
        if len(self._open) > self._limit:
            self._open.popitem(last=False)

    def known(self, key: Key, size: Observation) -> Observed | None:
        """The first record of the connection that `size` tells of and that goes on."""
        return next((one.event for one in self._open.get(key, ()) if _fits(one, size)), None)

    def take(self, key: Key, size: Observation) -> Observed | None:
        """The first record of the connection that `size` tells of; what is older is let go."""
        waiting = self._open.pop(key, [])
        theirs = [one for one in waiting if _fits(one, size)]
        later = [one for one in waiting if one.since > size.ts + SLACK_S]
        if later:
            self._open[key] = later
        return theirs[0].event if theirs else None


def _fits(one: _Waiting, size: Observation) -> bool:
    return begins(size) <= one.until and one.since <= size.ts + SLACK_S


def begins(size: Observation) -> float:
    """When the connection began whose sizes these are, at the earliest."""
    return size.ts - (size.seconds or 0.0) - SLACK_S
