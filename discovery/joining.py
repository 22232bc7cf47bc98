"""What belongs to one connection, gathered for a short time: hello, answer, certificate, alert, requests, sizes.

Owns: the table of connections that are being gathered. Rules: pure, time is that of the packets; bounded in number and
in what one connection may hold; a connection is judged when its time is over, when it has ended, or when there is no
room, and never twice. What a server sends is put to the client's side.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import msgspec

from appliance.model.names import ObservationKind
from appliance.model.observation import Observation, Sighting
from discovery.notes import Note

MAX_CONNECTIONS: Final = 8_192
MAX_NAMED: Final = 8  # different names in one connection; what comes beyond is judged as the last of them
MAX_ANSWERS: Final = 8  # heads of answers of one connection
SERVERS: Final = frozenset({ObservationKind.TLS_SERVER, ObservationKind.HTTP_RESPONSE})

SLACK_S: Final = 1.0  # packets of a capture stand not always in the order of their times
_ONCE_MORE: Final = frozenset({Note.HELLO_RETRY, Note.AGAIN})  # the same hello or message

type Key = tuple[str, int, str, int]


class Named(msgspec.Struct):
    """A hello or a request, and how often its like was seen. `sighting`: what the catalogue says of the first."""

    sighting: Sighting
    count: int = 1


class Connection(msgspec.Struct):
    """One connection, from `since` on. `rejected`: the alert with which the client refused the certificate.

    `met`: the server's hello was seen; `left`: the client said an alert next that nobody can read.
    """

    since: float
    key: Key
    named: list[Named] = []
    answers: list[Sighting] = []
    certificate: tuple[str, ...] = ()
    rejected: str | None = None
    met: bool = False
    left: bool = False
    connect: bool = False
    size: Observation | None = None


def client_key(seen: Observation) -> Key:
    """The connection that an observation by the client belongs to."""
    return seen.src, seen.sport, seen.dst, seen.dport


def server_key(seen: Observation) -> Key:
    """The connection that an observation by the server belongs to, client first."""
    return seen.dst, seen.dport, seen.src, seen.sport


def nameless(connection: Connection) -> bool:
    """Its hellos named nobody, or hid whom."""
    seen = [one.sighting.observation for one in connection.named]
    return bool(seen) and all(one.name is None or "ech" in one.notes for one in seen)


def left_early(connection: Connection) -> bool:
    """The client saw the server's hello and left without asking for anything."""
    size = connection.size
    return connection.met and (connection.left or (size is not None and Note.LEFT_EARLY in size.notes))


class Joining:
    """`seconds`: how long a connection is gathered; 0: it is judged by what was seen first."""

    def __init__(self, seconds: float, limit: int = MAX_CONNECTIONS) -> None:
        self._seconds, self._limit = seconds, limit
        self._table: OrderedDict[Key, Connection] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def known(self, key: Key) -> bool:
        """The connection is being gathered."""
        return key in self._table

    def client(self, sighting: Sighting) -> Iterator[Connection]:
        """A hello, or a request; connections that have to be judged because of it."""
        seen = sighting.observation
        found, pushed = self._of(client_key(seen), seen.ts)
        found.connect |= seen.method == "CONNECT"
        _add(found, sighting)
        yield from pushed

    def answered(self, sighting: Sighting) -> Iterator[Connection]:
        """The head of an answer in clear."""
        seen = sighting.observation
        found, pushed = self._of(server_key(seen), seen.ts)
        if len(found.answers) < MAX_ANSWERS:
            found.answers.append(sighting)
        yield from pushed

    def certified(self, seen: Observation) -> Iterator[Connection]:
        """A server's hello or certificate, or an alert by either side."""
        from_client = self._table.get(client_key(seen))
        if from_client is not None and (seen.alert or Note.SEALED_ALERT in seen.notes):
            from_client.rejected = seen.alert or from_client.rejected
            from_client.left |= not seen.alert
            return
        if not seen.names and not self.known(server_key(seen)):
            return
        found, pushed = self._of(server_key(seen), seen.ts)
        found.certificate = found.certificate or seen.names
        found.met |= seen.cipher is not None
        yield from pushed

    def sized(self, seen: Observation) -> Connection | None:
        """The connection whose sizes these are, to be judged now; None: it is not being gathered."""
        found = self._table.get(client_key(seen))
        if found is None or found.since > seen.ts + SLACK_S:  # the same ends again, and these sizes come late
            return None
        found.size = seen
        return self._table.pop(found.key)

    def ripe(self, now: float) -> bool:
        """The time of one at least is over."""
        return bool(self._table) and now - next(iter(self._table.values())).since >= self._seconds

    def due(self, now: float) -> Iterator[Connection]:
        """Connections whose time is over."""
        while self.ripe(now):
            yield self._table.popitem(last=False)[1]

    def flush(self) -> Iterator[Connection]:
        """All that are left."""
        while self._table:
            yield self._table.popitem(last=False)[1]

    def _of(self, key: Key, now: float) -> tuple[Connection, list[Connection]]:
        if (found := self._table.get(key)) is not None:
            return found, []
        found = self._table[key] = Connection(now, key)
        return found, [self._table.popitem(last=False)[1]] if len(self._table) > self._limit else []


def _add(found: Connection, sighting: Sighting) -> None:
    """One more name, or the like of one that is there; a hello counts for more than the CONNECT before it."""
    seen = sighting.observation
    like = next((one for one in found.named if _alike(one.sighting, sighting)), None)
    if like is None and len(found.named) < MAX_NAMED:
        found.named.append(Named(sighting))
        return
    like = like or found.named[-1]
    if like.sighting.observation.method == "CONNECT" and seen.kind is ObservationKind.TLS:
        said = (*sighting.evidence, *(text for text in like.sighting.evidence if text not in sighting.evidence))
        like.sighting = msgspec.structs.replace(sighting, evidence=said)
        return  # CONNECT and the hello inside are one
    if _ONCE_MORE.isdisjoint(seen.notes):
        like.count += 1


def _alike(one: Sighting, other: Sighting) -> bool:
    return one.service == other.service and one.observation.name == other.observation.name
