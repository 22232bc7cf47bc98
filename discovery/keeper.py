"""A sensor's recording half at work: hears reports, judges, journals, ships, and says what a person must know.

Owns: the order of things from a report to the journal, and the end of a capture. Rules: a report is believed in form
only after `report.read`; junk ends the watcher with an alarm. A full journal stops the hearing until there is room, so
that a file loses nothing and a live capture drops where drops are counted. What is journalled once is noted at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import time
from typing import TYPE_CHECKING, Final, Protocol

from appliance.journal.writer import JournalFull
from appliance.model.errors import OperatorError, PeerError
from appliance.model.event import Event, Notice, PacketsLost
from appliance.sanitise import one_line
from discovery import losses, report
from discovery.losses import Losses
from discovery.report import Report, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from discovery.following import Following
    from discovery.progress import Progress
    from discovery.sensor import Record, Sensor

_log = logging.getLogger("gnomon.sensor")
TICK_S: Final = 1.0
TELL_S: Final = 60.0  # between two notices of counters
RECORD_S: Final = 10.0  # between two records of seconds with losses
FULL_S: Final = 0.5  # between two tries to write into a full journal
LAST_S: Final = 5.0  # for the watcher to tell its last
ALARM_FILL: Final = 0.8
_LOSSES: Final = ("missed", "held_back", f"weird.{report.INTERFACE_DOWN}", f"weird.{report.FOLLOWED_LOST}")
_UNTOLD: Final = "no_service"  # what everybody else does is nobody's business


class Journalling(Protocol):
    """What is needed of `appliance.journal.writer.Journal`."""

    @property
    def fill(self) -> float:
        """0-1."""

    def append(self, event: Event, persons: Mapping[str, str]) -> int:
        """Write one event."""


class Keeper:
    """One capture from its begin to its end. `progress`: of a file; None: a live capture.

    `others`: sockets of further watchers that read parts of the same capture; it goes on while all of them do. `means`:
    how it is captured, for people. `following`: which servers the second ring is for; None: there is none.
    """

    def __init__(
        self,
        sensor: Sensor,
        journal: Journalling,
        sock: socket.socket,
        *,
        others: Sequence[socket.socket] = (),
        means: str = "",
        following: Following | None = None,
        progress: Progress | None = None,
        begun: Callable[[], None] = lambda: None,
        refresh: Callable[[Sensor], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sensor, self._journal, self._socks, self._means = sensor, journal, (sock, *others), means
        self._progress, self._begun, self._refresh, self._clock = progress, begun, refresh, clock
        self._following = following
        self._record_at = 0.0  # when seconds with losses are recorded next
        self._skip = progress.records if progress else 0
        self._stopping = self._alarmed = False
        self._begins, self._ends = len(self._socks), len(self._socks)  # that are still to come
        self._one = asyncio.Lock()
        self._writers: list[asyncio.StreamWriter] = []
        self._tallies = [Tally()] * len(self._socks)
        self.tally = Tally()
        self.losses = Losses()
        self.recorded = 0
        self._told: dict[str, int] = {}

    def stop(self) -> None:
        """Have the watcher tell its last and end."""
        if not self._stopping:
            self._stopping = True
            for sock in self._socks:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)  # it sees that and ends
            asyncio.get_running_loop().call_later(LAST_S, self._hang_up)

    async def run(self) -> bool:
        """Until the capture has ended; True when it ended as it should. OperatorError: it cannot begin."""
        ticking = asyncio.ensure_future(self._tick())
        hearing = []
        try:
            for part, sock in enumerate(self._socks):
                reader, writer = await asyncio.open_unix_connection(sock=sock, limit=report.MAX_FRAME)
                self._writers.append(writer)
                hearing.append(asyncio.ensure_future(self._hear(reader, part)))
            why = await self._first_trouble(hearing, ticking)
        finally:
            ticking.cancel()
            self._hang_up()
            await asyncio.gather(*hearing, return_exceptions=True)
        return await self._finish(why)

    async def _first_trouble(self, hearing: Sequence[asyncio.Future[str]], ticking: asyncio.Future[None]) -> str:
        """Until all watchers have ended; what went wrong with one of them, or with the clock, ends the others."""
        left = set(hearing)
        while left:
            either: set[asyncio.Future[str] | asyncio.Future[None]] = {*left, ticking}
            done, _ = await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if ticking in done:
                ticking.result()  # raises: without the clock, what is gathered would never be journalled
            for heard in left & done:
                if why := heard.result():
                    return why
            left -= done
        return ""

    def _hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    # hearing

    async def _hear(self, reader: asyncio.StreamReader, part: int) -> str:
        """Take the reports of one watcher until there are no more; what went wrong, in words."""
        ended = False
        while True:
            try:
                length = report.length_of(await reader.readexactly(4))
                told = report.read(await reader.readexactly(length))
            except (asyncio.IncompleteReadError, OSError):
                return "" if ended or self._stopping else "watcher_died"
            except PeerError as error:
                _log.error("what reads packets does not speak as it should and is ended: %s", one_line(str(error)))
                return "watcher_junk"
            async with self._one:
                why = await self._take(told, part)
            ended |= told.ended
            if why:
                return why
            await asyncio.sleep(0)  # a file comes as fast as it is taken: others have their turn

    async def _take(self, told: Report, part: int) -> str:
        if told.refused:
            raise OperatorError(one_line(told.refused))
        if told.barred:
            self._told["barred"] = 1
        if told.begun:
            await self._begin()
        for seen in told.observations:
            await self._record(self._sensor.take(seen))
        await self._follow()
        if told.tally is not None:
            self._tallies[part] = told.tally
            self.tally = losses.total(self._tallies)
            self.losses.note(self._clock(), self.tally.missed, self.tally.packets)
        self._ends -= told.ended
        if told.fault:
            await self.notice("warning", "capture_fault", f"{self._sensor.source}: {one_line(told.fault, 300)}")
            return "" if self._progress and told.ended else "capture_fault"
        return ""

    async def _begin(self) -> None:
        """One watcher reads from now on; when all do, so does the capture."""
        self._begins -= 1
        if self._begins:
            return
        means = f" by {self._means}" if self._means else ""
        bars = "" if "barred" in self._told else "; this system cannot filter system calls"
        await self.notice("info", "capture_began", f"{self._sensor.source}{means}{bars}")
        self._begun()

    # recording

    async def _record(self, records: Iterable[Record]) -> None:
        for record in records:
            if self._skip:
                self._skip -= 1  # journalled in an earlier life
                continue
            await self._write(record.event, record.persons)
            self.recorded += 1
            if self._progress:
                self._progress.recorded()

    async def notice(self, severity: str, note: str, detail: str) -> None:
        """Journal something that a person must know."""
        await self._write(Notice(self._clock(), self._sensor.name, severity, note, detail[:500]), {})

    async def _write(self, event: Event, persons: Mapping[str, str]) -> None:
        while True:
            try:
                self._journal.append(event, persons)
            except JournalFull:
                if self._stopping:
                    _log.error("the journal is full; not recorded: %s", type(event).__name__)
                    return
                await asyncio.sleep(FULL_S)
            else:
                return

    async def _follow(self) -> None:
        """Have the second ring take what has become of interest; without it connections are told at their end only."""
        if self._following is None:
            return
        self._following.note(self._sensor.interest())
        try:
            self._following.renew(self._clock())
        except OSError as error:
            self._following = None
            why = error.strerror or type(error).__name__
            await self.notice("warning", "not_followed", f"{self._sensor.source}: connections that go on: {why}")

    async def _record_losses(self, now: float) -> None:
        """Journal the seconds with losses that are over."""
        if seconds := self.losses.record(now):
            await self._write(PacketsLost(self._clock(), self._sensor.name, self._sensor.source, seconds), {})

    # time

    async def _tick(self) -> None:
        tell_at = self._clock() + TELL_S
        while True:
            await asyncio.sleep(TICK_S)
            now = self._clock()
            async with self._one:
                if self._progress is None:
                    self._refresh(self._sensor)
                    await self._record(self._sensor.due(now))
                await self._follow()
                await self._watch_fill()
                if not 0 <= self._record_at - now < RECORD_S:
                    self._record_at = now + RECORD_S
                    await self._record_losses(now)
                if now >= tell_at:
                    tell_at = now + TELL_S
                    await self._tell_counters()

    async def _watch_fill(self) -> None:
        if self._journal.fill < ALARM_FILL:
            self._alarmed = False
        elif not self._alarmed:
            self._alarmed = True
            await self.notice(
                "alarm", "journal_filling", f"{self._journal.fill:.0%} of journal.max_bytes is not yet stored"
            )

    async def _tell_counters(self) -> None:
        counts = self._counts()
        grown = report.sums(self._told, counts)
        self._told |= counts
        if grown:
            severity = "warning" if any(name in grown for name in _LOSSES) else "info"
            told = ", ".join(f"{name} {count}" for name, count in grown.items())
            worst = f"; lost {seconds}" if (seconds := self.losses.take()) else ""
            await self.notice(severity, "sensor_counters", f"{self._sensor.source}: {told}{worst}")

    def _counts(self) -> dict[str, int]:
        """What is worth telling when it grows."""
        weird = {f"weird.{one_line(name, 40)}": count for name, count in self.tally.weird.items()}
        left_out = {name: count for name, count in self._sensor.left_out.items() if name != _UNTOLD}
        return weird | left_out | {"missed": self.tally.missed, "held_back": self.tally.held_back}

    # the end

    async def _finish(self, why: str) -> bool:
        """Record what is left. A file that was stopped in the middle will be read again: nothing is left to record."""
        whole = self._ends <= 0 and not why
        if self._progress is None or (whole and not self._stopping):
            await self._record(self._sensor.flush())
        await self._record_losses(math.inf)
        await self._tell_counters()
        if why in ("watcher_died", "watcher_junk"):
            await self.notice("alarm", why, self._sensor.source)
        tally = self.tally
        sums = f"{tally.packets} packets, {tally.observations} observations, {self._sensor.kept} of AI services"
        await self.notice("info", "capture_ended", f"{self._sensor.source}: {sums}, {self.recorded} records")
        if self._progress and whole and not self._stopping:
            self._progress.finish()
        return not why
