"""Changing what runs without a refused connection: another configuration, another program.

Rules: what could fail is done first and undone whole; only then does anything that runs learn of it. A stage named
anew in the file acts; one that was raised by command is not lowered by a reload.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.config.effective import write_effective
from appliance.model.errors import OperatorError
from appliance.supervisor import listeners, log
from appliance.supervisor.handover import Handover, Heir, become
from appliance.supervisor.policy import catalogue_version
from appliance.supervisor.preflight import known_version

if TYPE_CHECKING:
    from appliance.config.schema import Config
    from appliance.supervisor.supervisor import Supervisor


async def reload(boss: Supervisor) -> str:
    """Take the configuration anew and roll the workers. OperatorError: it is bad and nothing has changed."""
    fresh, old = await asyncio.to_thread(boss.settings.load), boss.config
    fixed = {"state_dir": "state_dir", "run_dir": "run_dir", "role": "role", "ships_records": "central.journal"}
    for name, key in fixed.items():
        if getattr(fresh, name) != getattr(old, name):
            raise OperatorError(f"{key}: cannot change while running; stop with `gnomon down`, then start again")
    listeners.check_safe(fresh)
    bound = await listeners.rebind(old, fresh)
    try:
        known = await asyncio.to_thread(catalogue_version, old)
        asked = fresh.stage if fresh.stage != old.stage else None
        await asyncio.to_thread(boss.settings.evidence.reprepare, fresh, asked)
        # An override's content may change while its path does not.
        renamed = await asyncio.to_thread(catalogue_version, fresh) != known
        known = await asyncio.to_thread(known_version, fresh)
        write_effective(fresh, Path(fresh.run_dir))
    except BaseException:
        for sock in bound.values():
            sock.close()
        raise
    wanted = listeners.places(fresh)
    boss.retired += [sock for name, sock in boss.listeners.items() if name in bound or name not in wanted]
    boss.listeners = {name: sock for name, sock in (boss.listeners | bound).items() if name in wanted}
    boss.name_addresses()
    boss.config = fresh
    boss.workers.count, boss.workers.drain_s = fresh.worker_count, fresh.drain_s
    boss.workers.roll()
    boss.sensors.follow(fresh, old, anew=renamed or boss.known != known)
    boss.known = known
    if renamed or fresh.ships_records or _of_store(fresh) != _of_store(old):
        boss.store.roll()  # a shipper always: its certificates may be others
    if fresh.log != old.log:
        log.configure(form=fresh.log.format)
    if (fresh.metrics, fresh.otel) != (old.metrics, old.otel):
        await boss.observing.restart()
    if fresh.peers is not None or old.peers is not None:
        await boss.receiving.restart()  # always where there are peers, for the same reason
    boss.control.look_at_policy()
    return f"configuration read; {fresh.worker_count} worker(s) are being replaced one by one"


def _of_store(config: Config) -> tuple[object, ...]:
    """What the store goes by."""
    return config.store, config.catalogue, config.gateway, config.signals


async def upgrade(boss: Supervisor) -> None:
    """Become the program on disk. Returns only if that cannot be; then all goes on as before."""
    try:
        await asyncio.to_thread(boss.settings.load)  # what cannot start must not replace what runs
    except OperatorError as error:
        boss.problem(f"upgrade refused, nothing has changed: {error}")
        return
    await boss.observing.stop()
    await boss.receiving.stop()
    await boss.control.close()
    for child in boss.children.values():
        child.abandon()
    try:
        become(_estate(boss))
    except OSError as error:
        boss.problem(f"upgrade failed, the old program goes on: {error.strerror}")
        for child in boss.children.values():
            child.watch()
        await boss.control.start()
        boss.observing.start()
        boss.receiving.start()


def _estate(boss: Supervisor) -> Handover:
    locks = boss.instance.fds if boss.instance else (-1, -1)
    heirs = [Heir(boss.plan_of(name).kind, name, child.pid, child.stderr) for name, child in boss.children.items()]
    fds = {name: sock.fileno() for name, sock in boss.listeners.items()}
    return Handover(os.getpid(), locks, boss.lifeline, fds, tuple(heirs))
