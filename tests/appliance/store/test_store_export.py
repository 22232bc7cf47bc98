"""The export verbs over real sockets: who gets what, for how long, and what ends it."""

import asyncio
import hashlib
import threading

import duckdb
import msgspec
import pytest

from appliance.bus.client import AsyncClient
from appliance.bus.errors import RemoteError
from appliance.bus.tasks import spawn
from appliance.bus.verbs import Done
from appliance.config.schema import Config, JournalConfig, StoreConfig
from appliance.policy.disk import write_snapshot
from appliance.policy.snapshot import PolicySnapshot
from appliance.store import export as module
from appliance.store.bench import closed, opened
from appliance.store.export import NOTE, Limits
from appliance.store.export_copy import Bounds
from appliance.store.export_wire import (
    CHUNK_BYTES,
    DATABASE_FILE,
    ExportDone,
    Exported,
    ExportFormat,
    ExportPiece,
    ExportRead,
    ExportRequest,
)
from appliance.store.pages import Health, HealthRequest, NoticesRequest, NoticeSummary, PageHead
from appliance.store.service import Store
from appliance.store.wire import Appended

NOW = 1_763_700_000.0
DUCKDB = ExportRequest(formats=(ExportFormat.DUCKDB,))


@pytest.fixture
async def store(tmp_path):
    (tmp_path / "run").mkdir()
    write_snapshot(tmp_path / "state" / "policy", PolicySnapshot(version=1, created=1.0))
    config = Config(
        state_dir=str(tmp_path / "state"),
        run_dir=str(tmp_path / "run"),
        store=StoreConfig(memory_limit="256MB"),
        journal=JournalConfig(max_bytes=1 << 20),
    )
    service = Store(config, pytest.fail, lambda: NOW)
    await service.start()
    yield service
    await service.close()
    assert list((tmp_path / "state" / "store" / "exports").iterdir()) == []


@pytest.fixture
async def analyst(store, tmp_path):
    async with AsyncClient(tmp_path / "run" / "analyst.sock", timeout=60) as client:
        yield client


@pytest.fixture
async def second(store, tmp_path):
    async with AsyncClient(tmp_path / "run" / "analyst.sock", timeout=60) as client:
        yield client


@pytest.fixture
async def filled(store, tmp_path, life):
    journal = life().add(opened("x1", "w0", NOW - 9), closed("x1", NOW - 8), persons={"p_1": "ada"})
    async with AsyncClient(tmp_path / "run" / "ingest.sock") as client:
        await client.call("append", *journal.frame(), reply=Appended)


@pytest.fixture
def folders(tmp_path):
    return lambda: list((tmp_path / "state" / "store" / "exports").iterdir())


def limited(store, **limits):
    store._exporter._limits = Limits(**({"reserve_bytes": 0, "watch_s": 0.01} | limits))


@pytest.fixture
def stalled(monkeypatch):
    """The making waits inside until it is told to go on or to stop."""
    begun, go = threading.Event(), threading.Event()

    def build(_connection, plan, bounds):
        (plan.folder / "copy.duckdb").write_bytes(bytes(4096))
        begun.set()
        while not go.wait(0.005):
            bounds.check()
        raise AssertionError("nobody stopped it")

    monkeypatch.setattr(module, "build", build)
    yield begun
    go.set()


async def gone(condition):
    async with asyncio.timeout(20):
        while condition():  # noqa: ASYNC110 - a folder has no event
            await asyncio.sleep(0.01)


def ignored(_error):
    """The test awaits the task itself."""


async def read(client, exported, file):
    pieces, offset = [], 0
    while offset < file.bytes:
        request = ExportRead(id=exported.id, file=file.name, offset=offset)
        head, body = await client.call("export_read", request, reply=ExportPiece)
        assert head.bytes == len(body) <= CHUNK_BYTES
        pieces.append(body)
        offset += len(body)
    return b"".join(pieces)


@pytest.mark.usefixtures("filled")
async def test_made_read_and_let_go(analyst, folders, tmp_path):
    exported, _ = await analyst.call("export", DUCKDB, reply=Exported)
    (file,) = exported.files
    data = await read(analyst, exported, file)
    assert (file.name, file.bytes, file.sha256) == (DATABASE_FILE, len(data), hashlib.sha256(data).hexdigest())
    assert exported.rows["v_exchanges"] == 1
    (tmp_path / "mine.duckdb").write_bytes(data)
    with duckdb.connect(str(tmp_path / "mine.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT exchange FROM v_exchanges").fetchall() == [("x1",)]
    (folder,) = folders()
    assert [path.name for path in folder.iterdir()] == [DATABASE_FILE]
    assert folder.stat().st_mode & 0o777 == 0o700
    for _ in range(2):
        await analyst.call("export_done", ExportDone(id=exported.id), reply=Done)
    assert folders() == []


@pytest.mark.usefixtures("filled")
async def test_what_is_handed_out_is_recorded_first(analyst):
    exported, _ = await analyst.call("export", DUCKDB, reply=Exported)
    _, body = await analyst.call("notices", NoticesRequest(note=NOTE), reply=PageHead)
    (notice,) = msgspec.json.decode(body, type=list[NoticeSummary])
    assert notice.severity == "info"
    for words in ("(admin): duckdb", "with clear names", exported.files[0].sha256):
        assert words in notice.detail


@pytest.mark.usefixtures("filled")
async def test_what_cannot_be_recorded_is_not_handed_out(analyst, store, folders):
    async def fail(_note, _detail):
        raise OSError(28, "No space left on device")

    store._exporter._record = fail
    with pytest.raises(RemoteError, match="No space left"):
        await analyst.call("export", DUCKDB, reply=Exported)
    assert folders() == []


@pytest.mark.usefixtures("filled")
async def test_it_belongs_to_one_connection(analyst, second):
    exported, _ = await analyst.call("export", DUCKDB, reply=Exported)
    request = ExportRead(id=exported.id, file=DATABASE_FILE, offset=0)
    with pytest.raises(RemoteError, match="no such export"):
        await second.call("export_read", request, reply=ExportPiece)
    await second.call("export_done", ExportDone(id=exported.id), reply=Done)
    assert (await analyst.call("export_read", request, reply=ExportPiece))[0].bytes > 0


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("file", ["../gnomon.duckdb", "/etc/hostname", "copy.duckdb", "gnomon-export.duckdb.wal"])
async def test_only_its_own_files_can_be_read(analyst, file):
    exported, _ = await analyst.call("export", DUCKDB, reply=Exported)
    with pytest.raises(RemoteError, match="no such export"):
        await analyst.call("export_read", ExportRead(id=exported.id, file=file, offset=0), reply=ExportPiece)


@pytest.mark.usefixtures("filled")
async def test_one_at_a_time(analyst, second):
    exported, _ = await analyst.call("export", DUCKDB, reply=Exported)
    with pytest.raises(RemoteError, match="under way"):
        await second.call("export", DUCKDB, reply=Exported)
    await analyst.call("export_done", ExportDone(id=exported.id), reply=Done)
    assert (await second.call("export", DUCKDB, reply=Exported))[0].id != exported.id


@pytest.mark.usefixtures("filled")
async def test_it_goes_with_the_connection(store, analyst, folders):
    await analyst.call("export", DUCKDB, reply=Exported)
    assert len(folders()) == 1
    await analyst.close()
    await gone(folders)
    await gone(lambda: store._exporter._kept)


@pytest.mark.usefixtures("filled")
async def test_it_goes_after_its_time(store, analyst, folders):
    limited(store, keep_s=0.05)
    exported, _ = await analyst.call("export", DUCKDB, reply=Exported)
    await gone(folders)
    with pytest.raises(RemoteError, match="no longer"):
        await analyst.call("export_read", ExportRead(id=exported.id, file=DATABASE_FILE, offset=0), reply=ExportPiece)


async def test_a_caller_that_leaves_ends_the_making(store, analyst, folders, stalled):
    store._analyst_server.limits = msgspec.structs.replace(store._analyst_server.limits, finish_s=0.05)
    call = spawn(analyst.call("export", DUCKDB, reply=Exported), "call", ignored)
    await asyncio.to_thread(stalled.wait, 20)
    assert len(folders()) == 1
    call.cancel()
    await analyst.close()
    await gone(lambda: store._exporter._kept)
    assert folders() == []


@pytest.mark.parametrize(
    ("limits", "told"),
    [({"build_s": 0.05}, "took longer than 0.05 s"), ({"max_bytes": 1000}, "grew beyond 0 MiB")],
)
async def test_bounds_end_the_making(store, analyst, folders, stalled, limits, told):
    limited(store, **limits)
    with pytest.raises(RemoteError, match=told):
        await analyst.call("export", DUCKDB, reply=Exported)
    assert folders() == []


async def test_room_for_the_evidence_is_kept(store, analyst, folders, stalled):
    limited(store, reserve_bytes=1 << 60)
    with pytest.raises(RemoteError, match=r"are free at .*; the evidence needs them"):
        await analyst.call("export", DUCKDB, reply=Exported)
    limited(store)
    call = spawn(analyst.call("export", DUCKDB, reply=Exported), "call", ignored)
    await asyncio.to_thread(stalled.wait, 20)
    limited(store, reserve_bytes=1 << 60)
    with pytest.raises(RemoteError, match="are free"):
        await call
    assert folders() == []


async def test_a_stopping_store_tells_the_caller(store, analyst, stalled):
    call = spawn(analyst.call("export", DUCKDB, reply=Exported), "call", ignored)
    await asyncio.to_thread(stalled.wait, 20)
    store._exporter.stop()
    with pytest.raises(RemoteError, match="the store is stopping"):
        await call


@pytest.mark.parametrize("since", [NOW, NOW + 60])
async def test_an_empty_span_is_refused(analyst, since):
    with pytest.raises(RemoteError, match="nothing can lie in that span"):
        await analyst.call("export", ExportRequest(formats=(ExportFormat.CSV,), since=since), reply=Exported)


async def test_a_statement_under_way_is_interrupted(owner):
    bounds, cursor = Bounds(), owner.cursor()
    with bounds.working(cursor):
        long = asyncio.to_thread(bounds.ask, cursor, "SELECT count(*) FROM range(100000000000) a(i) WHERE i % 7 = 3")
        running = spawn(long, "long", ignored)
        await asyncio.sleep(0)
        bounds.stop("enough")
        async with asyncio.timeout(30):
            while not running.done():
                bounds.press()
                await asyncio.sleep(0.01)
    assert running.exception() is not None
    bounds.press()  # nothing works any more: nothing happens
    assert cursor.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.usefixtures("filled")
async def test_the_store_takes_in_while_an_export_is_made(store, analyst, stalled, tmp_path, life):
    call = spawn(analyst.call("export", DUCKDB, reply=Exported), "call", ignored)
    await asyncio.to_thread(stalled.wait, 20)
    journal = life("w9").add(opened("y1", "w9", NOW))
    async with AsyncClient(tmp_path / "run" / "ingest.sock") as client:
        assert await client.call("append", *journal.frame(), reply=Appended) == (Appended(1), b"")
    health, _ = await analyst.call("health", HealthRequest(), reply=Health)
    assert health.rows["exchange_open"] == 2
    store._exporter.stop()
    with pytest.raises(RemoteError):
        await call
