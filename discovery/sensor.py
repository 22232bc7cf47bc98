"""From what was read off the wire to what is recorded of it: the judgement of one sensor.

Owns: the order of questions: what may be written down, is it the appliance itself, which connection, is it an AI
service, which leg, who. Rules: pure, collaborators and time as arguments; of names that the catalogue does not know
nothing is kept, not even a digest, beyond the time that a connection is gathered; what is left out is counted by its
reason. Only in a live capture can a packet be the appliance's own. A connection makes one record: its sizes come with
it where it ends while it is gathered, else as one more record when it has ended.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from appliance.model.event import Observed
from appliance.model.names import Leg, ObservationKind, Surface, Transport
from appliance.model.observation import Observation, Sighting
from appliance.model.pseudonym import Pseudonyms
from discovery import cadence, written
from discovery.aggregate import Aggregate, Recorded
from discovery.assess import Assessed, Assessor
from discovery.box import Box
from discovery.evidence import WEIGHTS, Source
from discovery.exchanged import Exchanged
from discovery.joining import SERVERS, Connection, Joining, Key, client_key, nameless, server_key
from discovery.names_seen import NamesSeen
from discovery.reconcile import Rejections

type Knows = Callable[[tuple[str, int], tuple[str, int], float], bool]

MAX_EVIDENCE: Final = 12
MAX_EVIDENCE_TEXT: Final = 160
MAX_OPEN: Final = 8_192  # connections whose sizes are waited for
JOIN_S: Final = 1.0  # how long a sensor gathers; a handshake takes less
_QUESTIONS: Final = frozenset({ObservationKind.DNS, ObservationKind.MDNS, ObservationKind.LLMNR})
_CLIENTS: Final = frozenset({ObservationKind.TLS, ObservationKind.QUIC, ObservationKind.HTTP})
UNNAMED: Final = "unnamed"  # the service of a connection that tells none
_GATEWAY: Final = "gateway"


class Sensor:
    """One source. `own` None: a file, in which nothing is taken for the appliance's own. `join_s`: 0: judge at once."""

    def __init__(
        self,
        name: str,
        source: str,
        sight: Callable[[Observation], Sighting],
        pseudonyms: Pseudonyms,
        box: Box,
        aggregate: Aggregate,
        own: Knows | None = None,
        join_s: float = 0.0,
    ) -> None:
        self.name, self.source = name, source
        self.box = box  # replaced when the machine's addresses change
        self._sight, self._pseudonyms, self._aggregate, self._own = sight, pseudonyms, aggregate, own
        self._names = NamesSeen()
        self._exchanged = Exchanged()
        self._assessor = Assessor(sight, self._names, Rejections())
        self._joining = Joining(join_s)
        self._nameless: OrderedDict[Key, None] = OrderedDict()  # connections that named nobody
        self._open: OrderedDict[Key, Observed] = OrderedDict()  # what was recorded of connections that go on
        self._kept_open: OrderedDict[Key, None] = OrderedDict()  # the appliance's own, until they end
        self.left_out: dict[str, int] = {"no_service": 0, "own_flow": 0, "own_question": 0, "own_gateway": 0}
        self.kept = 0

    def take(self, seen: Observation) -> Iterator[Recorded]:
        """What is to be journalled because of one more observation."""
        seen = self._exchanged.take(written.cut(seen))
        if self._joining.ripe(seen.ts):
            yield from self._judged(self._joining.due(seen.ts))
        if seen.kind is ObservationKind.DNS_ANSWER:
            self._names.note(seen.ts, seen.dst, seen.server_name or "", seen.addresses, seen.ttl)
        elif seen.kind is ObservationKind.FLOW:
            yield from self._sized(seen)
        elif seen.kind in _CLIENTS or seen.kind in SERVERS:
            yield from self._gathered(seen)
            if self._joining.ripe(seen.ts):  # at once, where nothing is waited for
                yield from self._judged(self._joining.due(seen.ts))
        else:
            yield from self._question(seen)

    def due(self, now: float) -> Iterator[Recorded]:
        """What is to be journalled because time has passed."""
        yield from self._judged(self._joining.due(now))
        yield from self._aggregate.due(now)

    def flush(self) -> Iterator[Recorded]:
        """What is left to be journalled at the end."""
        yield from self._judged(self._joining.flush())
        yield from self._aggregate.flush()

    # what the wire says

    def _gathered(self, seen: Observation) -> Iterator[Recorded]:
        """Put it to its connection; records of connections that had to make room."""
        if seen.kind is ObservationKind.TLS_SERVER and not (seen.names or self._of_interest(seen)):
            return
        if reason := self._ours(seen):
            self.left_out[reason] += 1
        elif seen.kind is ObservationKind.TLS_SERVER:
            yield from self._judged(self._joining.certified(seen))
        elif seen.kind is ObservationKind.HTTP_RESPONSE:
            sighting = self._sight(seen)
            if sighting.service is not None or self._joining.known(server_key(seen)):
                yield from self._judged(self._joining.answered(sighting))
        else:
            yield from self._judged(self._joining.client(self._sight(seen)))

    def _ours(self, seen: Observation) -> str | None:
        """Why it is the appliance's own doing."""
        client, sport, server, port = server_key(seen) if self._by_server(seen) else client_key(seen)
        clear = seen.kind in (ObservationKind.HTTP, ObservationKind.HTTP_RESPONSE)
        if clear and self.box.listener(server, port) == _GATEWAY:
            return "own_gateway"  # the gateway records its requests itself, and they name no service
        if self._own is None:
            return None
        key = (client, sport, server, port)
        if self._own((client, sport), (server, port), seen.ts):
            _note(self._kept_open, key, None)
            return "own_flow"
        # the table forgets within a minute; requests follow each other on one connection for hours, hellos do not
        return "own_flow" if clear and key in self._kept_open else None

    def _of_interest(self, seen: Observation) -> bool:
        """Its connection is being gathered."""
        return self._joining.known(server_key(seen)) or self._joining.known(client_key(seen))

    def _by_server(self, seen: Observation) -> bool:
        """Whether its source is the server: an alert is the client's where its connection is known so."""
        return seen.kind in SERVERS and not self._joining.known(client_key(seen))

    def _question(self, seen: Observation) -> Iterator[Recorded]:
        """A question, or a kind that says nothing of a connection."""
        sighting = self._sight(seen)
        if sighting.service is None:
            self.left_out["no_service"] += 1
        elif self._own is not None and seen.src in self.box.addresses:
            self.left_out["own_question"] += 1
        else:
            self.kept += 1
            yield from self._aggregate.take(self._observed(Assessed(sighting, 1, seen.name)), seen.src)

    # what is made of it

    def _judged(self, connections: Iterable[Connection]) -> Iterator[Recorded]:
        for connection in connections:
            found = list(self._assessor.assess(connection, self.box.leg(connection.key[2], connection.key[3])))
            self.left_out["no_service"] += not found
            self.kept += len(found)
            if not found and nameless(connection):
                _note(self._nameless, connection.key, None)
            for one in found:
                event = self._observed(one)
                if connection.size is None and event.transport is Transport.TCP:
                    _note(self._open, connection.key, self._open.get(connection.key, event))
                yield from self._aggregate.take(event, connection.key[0])

    def _sized(self, seen: Observation) -> Iterator[Recorded]:
        """A connection has ended, or was let go: its sizes go with its record, or follow it."""
        key = client_key(seen)
        self._kept_open.pop(key, None)
        if seen.notes and seen.notes[0].startswith(cadence.NOTE):
            yield from self._written(key, seen)
        elif (connection := self._joining.sized(seen)) is not None:
            yield from self._judged([connection])
        elif (known := self._open.pop(key, None)) is not None:
            told = replace(
                known,
                ts=max(known.ts, seen.ts),
                seen=ObservationKind.FLOW,
                evidence=(),
                kinds=(),
                contradicts=None,
                count=1,
            )
            yield from self._aggregate.take(_with_size(told, seen), seen.src)

    def _written(self, key: Key, seen: Observation) -> Iterator[Recorded]:
        """An answer that is written word by word: told only where the connection named nobody."""
        if self._nameless.pop(key, key) is None and self.box.leg(seen.dst, seen.dport) is Leg.DIRECT:
            hint = Sighting(
                observation=seen,
                service=UNNAMED,
                category="model_api",
                confidence=WEIGHTS[Source.CADENCE],
                evidence=seen.notes,
            )
            self.kept += 1
            yield from self._aggregate.take(self._observed(Assessed(hint, 1)), seen.src)

    def _observed(self, found: Assessed) -> Observed:
        sighting = found.sighting
        seen = sighting.observation
        question = seen.kind in _QUESTIONS
        event = Observed(
            ts=seen.ts,
            sensor=self.name,
            source=self.source,
            seen=seen.kind,
            transport=seen.transport,
            leg=Leg.DIRECT if question else self.box.leg(seen.dst, seen.dport),
            client=self._pseudonyms.address(seen.src),
            server=seen.dst,
            port=seen.dport,
            service=sighting.service or "",
            category=sighting.category or "",
            surface=Surface(sighting.surface or Surface.API),
            confidence=sighting.confidence or 0.0,
            name=found.name or seen.dst,
            alpn=seen.alpn,
            ja3=seen.ja3,
            ja4=seen.ja4,
            host=seen.host,
            path=seen.path,
            user_agent=seen.user_agent,
            evidence=tuple(text[:MAX_EVIDENCE_TEXT] for text in sighting.evidence[:MAX_EVIDENCE]),
            count=found.count,
            until=seen.ts,
            kinds=found.sighting.kinds,
            cause=found.cause,
            contradicts=found.contradicts,
        )
        return event if found.size is None else _with_size(event, found.size)


def _note[V](table: OrderedDict[Key, V], key: Key, value: V) -> None:
    table[key] = value
    if len(table) > MAX_OPEN:
        table.popitem(last=False)


def _with_size(event: Observed, size: Observation) -> Observed:
    return replace(event, bytes_up=size.bytes_up, bytes_down=size.bytes_down, at_least=size.at_least)
