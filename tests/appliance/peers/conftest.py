import asyncio
import itertools
import ssl
import time
from pathlib import Path

import duckdb
import pytest
from peers_world import Peerage

from appliance.bus.client import AsyncClient
from appliance.bus.server import Reply, Server, Verb
from appliance.config.placement_schema import AcceptEntry, Peers
from appliance.config.schema import Config
from appliance.journal.writer import Journal
from appliance.peers.receiver import Receiver
from appliance.store.bench import opened
from appliance.store.ingest import Ingest
from appliance.store.schema import load_migrations, migrate
from appliance.store.wire import Append, Appended, MarkRequest


class CentralStore:
    """ingest.sock as the store serves it, over a database in memory. `deaf`: frames after which it answers no more."""

    def __init__(self, run_dir: Path, connection) -> None:
        self.connection = connection
        self.ingest = Ingest(self.connection, time.time, 1)
        self.run_dir, self.frames, self.deaf = run_dir, 0, None
        self.took = asyncio.Condition()
        self.server = None

    async def start(self):
        verbs = {"append": Verb(Append, self._append), "mark": Verb(MarkRequest, self._mark)}
        self.server = Server(self.run_dir / "ingest.sock", verbs)
        await self.server.start()

    async def stop(self):
        if self.server is not None:
            await self.server.close()
            self.server = None

    async def _append(self, request, body, _peer):
        (outcome,) = self.ingest.commit([(request, body)])
        self.frames += 1
        async with self.took:
            self.took.notify_all()
        if self.deaf is not None and self.frames > self.deaf:
            await asyncio.Event().wait()
        if isinstance(outcome, Exception):
            raise outcome
        return Reply(outcome)

    async def _mark(self, request, _body, _peer):
        return Reply(Appended(self.ingest.mark(request.producer, request.epoch, request.peer).seq))

    async def until(self, frames):
        async with asyncio.timeout(10), self.took:
            await self.took.wait_for(lambda: self.frames >= frames)

    def exchanges(self):
        """What is stored, in order, with doubles if there were any."""
        return [one for (one,) in self.connection.execute("SELECT exchange FROM exchange_open ORDER BY n").fetchall()]


@pytest.fixture(scope="session")
def peerage(tmp_path_factory):
    return Peerage(tmp_path_factory.mktemp("peerage"))


@pytest.fixture(scope="session")
def made(peerage):
    """Certificates that every test may use: of the central appliance and of `pod-a`."""
    return peerage.central("localhost"), peerage.peer("pod-a")


@pytest.fixture
def accept():
    return {
        "pod-a": AcceptEntry(roles=("sidecar",)),
        "pod-b": AcceptEntry(roles=("sidecar",)),
        "berlin": AcceptEntry(roles=("edge",)),
    }


@pytest.fixture
def peers(peerage, made, accept):
    certificate = str(made[0])
    return Peers(ca=str(peerage.ca), certificate=certificate, key=certificate, journal="127.0.0.1:0", accept=accept)


@pytest.fixture(scope="session")
def database():
    memory = duckdb.connect(":memory:", config={"threads": "1"})
    migrate(memory, load_migrations(), time.time(), "memory")
    yield memory
    memory.close()


@pytest.fixture
async def store(tmp_path, database):
    for table in ("exchange_open", "exchange_close", "notices", "unplaced", "marks", "persons"):
        database.execute(f"TRUNCATE {table}")
    (tmp_path / "central").mkdir()
    running = CentralStore(tmp_path / "central", database)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def receiver(peers, store):
    running = Receiver(peers, store.run_dir, store.run_dir / "policy")
    running.port = int((await running.start()).rpartition(":")[2])
    yield running
    await running.close()


@pytest.fixture
def sidecar(tmp_path, peerage, made):
    """The configuration of `pod-a`, towards a port."""
    folder = tmp_path / "side"
    for part in ("run", "state/journal"):
        (folder / part).mkdir(parents=True)

    def config(port, host="localhost"):
        central = peerage.central_of(made[1], f"{host}:{port}")
        return Config(state_dir=str(folder / "state"), run_dir=str(folder / "run"), role="sidecar", central=central)

    return config


class Caller(AsyncClient):
    """A peer that does as the test wants: calls over TLS with a certificate, or none."""

    def __init__(self, peerage, port, certificate=None, **changes):
        super().__init__(Path("receiver"), 5.0)
        self._port = port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(peerage.ca)
        if certificate is not None:
            self.context.load_cert_chain(certificate)
        for name, value in changes.items():
            setattr(self.context, name, value)

    async def _open(self):
        return await asyncio.open_connection("127.0.0.1", self._port, ssl=self.context, server_hostname="localhost")


@pytest.fixture
async def call(peerage, receiver):
    """`call(certificate)`: a caller of the receiver."""
    callers = []

    def caller(certificate=None, **changes):
        callers.append(Caller(peerage, receiver.port, certificate, **changes))
        return callers[-1]

    yield caller
    for one in callers:
        await one.close()


@pytest.fixture
def journal(sidecar):
    """A worker's journal of a sidecar. `journal.write(n)`: so many exchanges more."""
    root = Path(sidecar(1).state_dir) / "journal"
    made = []

    def begin(producer="w0", epoch=7):
        one, number = Journal(root, producer, epoch, max_bytes=64 << 20), itertools.count()
        one.write = lambda count: [
            one.append(opened(f"x{next(number)}", producer, time.time()), {"p_1": "alice"}) for _ in range(count)
        ]
        made.append(one)
        return one

    yield begin
    for one in made:
        one.close()
