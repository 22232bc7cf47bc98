"""Virtual keys as a way to know who asks.

Rules: a key that is wrong, expired or revoked is refused, whatever else the request holds; what does not prove its
secret makes the address wait; unknown and wrong look the same.
"""

from math import ceil

from appliance.identity.backoff import BackOff
from appliance.identity.method import Answer, IdentityRequest, Refusal, wrong
from appliance.identity.virtual_key_file import VirtualKeyFile
from appliance.identity.virtual_keys import read_key
from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

MAX_SHOWN = 256


class VirtualKeyMethod:
    """An `IdentityMethod`."""

    def __init__(self, file: VirtualKeyFile, *, challenge: str, backoff: BackOff | None = None) -> None:
        self._file = file
        self._challenge = challenge
        self._backoff = BackOff() if backoff is None else backoff

    @property
    def problem(self) -> str:
        """Why the file of keys is not used."""
        return self._file.problem

    async def identify(self, request: IdentityRequest, now: float) -> Answer | None:
        """None: no key was shown."""
        if request.key is None:
            return None
        self._file.refresh(now)
        shown = read_key(request.key) if len(request.key) <= MAX_SHOWN else None
        entry = self._file.keys.find(shown) if shown is not None else None
        if entry is None:
            return self._unproven(request, now)
        if (state := entry.state(now)) != "good":
            return wrong(request, f"this key is {state}", self._challenge, lapsed=state == "expired")
        return Principal(
            entry.owner,
            request.address,
            method="key",
            assurance=Assurance.HIGH,
            groups=entry.groups,
            department=entry.department,
            key=entry.id,
            key_services=entry.services,
            key_models=entry.models,
        )

    def _unproven(self, request: IdentityRequest, now: float) -> Answer:
        if not request.again:
            if (wait := self._backoff.wait(request.address, now)) > 0:
                detail = "too many failed authentication attempts from this address"
                return Refusal(429, RefusalReason.IDENTITY_FAILED, detail, retry_after=ceil(wait))
            self._backoff.failed(request.address, now)
        return wrong(request, "no such key", self._challenge)
