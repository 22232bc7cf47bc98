"""A worker's standing connection to its supervisor.

Rules: runs beside the traffic and never holds it up; without a supervisor the worker goes on with the policy it has
and the link keeps trying; after every reconnect the current snapshot is asked for, so a missed push is made good.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from appliance.bus.client import AsyncClient
from appliance.bus.control import SNAPSHOT, SOCKET, Applied, Health, Hello, Snapshot
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.tasks import cancel, spawn
from appliance.bus.verbs import Done

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger("gnomon.link")
INTERVAL_S: Final = 2.0
_PAUSES: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class ControlLink:
    """Tells health every `interval_s` and hears of snapshots.

    `health()` is asked for the worker's state. `on_snapshot(version)` is called on the loop for each version told, the
    same one perhaps twice; the worker loads it from disk and calls `applied`.
    """

    def __init__(
        self,
        run_dir: Path,
        health: Callable[[], Health],
        on_snapshot: Callable[[int], None],
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._client = AsyncClient(run_dir / SOCKET)
        self._health, self._on_snapshot, self._interval_s = health, on_snapshot, interval_s
        self._broken, self._due = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin on the running loop."""
        self._task = spawn(self._keep(), "control link")

    async def close(self) -> None:
        """End the link."""
        await cancel(self._task)
        await self._client.close()

    async def applied(self, version: int) -> None:
        """Report that snapshot `version` is in force; a supervisor that is away hears it with the next hello."""
        try:
            await self._client.call("applied", Applied(self._health().worker, version), reply=Done)
        except (RemoteError, Unreachable) as error:
            _log.info("applied %d not told: %s", version, error)

    def tell(self) -> None:
        """Send health soon instead of at the next turn."""
        self._due.set()

    async def _keep(self) -> None:
        failures = 0
        while True:
            try:
                await self._greet()
                failures = 0
                await self._report()
            except (RemoteError, Unreachable) as error:
                if failures == 0:
                    _log.warning("no supervisor at control.sock (%s); going on with the policy in force", error)
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1

    async def _greet(self) -> None:
        self._broken.clear()
        self._client.on_lost = self._lost
        await self._client.subscribe(SNAPSHOT, Snapshot, lambda told, _body: self._on_snapshot(told.version))
        state = self._health()
        told, _ = await self._client.call("hello", Hello(state.worker, state.policy_version), reply=Snapshot)
        self._on_snapshot(told.version)

    async def _report(self) -> None:
        while not self._broken.is_set():
            await self._client.call("health", self._health(), reply=Done)
            self._due.clear()
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._due.wait()
            except TimeoutError:
                pass

    def _lost(self) -> None:
        self._broken.set()
        self._due.set()
