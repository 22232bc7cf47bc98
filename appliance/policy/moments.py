"""Days and hours of a rule, compiled to a question about a moment.

Rules: pure; the time zone's rules decide what a moment is called on the site's clocks, so an hour that a change of
clocks leaves out never comes and one that comes twice counts twice. Hours over midnight belong to the day on which they
begin.
"""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from appliance.policy.rules import Moments

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MIDNIGHT = 24 * 60


class Clock:
    """Whether a rule looks at a moment."""

    def __init__(self, moments: Moments, timezone: str) -> None:
        self._zone = timezone
        self._days = frozenset(map(_DAYS.index, moments.days)) or frozenset(range(len(_DAYS)))
        self._hours = tuple(map(_span, moments.hours)) or ((0, _MIDNIGHT),)
        self._outside = moments.outside

    def holds(self, now: float) -> bool:
        """`now`: epoch seconds."""
        day, minute = _local(int(now // 60), self._zone)
        return any(self._within(span, day, minute) for span in self._hours) != self._outside

    def _within(self, span: tuple[int, int], day: int, minute: int) -> bool:
        begin, end = span
        if begin < end:
            return day in self._days and begin <= minute < end
        return (minute >= begin and day in self._days) or (minute < end and (day - 1) % len(_DAYS) in self._days)


def _span(text: str) -> tuple[int, int]:
    begin, _, end = text.partition("-")
    return _minute(begin), _minute(end)


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


@lru_cache(256)
def _local(minute: int, zone: str) -> tuple[int, int]:
    """Weekday (0: Monday) and minute of the day on the site's clocks. `minute`: since the epoch."""
    there = datetime.fromtimestamp(minute * 60, ZoneInfo(zone))
    return there.weekday(), there.hour * 60 + there.minute
