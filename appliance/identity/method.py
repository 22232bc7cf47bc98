"""The one interface for ways to know who asks.

Owns: request and answers. Rules: a method answers None when it has nothing to go by, so that the next one is asked; a
secret never shows in a repr.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

ANONYMOUS = "anonymous"
_TOO_MANY, _NOT_NOW = 429, 503


@dataclass(frozen=True, slots=True)
class IdentityRequest:
    """What a method may look at. `address`: the peer's; `listener`: proxy | gateway.

    `token`: of `X-Gnomon-Token`, or a bearer token that is nobody's but ours; `key`: likewise a virtual key;
    `certificate`: DER of the client's certificate, whose chain TLS has verified; `connection`: which connection it is,
    for schemes that take several legs (Negotiate; none is built): a `Challenge` is answered by the next request of the
    same connection; `again`: it was taken before on this connection and is asked about anew, so that failing is no
    guess and nobody else's failures hold it up.
    """

    address: str
    listener: str = "proxy"
    proxy_authorization: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    connection: str = ""
    again: bool = False


class Challenge(msgspec.Struct, frozen=True):
    """Who are you? 407 with this Proxy-Authenticate value. `reason` tells nothing sent from wrong.

    `lapsed`: as of a refusal.
    """

    authenticate: str
    reason: RefusalReason = RefusalReason.IDENTITY_REQUIRED
    detail: str = ""
    lapsed: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """No, and asking again now does not help. `retry_after`: seconds, 0: unknown.

    `lapsed`: the credential was good and its time is over, as was to be expected; nobody has taken it back.
    """

    status: int
    reason: RefusalReason
    detail: str
    retry_after: int = 0
    lapsed: bool = False

    @property
    def passing(self) -> bool:
        """It says nothing of the credential: nobody could be asked, or not now."""
        return self.status in (_TOO_MANY, _NOT_NOW)


Answer = Principal | Challenge | Refusal


class IdentityMethod(Protocol):
    """One way to know who asks: tokens, virtual keys, Basic (file or directory), certificates, address map."""

    async def identify(self, request: IdentityRequest, now: float) -> Answer | None:
        """Who it is, what is missing, or None: nothing in the request is for this method.

        One that takes several legs keeps what it needs under `request.connection`, drops it in `forget(connection)`
        (which is optional) and knows who it is by then where `request.again` is set: a ticket cannot be shown twice.
        """


class Identification:
    """Asks methods in order; the first that answers decides.

    `required`: whoever no method knows is turned away: with `challenge` (a Proxy-Authenticate value) on the
    proxy, where a credential could help, else with a refusal. `enrich`: adds what a file tells of a known person.
    """

    def __init__(
        self,
        methods: tuple[IdentityMethod, ...],
        *,
        required: bool = False,
        challenge: str | None = None,
        enrich: Callable[[Principal], Principal] = lambda principal: principal,
    ) -> None:
        self._methods = methods
        found = (getattr(method, "forget", None) for method in methods)
        self._forgetting: tuple[Callable[[str], None], ...] = tuple(each for each in found if each is not None)
        self._enrich = enrich
        self._required = required
        self._challenge = challenge

    def _known(self, principal: Principal) -> Answer:
        if principal.name == ANONYMOUS and principal.assurance is Assurance.HIGH:
            return Refusal(403, RefusalReason.IDENTITY_FAILED, f"nobody may be called {ANONYMOUS}")
        return self._enrich(principal)

    def problem(self) -> str:
        """What keeps methods from doing their work, in words for the operator; empty: nothing does."""
        told = (getattr(method, "problem", "") for method in self._methods)
        return "; ".join(text for text in told if text)

    def forget(self, connection: str) -> None:
        """A connection has ended: methods with several legs drop what they keep of it."""
        for forget in self._forgetting:
            forget(connection)

    async def identify(self, request: IdentityRequest, now: float) -> Answer:
        """Who asks. Without `required` an unknown caller is the anonymous principal; a wrong credential never is."""
        for method in self._methods:
            answer = await method.identify(request, now)
            if answer is not None:
                return self._known(answer) if isinstance(answer, Principal) else answer
        if not self._required:
            return Principal(name=ANONYMOUS, address=request.address)
        if self._challenge is not None and request.listener == "proxy":
            return Challenge(self._challenge)
        return Refusal(
            403, RefusalReason.IDENTITY_REQUIRED, "this address is not known to the appliance, and identity is required"
        )


def wrong(request: IdentityRequest, detail: str, challenge: str, *, lapsed: bool = False) -> Answer:
    """A credential that is not taken: 407 on the proxy, where another may be sent at once, else 401."""
    if request.listener == "proxy":
        return Challenge(challenge, RefusalReason.IDENTITY_FAILED, detail, lapsed=lapsed)
    return Refusal(401, RefusalReason.IDENTITY_FAILED, detail, lapsed=lapsed)
