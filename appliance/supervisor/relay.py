"""Between supervisor and store: the word that a decision is in force, and how the appliance stands.

Rules: the push of a snapshot is only a hint, the disk is the truth; a store that is away costs nothing, because the
supervisor looks by itself now and then; after every reconnect it looks, and tells, at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus import ingest
from appliance.bus.client import AsyncClient
from appliance.bus.control import SNAPSHOT, Snapshot
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.verbs import Done
from appliance.model.errors import PeerError
from appliance.route.redirection import PORTAL_ROUTE
from appliance.store.finding_pages import ApplianceState, SensorState, TargetState, WorkerState
from appliance.supervisor.plan import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.bus.control import TargetHealth
    from appliance.supervisor.supervisor import Supervisor

SOCKET: Final = "analyst.sock"
RETRY_S: Final = 0.5
GATHER_S: Final = 0.05  # changes within this time are told together
LOOK_S: Final = 1.0  # between looks for what nobody told of


async def relay(run_dir: Path, look: Callable[[], None]) -> None:
    """Call `look` at every snapshot that the store tells of, until cancelled."""
    while True:
        lost = asyncio.Event()
        client = AsyncClient(run_dir / SOCKET)
        client.on_lost = lost.set
        try:
            await client.subscribe(SNAPSHOT, Snapshot, lambda _told, _body: look())
            look()
            await lost.wait()
        except (RemoteError, Unreachable):
            pass  # not there yet, or going: asked again
        finally:
            await client.close()
        await asyncio.sleep(RETRY_S)


class Teller:
    """Tells the store how the appliance stands, at every change and whenever the store is back, for analysts to see.

    Changes that come together are told together; a store that is away, or does not know the verb, costs nothing.
    """

    def __init__(self, boss: Supervisor) -> None:
        self._boss = boss
        self._due = asyncio.Event()
        self._told: ApplianceState | None = None

    def due(self) -> None:
        """Something may have changed."""
        self._due.set()

    async def forever(self) -> None:
        """Until cancelled."""
        client = AsyncClient(Path(self._boss.config.run_dir) / ingest.SOCKET)
        client.on_lost = self._lost
        try:
            while True:
                self._due.clear()
                pause = GATHER_S if await self._tell(client) else RETRY_S
                await asyncio.sleep(pause)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._due.wait()
        finally:
            await client.close()

    async def _tell(self, client: AsyncClient) -> bool:
        state = state_of(self._boss)
        if state == self._told:
            return True
        try:
            await client.call("appliance", state, reply=Done)
        except (RemoteError, Unreachable, PeerError):
            self._told = None
            self._due.set()  # asked again
            return False
        self._told = state
        return True

    def _lost(self) -> None:
        self._told = None
        self._due.set()


def target_of(worker: str, health: TargetHealth) -> TargetState:
    """What one worker thinks of a target, for analysts."""
    return TargetState(worker, **msgspec.structs.asdict(health))


def state_of(boss: Supervisor) -> ApplianceState:
    """The appliance as it stands."""
    lives = boss.workers.lives
    told = {name: boss.control.told(name) for name in lives}
    workers = (
        WorkerState(name, lives[name].state is State.READY, health.policy_version if health else 0)
        for name, health in sorted(told.items())
    )
    return ApplianceState(
        phase=boss.phase,
        stage=boss.control.stage.value,
        version=boss.control.current.version,
        proxy=boss.addresses.get("proxy", ""),
        gateway=boss.addresses.get("gateway", ""),
        workers=tuple(workers),
        sensors=tuple(SensorState(**msgspec.structs.asdict(one)) for one in boss.sensors.states()),
        problems=tuple(boss.problems),
        targets=tuple(
            target_of(name, one) for name, health in sorted(told.items()) if health for one in health.targets
        ),
        routes=(*boss.config.gateway.routes, *((PORTAL_ROUTE,) if boss.config.portal.approved else ())),
    )
