"""How often subscribers hear that findings have changed.

Rules: the first change is told at once, further ones together, at most one push each `interval_s`; the last change is
always told. A push says only that something changed: what, is asked for.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

INTERVAL_S: Final = 0.05


class FindingsPush(msgspec.Struct, frozen=True):
    """Push on topic `findings`. `count`: which push of this life of the store it is."""

    count: int


class Coalescer:
    """Calls `publish` with the number of the push. Used on the loop; `changed_elsewhere` from any thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, publish: Callable[[FindingsPush], object], interval_s: float = INTERVAL_S
    ) -> None:
        self._loop = loop
        self._publish = publish
        self._interval = interval_s
        self._resting: asyncio.TimerHandle | None = None
        self._again = False
        self.count = 0

    def changed_elsewhere(self) -> None:
        """A change, told from another thread."""
        self._loop.call_soon_threadsafe(self.changed)

    def changed(self) -> None:
        """A change."""
        if self._resting is not None:
            self._again = True
            return
        self.count += 1
        self._publish(FindingsPush(self.count))
        self._resting = self._loop.call_later(self._interval, self._rested)

    def close(self) -> None:
        """Tell nobody any more."""
        if self._resting is not None:
            self._resting.cancel()
        self._resting, self._again = None, False
        self._publish = _to_nobody

    def _rested(self) -> None:
        self._resting = None
        if self._again:
            self._again = False
            self.changed()


def _to_nobody(_push: FindingsPush) -> None:
    """After the end."""
