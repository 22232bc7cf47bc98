"""Proxy Basic against a password file.

Theory of operation. A proven credential is found in the cache and costs microseconds. Anything else waits for its turn:
one attempt at a time per client address, checked in the executor; a browser's other connections then find the first
one's success in the cache. Failures make the address wait. Rules: checking never runs on the event loop; every table is
bounded; an unknown user, a wrong password and a malformed header get the same answer.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil

from appliance.identity.backoff import BackOff, neighbourhood
from appliance.identity.basic import Credential, basic_challenge, parse_basic
from appliance.identity.credential_cache import CredentialCache
from appliance.identity.method import Answer, Challenge, IdentityRequest, Refusal
from appliance.identity.password_file import PasswordFile
from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

MAX_ADDRESSES = 1024  # addresses with an attempt under way
MAX_WAITING = 64  # attempts of one address that wait for their turn


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    holders: int = 0


class BasicAuthenticator:
    """An `IdentityMethod`. `executor`: threads for the slow check; `cache_s`: how long a success is remembered."""

    def __init__(
        self,
        file: PasswordFile,
        executor: Executor,
        *,
        realm: str = "gnomon",
        cache_s: float = 300.0,
        backoff: BackOff | None = None,
    ) -> None:
        self._file = file
        self._executor = executor
        self._authenticate = basic_challenge(realm)
        self._cache = CredentialCache(cache_s)
        self._backoff = BackOff() if backoff is None else backoff
        self._turns: dict[str, _Turn] = {}

    async def identify(self, request: IdentityRequest, now: float) -> Answer | None:
        """None: no Proxy-Authorization, or not the proxy listener."""
        if request.proxy_authorization is None or request.listener != "proxy":
            return None
        credential = parse_basic(request.proxy_authorization)
        if credential is None:
            return self._denied("the Proxy-Authorization header holds no Basic credential")
        if self._file.refresh(now):
            self._cache.clear()
        if self._cache.holds(credential.user, credential.password, now):
            return _principal(credential, request)
        if self._is_crowded(request.address):
            return Refusal(
                429, RefusalReason.IDENTITY_FAILED, "too many authentication attempts at once", retry_after=1
            )
        async with self._turn(request.address):
            return await self._attempt(credential, request, now)

    async def _attempt(self, credential: Credential, request: IdentityRequest, now: float) -> Answer:
        # Another connection of the same client may have succeeded, or failed, while this one waited.
        if self._cache.holds(credential.user, credential.password, now):
            return _principal(credential, request)
        wait = self._backoff.wait(request.address, now)
        if wait > 0:
            detail = "too many failed authentication attempts from this address"
            return Refusal(429, RefusalReason.IDENTITY_FAILED, detail, retry_after=ceil(wait))
        passwords = self._file.passwords
        loop = asyncio.get_running_loop()
        proven = await loop.run_in_executor(self._executor, passwords.check, credential.user, credential.password)
        if not proven:
            self._backoff.failed(request.address, now)
            return self._denied("unknown user or wrong password")
        if passwords is self._file.passwords:  # else: proven against entries that are no longer in force
            self._cache.add(credential.user, credential.password, now)
        return _principal(credential, request)

    def _denied(self, detail: str) -> Challenge:
        return Challenge(self._authenticate, RefusalReason.IDENTITY_FAILED, detail)

    def _is_crowded(self, address: str) -> bool:
        turn = self._turns.get(neighbourhood(address))
        return turn.holders >= MAX_WAITING if turn is not None else len(self._turns) >= MAX_ADDRESSES

    @asynccontextmanager
    async def _turn(self, address: str) -> AsyncIterator[None]:
        key = neighbourhood(address)
        turn = self._turns.setdefault(key, _Turn())
        turn.holders += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.holders -= 1
            if turn.holders == 0:
                del self._turns[key]


def _principal(credential: Credential, request: IdentityRequest) -> Principal:
    return Principal(credential.user, request.address, method="basic", assurance=Assurance.HIGH)
