"""When windows begin and end, and how the rate of a minute or an hour is counted. Pure.

Days and months are those of the site's time zone, so that a day has 23 to 25 hours where clocks are changed. Limited
minutes and hours are rates (generic cell rate algorithm, ITU-T I.371, as a virtual schedule): a counter holds the
moment at which all that was granted will have drained at limit per window; a grant needs that moment to lie at most
one window ahead. So a whole limit may be taken at once, and what flows back flows evenly: within any span of s seconds
no more than limit * (1 + s / window) is granted.

Rules: nanoseconds for rates, epoch seconds for windows; rounding never grants: a grant is rounded up and what is given
back is rounded down. What is given back of a rate is lessened by the time since it was taken: that much may have
drained already, and what came later must not be forgotten with it.
"""

import datetime as dt
from enum import StrEnum
from typing import Final

NANO: Final = 10**9


class Window(StrEnum):
    """The span over which a counter counts; `running`: what is out now, without any span."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    RUNNING = "running"


LENGTH: Final = {Window.MINUTE: 60, Window.HOUR: 3600, Window.DAY: 86400, Window.MONTH: 31 * 86400, Window.RUNNING: 0}
"""Seconds, at most (without clock changes)."""
CODE: Final = {Window.MINUTE: 1, Window.HOUR: 2, Window.DAY: 3, Window.MONTH: 4, Window.RUNNING: 5}
"""In a slot's tag; a rate is another counter than a plain count of the same window."""
RATE_CODE: Final = {Window.MINUTE: 6, Window.HOUR: 7}
RUNNING_CODE: Final = CODE[Window.RUNNING]
LENGTH_OF_CODE: Final = {code: LENGTH[window] for codes in (CODE, RATE_CODE) for window, code in codes.items()}
_FAR: Final = 2  # windows: a rate that is further ahead was written by a clock that has been set back since


class Calendar:
    """Windows of one time zone; what is asked again and again is remembered."""

    def __init__(self, zone: dt.tzinfo = dt.UTC) -> None:
        self._zone = zone
        self._known: dict[Window, tuple[int, int]] = {}

    def bounds(self, window: Window, now: float) -> tuple[int, int]:
        """Start and end of the window in which `now` lies."""
        known = self._known.get(window)
        if known is None or not known[0] <= now < known[1]:
            known = self._known[window] = self._bounds(window, now)
        return known

    def _bounds(self, window: Window, now: float) -> tuple[int, int]:
        if window in RATE_CODE:
            start = int(now // LENGTH[window]) * LENGTH[window]
            return start, start + LENGTH[window]
        day = dt.datetime.fromtimestamp(now, self._zone).date()
        if window is Window.MONTH:
            first = day.replace(day=1)
            return self._midnight(first), self._midnight((first + dt.timedelta(days=31)).replace(day=1))
        start, end = self._midnight(day), self._midnight(day + dt.timedelta(days=1))
        # Where a day's first midnight comes twice, the hour before the second one is called by the day before.
        return (start, end) if now < end else (end, self._midnight(day + dt.timedelta(days=2)))

    def _midnight(self, day: dt.date) -> int:
        return int(dt.datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp())

    def between(self, window: Window, begun: int, start: int) -> int:
        """How many windows lie between the one that began at `begun` and the later one at `start`."""
        if window in RATE_CODE:
            return max(0, (start - begun) // LENGTH[window] - 1)
        one, other = (dt.datetime.fromtimestamp(at + 1, self._zone) for at in (begun, start))
        if window is Window.MONTH:
            return max(0, (other.year - one.year) * 12 + other.month - one.month - 1)
        return max(0, (other.date() - one.date()).days - 1)


def moment(now: float) -> int:
    """Epoch seconds in nanoseconds, as exact as such a number is."""
    return round(now * 1e6) * 1000


def cost_of(amount: int, limit: int, length: int) -> int:
    """Nanoseconds that `amount` takes to drain at `limit` per `length` seconds, rounded up."""
    return -(-amount * length * NANO // limit)


def drained(ahead: int, limit: int, length: int) -> int:
    """The amount that has not drained yet where a rate is `ahead` nanoseconds, rounded up."""
    return -(-max(0, ahead) * limit // (length * NANO))


def taken(until: int, cost: int, length: int, now: int) -> int | None:
    """The new moment of a rate after a grant of `cost` at `now`, all in nanoseconds; None: there is no room."""
    after = max(standing(until, length, now), now) + cost
    return after if after - now <= length * NANO else None


def standing(until: int, length: int, now: int) -> int:
    """The moment that a counter holds, unless a clock that was set back since has written it."""
    return until if until <= now + (_FAR * length + 1) * NANO else now


def given_back(until: int, cost: int, since: int, now: int) -> int:
    """The moment after `cost`, taken at `since`, was not needed after all."""
    return until - max(0, cost - max(0, now - since))


def charged(until: int, cost: int, length: int, now: int) -> int:
    """The moment after `cost` beyond what had been granted: up to the whole of the next window."""
    return min(max(standing(until, length, now), now) + cost, now + _FAR * length * NANO)
