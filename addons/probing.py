"""Looks after targets that no request goes to: dials each now and then, and tells its breaker what came of it.

Rules: off unless `gateway.health.probe_s` says how often; only targets of routes are dialled, by the same address rules
and parent proxies as requests; nothing is sent but a TLS handshake, no key and no request; a probe that fails counts
like a request that got no answer, one that succeeds only ends the waiting of a target that was left alone.
"""

import asyncio
import ssl

from addons.dialling import dialler_of, trusting
from addons.routing import Leg, Routing
from addons.upstream import DialError, Dialler
from addons.upstream.dial import Opened
from appliance.bus.tasks import cancel, spawn
from appliance.config.schema import Config
from appliance.route.targets import is_address

HANDSHAKE_S = 10.0


class ProbingAddon:
    """Probes with the worker's life. `dialler`: instead of the configured one; `opened` hears of its connections."""

    def __init__(
        self, config: Config, routing: Routing, dialler: Dialler | None = None, *, opened: Opened | None = None
    ) -> None:
        self._often = config.gateway.health.probe_s
        self._routing = routing
        self._dialler = dialler or (dialler_of(config, opened=opened) if self._often else None)
        self._tls = trusting(config.egress.ca_bundle) if self._often else None
        self._task: asyncio.Task[None] | None = None

    def running(self) -> None:
        """Begin."""
        if self._often:
            self._task = spawn(self._always(self._often), "probing")

    async def done(self) -> None:
        """End."""
        if self._task is not None:
            await cancel(self._task)

    async def _always(self, often: float) -> None:
        while True:
            await asyncio.sleep(often)
            await self.once()

    async def once(self) -> None:
        """Every target, one after the other."""
        for leg in self._routing.targets:
            reached = await self._reached(leg)
            breaker, now = self._routing.breakers[leg.name], self._routing.clock()
            if reached:
                breaker.reached(now)
            else:
                breaker.unreached(now)

    async def _reached(self, leg: Leg) -> bool:
        if self._dialler is None:
            return True
        target = leg.target
        try:
            _, writer = await self._dialler.connect(target.host, target.port)
        except DialError:
            return False
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                if target.scheme == "https" and self._tls is not None:
                    await writer.start_tls(self._tls, server_hostname=None if is_address(target.host) else target.host)
        except (OSError, EOFError, ssl.SSLError):
            return False
        finally:
            writer.close()
        return True
