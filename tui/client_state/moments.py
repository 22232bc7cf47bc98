"""Times, spans and counts as people read them, in the local time zone.

Rules: every number has a bounded width; a time that is no time is shown as `-`, never an exception, because it may
come from a damaged or hostile record.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
_FAR: Final = 4_102_444_800.0  # 2100-01-01
_BARS: Final = " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"


def _local(ts: float) -> dt.datetime | None:
    if not math.isfinite(ts) or not 0 < ts < _FAR:
        return None
    return dt.datetime.fromtimestamp(ts).astimezone()


def clock(ts: float) -> str:
    """Hours, minutes and seconds: `12:03:11`."""
    return "-" if (moment := _local(ts)) is None else f"{moment:%H:%M:%S}"


def stamp(ts: float) -> str:
    """Date and time: `2026-03-01 12:03`."""
    return "-" if (moment := _local(ts)) is None else f"{moment:%Y-%m-%d %H:%M}"


def ago(ts: float, now: float) -> str:
    """How long ago, in at most 10 characters: `now`, `12s`, `5m`, `3h`, `2d`, else the date."""
    if (moment := _local(ts)) is None:
        return "-"
    age = now - ts
    if age < 1:
        return "now"
    for limit, unit, word in ((MINUTE, 1, "s"), (HOUR, MINUTE, "m"), (DAY, HOUR, "h"), (14 * DAY, DAY, "d")):
        if age < limit:
            return f"{int(age // unit)}{word}"
    return f"{moment:%Y-%m-%d}"


def span(seconds: float) -> str:
    """A length of time in its largest whole unit: `7 days`, `1 hour`."""
    for unit, word in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit:
            return plural(int(seconds // unit), word)
    return plural(int(seconds), "second")


def count(number: int) -> str:
    """At most 5 characters: `0`, `999`, `12.3k`, `4.5M`."""
    if number < 10_000:  # noqa: PLR2004 - four digits fit as they are
        return str(number)
    for unit, word in ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")):
        if number < unit * 999.5:
            shown = number / unit
            return f"{shown:.0f}{word}" if shown >= 99.95 else f"{shown:.1f}{word}"  # noqa: PLR2004 - where .1f would round up
    return "lots"


def plural(number: int, word: str, many: str = "") -> str:
    """`1 person`, `6 people`."""
    return f"{number:,} {word if number == 1 else many or word + 's'}"


def sparkline(series: tuple[int, ...], width: int) -> str:
    """One bar for each of `width` equal parts of the series, the highest part full; a part that is not empty shows."""
    if not series or width <= 0:
        return ""
    width = min(width, len(series))
    edges = [round(at * len(series) / width) for at in range(width + 1)]
    sums = [sum(series[low:high]) for low, high in itertools.pairwise(edges)]
    top = max(sums)
    return "".join(_BARS[0] if each <= 0 else _BARS[max(1, round(each * 8 / top))] for each in sums)
