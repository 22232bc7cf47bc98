"""Proxy Basic against a password file or a directory.

Theory of operation. A proven credential is found in the cache and costs microseconds. Anything else waits for its turn:
one attempt at a time per client address, checked in the executor; a browser's other connections then find the first
one's success in the cache. Failures make the address wait. Rules: checking never runs on the event loop; every table is
bounded; an unknown user, a wrong password and a malformed header get the same answer; a directory that is down refuses
(503), counts no failure, and leaves what was proven before in force until its time.
"""

import asyncio
from concurrent.futures import Executor
from math import ceil
from typing import Protocol

from appliance.identity.backoff import BackOff
from appliance.identity.basic import Credential, basic_challenge, parse_basic
from appliance.identity.credential_cache import CredentialCache, Member
from appliance.identity.method import Answer, Challenge, IdentityRequest, Refusal
from appliance.identity.turns import MAX_WAITING, Turns
from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

__all__ = ["MAX_WAITING", "BasicAuthenticator", "DirectoryDownError", "PasswordSource", "Passwords"]


class DirectoryDownError(Exception):
    """Whoever proves passwords cannot be asked now. `retry_after`: seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("the directory cannot be reached")
        self.retry_after = retry_after


class Passwords(Protocol):
    """What proves a password, on a thread."""

    def check(self, user: str, password: str) -> bool | Member:
        """Whether it is this user's, or what is known of the user whose it is. DirectoryDownError: nobody can say."""


class PasswordSource(Protocol):
    """Where the passwords are that hold now."""

    @property
    def passwords(self) -> Passwords:
        """Replaced as a whole."""

    @property
    def problem(self) -> str:
        """Empty, or why passwords cannot be proven as they should be."""

    def refresh(self, now: float) -> bool:
        """True: others hold now, and what was proven before is void."""


class BasicAuthenticator:
    """An `IdentityMethod`. `executor`: threads for the slow check; `cache_s`: how long a success is remembered.

    `challenge`: the Proxy-Authenticate value, where more than Basic is taken.
    """

    def __init__(
        self,
        file: PasswordSource,
        executor: Executor,
        *,
        realm: str = "gnomon",
        cache_s: float = 300.0,
        backoff: BackOff | None = None,
        method: str = "basic",
        challenge: str | None = None,
    ) -> None:
        self._file = file
        self._executor = executor
        self._method = method
        self._authenticate = challenge or basic_challenge(realm)
        self._cache = CredentialCache(cache_s)
        self._backoff = BackOff() if backoff is None else backoff
        self._turns = Turns()

    @property
    def problem(self) -> str:
        """Why passwords cannot be proven, or the file as it is now is not used."""
        return self._file.problem

    async def identify(self, request: IdentityRequest, now: float) -> Answer | None:
        """None: no Proxy-Authorization, or not the proxy listener."""
        if request.proxy_authorization is None or request.listener != "proxy":
            return None  # a token or a key that was shown as well has been judged before
        credential = parse_basic(request.proxy_authorization)
        if credential is None:
            return self._denied("the Proxy-Authorization header holds no Basic credential")
        if self._file.refresh(now):
            self._cache.clear()
        if (known := self._cache.found(credential.user, credential.password, now)) is not None:
            return self._principal(credential, known, request)
        if self._turns.is_crowded(request.address):
            return Refusal(
                429, RefusalReason.IDENTITY_FAILED, "too many authentication attempts at once", retry_after=1
            )
        async with self._turns.of(request.address):
            return await self._attempt(credential, request, now)

    async def _attempt(self, credential: Credential, request: IdentityRequest, now: float) -> Answer:
        # Another connection of the same client may have succeeded, or failed, while this one waited.
        if (known := self._cache.found(credential.user, credential.password, now)) is not None:
            return self._principal(credential, known, request)
        wait = 0.0 if request.again else self._backoff.wait(request.address, now)
        if wait > 0:
            detail = "too many failed authentication attempts from this address"
            return Refusal(429, RefusalReason.IDENTITY_FAILED, detail, retry_after=ceil(wait))
        passwords = self._file.passwords
        loop = asyncio.get_running_loop()
        try:
            proven = await loop.run_in_executor(self._executor, passwords.check, credential.user, credential.password)
        except DirectoryDownError as error:
            detail = "the directory that proves passwords cannot be reached now"
            return Refusal(503, RefusalReason.IDENTITY_UNAVAILABLE, detail, retry_after=error.retry_after)
        if proven is False:
            if not request.again:
                self._backoff.failed(request.address, now)
            return self._denied("unknown user or wrong password")
        member = Member() if proven is True else proven
        if passwords is self._file.passwords:  # else: proven against entries that are no longer in force
            self._cache.add(credential.user, credential.password, now, member)
        return self._principal(credential, member, request)

    def _denied(self, detail: str) -> Challenge:
        return Challenge(self._authenticate, RefusalReason.IDENTITY_FAILED, detail)

    def _principal(self, credential: Credential, member: Member, request: IdentityRequest) -> Principal:
        return Principal(
            member.name or credential.user,
            request.address,
            method=self._method,
            assurance=Assurance.HIGH,
            groups=member.groups,
            department=member.department,
        )
