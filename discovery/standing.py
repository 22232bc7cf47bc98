"""What a sensor tells its supervisor: by which means it captures, and what it lost in the last minute.

Rules: runs beside the recording and never holds it up; a supervisor that is away, or does not know the verb, costs
nothing and is told again; all is told each time, so that a supervisor that begins anew soon knows it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from appliance.bus.client import AsyncClient
from appliance.bus.control import MAX_MEANS, SOCKET, Sensing
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.verbs import Done
from discovery.losses import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from discovery.losses import Losses

_log = logging.getLogger("gnomon.sensor")
INTERVAL_S: Final = 2.0


def sensing(name: str, means: str, losses: Losses, now: float) -> Sensing:
    """How the sensor `name` stands at `now` (epoch seconds)."""
    seconds = tuple(pair for pair in losses.since(now - SECONDS) if pair[0] <= now)
    return Sensing(name, means[:MAX_MEANS], *losses.minute(now), seconds[-SECONDS:])


async def tell(run_dir: Path, standing: Callable[[], Sensing], *, interval_s: float = INTERVAL_S) -> None:
    """Tell the supervisor at once and every `interval_s`, until cancelled."""
    client = AsyncClient(run_dir / SOCKET)
    try:
        while True:
            try:
                await client.call("sensing", standing(), reply=Done)
            except (RemoteError, Unreachable) as error:
                _log.info("the supervisor was not told how the sensor stands: %s", error)
            await asyncio.sleep(interval_s)
    finally:
        await client.close()
