"""How a connection to an AI service came past the appliance.

Owns: the order of causes, and the memory of certificates that clients rejected. Rules: pure, time as an argument; a
connection to one of our listeners has no cause, and a question to a resolver tells no way.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.model.names import Cause, Governance, Leg, ObservationKind

# RFC 8446 6.2: with these a client says that it does not accept the certificate.
REJECTIONS: Final = frozenset(
    {"bad_certificate", "unsupported_certificate", "certificate_unknown", "unknown_ca", "access_denied"}
)
PINNED_S: Final = 900.0  # for so long a rejection explains why a client goes past the appliance
LEAVINGS: Final = 2  # so often a client has to leave before that counts as a rejection
MAX_PINNED: Final = 8_192
LOCAL: Final = frozenset({"local_model", "mcp", "vector_store"})  # what people run themselves
WAYS: Final = frozenset({ObservationKind.TLS, ObservationKind.QUIC, ObservationKind.HTTP})


type _Pair = tuple[str, str]  # a client and a service
type Known = Callable[[str, str, float], bool]


class Way(NamedTuple):
    """How a connection was seen. `hidden`: its name was encrypted; `connect`: it asked somebody to be its proxy."""

    leg: Leg
    kind: ObservationKind
    server: str
    category: str
    connect: bool = False
    hidden: bool = False
    pinned: bool = False


def governance(way: Way) -> Governance:
    """What one connection says by itself."""
    if way.leg is Leg.PROXY:
        return Governance.GOVERNED
    return Governance.BYPASS if way.kind in WAYS else Governance.UNKNOWN


def cause(way: Way) -> Cause | None:
    """Why it is past the appliance: the most telling first; None where it is not, or where no way was seen."""
    if governance(way) is not Governance.BYPASS:
        return None
    if way.category in LOCAL and private(way.server):
        return Cause.LAN_MODEL
    for holds, found in ((way.connect, Cause.TUNNEL), (way.pinned, Cause.PINNED), (way.hidden, Cause.ECH)):
        if holds:
            return found
    return Cause.QUIC if way.kind is ObservationKind.QUIC else Cause.DIRECT_ADDRESS


def private(address: str) -> bool:
    """Not an address of the public network (RFC 6890)."""
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


class Pinned(StrEnum):
    """Why a client is taken for one that accepts one certificate only; surest first."""

    SAID = "the client rejected the appliance's certificate"
    LEFT = "the client has left twice when it saw the appliance's certificate: probably it rejects that"


class _Left(NamedTuple):
    """How often a client has left early, and when last."""

    times: int
    at: float


class Rejections:
    """Which clients have rejected the appliance's certificate for which services, and when.

    A rejection is certain where the client's alert was read, by the sensor or by a worker (`known`: client, service,
    time), which reads sealed ones too. Else it is likely where a client left before it asked for anything, and did so
    again: `LEAVINGS` times of as many. One connection that it uses takes that back.
    """

    def __init__(self, limit: int = MAX_PINNED) -> None:
        self._limit = limit
        self.known: Known = lambda _client, _service, _now: False
        self._seen: OrderedDict[_Pair, float] = OrderedDict()
        self._left: OrderedDict[_Pair, _Left] = OrderedDict()

    def note(self, now: float, client: str, service: str) -> None:
        """The client rejected it, just now."""
        self._keep(self._seen, (client, service), now)

    def left(self, now: float, client: str, service: str) -> None:
        """The client left before it asked for anything."""
        before = self._left.get((client, service))
        times = before.times + 1 if before is not None and 0 <= now - before.at <= PINNED_S else 1
        self._keep(self._left, (client, service), _Left(times, now))

    def accepted(self, client: str, service: str) -> None:
        """The client used the connection: what came before was something else."""
        self._left.pop((client, service), None)

    def pinned(self, now: float, client: str, service: str) -> Pinned | None:
        """It rejects our certificate, as far as was seen not long before `now`."""
        at, left = self._seen.get((client, service)), self._left.get((client, service))
        if (at is not None and 0 <= now - at <= PINNED_S) or self.known(client, service, now):
            return Pinned.SAID
        return Pinned.LEFT if left and left.times >= LEAVINGS and 0 <= now - left.at <= PINNED_S else None

    def _keep[V](self, table: OrderedDict[_Pair, V], pair: _Pair, value: V) -> None:
        table[pair] = value
        table.move_to_end(pair)
        if len(table) > self._limit:
            table.popitem(last=False)
