"""The endpoint and the sending together, over the sockets of store and supervisor.

Rules: a part that does not answer is left out of the page, which says so; a turn of sending that fails is made again.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from appliance.bus import control
from appliance.bus.client import AsyncClient
from appliance.bus.control import Status, StatusRequest
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.tasks import cancel, spawn
from appliance.config.schema import Config
from appliance.model.errors import PeerError
from appliance.observe.collector import Collector, read_headers
from appliance.observe.endpoint import Endpoint
from appliance.observe.exposition import page
from appliance.observe.figures import figures
from appliance.observe.sending import Sending
from appliance.store.pages import Health, HealthRequest
from appliance.store.tally_pages import Tallied, TallyRequest

ANALYST: Final = "analyst.sock"
ASK_S: Final = 5.0
_log: Final = logging.getLogger("gnomon.observe")
_AWAY: Final = (RemoteError, Unreachable, PeerError, TimeoutError)


class Observer:
    """One per appliance. `now`: epoch seconds."""

    def __init__(self, config: Config, now: Callable[[], float], version: str) -> None:
        run_dir = Path(config.run_dir)
        self._store = AsyncClient(run_dir / ANALYST, timeout=ASK_S)
        self._supervisor = AsyncClient(run_dir / control.SOCKET, timeout=ASK_S)
        metrics, otel = config.metrics, config.otel
        self._endpoint = Endpoint(metrics.listen, metrics.clients, self.page) if metrics.listen else None
        self._sending: Sending | None = None
        self._interval = otel.interval_s
        if otel.endpoint:
            collector = Collector(otel.endpoint, read_headers(Path(otel.headers) if otel.headers else None))
            self._sending = Sending(self._tally, collector, now, version, spans=otel.spans, metrics=otel.metrics)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Serve and send; where the figures are, empty: nowhere. OperatorError: it cannot."""
        where = await self._endpoint.start() if self._endpoint else ""
        if self._sending is not None:
            self._task = spawn(self._keep_sending(self._sending), "otel")
        return where

    async def close(self) -> None:
        """Stop both; what has ended meanwhile is sent once more."""
        await cancel(self._task)
        if self._endpoint is not None:
            await self._endpoint.close()
        if self._sending is not None:
            await self._turn(self._sending)
        await self._store.close()
        await self._supervisor.close()

    async def page(self) -> str:
        """The figures as they stand."""
        tallied = await _asked(self._store, "tally", TallyRequest(), Tallied)
        health = await _asked(self._store, "health", HealthRequest(), Health)
        status = await _asked(self._supervisor, "status", StatusRequest(), Status)
        return page(figures(tallied, health, status))

    async def _tally(self, request: TallyRequest) -> Tallied:
        return (await self._store.call("tally", request, reply=Tallied))[0]

    async def _keep_sending(self, sending: Sending) -> None:
        while True:
            await self._turn(sending)
            await asyncio.sleep(self._interval)

    async def _turn(self, sending: Sending) -> None:
        try:
            await sending.turn()
        except _AWAY as error:
            _log.debug("the store is away: %s", error)


async def _asked[T: msgspec.Struct](
    client: AsyncClient, verb: str, request: msgspec.Struct, reply: type[T]
) -> T | None:
    try:
        return (await client.call(verb, request, reply=reply))[0]
    except _AWAY:
        return None
