"""One question at a time, however often it is wanted.

Rules: while an answer is awaited, further wishes become one more question; between two questions there is a pause, so
that a busy network does not keep the store busy; a fault is told and ends nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.tasks import cancel, spawn
from appliance.model.errors import PeerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PAUSE_S: Final = 0.1


class Refresher:
    """Calls `fetch` when `due`, and `failed(words)` with the cause when it could not."""

    def __init__(self, name: str, fetch: Callable[[], Awaitable[None]], failed: Callable[[str], None]) -> None:
        self._name, self._fetch, self._failed = name, fetch, failed
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def due(self) -> None:
        """Ask soon."""
        if self._task is not None and not self._task.done():
            self._again = True
        else:
            self._task = spawn(self._run(), self._name, self._broken)

    async def stop(self) -> None:
        """Ask no more."""
        await cancel(self._task)
        self._task = None

    async def _run(self) -> None:
        while True:
            self._again = False
            try:
                await self._fetch()
            except RemoteError as error:
                self._failed(error.message)
            except (Unreachable, PeerError) as error:
                self._failed(str(error))
            await asyncio.sleep(PAUSE_S)
            if not self._again:
                return

    def _broken(self, error: BaseException) -> None:
        self._failed(f"a fault of the terminal's own: {type(error).__name__}: {error}")
