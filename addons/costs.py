"""What this worker's detectors have cost and found, rolled up into its journal about once an hour and at its end.

Rules: numbers only; what has been journalled is not told again, so that sums of the records and of what is pending are
the whole; a worker that is killed loses what was pending, an hour of statistics at most, and nothing else.
"""

import asyncio

from addons.analysing import Analyser
from addons.worker import Worker
from appliance.inspect.detect.statistics import since, together
from appliance.journal.tail import JournalFull
from appliance.model.detection import DetectorCount
from appliance.model.event import DetectorsCounted

PERIOD_S = 3600.0


class CostsAddon:
    """Sums of the worker and of its analyser. `analyser`: tells what its processes have done."""

    def __init__(self, worker: Worker, analyser: Analyser) -> None:
        self._worker = worker
        self._analyser = analyser
        self._told: tuple[DetectorCount, ...] = ()
        self._since = worker.telemetry.clock()
        self._due: asyncio.TimerHandle | None = None
        worker.counted = self.pending

    def running(self) -> None:
        """Count from now on."""
        self._due = asyncio.get_running_loop().call_later(PERIOD_S, self._roll_on)

    def done(self) -> None:
        """The rest; the journal is still open."""
        if self._due is not None:
            self._due.cancel()
        self.roll_up()

    def pending(self) -> tuple[DetectorCount, ...]:
        """What has not been journalled yet."""
        return since(self._now(), self._told)

    def roll_up(self) -> None:
        """Journal what is pending; where the journal is full it stays pending."""
        now, clock = self._now(), self._worker.telemetry.clock()
        if counts := since(now, self._told):
            telemetry = self._worker.telemetry
            try:
                telemetry.counted(DetectorsCounted(clock, telemetry.worker, self._since, counts))
            except JournalFull:
                return
        self._told, self._since = now, clock

    def _roll_on(self) -> None:
        try:
            self.roll_up()
        finally:
            self.running()

    def _now(self) -> tuple[DetectorCount, ...]:
        return together(self._worker.inspector.statistics(), self._analyser.counted)
