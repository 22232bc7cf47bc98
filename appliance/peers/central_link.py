"""The standing connection of an edge or sidecar to the central appliance.

Owns: when it is made again, how long one waits before that, what is told of it. Rules: certificates are read from
their files for every connection, so new ones need no restart; the central appliance's name is verified; after a
connection has stood the first try comes at once, then waits double up to half a minute, spread at random; a connection
that answers nothing within a call's time is given up.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, override

from appliance.bus import framing
from appliance.bus.client import AsyncClient
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.tasks import cancel, spawn
from appliance.model.errors import OperatorError, PeerError
from appliance.peers import tls
from appliance.peers.wire import HANDSHAKE_S, STANDING_S, Current, DecisionsRequest, Hello, Standing, Welcome
from appliance.route.targets import parse_host_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from appliance.config.placement_schema import Central, PeerRole

CALL_S: Final = 9.0  # the worker that waits for it gives up after ten
SKEW_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 30.0
STOOD_S: Final = 5.0
CLOSED: Final = "the server closed the connection"
REFUSED: Final = "it closes the connection without a word: it may not believe this certificate; its log says why"


def pause(failures: int, jitter: float) -> float:
    """Seconds to wait after so many failures in a row; `jitter` 0-1 keeps 50-100 % of it."""
    longest = 0.0 if failures == 0 else min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 30))
    return longest * (0.5 + jitter / 2)


class CentralClient(AsyncClient):
    """Calls over TLS. Unreachable tells in words what keeps the connection away."""

    def __init__(self, central: Central) -> None:
        super().__init__(Path(central.journal or ""), CALL_S)
        self._central = central

    @override
    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = parse_host_port(self._central.journal or "")
        try:
            return await asyncio.open_connection(
                place.host,
                place.port,
                ssl=tls.to_central(self._central),
                server_hostname=place.host,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=1.0,
                limit=framing.CHUNK,
            )
        except (OSError, OperatorError) as error:
            raise ConnectionError(tls.in_words(error)) from None


class CentralLink:
    """`client` may be called while `connected`. `behind()`: the bytes that wait; `changed()` is called after news.

    `decided(body)` takes the central appliance's decisions (a JSON list); what it answers is why they are not in force
    here, empty: they are.
    """

    def __init__(
        self,
        central: Central,
        hello: tuple[PeerRole, str],
        behind: Callable[[], Awaitable[int]],
        changed: Callable[[], None],
        decided: Callable[[bytes], Awaitable[str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`hello`: this appliance's role and version."""
        self.client = CentralClient(central)
        self.connected = False
        self.problem = "not connected yet"
        self.last_seen = 0.0
        self.behind = 0
        self._hello = Hello(role=hello[0], version=hello[1])
        self._behind, self._changed, self._decided, self._clock = behind, changed, decided, clock
        self._snapshot = -1  # whose decisions are in force here
        self._broken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._jitter = random.Random()  # noqa: S311 - spreads retries, protects nothing

    def start(self) -> None:
        """Keep the connection from now on."""
        self._task = spawn(self._keep(), "central link")

    async def close(self) -> None:
        """End it."""
        await cancel(self._task)
        await self.client.close()

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._greet()
                await self._report()
                self._lost("the connection was lost")
            except (RemoteError, Unreachable, PeerError) as error:
                self._lost(str(error))
            await self.client.close()
            failures = 0 if time.monotonic() - began >= STOOD_S else failures
            self.behind = await self._behind()
            self._changed()
            await asyncio.sleep(pause(failures, self._jitter.uniform(0, 1)))
            failures += 1

    async def _greet(self) -> None:
        self._broken.clear()
        self.client.on_lost = self._broken.set
        try:
            told, _ = await self.client.call("hello", self._hello, reply=Welcome)
        except Unreachable as error:
            if CLOSED in str(error):  # the handshake failed at the other side, after it had succeeded at this one
                raise Unreachable(f"{self.client.path}: {REFUSED}") from None
            raise
        self.last_seen, self.connected = self._clock(), True
        ahead = self.last_seen - told.now
        self.problem = "" if abs(ahead) < SKEW_S else f"its clock differs from this one by {abs(ahead):.0f} s"

    async def _report(self) -> None:
        while not self._broken.is_set():
            self.behind = await self._behind()
            told, _ = await self.client.call("standing", Standing(behind=self.behind), reply=Current)
            self.last_seen = self._clock()
            self._changed()
            if told.snapshot not in (0, self._snapshot):
                await self._follow()
            try:
                async with asyncio.timeout(STANDING_S):
                    await self._broken.wait()
            except TimeoutError:
                pass

    async def _follow(self) -> None:
        """Decisions that cannot be taken are told and asked for again; records go on being shipped."""
        try:
            found, body = await self.client.call("decisions", DecisionsRequest(), reply=Current)
            words = await self._decided(body)
        except RemoteError as error:
            words = error.message
        if not words:
            self._snapshot = found.snapshot
        was, self.problem = self.problem, f"its decisions are not in force here: {words}" if words else ""
        if was != self.problem:
            self._changed()

    def _lost(self, words: str) -> None:
        self.connected, self.problem = False, words.removeprefix(f"{self.client.path}: ")
