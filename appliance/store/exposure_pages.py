"""Requests and rows of the query over keys that were seen: who used which, of whose account, where and until when.

Rules: as in appliance/store/pages.py; a key is its fingerprint, an account its digest; the clear names of people and
addresses come by verb `persons` alone.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from appliance.store.pages import Filter
from appliance.store.wire import Name, Request

MOST = 500  # keys of one answer
FEW = 16  # people, hosts, services, programs and accounts named of one key


class ExposureRequest(Request, frozen=True):
    """Verb `exposure`. Keys that were used from `since` to `until` by what fits, and what became of them afterwards.

    `program`: the client's product as it names itself, with or without `/version`; `principal`, `client`: digests.
    """

    since: Annotated[float, Meta(ge=0)]
    until: Annotated[float, Meta(ge=0)] | None = None
    program: Filter = None
    principal: Name | None = None
    client: Name | None = None
    service: Filter = None
    limit: Annotated[int, Meta(ge=1, le=MOST)] = 100


class ExposureHead(msgspec.Struct, frozen=True):
    """Head of the answer to `exposure`; the body is a JSON array of `ExposedKey`. `total`: of all that fit."""

    rows: int
    total: int


class ExposedKey(msgspec.Struct, frozen=True):
    """One key. `exchanges`: within the span; `after`: later than its end, whoever used it, `last_after` the latest.

    `held`: the name of the credential, where the appliance sent it itself. `accounts`: kinds and digests.
    """

    fingerprint: str
    shape: str | None
    held: str | None
    principals: tuple[str, ...]
    clients: tuple[str, ...]
    programs: tuple[str, ...]
    services: tuple[str, ...]
    accounts: tuple[str, ...]
    account_ids: tuple[str, ...]
    exchanges: int
    first_seen: float
    last_seen: float
    after: int
    last_after: float | None

    @property
    def still_used(self) -> bool:
        """It was used after the end of the span."""
        return self.after > 0
