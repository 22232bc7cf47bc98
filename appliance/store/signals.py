"""Signals over time: when stored exchanges are looked through for them.

Owns: which hours have been looked at. Rules: nothing of its own is stored: cells and habits are asked of the event
tables, and what has been told is known by its evidence, so that each caller, hour and measure is told once, however
often the hour is looked at and whatever dies when. A look that takes too long is told, and made again at the next turn.
"""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Final

from appliance.config.signals_schema import SignalsConfig
from appliance.findings.signals import DAY_S, HOUR_S, Baseline, Habit, Limits, Measure, Signal, deltas, signals
from appliance.model.errors import PeerError
from appliance.store.findings import Findings
from appliance.store.reader import Reader
from appliance.store.signal_queries import HISTORY_DAYS, cells, habits
from appliance.store.writer import Writer

EVERY_S: Final = 300.0
BACK_S: Final = 2 * DAY_S  # that the first look after a start looks back

type _Key = tuple[str, str, str, int, str]


class Signals:
    """Looks for signals when told to. `clock`: epoch seconds."""

    def __init__(
        self, config: SignalsConfig, desk: tuple[Reader, Writer, Findings], clock: Callable[[], float]
    ) -> None:
        least = {"prompts": config.prompts} | {measure.value: getattr(config, measure.value) for measure in Measure}
        self._limits = Limits(config.days, config.percentile, config.factor, least)
        self._reader, self._writer, self._findings = desk
        self._clock = clock
        self._looked: float | None = None
        self._baseline: tuple[float, Baseline] | None = None
        self._told: set[_Key] = set()  # of the hours that are looked at

    async def look(self) -> int:
        """Look at every hour since the last look, this one included; how many signals are new.

        PeerError (503): there is too much to look through within the time of a query.
        """
        now = self._clock()
        since = now - BACK_S if self._looked is None else self._looked - EVERY_S  # what came late is met again
        first = since // HOUR_S * HOUR_S
        baseline = await self._usual(now)
        seen = await self._reader.run(partial(cells, since=first, until=now))
        found = [one for one in signals(seen, baseline) if _key(one) not in self._told]
        if found:
            added = deltas(found, self._limits.days)
            await self._writer.call(lambda: self._findings.tell(added))
        self._told = {key for key in self._told if key[3] >= first} | set(map(_key, found))
        self._looked = now
        return len(found)

    async def _usual(self, now: float) -> Baseline:
        """The baseline of this hour."""
        hour = now // HOUR_S
        if self._baseline is None or self._baseline[0] != hour:
            self._baseline = hour, Baseline(await self._habits(now), self._limits, now)
        return self._baseline[1]

    async def _habits(self, now: float) -> list[Habit]:
        """Of as much history as can be looked through in time."""
        ask = partial(habits, now=now, percentile=self._limits.percentile)
        for days in HISTORY_DAYS[:-1]:
            with contextlib.suppress(PeerError):
                return await self._reader.run(partial(ask, days=days))
        return await self._reader.run(partial(ask, days=HISTORY_DAYS[-1]))


def _key(signal: Signal) -> _Key:
    cell = signal.cell
    return cell.who, cell.service, cell.surface, cell.hour, signal.measure
