"""Signed tokens (JWT) of configured issuers, as bearer credentials.

Theory of operation. A token that was judged is found by the digest of all of it, and costs microseconds; anything else
is read, its issuer and key are found, its signature and claims are checked. Rules: the issuer that a token names only
chooses the rules by which it is judged, it proves nothing; what looks like guessing makes the address wait, what has
only expired or is meant for somebody else does not; forged tokens are remembered too; no part of a token is ever told.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import ceil

from appliance.identity.backoff import BackOff
from appliance.identity.claims import ClaimRules, TokenOwner, owner_of
from appliance.identity.jws import TokenError, UncheckedToken, check_signature, read_token
from appliance.identity.keyring import KeyRing, KeysUnavailableError
from appliance.identity.method import Answer, IdentityRequest, Refusal, wrong
from appliance.identity.proven import Remembered
from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

FORGED_S = 30.0  # how long a forged token is remembered as one
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer: its rules, the signatures that are taken of it, its keys."""

    rules: ClaimRules
    algorithms: frozenset[str]
    ring: KeyRing


class TokenMethod:
    """An `IdentityMethod`. `cache_s`: how long a good token is taken without being checked again."""

    def __init__(
        self, issuers: Collection[Issuer], *, challenge: str, cache_s: float = 300.0, backoff: BackOff | None = None
    ) -> None:
        self._issuers: Mapping[str, Issuer] = {issuer.rules.issuer: issuer for issuer in issuers}
        self._algorithms = frozenset(name for issuer in issuers for name in issuer.algorithms)
        self._challenge = challenge
        self._cache_s = cache_s
        self._backoff = BackOff() if backoff is None else backoff
        self._good: Remembered[TokenOwner] = Remembered()
        self._forged: Remembered[str] = Remembered(2_000)

    @property
    def problem(self) -> str:
        """Issuers whose keys cannot be fetched now."""
        rings = ((name, issuer.ring.problem) for name, issuer in self._issuers.items())
        return "; ".join(f"identity.tokens: keys of {name}: {problem}" for name, problem in rings if problem)

    async def identify(self, request: IdentityRequest, now: float) -> Answer | None:
        """None: no bearer token, neither for the proxy nor in a header of ours."""
        text = _shown(request)
        if text is None:
            return None
        if (owner := self._known(text, now)) is not None:
            return _principal(owner, request)
        if not request.again and (wait := self._backoff.wait(request.address, now)) > 0:
            detail = "too many failed authentication attempts from this address"
            return Refusal(429, RefusalReason.IDENTITY_FAILED, detail, retry_after=ceil(wait))
        try:
            owner = await self._judge(text, now)
        except TokenError as error:
            return self._denied(request, text, error, now)
        except KeysUnavailableError as error:
            detail = "the keys of the token's issuer cannot be had now"
            return Refusal(503, RefusalReason.IDENTITY_UNAVAILABLE, detail, retry_after=error.retry_after)
        return _principal(owner, request)

    def _known(self, text: str, now: float) -> TokenOwner | None:
        found = self._good.find(text, now)
        if found is None:
            return None
        owner, generation = found
        issuer = self._issuers[owner.issuer]
        if generation != issuer.ring.generation:  # the key may have been taken back
            self._good.forget(text)
            return None
        return owner

    async def _judge(self, text: str, now: float) -> TokenOwner:
        forged = self._forged.find(text, now)
        if forged is not None and forged[1] == self._generation():
            raise TokenError(forged[0])
        token = read_token(text, self._algorithms)
        issuer = self._issuer(token)
        keys = await issuer.ring.find(token.kid, token.alg, now)
        if not keys:
            # Right after a change of keys the set may not have been asked for again yet: that is no guess.
            settled = issuer.ring.is_unknown(token.kid, now)
            raise TokenError("the token is signed with a key that its issuer does not publish", guess=settled)
        try:
            check_signature(token, keys)
        except TokenError:
            if not await issuer.ring.changed(now):
                raise
            check_signature(token, await issuer.ring.find(token.kid, token.alg, now))
        generation = issuer.ring.generation
        owner = owner_of(token.claims, issuer.rules, now, token.typ)
        self._good.add(text, owner, now, min(now + self._cache_s, owner.until), generation)
        return owner

    def _issuer(self, token: UncheckedToken) -> Issuer:
        named = token.claims.get("iss")
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if issuer is None:
            raise TokenError("the token is of an issuer that is not trusted here")
        if token.alg not in issuer.algorithms:
            raise TokenError("the token's signature algorithm is not accepted here")
        return issuer

    def _denied(self, request: IdentityRequest, text: str, error: TokenError, now: float) -> Answer:
        if error.guess and not request.again:
            self._backoff.failed(request.address, now)
            self._forged.add(text, str(error), now, now + FORGED_S, self._generation())
        return wrong(request, str(error), self._challenge, lapsed=error.lapsed)

    def _generation(self) -> int:
        return sum(issuer.ring.generation for issuer in self._issuers.values())


def bearer_challenge(realm: str) -> str:
    """The Proxy-Authenticate value (RFC 6750 3)."""
    safe = "".join(letter for letter in realm if letter.isascii() and letter.isprintable() and letter not in '"\\')
    return f'Bearer realm="{safe}"'


def _shown(request: IdentityRequest) -> str | None:
    sent = request.proxy_authorization
    if request.listener == "proxy" and sent is not None and sent[: len(_BEARER)].lower() == _BEARER:
        return sent[len(_BEARER) :].strip()
    return request.token


def _principal(owner: TokenOwner, request: IdentityRequest) -> Principal:
    return Principal(
        owner.user,
        request.address,
        method="jwt",
        assurance=Assurance.HIGH,
        groups=owner.groups,
        department=owner.department,
    )
