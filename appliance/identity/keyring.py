"""The keys of one issuer over time: fetched, renewed when it signs with another one, kept while it is down.

Theory of operation. Keys are fetched when the first token comes and again when they are older than `refresh_s`; that
runs beside the requests, which go on with the keys that are there. A key id that is not among them may be a new one:
then the set is fetched at once and the request waits for it, but at most once in `ASK_EVERY_S`, whatever clients send,
and an id that was not in the fresh set is remembered as unknown. While fetching fails the old keys are used until they
are `kept_s` old; after that nobody is known by them. What was fetched is kept (`Kept`), and a ring that begins with it
is as old as it is. Rules: one fetch at a time; time as argument; every table bounded.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from math import ceil
from typing import Protocol

from appliance.identity.jwks import VerifyKey
from appliance.model.errors import OperatorError, PeerError

ASK_EVERY_S = 10.0  # between two fetches that succeeded
LONGEST_WAIT_S = 60.0  # between two that failed; the first waits are shorter
UNKNOWN_S = 60.0  # how long an id stays unknown without a further fetch
MAX_UNKNOWN = 1024

type Fetch = Callable[[], Awaitable[bytes]]  # the key set as bytes; PeerError, OperatorError or OSError: not to be had
type Parse = Callable[[bytes], tuple[VerifyKey, ...]]


class Kept(Protocol):
    """Where a set outlives the process."""

    def read(self, now: float) -> tuple[bytes, float] | None:
        """The set and when it was fetched; None: there is none."""

    def write(self, keys: bytes, fetched: float) -> None:
        """Keep it; on a thread. OSError or UnicodeDecodeError: it cannot be kept."""


class KeysUnavailableError(Exception):
    """There are no keys to check a token with. `retry_after`: seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("the issuer's keys cannot be had")
        self.retry_after = retry_after


class KeyRing:
    """`generation` grows when the keys have changed; `problem`: why the last fetch failed, empty: it did not."""

    def __init__(
        self,
        fetch: Fetch,
        parse: Parse,
        *,
        refresh_s: float = 600.0,
        kept_s: float = 86400.0,
        kept: Kept | None = None,
    ) -> None:
        self._fetch = fetch
        self._parse = parse
        self._refresh_s = refresh_s
        self._kept_s = kept_s
        self._keys: tuple[VerifyKey, ...] = ()
        self._fetched = 0.0
        self._asked: float | None = None  # when the last fetch began
        self._failures = 0
        self._running: asyncio.Future[None] | None = None
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._kept = kept
        self._written = 0.0
        self.generation = 0
        self.problem = ""

    def begin(self, now: float) -> None:
        """Start with what was kept, if that can be used."""
        found = self._kept.read(now) if self._kept is not None else None
        if found is None or now - found[1] > self._kept_s:
            return
        try:
            self._keys = self._parse(found[0])
        except PeerError:
            return  # of a release, or a configuration, that took other keys
        self._fetched = self._written = found[1]
        self.generation += 1

    async def find(self, kid: str, alg: str, now: float) -> tuple[VerifyKey, ...]:
        """Keys that may have signed a token with this header; () for none. KeysUnavailableError: nobody knows."""
        if self._is_usable(now):
            if abs(now - self._fetched) > self._refresh_s:
                self._begin(now)  # nobody waits for it
            if found := self._matching(kid, alg):
                return found
            if self.is_unknown(kid, now):
                return ()
        begun = self._begin(now)
        if begun is not None:
            await asyncio.shield(begun)
        if not self._is_usable(now):
            raise KeysUnavailableError(max(1, ceil(self._wait())))
        found = self._matching(kid, alg)
        if not found and begun is not None and not self.problem:
            self._note_unknown(kid, now)
        return found

    async def changed(self, now: float) -> bool:
        """Ask again, if it is not too early: an issuer may change a key and keep its id, or give none."""
        before, begun = self.generation, self._begin(now)
        if begun is not None:
            await asyncio.shield(begun)
        return self.generation != before

    def is_unknown(self, kid: str, now: float) -> bool:
        """A fresh set did not hold this id."""
        return now < self._unknown.get(kid, 0.0) <= now + UNKNOWN_S

    def _matching(self, kid: str, alg: str) -> tuple[VerifyKey, ...]:
        """By id where token and key have one; by algorithm where either has none."""
        fits = tuple(key for key in self._keys if alg in key.algorithms)
        return tuple(key for key in fits if key.kid == kid or not (kid and key.kid))

    def _is_usable(self, now: float) -> bool:
        return bool(self._keys) and now - self._fetched <= self._kept_s

    def _wait(self) -> float:
        return min(LONGEST_WAIT_S, 2.0 ** min(self._failures, 10)) if self._failures else ASK_EVERY_S

    def _begin(self, now: float) -> asyncio.Future[None] | None:
        """The fetch that is running, begun now if it may be; None: it is too early for another one."""
        if self._running is not None and not self._running.done():
            return self._running
        if self._asked is not None and abs(now - self._asked) < self._wait():
            return None
        self._asked = now
        self._running = asyncio.ensure_future(self._renew(now))
        return self._running

    async def _renew(self, now: float) -> None:
        try:
            data = await self._fetch()
            keys = self._parse(data)
        except (PeerError, OperatorError, OSError) as error:
            self._failures += 1
            self.problem = str(error) or type(error).__name__
            return
        self._failures = 0
        self.problem = ""
        self._fetched = now
        changed = _names(keys) != _names(self._keys)
        if changed:
            self._keys = keys
            self._unknown.clear()
            self.generation += 1
        if self._kept is not None and (changed or abs(now - self._written) > min(self._refresh_s, self._kept_s / 2)):
            self._written = now
            try:
                await asyncio.to_thread(self._kept.write, data, now)
            except (OSError, UnicodeDecodeError) as error:
                self.problem = f"the keys cannot be kept for the next start ({type(error).__name__})"

    def _note_unknown(self, kid: str, now: float) -> None:
        self._unknown[kid] = now + UNKNOWN_S
        self._unknown.move_to_end(kid)
        while len(self._unknown) > MAX_UNKNOWN:
            self._unknown.popitem(last=False)


def _names(keys: tuple[VerifyKey, ...]) -> list[tuple[str, tuple[str, ...], str]]:
    return [(key.kid, tuple(sorted(key.algorithms)), key.key.thumbprint()) for key in keys]
