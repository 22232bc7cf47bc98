"""What was told of connections that go on, so that what they show later is not told as further use.

Owns: which services a connection has been counted for, and which connections asked for a tunnel. Rules: pure; bounded,
what was met longest ago gives way. A connection is gathered for a moment only: an answer that took longer, the hello
in a tunnel that was slow to be dug, a body that shows more of a request come later and count for nothing. A further
request on a connection in clear is further use; so is a hello where none was expected, for ports are used again.
"""

from collections import OrderedDict
from typing import Final

from msgspec.structs import replace

from appliance.model.event import Observed
from appliance.model.names import ObservationKind
from discovery.joining import Connection, Key
from discovery.notes import Note

MAX_BEGUN: Final = 8_192  # connections


class Begun:
    """One sensor's table."""

    def __init__(self, limit: int = MAX_BEGUN) -> None:
        self._limit = limit
        self._tunnels: OrderedDict[Key, None] = OrderedDict()
        self._services: OrderedDict[Key, frozenset[str]] = OrderedDict()

    def take_up(self, connection: Connection) -> None:
        """What is known of the connection from before its part that was gathered now."""
        connection.connect |= connection.key in self._tunnels
        if connection.connect:
            _keep(self._tunnels, connection.key, None, self._limit)

    def told(self, connection: Connection, event: Observed) -> Observed:
        """`event` of this part of the connection: as it is where it counts, else as a sign that does not."""
        known = self._services.get(connection.key, frozenset())
        _keep(self._services, connection.key, known | {event.service}, self._limit)
        return event if event.service not in known else _more(connection, event)

    def end(self, key: Key) -> None:
        """The connection has ended."""
        self._tunnels.pop(key, None)
        self._services.pop(key, None)


def _more(connection: Connection, event: Observed) -> Observed:
    if not connection.named:
        answered = bool(connection.answers)
        return replace(event, seen=ObservationKind.HTTP_RESPONSE if answered else ObservationKind.TLS_SERVER)
    repeats = all(Note.AGAIN in one.sighting.observation.notes for one in connection.named)
    inside = connection.connect and event.seen is ObservationKind.TLS
    return replace(event, seen=ObservationKind.FLOW) if repeats or inside else event


def _keep[V](table: OrderedDict[Key, V], key: Key, value: V, limit: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > limit:
        table.popitem(last=False)
