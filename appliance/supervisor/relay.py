"""From the store's word that a decision is in force to the supervisor's look at the disk.

Rules: the push is only a hint, the disk is the truth; a store that is away costs nothing, because the supervisor looks
by itself now and then; after every reconnect it looks at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from appliance.bus.client import AsyncClient
from appliance.bus.control import SNAPSHOT, Snapshot
from appliance.bus.errors import RemoteError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOCKET: Final = "analyst.sock"
RETRY_S: Final = 0.5


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
