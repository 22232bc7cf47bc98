"""Ships what dead workers left, beside the running appliance; before it runs, has the store tell the counters.

Rules: one recovery at a time, in a thread; asked for at every death and at every return of the store, and looked for
now and then, since workers of a killed supervisor die without telling anybody; what the store did not take is tried
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from appliance.bus.errors import RemoteError, Unreachable
from appliance.model.errors import EvidenceError, OperatorError

if TYPE_CHECKING:
    from appliance.supervisor.supervisor import Supervisor

_log = logging.getLogger("gnomon.recovery")
SWEEP_S: Final = 30.0
RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 10.0


class Recovery:
    """The background recovery of one supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._due = asyncio.Event()
        self._one = asyncio.Lock()
        self._told: frozenset[str] = frozenset()  # what was said of folders that wait

    def due(self) -> None:
        """Somebody has died, or the store is back."""
        self._due.set()

    async def forever(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._due.wait()
            self._due.clear()
            if self._supervisor.store.serving and not await self.once():
                await asyncio.sleep(min(LONGEST_RETRY_S, RETRY_S * 2.0 ** min(failures, 10)))
                failures += 1
                self._due.set()
            else:
                failures = 0

    async def once(self) -> bool:
        """Adopt what is dead; False when the store did not take all of it."""
        boss = self._supervisor
        async with self._one:
            try:
                refunded = await asyncio.to_thread(boss.settings.evidence.refund, boss.config)
                if refunded:
                    _log.info("%d reservation(s) of dead workers given back", refunded)
            except (EvidenceError, OperatorError, OSError) as error:
                boss.problem(f"reservations of dead workers not given back: {error}")
            try:
                report = await asyncio.to_thread(boss.settings.evidence.recover, boss.config)
            except (EvidenceError, OperatorError, OSError) as error:
                boss.problem(str(error))
                return True
        for found in report.recovered:
            state = found.pending or "shipped"
            if found.folder not in self._told or found.pending is None:
                _log.info("journal %s: %d exchange(s) closed as lost; %s", found.folder, found.lost, state)
        self._told = frozenset(found.folder for found in report.pending)
        return not report.pending

    async def counters(self) -> bool:
        """Have the store tell the counters where the file is missing or of an earlier life of the machine.

        For the start, before any worker. False: the store is away, ask again. OperatorError: the file is damaged.
        """
        evidence, config = self._supervisor.settings.evidence, self._supervisor.config
        if await asyncio.to_thread(evidence.counters_stand, config):
            return True
        try:
            if config.ships_records and config.budgets:
                _log.warning("the counters of budgets begin at nothing: no store here could tell what was used before")
            if config.ships_records or await self.once():  # the store must have what the dead left before it is asked
                told = await asyncio.to_thread(evidence.rebuild_counters, config)
                _log.info("%d counter(s) told by the store", told)
                return True
        except (RemoteError, Unreachable) as error:
            _log.warning("the store cannot tell the counters yet: %s", error)
        await asyncio.sleep(RETRY_S)
        return False
