"""Which events have not become findings yet.

Owns: table folded. Rules: everything up to `mark` is in the findings, in the same transaction as the mark; newer events
come from memory where they are all at hand, else they are read back from the event tables, in the order of their
numbers. So a store that was killed in between, or that held exchanges before it knew findings, goes on where it was.
"""

from typing import Final

import msgspec

from appliance.model.event import Event, ExchangeOpened, Observed, Refused
from appliance.store.connection import Connection
from appliance.store.handed import is_handed
from appliance.store.peers import as_stored

CHUNK: Final = 4_000  # row numbers or events in one go
MAX_WAITING: Final = 20_000  # events in memory; beyond that they are read back
WRITE_MARK: Final = 10_000  # row numbers after which the mark is written though nothing concerned a finding
CONCERNS: Final = (ExchangeOpened, Observed, Refused)
_WINDOW: Final = """SELECT n, producer, body FROM exchange_open WHERE n > ? AND n <= ?
UNION ALL SELECT n, producer, body FROM refusals WHERE n > ? AND n <= ?
UNION ALL SELECT n, producer, body FROM observations WHERE n > ? AND n <= ? ORDER BY n"""
_NEXT: Final = """SELECT min(n) FROM (SELECT min(n) AS n FROM exchange_open WHERE n > ?
UNION ALL SELECT min(n) FROM refusals WHERE n > ? UNION ALL SELECT min(n) FROM observations WHERE n > ?)"""

type Numbered = tuple[int, Event]


class _Body(msgspec.Struct):
    event: Event


_body: Final = msgspec.json.Decoder(_Body)


def _event(n: int, producer: str, body: str) -> tuple[Numbered, ...]:
    """The event of a row; none where another record counts, or this program cannot read it any more."""
    try:
        event = as_stored(_body.decode(body).event, producer)
    except msgspec.MsgspecError:
        return ()
    return () if is_handed(event) else ((n, event),)


class Chunk(msgspec.Struct, frozen=True):
    """Events to fold, and the mark after them."""

    events: tuple[Numbered, ...]
    upto: int


class Folding:
    """The mark and what is newer. `position`: the number of the newest row."""

    def __init__(self, connection: Connection, position: int) -> None:
        self._connection = connection
        found = connection.execute("SELECT n FROM folded").fetchall()
        self.mark = self._written = msgspec.convert(found[0][0], int)
        self._waiting: list[Numbered] = []
        self._since = position  # memory holds every newer event
        self._position = position

    @property
    def pending(self) -> bool:
        """Something is newer than the mark."""
        return self.mark < self._position

    def note(self, events: list[Numbered], position: int) -> None:
        """These are on disk now, and nothing else that concerns findings up to `position`."""
        self._waiting += [numbered for numbered in events if not is_handed(numbered[1])]
        self._position = position
        if len(self._waiting) > MAX_WAITING:
            self._waiting, self._since = [], position

    def chunk(self) -> Chunk:
        """What comes next; ask again after `folded`."""
        if self.mark >= self._since:
            taken = self._waiting[:CHUNK]
            whole = len(taken) == len(self._waiting)
            return Chunk(tuple(taken), self._position if whole else taken[-1][0])
        upto = min(self.mark + CHUNK, self._since)
        events = self._read(upto)
        return Chunk(events, upto if events else self._skip(upto))

    def write(self, chunk: Chunk, *, changed: bool) -> None:
        """Move the mark on disk, inside the caller's transaction."""
        if changed or chunk.upto - self._written >= WRITE_MARK:
            self._connection.execute("UPDATE folded SET n = ?", [chunk.upto])
            self._written = chunk.upto

    def folded(self, chunk: Chunk) -> None:
        """The chunk's findings are on disk."""
        self.mark = chunk.upto
        if self.mark >= self._since:
            done = next((at for at, (n, _) in enumerate(self._waiting) if n > self.mark), len(self._waiting))
            del self._waiting[:done]

    def _read(self, upto: int) -> tuple[Numbered, ...]:
        rows = self._connection.execute(_WINDOW, [self.mark, upto] * 3).fetchall()
        return tuple(numbered for row in msgspec.convert(rows, list[tuple[int, str, str]]) for numbered in _event(*row))

    def _skip(self, upto: int) -> int:
        """Past a hole that deletion left: just before the next row, at most where memory begins."""
        found = self._connection.execute(_NEXT, [upto] * 3).fetchall()[0][0]
        return self._since if found is None else min(msgspec.convert(found, int) - 1, self._since)
