"""Taking journal lines in: rows and mark in one transaction.

Owns: the marks, the store's row numbers, the tables of events and persons. Rules: a frame is acknowledged only after
COMMIT, so a repeat after any crash is recognised by its mark; one bad frame never spoils its neighbours in a batch; a
sound record that fits no table goes whole to `unplaced` with an alarm, so that it neither gets lost nor blocks the
journal behind it; a person who was erased does not come back with old events. All of it runs on the writer's thread.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from appliance.journal.record import Mark, genesis
from appliance.model.errors import EvidenceError, PeerError
from appliance.model.event import Event, Notice
from appliance.store import hosts
from appliance.store.chain import Entry, Gap, read_frame
from appliance.store.connection import Connection, transaction
from appliance.store.folding import CONCERNS, Numbered
from appliance.store.owner import ROW_ERRORS
from appliance.store.peers import of_peer, told_once
from appliance.store.placing import Misfit, Origin, row_of
from appliance.store.rows import TABLES, HostRow, Row, insert_statement
from appliance.store.tally import Tally
from appliance.store.wire import Append, Appended, peer_of_producer, peer_producer

type Life = tuple[str, int]  # producer and epoch
type Outcome = Appended | Exception

PERSON_REFRESH_S: Final = 3600.0  # how stale `last_seen` may be: saves a write per event
MAX_KNOWN_PERSONS: Final = 100_000
MAX_REMEMBERED_ALARMS: Final = 1_000  # of this appliance, and of each peer: none uses up another's

_encode: Final = msgspec.json.Encoder().encode
_INSERT: Final = {row: insert_statement(row) for row in TABLES}
_UNPLACED: Final = "INSERT INTO unplaced VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_MARK: Final = """INSERT INTO marks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (producer, epoch)
DO UPDATE SET seq = excluded.seq, digest = excluded.digest, n = excluded.n, updated = excluded.updated"""
_MET: Final = """INSERT INTO persons SELECT r.digest, r.value, r.first_seen, r.last_seen
FROM (SELECT from_json(x, '{"digest":"VARCHAR","value":"VARCHAR","first_seen":"DOUBLE","last_seen":"DOUBLE"}') AS r
      FROM (SELECT unnest(?::VARCHAR[]) AS x)) ON CONFLICT (digest) DO UPDATE SET """
_PERSONS: Final = _MET + "value = excluded.value, last_seen = greatest(last_seen, excluded.last_seen)"
# A peer's word adds a name, and never changes one.
_PERSONS_OF_PEERS: Final = (
    _MET
    + """last_seen = CASE WHEN value = excluded.value
THEN greatest(last_seen, excluded.last_seen) ELSE last_seen END"""
)
_HIGHEST_N: Final = """SELECT max(n) FROM (
SELECT max(n) AS n FROM exchange_open UNION ALL SELECT max(n) FROM exchange_close UNION ALL SELECT max(n) FROM refusals
UNION ALL SELECT max(n) FROM notices UNION ALL SELECT max(n) FROM tunnels UNION ALL SELECT max(n) FROM observations
UNION ALL SELECT max(n) FROM packet_losses
UNION ALL SELECT max(n) FROM detector_sums UNION ALL SELECT max(n) FROM host_records
UNION ALL SELECT max(n) FROM unplaced UNION ALL SELECT max(n) FROM marks UNION ALL SELECT max(n) FROM folded)"""


class Listener(Protocol):
    """Is told of events after their COMMIT (appliance.store.findings)."""

    def note(self, events: list[Numbered], position: int) -> None:
        """These are on disk now; `position` is the newest row's number."""


class PersonRow(msgspec.Struct, frozen=True):
    """Table persons."""

    digest: str
    value: str
    first_seen: float
    last_seen: float


class Unplaced(msgspec.Struct, frozen=True):
    """Table unplaced."""

    n: int
    producer: str
    epoch: int
    seq: int
    digest: str
    body: bytes
    ts: float
    fault: str


class Batch:
    """What one transaction writes."""

    def __init__(self) -> None:
        self.rows: dict[type[Row], list[Row]] = {}
        self.bodies: dict[type[Row], list[str]] = {}  # of the rows, in their order
        self.unplaced: list[Unplaced] = []
        self.persons: dict[str, PersonRow] = {}
        self.peers_persons: dict[str, PersonRow] = {}  # told by other appliances
        self.marks: dict[Life, Mark] = {}
        self.events: dict[int, Event] = {}  # by row number: those that may concern a finding

    @property
    def filled(self) -> bool:
        """There is something to write."""
        return bool(self.rows or self.unplaced or self.marks)

    def add(self, row: Row, body: str) -> None:
        """One more row for its table, and its record's text."""
        self.rows.setdefault(type(row), []).append(row)
        self.bodies.setdefault(type(row), []).append(body)


class Counters(msgspec.Struct):
    """What this life of the store has taken in."""

    frames: int = 0
    records: int = 0
    repeats: int = 0
    refused: int = 0
    unplaced: int = 0
    transactions: int = 0


class Ingest:
    """Takes frames in. `epoch` numbers this life of the store, for the notices that it writes itself."""

    def __init__(
        self, connection: Connection, clock: Callable[[], float], epoch: int, listener: Listener | None = None
    ) -> None:
        self._listener = listener
        self._connection = connection
        self._clock = clock
        self._epoch = epoch
        self.counters = Counters()
        self.tally = Tally(epoch)
        self._n = _highest(connection)
        self._marks = _marks(connection)
        self._seen: dict[str, float] = {}
        self._seen_of_peers: dict[str, float] = {}
        self._taken = 0.0  # when the present frames came
        self._erased = _erasures(connection)
        self._alarms: dict[str | None, set[tuple[str, Life, int]]] = {}

    @property
    def position(self) -> int:
        """The number of the newest row that may be on disk."""
        return self._n

    def mark(self, producer: str, epoch: int, peer: str | None = None) -> Mark:
        """How far this producer's life has been taken in. `peer`: whose it is; its chain begins under its own name."""
        stored = producer if peer is None else peer_producer(peer, producer)
        return self._marks.get((stored, epoch)) or genesis(producer, epoch)

    def forget(self, digest: str, ts: float) -> None:
        """Called with the erasure of a person: events up to `ts` must not bring the value back."""
        self._erased[digest] = ts
        self._seen.pop(digest, None)
        self._seen_of_peers.pop(digest, None)

    def tell(self, note: str, detail: str, severity: str = "alarm") -> None:
        """Store a notice of the store's own."""
        batch = Batch()
        self._notice(batch, severity, note, detail)
        self._store(batch)

    def commit(self, frames: Sequence[tuple[Append, bytes]]) -> list[Outcome]:
        """Take frames in, in order, in one transaction; one outcome each. Any other exception: nothing is stored."""
        batch = Batch()
        self._taken = self._clock()
        outcomes = [self._take(batch, append, data) for append, data in frames]
        if batch.filled:
            try:
                self._store(batch)
            except ROW_ERRORS:
                self._store_singly(batch)
        self.counters.frames += len(frames)
        return outcomes

    def _take(self, batch: Batch, append: Append, data: bytes) -> Outcome:
        """Put a frame's new lines into the batch; what its sender is to be told after COMMIT."""
        life = (append.stored_as, append.epoch)
        mark = batch.marks.get(life) or self.mark(append.producer, append.epoch, append.peer)
        try:
            frame = read_frame(append, data, mark)
        except Gap as gap:
            self.counters.refused += 1
            return Appended(mark.seq, gap.expected)
        except (EvidenceError, PeerError) as error:
            self.counters.refused += 1
            if isinstance(error, EvidenceError):
                self._alarm(batch, "journal_damaged", life, mark.seq, str(error))
            return error
        if frame.gap_from is not None:
            told = f"{life[0]}-{life[1]}: lines {frame.gap_from} to {append.first_seq - 1} are not in this store"
            self._alarm(batch, "journal_gap", life, mark.seq, told)
        for entry in frame.entries:
            self._place(batch, append, entry)
        batch.marks[life] = Mark(*life, frame.mark.seq, frame.mark.digest)
        self.counters.records += len(frame.entries)
        self.counters.repeats += append.last_seq - append.first_seq + 1 - len(frame.entries)
        return Appended(frame.mark.seq)

    def _place(self, batch: Batch, append: Append, entry: Entry) -> None:
        event = entry.event
        if event is None:
            self._set_aside(batch, append, entry, entry.fault)
            return
        self._n += 1
        origin = Origin(self._n, append.stored_as, append.epoch, entry.seq, entry.digest, "", self._taken)
        try:
            if append.peer is not None:
                told_once(entry.body, event)
                event = of_peer(event, append.peer, append.producer, self._taken, edge=append.edge)
            batch.add(row_of(origin, event), entry.body.decode())
            if isinstance(event, CONCERNS):
                batch.events[self._n] = event
        except Misfit as misfit:
            self._set_aside(batch, append, entry, str(misfit))
        for digest, value in entry.persons.items():
            if append.peer is None:
                self._meet((batch.persons, self._seen), digest, value, event.ts)
            else:
                self._meet((batch.peers_persons, self._seen_of_peers), digest, value, min(event.ts, self._taken))

    def _meet(self, where: tuple[dict[str, PersonRow], dict[str, float]], digest: str, value: str, ts: float) -> None:
        met, seen = where
        known = met.get(digest)
        last = known.last_seen if known else seen.get(digest, float("-inf"))
        if ts <= self._erased.get(digest, float("-inf")) or ts < last + PERSON_REFRESH_S:
            return
        met[digest] = PersonRow(digest, value, known.first_seen if known else ts, ts)

    def _set_aside(self, batch: Batch, append: Append, entry: Entry, fault: str) -> None:
        self._n += 1
        self.counters.unplaced += 1
        now = self._clock()
        life = (append.stored_as, append.epoch)
        batch.unplaced.append(Unplaced(self._n, *life, entry.seq, entry.digest, entry.body, now, fault[:1024]))
        self._alarm(batch, "record_unplaced", life, entry.seq, f"{life[0]}-{life[1]}, line {entry.seq}: {fault[:512]}")

    def _alarm(self, batch: Batch, note: str, life: Life, seq: int, detail: str) -> None:
        """A notice of the store's own; once per cause, since a shipper repeats what was refused."""
        told = self._alarms.setdefault(peer_of_producer(life[0]), set())
        if (note, life, seq) in told or len(told) >= MAX_REMEMBERED_ALARMS:
            return
        told.add((note, life, seq))
        self._notice(batch, "alarm", note, detail)

    def _notice(self, batch: Batch, severity: str, note: str, detail: str) -> None:
        self._n += 1
        notice = Notice(self._clock(), "store", severity, note, detail)
        body = msgspec.json.encode(notice)
        origin = Origin(self._n, "store", self._epoch, self._n, hashlib.sha256(body).hexdigest(), "")
        batch.add(row_of(origin, notice), body.decode())

    def _store(self, batch: Batch) -> None:
        with transaction(self._connection):
            for kind, rows in batch.rows.items():
                values = [[_encode(row).decode() for row in rows], batch.bodies[kind]]
                self._connection.execute(_INSERT[kind], values)
            if met := [row for row in batch.rows.get(HostRow, ()) if isinstance(row, HostRow)]:
                hosts.keep(self._connection, met)
            for row in batch.unplaced:
                self._connection.execute(_UNPLACED, list(msgspec.structs.astuple(row)))
            for statement, people in ((_PERSONS, batch.persons), (_PERSONS_OF_PEERS, batch.peers_persons)):
                if people:
                    self._connection.execute(statement, [[_encode(person).decode() for person in people.values()]])
            now = self._clock()
            for mark in batch.marks.values():
                self._connection.execute(_MARK, [mark.producer, mark.epoch, mark.seq, mark.digest, self._n, now])
        self._stored(batch)

    def _stored(self, batch: Batch) -> None:
        self.counters.transactions += 1
        self._marks.update(batch.marks)
        self.tally.take(row for rows in batch.rows.values() for row in rows)
        if self._listener is not None:
            self._listener.note(list(batch.events.items()), self._n)
        for seen, met in ((self._seen, batch.persons), (self._seen_of_peers, batch.peers_persons)):
            if len(seen) > MAX_KNOWN_PERSONS:
                seen.clear()
            seen.update((person.digest, person.last_seen) for person in met.values())

    def _store_singly(self, batch: Batch) -> None:
        """Some row of the batch is refused: one transaction each, and what is refused again is set aside."""
        items: list[tuple[Row | Unplaced, str]] = [(row, "") for row in batch.unplaced]
        for kind, rows in batch.rows.items():
            items.extend(zip(rows, batch.bodies[kind], strict=True))
        for item, body in sorted(items, key=lambda item: item[0].n):
            single = Batch()
            if item.producer != "store":
                single.marks[item.producer, item.epoch] = Mark(item.producer, item.epoch, item.seq, item.digest)
            if isinstance(item, Unplaced):
                single.unplaced.append(item)
                self._store(single)
                continue
            single.add(item, body)
            if (event := batch.events.get(item.n)) is not None:
                single.events[item.n] = event
            try:
                self._store(single)
            except ROW_ERRORS as error:
                self._store_aside(single.marks, item, body, str(error).partition("\n")[0])
        last = Batch()
        last.marks, last.persons, last.peers_persons = batch.marks, batch.persons, batch.peers_persons
        self._store(last)

    def _store_aside(self, marks: dict[Life, Mark], row: Row, body: str, fault: str) -> None:
        aside = Batch()
        aside.marks = marks
        append = Append(producer=row.producer, epoch=row.epoch, first_seq=row.seq, last_seq=row.seq)
        self._set_aside(aside, append, Entry(row.seq, row.digest, body.encode(), None, {}), fault)
        self._store(aside)


def _highest(connection: Connection) -> int:
    found = connection.execute(_HIGHEST_N).fetchall()[0][0]
    return found if isinstance(found, int) else 0


def _marks(connection: Connection) -> dict[Life, Mark]:
    rows = connection.execute("SELECT producer, epoch, seq, digest FROM marks").fetchall()
    return {(row[0], row[1]): Mark(*row) for row in msgspec.convert(rows, list[tuple[str, int, int, str]])}


def _erasures(connection: Connection) -> dict[str, float]:
    rows = connection.execute("SELECT digest, max(ts) FROM erasures GROUP BY digest").fetchall()
    return dict(msgspec.convert(rows, list[tuple[str, float]]))
