"""The verbs over real sockets, in process."""

import asyncio

import msgspec
import pytest

from appliance.bus.client import AsyncClient
from appliance.bus.errors import RemoteError
from appliance.config.schema import Config, StoreConfig
from appliance.model.decision import Proposal
from appliance.model.errors import EvidenceError
from appliance.model.event import Notice
from appliance.model.names import DecisionKind, FindingKind
from appliance.policy.disk import write_snapshot
from appliance.policy.snapshot import PolicySnapshot
from appliance.store.bench import closed, opened
from appliance.store.finding_pages import FindingsHead, FindingsRequest
from appliance.store.neutrality import NeutralityRow
from appliance.store.pages import (
    ExchangesRequest,
    ExchangeSummary,
    Health,
    HealthRequest,
    NoticesRequest,
    NoticeSummary,
    PageHead,
    PersonsRequest,
    SpanRequest,
)
from appliance.store.reader import Reader
from appliance.store.service import SnapshotPush, Store
from appliance.store.tally_pages import Tallied, TallyRequest
from appliance.store.wire import Appended, Decide, Decided, Erase, Erased, MarkRequest

NOW = 1_763_700_000.0


@pytest.fixture
def failures():
    return []


@pytest.fixture
async def store(tmp_path, failures):
    (tmp_path / "run").mkdir()
    write_snapshot(tmp_path / "state" / "policy", PolicySnapshot(version=1, created=1.0))
    config = Config(
        state_dir=str(tmp_path / "state"),
        run_dir=str(tmp_path / "run"),
        store=StoreConfig(memory_limit="256MB", retention={"notices": 1}),
    )
    service = Store(config, failures.append, lambda: NOW)
    await service.start()
    yield service
    await service.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "retention"]


@pytest.fixture
async def ingest_client(store, tmp_path):
    async with AsyncClient(tmp_path / "run" / "ingest.sock") as client:
        yield client


@pytest.fixture
async def analyst(store, tmp_path):
    async with AsyncClient(tmp_path / "run" / "analyst.sock") as client:
        yield client


async def rows(client, verb, request, kind):
    head, body = await client.call(verb, request, reply=PageHead)
    found = msgspec.json.decode(body, type=list[kind])
    assert head.rows == len(found)
    return head, found


@pytest.mark.usefixtures("store")
async def test_sockets_have_their_modes(tmp_path):
    modes = {name: (tmp_path / "run" / name).stat().st_mode & 0o777 for name in ("ingest.sock", "analyst.sock")}
    assert modes == {"ingest.sock": 0o600, "analyst.sock": 0o660}


async def test_what_is_acknowledged_is_visible(ingest_client, analyst, life):
    journal = life().add(opened("x1", "w0", NOW), closed("x1", NOW), opened("x2", "w0", NOW))
    reply, _ = await ingest_client.call("append", *journal.frame(), reply=Appended)
    assert reply == Appended(3)
    head, found = await rows(analyst, "exchanges", ExchangesRequest(limit=1), ExchangeSummary)
    assert [row.exchange for row in found] == ["x2"]
    head, found = await rows(analyst, "exchanges", ExchangesRequest(limit=1, before=head.next), ExchangeSummary)
    assert [(row.exchange, row.outcome) for row in found] == [("x1", "completed")]
    mark, _ = await ingest_client.call("mark", MarkRequest(producer="w0", epoch=7), reply=Appended)
    assert mark == Appended(3)


async def test_counters_and_neutrality_are_asked_over_the_socket(ingest_client, analyst, life):
    journal = life().add(opened("x1", "w0", NOW), closed("x1", NOW + 1))
    await ingest_client.call("append", *journal.frame(), reply=Appended)
    told, _ = await analyst.call("tally", TallyRequest(after=0), reply=Tallied)
    assert ([one.exchange for one in told.ended], told.running) == (["x1"], 0)
    assert ("exchanges_closed", ("openai", "completed"), 1) in [msgspec.structs.astuple(one) for one in told.series]
    _, (row,) = await rows(analyst, "neutrality", SpanRequest(), NeutralityRow)
    assert (row.service, row.exchanges, row.cached) == ("openai", 1, 0.5)


async def test_signals_are_looked_for_from_the_start_on(store, analyst):
    assert "signals" in {task.get_name() for task in asyncio.all_tasks()}
    asked = FindingsRequest(kinds=(FindingKind.EXTRACTION, FindingKind.FLOODING))
    head, _ = await analyst.call("findings", asked, reply=FindingsHead)
    assert head.total == 0
    assert store.analyst_verbs().keys() >= {"tally", "neutrality"}


async def test_many_producers_at_once_share_transactions(ingest_client, analyst, life):
    journals = [life(f"w{number}").add(*(Notice(NOW, "w", "info", "n") for _ in range(20))) for number in range(12)]
    sends = (ingest_client.call("append", *journal.frame(), reply=Appended) for journal in journals)
    replies = await asyncio.gather(*sends)
    assert [reply for reply, _ in replies] == [Appended(20)] * 12
    health, _ = await analyst.call("health", HealthRequest(), reply=Health)
    assert (health.rows["notices"], health.records, health.position) == (240, 240, 240)
    assert {mark.seq for mark in health.marks} == {20}
    assert health.transactions <= 12


async def test_faults_are_told_by_kind(ingest_client, life):
    journal = life().add(Notice(NOW, "w0", "info", "a"), Notice(NOW, "w0", "info", "b"))
    gap, _ = await ingest_client.call("append", *journal.frame(2), reply=Appended)
    assert gap == Appended(0, 1)
    append, lines = journal.frame()
    for body, kind in ((lines.replace(b'"note":"a"', b'"note":"x"'), "evidence"), (lines[:-1], "peer")):
        with pytest.raises(RemoteError) as caught:
            await ingest_client.call("append", append, body, reply=Appended)
        assert caught.value.kind == kind


async def test_each_socket_has_its_own_verbs(ingest_client, analyst):
    for client, verb in ((ingest_client, "exchanges"), (ingest_client, "decide"), (analyst, "append")):
        with pytest.raises(RemoteError, match="no verb"):
            await client.call(verb, HealthRequest(), reply=Health)


async def test_a_decision_is_pushed_to_who_listens(analyst):
    pushed = asyncio.Queue()
    await analyst.subscribe("snapshot", SnapshotPush, lambda head, _: pushed.put_nowait(head))
    request = Decide(proposal=Proposal(decision=DecisionKind.BLOCK, service="openai"), expected_version=1)
    reply, _ = await analyst.call("decide", request, reply=Decided)
    assert (reply.version, reply.decision.role) == (2, "admin")
    assert await pushed.get() == SnapshotPush(2)
    with pytest.raises(RemoteError, match="version 2, you looked at 1"):
        await analyst.call("decide", request, reply=Decided)


async def test_erasure_over_the_socket(ingest_client, analyst, life):
    journal = life().add(Notice(NOW, "w0", "info", "n"), persons={"p_1": "ada"})
    await ingest_client.call("append", *journal.frame(), reply=Appended)
    erased, _ = await analyst.call("erase", Erase(digest="p_1"), reply=Erased)
    assert erased == Erased(1)
    head, _ = await analyst.call("persons", PersonsRequest(digests=("p_1",)), reply=PageHead)
    assert head.rows == 0


async def test_retention_deletes_what_is_past_its_age(store, ingest_client, analyst, life):
    journal = life().add(
        Notice(NOW - 90_000, "w0", "info", "n", "old"), Notice(NOW - 80_000, "w0", "info", "n", "young")
    )
    await ingest_client.call("append", *journal.frame(), reply=Appended)
    await store.retain()
    _, found = await rows(analyst, "notices", NoticesRequest(), NoticeSummary)
    assert [row.detail for row in found] == ["young"]


async def test_a_database_that_fails_acknowledges_nothing_more(store, ingest_client, life, failures):
    store._ingest._connection = None
    journal = life().add(Notice(NOW, "w0", "info", "n"))
    for _ in range(2):
        with pytest.raises(RemoteError) as caught:
            await ingest_client.call("append", *journal.frame(), reply=Appended)
        assert caught.value.kind == "evidence"
    assert len(failures) == 1
    with pytest.raises(EvidenceError):
        await store._writer.call(lambda: 1)


async def test_a_query_without_end_is_interrupted(connection):
    reader = Reader(connection, query_s=0.05)
    with pytest.raises(Exception, match="took longer") as caught:
        await reader.run(
            lambda read: read.execute(
                "SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b"
            ).fetchall()
        )
    assert caught.value.status == 503
    assert await reader.run(lambda read: read.execute("SELECT 1").fetchall()) == [(1,)]
    await reader.close()


async def test_a_cut_write_ahead_file_is_told_as_an_alarm(store, analyst):
    await store._writer.call(lambda: store._ingest.tell("store_wal_torn", "copy: X"))  # the connection is its own
    _, found = await rows(analyst, "notices", NoticesRequest(severity="alarm"), NoticeSummary)
    assert [(row.worker, row.note, row.detail) for row in found] == [("store", "store_wal_torn", "copy: X")]
