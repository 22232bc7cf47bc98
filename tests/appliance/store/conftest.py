import itertools

import duckdb
import pytest

from appliance.journal.record import Mark, encode_line, genesis
from appliance.model.event import Event
from appliance.store.ingest import Ingest
from appliance.store.owner import Owner, Settings
from appliance.store.schema import load_migrations, migrate
from appliance.store.wire import Append

NOW = 1_763_700_000.0


class Life:
    """A producer's journal as the store sees it: events in, frames out."""

    def __init__(self, producer: str = "w0", epoch: int = 7) -> None:
        self.mark: Mark = genesis(producer, epoch)
        self.lines: list[bytes] = []

    def add(self, *events: Event, persons: dict[str, str] | None = None) -> "Life":
        for event in events:
            line, self.mark = encode_line(self.mark, event, persons or {})
            self.lines.append(line)
        return self

    def frame(self, first: int = 1, last: int | None = None, oldest: int | None = None) -> tuple[Append, bytes]:
        last = len(self.lines) if last is None else last
        head = Append(producer=self.mark.producer, epoch=self.mark.epoch, first_seq=first, last_seq=last, oldest=oldest)
        return head, b"".join(self.lines[first - 1 : last])


@pytest.fixture(scope="session")
def life():
    return Life


@pytest.fixture
def owner(tmp_path):
    opened = Owner.open(tmp_path / "store", NOW, Settings(memory_limit="256MB", threads=1))
    yield opened
    opened.close()


@pytest.fixture
def stored(owner):
    """A connection to a file, as the product has it."""
    cursor = owner.cursor()
    yield cursor
    cursor.close()


@pytest.fixture
def fresh():
    """The same schema in memory, for tests that change it."""
    memory = duckdb.connect(":memory:", config={"threads": "1"})
    migrate(memory, load_migrations(), NOW, "memory")
    yield memory
    memory.close()


@pytest.fixture(scope="module")
def shared():
    memory = duckdb.connect(":memory:", config={"threads": "1"})
    migrate(memory, load_migrations(), NOW, "memory")
    tables = memory.execute("SELECT table_name FROM duckdb_tables() WHERE table_name <> 'migrations'").fetchall()
    yield memory, [name for (name,) in tables]
    memory.close()


@pytest.fixture
def connection(shared):
    """The same schema in memory, empty: quick, for everything but the file itself."""
    memory, tables = shared
    yield memory
    for name in tables:
        memory.execute(f"TRUNCATE {name}")


@pytest.fixture
def clock():
    ticks = itertools.count()
    return lambda: NOW + next(ticks) / 1000


@pytest.fixture
def ingest(connection, clock):
    return Ingest(connection, clock, 99)
