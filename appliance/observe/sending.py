"""From exchanges that ended to the collector: what was sent, and what is sent again.

Rules: exchanges are asked of the store by number; the number moves on only when the collector has taken them, or has
refused them for good. A store that was renewed begins anew; what its ring no longer holds is told as lost. What goes
wrong is told once until it goes right again. Nothing is held here: a collector that is away costs no memory.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from appliance.observe import otlp
from appliance.observe.collector import METRICS, TRACES, AwayError, RefusedError
from appliance.store.tally_pages import MAX_ENDED, Tallied, TallyRequest

_log: Final = logging.getLogger("gnomon.observe")

type Ask = Callable[[TallyRequest], Awaitable[Tallied]]


class Sends(Protocol):
    """What this needs of `appliance.observe.collector.Collector`."""

    def send(self, path: str, body: bytes) -> None:
        """AwayError or RefusedError where it was not taken."""


class Sending:
    """`ask`: the store's tally. `now`: epoch seconds."""

    def __init__(
        self, ask: Ask, collector: Sends, now: Callable[[], float], version: str, *, spans: bool, metrics: bool
    ) -> None:
        self._ask, self._collector, self._now, self._version = ask, collector, now, version
        self._spans = spans
        self._metrics = otlp.Metrics(now()) if metrics else None
        self._life: int | None = None
        self._after = 0
        self._troubled = self._refused = False

    async def turn(self) -> int:
        """Send what has ended since the last turn; how many exchanges went."""
        sent, self._refused = 0, False
        try:
            while count := await self._some():
                sent += count
                if count < MAX_ENDED:
                    break
            if self._metrics is not None:
                await self._send(METRICS, self._metrics.request(self._now(), self._version))
        except AwayError as error:
            self._trouble(f"the collector cannot take it now, it is sent again: {error}")
            return sent
        if self._troubled and sent and not self._refused:
            self._troubled = False
            _log.info("the collector takes it again")
        return sent

    async def _some(self) -> int:
        tallied = await self._ask(TallyRequest(after=self._after))
        if tallied.life != self._life:
            first, self._life = self._life is None, tallied.life
            self._after = tallied.last if first else 0  # what was before this process is left to the evidence
            tallied = await self._ask(TallyRequest(after=self._after))
        ended = tallied.ended
        if not ended:
            return 0
        if ended[0].number > self._after + 1:
            _log.warning("%d exchanges ended without being sent", ended[0].number - self._after - 1)
        if self._spans:
            await self._send(TRACES, otlp.traces(ended, self._version))
        if self._metrics is not None:
            self._metrics.add(ended)
        self._after = ended[-1].number
        return len(ended)

    async def _send(self, path: str, body: bytes) -> None:
        if not body:
            return
        try:
            await asyncio.to_thread(self._collector.send, path, body)
        except RefusedError as error:
            self._refused = True
            self._trouble(f"the collector refuses it, it is let go: {error}")

    def _trouble(self, words: str) -> None:
        if not self._troubled:
            self._troubled = True
            _log.warning("%s", words)
