"""The one connection to analyst.sock: calls, pushes, and what is said while the store is away.

Rules: a connection that broke is made anew with growing waits; each life of it subscribes before it counts as up, so
that no push is missed between; nothing is sent twice. Who may not connect is told once what to do, and asked again
seldom.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.client import AsyncClient
from appliance.bus.control import SNAPSHOT, Snapshot
from appliance.bus.errors import RemoteError, Unreachable
from appliance.store.finding_pages import APPLIANCE, FINDINGS, ApplianceRequest, ApplianceState
from tui.client_state.moments import clock
from tui.client_state.spans import LONG, Line, Span, foreign, line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOCKET: Final = "analyst.sock"
WAITS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds before each try; the last is kept
BEAT_S: Final = 3.0  # between questions how the appliance stands, should a push be missed


class Changed(msgspec.Struct, frozen=True):
    """A push that says only that something changed."""


class Link:
    """`heard(topic)` is called for each push, for `up` and for `away`; `learn` gets what the appliance told."""

    def __init__(
        self,
        run_dir: Path,
        heard: Callable[[str], None],
        learn: Callable[[ApplianceState | Snapshot], None],
        clock_: Callable[[], float] = time.time,
    ) -> None:
        self.path = run_dir / SOCKET
        self._heard, self._learn, self._clock = heard, learn, clock_
        self._client: AsyncClient | None = None
        self._lost = asyncio.Event()
        self._tries = 0
        self.away_since: float | None = None
        self.why = ""
        self.refused = False

    @property
    def up(self) -> bool:
        """The store answers."""
        return self._client is not None

    async def run(self) -> None:
        """Be connected, until cancelled."""
        while True:
            try:
                await self._live()
            except (RemoteError, Unreachable) as error:
                self._gone(error)
            await asyncio.sleep(WAITS[min(self._tries, len(WAITS) - 1)] if not self.refused else WAITS[-1])
            self._tries += 1

    async def ask[T: msgspec.Struct](
        self, verb: str, request: msgspec.Struct, *, reply: type[T], within: float | None = None
    ) -> tuple[T, bytes]:
        """One call. RemoteError: refused, with words for people; Unreachable: no answer, and the link begins anew."""
        client = self._client
        if client is None:
            raise Unreachable(f"{self.path}: the store is away")
        try:
            return await client.call(verb, request, reply=reply, within=within)
        except Unreachable as error:
            self.why = str(error)
            self._lost.set()
            raise

    def banner(self) -> list[Line]:
        """What to say above the page; empty: all is well."""
        if self.refused:
            return [line(Span(f" {self.why}", "bad"))]
        if self.up:
            return []
        if self.away_since is None:
            return [line(Span(" connecting to the store", "warning"))] if self._tries else []
        told = f" the store is away since {clock(self.away_since)}; showing what was read then; retrying"
        return [line(Span(told, "bad"), Span(f" ({foreign(self.why, LONG)})", "dim"))]

    async def _live(self) -> None:
        """One life of the connection: until it breaks."""
        client, self._lost = AsyncClient(self.path), asyncio.Event()
        client.on_lost = self._lost.set
        try:
            await self._subscribe(client)
            state, _ = await client.call("appliance", ApplianceRequest(), reply=ApplianceState)
            self._client, self.away_since, self.refused, self._tries, self.why = client, None, False, 0, ""
            self._learn(state)
            self._heard("up")
            await self._beat(client)
        finally:
            self._client = None
            await client.close()
        raise Unreachable(self.why or f"{self.path}: the connection broke")

    async def _subscribe(self, client: AsyncClient) -> None:
        await client.subscribe(FINDINGS, Changed, lambda _told, _body: self._heard(FINDINGS))
        await client.subscribe(APPLIANCE, ApplianceState, lambda told, _body: self._told(APPLIANCE, told))
        await client.subscribe(SNAPSHOT, Snapshot, lambda told, _body: self._told(SNAPSHOT, told))

    def _told(self, topic: str, record: ApplianceState | Snapshot) -> None:
        self._learn(record)
        self._heard(topic)

    async def _beat(self, client: AsyncClient) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), BEAT_S)
            if self._lost.is_set():
                return
            state, _ = await client.call("appliance", ApplianceRequest(), reply=ApplianceState)
            self._told(APPLIANCE, state)

    def _gone(self, error: RemoteError | Unreachable) -> None:
        self.why = error.message if isinstance(error, RemoteError) else str(error)
        forbidden = isinstance(error, RemoteError) and error.kind == "forbidden"
        self.refused = forbidden or "Permission denied" in self.why
        if self.refused:
            self.why = (
                f"you may not use {self.path.name}: have your user added to the group in store.analyst_group, "
                "then log in again"
            )
        if self.away_since is None:
            self.away_since = self._clock()
        self._heard("away")
