"""Whether somebody who was identified still is who they were: asked again for every open tunnel and running exchange.

Theory of operation. A credential is looked at once, when it is shown; what it opened may last for hours. So whoever was
identified stays bound to what was shown (`Known`), and the same methods are asked about it again: for a tunnel with
the next request in it, for an exchange that runs while it runs. What was proven is remembered by the methods
themselves, so that asking again costs microseconds, and goes to a directory once in `identity.cache_s`. Rules: at most
once in `LOOK_EVERY_S` for each, however many requests there are; a credential stays in this process's memory as long as
its tunnel or exchange and no longer; where nobody can be asked, what runs goes on; a running answer ends in its
dialect's own form when its credential is taken back, and is let go to its end where its time only is over; a socket,
in which requests go on, ends with either.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from mitmproxy import http

from addons.endings import IDENTITY
from addons.ongoing import exchange_of
from addons.upstream import RELAYS, cancel_stream
from appliance.bus.tasks import cancel, spawn
from appliance.identity.method import Answer, Challenge, IdentityRequest, Refusal
from appliance.model.facts import Principal

LOOK_EVERY_S = 1.0
KNOWN = "gnomon.known"  # flow.metadata: the Known that a request is asked by
AT_ONCE = 64  # looks begun before others get their turn

type Identify = Callable[[IdentityRequest, float], Awaitable[Answer]]


class Known:
    """Somebody, and by what they were known. `principal`: as of the last look."""

    __slots__ = ("_ended", "_identify", "_looked", "_looking", "_request", "principal")

    def __init__(self, identify: Identify, request: IdentityRequest, principal: Principal, now: float) -> None:
        self._identify = identify
        self._request = replace(request, again=True)
        self._looked = now
        self._looking: asyncio.Task[Principal | Refusal] | None = None
        self._ended: Refusal | None = None
        self.principal = principal

    def __repr__(self) -> str:
        return f"Known(method={self.principal.method!r})"

    def is_fresh(self, now: float) -> bool:
        """It was looked at a moment ago. A clock that is set back makes nobody stay."""
        return 0 <= now - self._looked < LOOK_EVERY_S

    @property
    def is_looked_at(self) -> bool:
        """Somebody is waiting for the answer now."""
        return self._looking is not None and not self._looking.done()

    async def again(self, now: float) -> Principal | Refusal:
        """Who it is now. Requests that ask at once wait for one look together; what has ended stays so."""
        if self._ended is not None:
            return self._ended
        if self._looking is None or self._looking.done():
            self._looking = spawn(self._look(now), "credential looked at again")
        return await asyncio.shield(self._looking)

    async def _look(self, now: float) -> Principal | Refusal:
        answer = await self._identify(self._request, now)
        if isinstance(answer, Principal):
            self.principal = answer
            self._looked = now
            return answer
        refusal = as_refusal(answer)
        self._ended = None if refusal.passing else refusal
        return refusal


def as_refusal(answer: Challenge | Refusal) -> Refusal:
    """What a request in a tunnel is told of its tunnel's credential: 403, or that nobody can be asked.

    Not 407, which no client understands there, and not 401, by which SDKs take their provider's key for wrong.
    """
    if isinstance(answer, Challenge):
        return Refusal(403, answer.reason, answer.detail or "nothing says any more who is asking", lapsed=answer.lapsed)
    return answer if answer.passing else Refusal(403, answer.reason, answer.detail, lapsed=answer.lapsed)


class StandingAddon:
    """Asks again for what runs. `running`: the flows, by exchange; `words(flow, cause)`: the last of a stream.

    `fault(where, error)` is told of a look that failed; what ran by it goes on.
    """

    def __init__(
        self,
        running: dict[str, http.HTTPFlow],
        words: Callable[[http.HTTPFlow, str], bytes],
        fault: Callable[[str, BaseException], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._flows = running
        self._words = words
        self._fault = fault
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def running(self) -> None:
        """Begin."""
        self._task = spawn(self._watch(), "credentials of what runs")

    async def done(self) -> None:
        """End."""
        await cancel(self._task)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Begin to ask for each credential that something runs by, unless that was a moment ago."""
        found = self._by_credential(self._clock())
        for begun, (known, flows) in enumerate(found.items(), 1):
            spawn(self._hold(known, flows), "credential of what runs", self._failed)
            if begun % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _by_credential(self, now: float) -> dict[Known, list[http.HTTPFlow]]:
        found: dict[Known, list[http.HTTPFlow]] = {}
        for flow in self._flows.values():
            known = flow.metadata.get(KNOWN)
            if isinstance(known, Known) and not known.is_fresh(now) and not known.is_looked_at:
                found.setdefault(known, []).append(flow)
        return found

    def _failed(self, error: BaseException) -> None:
        self._fault("StandingAddon.look", error)

    async def _hold(self, known: Known, flows: list[http.HTTPFlow]) -> None:
        answer = await known.again(self._clock())
        if isinstance(answer, Principal) or answer.passing:
            return
        for flow in flows:
            if RELAYS in flow.metadata or not answer.lapsed:
                self._end(flow, answer.detail)

    def _end(self, flow: http.HTTPFlow, detail: str) -> None:
        exchange = exchange_of(flow)
        if exchange is None or exchange.closed or exchange.cut:
            return
        exchange.cut_detail = detail
        exchange.cut = IDENTITY
        words = b""
        try:
            words = self._words(flow, IDENTITY)
        finally:
            cancel_stream(flow, words, IDENTITY)  # without words it ends all the same
