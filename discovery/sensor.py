"""From what was read off the wire to what is recorded of it: the judgement of one sensor.

Owns: the order of questions: what may be written down, is it the appliance itself, which connection, is it an AI
service, which leg, who. Rules: pure, collaborators and time as arguments; of names that the catalogue does not know
nothing is kept, not even a digest, beyond the time that a connection is gathered; what is left out is counted by its
reason. Only in a live capture can a packet be the appliance's own. A connection makes one record: its sizes come with
it where it ends while it is gathered, else as one more record when it has ended; of one that is followed there are
more, each with the bytes since the one before. Servers of connections that go on past the appliance are of `interest`.
"""

from collections import OrderedDict, deque
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
from discovery.awaited import MAX_OPEN, Awaited
from discovery.begun import Begun
from discovery.box import Box
from discovery.evidence import WEIGHTS, Source
from discovery.exchanged import Exchanged
from discovery.following import Interest
from discovery.inventory import KINDS, Inventory, Met
from discovery.joining import SERVERS, Connection, Joining, Key, client_key, nameless, server_key
from discovery.learned import Learned
from discovery.names_seen import NamesSeen
from discovery.notes import NEVER_ASKED, Note
from discovery.reconcile import Rejections

type Record = Recorded | Met
type Knows = Callable[[tuple[str, int], tuple[str, int], float], bool]

MAX_EVIDENCE: Final = 12
MAX_EVIDENCE_TEXT: Final = 160
MAX_INTEREST: Final = 256  # servers of interest that nobody has asked for yet
JOIN_S: Final = 1.0  # how long a sensor gathers; a handshake takes less
_QUESTIONS: Final = frozenset({ObservationKind.DNS, ObservationKind.MDNS, ObservationKind.LLMNR})
_CLIENTS: Final = frozenset({ObservationKind.TLS, ObservationKind.QUIC, ObservationKind.HTTP})
UNNAMED: Final = "unnamed"  # the service of a connection that tells none
_GATEWAY: Final = "gateway"


class Sensor:
    """One source. `own` None: a file, in which nothing is taken for the appliance's own. `join_s`: 0: judge at once.

    `hosts`: which hosts there are; None: nobody keeps that.
    """

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
        hosts: Inventory | None = None,
    ) -> None:
        self.name, self.source = name, source
        self.box = box  # replaced when the machine's addresses change
        self.learned = Learned()  # replaced when the workers have met more programs
        self._sight, self._pseudonyms, self._aggregate, self._own = sight, pseudonyms, aggregate, own
        self._hosts = hosts
        self._names = NamesSeen()
        self._exchanged = Exchanged()
        self.rejections = Rejections()
        self._assessor = Assessor(sight, self._names, self.rejections)
        self._joining = Joining(join_s)
        self._nameless: OrderedDict[Key, None] = OrderedDict()  # connections that named nobody
        self._begun = Begun()
        self._open = Awaited()
        self._told_sizes: OrderedDict[Key, tuple[int, int]] = OrderedDict()  # bytes up and down, of those that go on
        self._interest: deque[Interest] = deque(maxlen=MAX_INTEREST)
        self._kept_open: OrderedDict[Key, None] = OrderedDict()  # the appliance's own, until they end
        self.left_out: dict[str, int] = {"no_service": 0, "own_flow": 0, "own_question": 0, "own_gateway": 0}
        self.kept = 0

    def take(self, seen: Observation) -> Iterator[Record]:
        """What is to be journalled because of one more observation."""
        if self._hosts is not None and seen.kind in KINDS:
            yield from self._hosts.take(seen, self.box.leg(seen.dst, seen.dport))
            if self._hosts.forgotten:
                self.left_out["host_forgotten"] = self._hosts.forgotten
        if seen.kind is ObservationKind.HOST:
            return
        seen = self._unveiled(self._exchanged.take(written.cut(seen)))
        if self._joining.ripe(seen.ts):
            yield from self._judged(self._joining.due(seen.ts))
        if seen.kind is ObservationKind.DNS_ANSWER:
            self._told(seen)
        elif seen.kind is ObservationKind.FLOW:
            yield from self._sized(seen)
        elif seen.kind in _CLIENTS or seen.kind in SERVERS:
            yield from self._gathered(seen)
            if self._joining.ripe(seen.ts):  # at once, where nothing is waited for
                yield from self._judged(self._joining.due(seen.ts))
        else:
            yield from self._question(seen)

    def due(self, now: float) -> Iterator[Record]:
        """What is to be journalled because time has passed."""
        yield from self._judged(self._joining.due(now))
        yield from self._aggregate.due(now)
        if self._hosts is not None:
            yield from self._hosts.due(now)

    def flush(self) -> Iterator[Record]:
        """What is left to be journalled at the end."""
        yield from self._judged(self._joining.flush())
        yield from self._aggregate.flush()
        if self._hosts is not None:
            yield from self._hosts.flush()

    def interest(self) -> Iterator[Interest]:
        """Servers that have become of interest since the last call."""
        while self._interest:
            yield self._interest.popleft()

    # what the wire says

    def _told(self, seen: Observation) -> None:
        """A client was told where a name stands; not where it was not seen to ask, for that anybody can send."""
        if NEVER_ASKED.isdisjoint(seen.notes):
            self._names.note(seen.ts, seen.dst, seen.server_name or "", seen.addresses, seen.ttl)
            if Note.ECH in seen.notes:
                self._names.note_front(seen.ts, seen.dst, seen.front or seen.server_name or "", seen.ttl)

    def _unveiled(self, seen: Observation) -> Observation:
        """A hello that may hide a name, with the word for whether it does: most that look so hold random bytes."""
        if Note.ECH_OFFERED not in seen.notes:
            return seen
        hides = self._names.is_front(seen.ts, seen.src, seen.server_name or "")
        word = Note.ECH if hides else Note.GREASE_ECH
        return replace(seen, notes=tuple(word.value if note == Note.ECH_OFFERED else note for note in seen.notes))

    def _gathered(self, seen: Observation) -> Iterator[Record]:
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
            if seen.kind is ObservationKind.TLS and (seen.name is None or Note.ECH in seen.notes):
                self._wants(seen.transport, seen.dst, seen.dport, nameless=True)  # at once: a question comes next
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

    def _question(self, seen: Observation) -> Iterator[Record]:
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

    def _judged(self, connections: Iterable[Connection]) -> Iterator[Record]:
        for connection in connections:
            self._begun.take_up(connection)
            found = list(self._assessor.assess(connection, self.box.leg(connection.key[2], connection.key[3])))
            hint = None if found else self._hint(connection)
            self.left_out["no_service"] += not found and hint is None
            self.kept += len(found) + (hint is not None)
            if hint is not None:
                yield from self._aggregate.take(self._observed(hint), connection.key[0])
            if found or not nameless(connection):
                self._nameless.pop(connection.key, None)
            else:
                _note(self._nameless, connection.key, None)
            for one in found:
                event = self._begun.told(connection, self._observed(one))
                if connection.size is None and event.transport is Transport.TCP:
                    self._wants(event.transport, event.server, event.port, nameless=False)
                    self._open.note(connection.key, event)
                yield from self._aggregate.take(event, connection.key[0])

    def _hint(self, connection: Connection) -> Assessed | None:
        """What the program behind a connection past the appliance hints at, where nothing else tells anything."""
        if self.box.leg(connection.key[2], connection.key[3]) is not Leg.DIRECT:
            return None
        found = self.learned.hint(connection, UNNAMED)
        return None if found is None else Assessed(found, 1, size=connection.size)

    def _sized(self, seen: Observation) -> Iterator[Record]:
        """A connection has ended, or was let go: its sizes go with its record, or follow it; or it goes on."""
        key = client_key(seen)
        if Note.GOES_ON in seen.notes:
            if (known := self._open.known(key, seen)) is not None:
                yield from self._aggregate.take(_sizes_alone(known, self._grown(key, seen)), seen.src)
            return
        self._kept_open.pop(key, None)
        if seen.notes and seen.notes[0].startswith(cadence.NOTE):
            yield from self._written(key, seen)
            return
        if (connection := self._joining.sized(seen)) is not None:
            yield from self._judged([connection])
        elif (known := self._open.take(key, seen)) is not None:
            yield from self._aggregate.take(_sizes_alone(known, self._grown(key, seen)), seen.src)
        self._told_sizes.pop(key, None)
        self._begun.end(key)

    def _grown(self, key: Key, seen: Observation) -> Observation:
        """Sizes less what was told of the same connection before: so that sums of records count each byte once."""
        before = self._told_sizes.get(key, (0, 0))
        now = seen.bytes_up or 0, seen.bytes_down or 0
        _note(self._told_sizes, key, now)
        up, down = (max(0, after - told) for told, after in zip(before, now, strict=True))
        return replace(
            seen,
            bytes_up=None if seen.bytes_up is None else up,
            bytes_down=None if seen.bytes_down is None else down,
        )

    def _wants(self, transport: Transport, server: str, port: int, *, nameless: bool) -> None:
        """Sizes of QUIC are not seen anyway, and what comes to the appliance it knows better itself."""
        if transport is Transport.TCP and self.box.leg(server, port) is Leg.DIRECT:
            self._interest.append(Interest(server, nameless))

    def _written(self, key: Key, seen: Observation) -> Iterator[Record]:
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


def _sizes_alone(known: Observed, size: Observation) -> Observed:
    """One more record of a connection that is known, for its sizes."""
    told = replace(
        known,
        ts=max(known.ts, size.ts),
        seen=ObservationKind.FLOW,
        evidence=(),
        kinds=(),
        contradicts=None,
        count=1,
    )
    return _with_size(told, size)


def _with_size(event: Observed, size: Observation) -> Observed:
    return replace(event, bytes_up=size.bytes_up, bytes_down=size.bytes_down, at_least=size.at_least)
