import itertools

import duckdb
import pytest

from appliance.journal.record import Mark, encode_line, genesis
from appliance.model.catalogue import Catalogue, Service
from appliance.model.event import Event, Observed
from appliance.model.names import Leg, ObservationKind, Surface, Transport
from appliance.store.finding_pages import FindingsRequest
from appliance.store.finding_queries import findings as listed
from appliance.store.findings import Findings
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


CATALOGUE = Catalogue(
    (
        Service(
            id="openai", name="OpenAI API", owner="OpenAI", category="model_api", domains=(".api.openai.com",),
            dialect="openai.chat", confidence=0.95,
        ),
        Service(
            id="chatgpt", name="ChatGPT", owner="OpenAI", category="assistant", surface=Surface.WEB,
            domains=(".chatgpt.com",), confidence=1.0,
        ),
    ),
    "v1",
)  # fmt: skip


@pytest.fixture(scope="session")
def catalogue():
    return CATALOGUE


@pytest.fixture(scope="session")
def observed():
    """One observation: a ClientHello past the appliance, unless told otherwise."""

    def make(**changed):
        said = {
            "ts": NOW, "sensor": "s0", "source": "eth0", "seen": ObservationKind.TLS, "transport": Transport.TCP,
            "leg": Leg.DIRECT, "client": "a_1", "server": "192.0.2.1", "port": 443, "service": "chatgpt",
            "category": "assistant", "surface": Surface.WEB, "confidence": 0.9, "name": "chatgpt.com",
        }  # fmt: skip
        return Observed(**said | changed)

    return make


class Desk:
    """Findings with their ingest, over one connection, as the store's writer uses them."""

    def __init__(self, connection, clock, catalogue, life):
        self.connection, self.clock, self.catalogue = connection, clock, catalogue
        self.changes, self.faults = [], []
        self.journal = life("w0")
        self.restart()

    def restart(self):
        self.findings = Findings(
            self.connection,
            self.catalogue,
            self.clock,
            on_change=lambda: self.changes.append(1),
            on_fault=lambda *told: self.faults.append(told),
        )
        self.ingest = Ingest(self.connection, self.clock, 99, self.findings)
        self.findings.begin(self.ingest.position)

    def take(self, *events):
        """Taken in and on disk; not folded."""
        first = len(self.journal.lines) + 1
        self.journal.add(*events)
        (outcome,) = self.ingest.commit([self.journal.frame(first)])
        assert outcome.acked == len(self.journal.lines)

    def fold(self):
        while self.findings.pending:
            self.findings.fold()

    def see(self, *events):
        self.take(*events)
        self.fold()
        return self.rows()

    def rows(self):
        """Findings by kind and subject."""
        _, found = listed(self.connection, FindingsRequest(limit=500))
        return {(row.kind.value, row.subject): row for row in found}

    def one(self, subject="chatgpt", kind="service_in_use"):
        return self.rows()[kind, subject]


@pytest.fixture
def desk(connection, clock, catalogue, life):
    connection.execute("INSERT INTO folded VALUES (0)")  # emptied with all other tables
    desk = Desk(connection, clock, catalogue, life)
    yield desk
    assert desk.faults == []
