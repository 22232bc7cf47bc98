"""Requests and rows of the queries over hosts, shared by clients and the store.

Rules: as in appliance/store/pages.py. Hosts are ordered by one number, largest first, and paged by it; `text` is a
plain substring, without case, of an address, a name, a hardware address, a vendor, a system or a service.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from appliance.model.finding import Finding
from appliance.store.pages import Filter, Limit
from appliance.store.wire import Name, Request


class HostOrder(StrEnum):
    """By what hosts are sorted, the largest first."""

    LAST_SEEN = "seen"
    FIRST_SEEN = "new"
    BYTES = "bytes"
    PAST = "past"


class HostKey(msgspec.Struct, frozen=True):
    """Where a page ended: the number that it is sorted by, then the address."""

    rank: float
    address: Name


class HostsRequest(Request, frozen=True):
    """Verb `hosts`. `ai`: only such as used, or asked for, an AI service; `since`: last seen at or after."""

    limit: Limit = 100
    before: HostKey | None = None
    order: HostOrder = HostOrder.LAST_SEEN
    text: Filter = None
    service: Filter = None
    ai: bool = False
    since: Annotated[float, Meta(ge=0)] | None = None


class HostsHead(msgspec.Struct, frozen=True):
    """Head of the answer to `hosts`; the body is a JSON array of `HostRecord`. `total`: of all that fit the filters."""

    rows: int
    total: int
    next: HostKey | None = None


class HostRecord(msgspec.Struct, frozen=True):
    """One host. `address`, `mac` and `names` are digests; clear values by verb `persons`. Bytes: of use of AI services.

    `router`: it is seen behind one, so that its own hardware address is not known. `services`: the first 64 by name.
    """

    address: str
    mac: str | None
    vendor: str
    names: tuple[str, ...]
    told_by: tuple[str, ...]
    system: str
    router: bool
    first_seen: float
    last_seen: float
    services: tuple[str, ...]
    exchanges: int
    past: int
    bytes_up: int
    bytes_down: int
    at_least: bool

    @property
    def digests(self) -> tuple[str, ...]:
        """Everything that a clear value may stand behind."""
        return (self.address, *self.names, *([self.mac] if self.mac else ()))


class HostRequest(Request, frozen=True):
    """Verb `host`. Answered with `HostDetail` as head, no body; 404 when nothing is known of that address."""

    address: Name


class ServiceUse(msgspec.Struct, frozen=True):
    """How a host used one service: exchanges through the appliance, sightings past it, and what tells no way."""

    service: str
    surface: str
    exchanges: int
    past: int
    hints: int
    bytes_up: int
    bytes_down: int
    at_least: bool
    first_seen: float
    last_seen: float
    cost_micros: int | None = None  # estimated, of exchanges, in millionths of a US dollar; None: no price is known


class HostDetail(msgspec.Struct, frozen=True):
    """One host with what it used and the findings that it takes part in, the newest first; at most 100 of each."""

    host: HostRecord
    services: tuple[ServiceUse, ...]
    findings: tuple[Finding, ...]
