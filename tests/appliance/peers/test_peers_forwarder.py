"""A sidecar's journal on its way: nothing lost and nothing double, whatever goes away in between."""

import asyncio
import time

import msgspec
import pytest
from peers_world import Peerage

from appliance.bus import control, ingest
from appliance.bus.client import AsyncClient, BlockingClient
from appliance.bus.errors import RemoteError
from appliance.bus.server import Reply, Server, Verb
from appliance.bus.verbs import Done
from appliance.config.schema import Config
from appliance.journal.recover import recover
from appliance.journal.ship import BATCH_LINES, Shipper
from appliance.model.errors import OperatorError
from appliance.peers import central_link
from appliance.peers.central_link import REFUSED, pause
from appliance.peers.forwarder import Forwarder
from appliance.peers.receiver import Receiver
from appliance.policy.disk import write_snapshot
from appliance.policy.snapshot import PolicySnapshot
from appliance.store.ingest import Ingest
from appliance.store.wire import Append, Appended, MarkRequest


class Side:
    """A forwarder towards a port; `until(...)` waits for its news."""

    def __init__(self, config):
        self.config = config
        self.news = asyncio.Event()
        self.forwarder = Forwarder(config, self.news.set)
        self.path = self.forwarder._server.path

    async def until(self, wanted):
        async with asyncio.timeout(15):
            while not wanted(self.forwarder.standing()):
                self.news.clear()
                await self.news.wait()
        return self.forwarder.standing()

    async def ship(self, journal):
        """One pass over what the journal holds; the seq acknowledged."""

        def run():
            with BlockingClient(self.path) as client:
                shipper = Shipper(journal.folder.path, ingest.sender(client))
                try:
                    return shipper.drain()
                finally:
                    shipper.close()

        return await asyncio.to_thread(run)


@pytest.fixture
async def side(sidecar):
    made = []

    async def start(port, **more):
        made.append(Side(sidecar(port, **more)))
        await made[-1].forwarder.start()
        return made[-1]

    yield start
    for one in made:
        await one.forwarder.close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(central_link, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(central_link, "STANDING_S", 0.05)


async def test_what_is_journalled_is_stored_and_told(side, receiver, store, journal):
    one, writes = await side(receiver.port), journal()
    writes.write(BATCH_LINES + 3)
    assert (await one.until(lambda now: now.connected)).behind > 0
    assert await one.ship(writes) == BATCH_LINES + 3
    assert store.exchanges() == [f"pod-a:x{n}" for n in range(BATCH_LINES + 3)]
    assert store.connection.execute("SELECT value FROM persons").fetchall() == [("alice",)]


async def test_away_is_told_at_once_and_everything_goes_when_it_is_back(side, receiver, peers, store, journal, quick):
    one, writes, port = await side(receiver.port), journal(), receiver.port
    await one.until(lambda now: now.connected)
    await receiver.close()
    away = await one.until(lambda now: not now.connected)
    assert away.problem
    writes.write(5)
    with pytest.raises(RemoteError) as refused:
        await one.ship(writes)
    assert (refused.value.kind, writes.fill > 0) == ("away", True)
    await one.until(lambda now: now.behind > 0)
    again = Receiver(msgspec.structs.replace(peers, journal=f"127.0.0.1:{port}"), store.run_dir, store.run_dir)
    await again.start()
    try:
        await one.until(lambda now: now.connected)
        assert await one.ship(writes) == 5
        await one.until(lambda now: now.behind == 0)
    finally:
        await again.close()
    assert store.exchanges() == [f"pod-a:x{n}" for n in range(5)]


async def test_a_store_that_dies_before_its_answer_doubles_nothing(side, receiver, store, journal, monkeypatch):
    monkeypatch.setattr("appliance.peers.session.STORE_S", 0.1)
    one, writes = await side(receiver.port), journal()
    await one.until(lambda now: now.connected)
    writes.write(4)
    store.deaf = 0  # it stores, and never says so
    with pytest.raises(RemoteError):
        await one.ship(writes)
    store.deaf = None
    assert await one.ship(writes) == 4
    assert store.exchanges() == [f"pod-a:x{n}" for n in range(4)]


async def test_a_central_store_of_before_gets_what_it_lacks(side, receiver, store, journal):
    one, writes = await side(receiver.port), journal()
    await one.until(lambda now: now.connected)
    writes.write(4)
    with BlockingClient(one.path) as client:
        shipper = Shipper(writes.folder.path, ingest.sender(client), keep=True)
        await asyncio.to_thread(shipper.drain)
        for table in ("exchange_open", "marks"):  # an older copy was restored
            store.connection.execute(f"TRUNCATE {table}")
        store.ingest = Ingest(store.connection, time.time, 2)
        writes.write(1)
        assert await asyncio.to_thread(shipper.drain) == 5
        shipper.close()
    assert store.exchanges() == [f"pod-a:x{n}" for n in range(5)]


async def test_a_dead_workers_journal_goes_with_its_lost_closes(side, receiver, store, journal):
    one, writes = await side(receiver.port), journal()
    await one.until(lambda now: now.connected)
    writes.write(2)
    writes.close()
    root = writes.folder.path.parent

    def run():
        with BlockingClient(one.path) as client:
            return recover(root, ingest.sender(client), 1_763_700_000.0)

    (done,) = (await asyncio.to_thread(run)).recovered
    assert (done.lost, done.pending) == (2, None)
    found = store.connection.execute("SELECT exchange, outcome FROM v_exchanges ORDER BY n").fetchall()
    assert found == [("pod-a:x0", "lost"), ("pod-a:x1", "lost")]


async def test_damage_is_damage_on_this_side_too(side, receiver, journal):
    one, writes = await side(receiver.port), journal()
    await one.until(lambda now: now.connected)
    writes.write(1)
    client = AsyncClient(one.path)
    with pytest.raises(RemoteError) as refused:
        await client.call("append", Append(producer="w0", epoch=7, first_seq=1, last_seq=1), b"{}\n", reply=Appended)
    assert refused.value.kind == "evidence"
    assert (await client.call("mark", MarkRequest(producer="w0", epoch=7), reply=Appended))[0] == Appended(0)
    with pytest.raises(RemoteError, match="no verb"):
        await client.call("appliance", Done(), reply=Done)
    await client.close()


async def test_decisions_of_central_are_put_in_force_here_and_asked_for_again_if_they_are_not(
    side, receiver, store, quick
):
    """The supervisor refuses at first."""
    taken, calls = asyncio.Event(), []

    async def decided(request, body, _peer):
        calls.append((request.process, body))
        if len(calls) == 1:
            raise RemoteError("busy", "not now")
        taken.set()
        return Reply(control.Snapshot(3))

    write_snapshot(store.run_dir / "policy", PolicySnapshot(version=7, created=1.0))
    one = await side(receiver.port)
    async with Server(one.path.with_name("control.sock"), {"decided": Verb(control.Decided, decided)}):
        async with asyncio.timeout(10):
            await taken.wait()
        await one.until(lambda now: now.connected and not now.problem)
    assert calls == [("shipper", b"[]")] * 2


async def test_decisions_that_cannot_be_taken_are_told_and_records_go_on(side, receiver, store, journal, quick):
    write_snapshot(store.run_dir / "policy", PolicySnapshot(version=7, created=1.0))
    one, writes = await side(receiver.port), journal()  # nobody serves its control.sock
    told = await one.until(lambda now: "not in force here" in now.problem)
    assert told.connected
    writes.write(2)
    assert await one.ship(writes) == 2


async def test_another_name_of_the_central_appliance_is_not_believed(side, receiver, quick):
    one = await side(receiver.port, host="127.0.0.1")
    told = await one.until(lambda now: "not connected yet" not in now.problem)
    assert "certificate" in told.problem.lower()
    assert not told.connected


async def test_why_one_is_not_accepted_is_told_on_this_side(sidecar, receiver, peerage, quick):
    config, other = sidecar(receiver.port), str(peerage.peer("pod-z"))
    central = msgspec.structs.replace(config.central, certificate=other, key=other)
    one = Side(msgspec.structs.replace(config, central=central))
    await one.forwarder.start()
    try:
        told = await one.until(lambda now: "peers.accept" in now.problem)
        assert not told.connected
    finally:
        await one.forwarder.close()


async def test_a_certificate_that_is_not_believed_is_told_in_words(sidecar, receiver, tmp_path, quick):
    foreign = str(Peerage(tmp_path / "foreign").peer("pod-a"))
    config = sidecar(receiver.port)
    central = msgspec.structs.replace(config.central, certificate=foreign, key=foreign)
    one = Side(msgspec.structs.replace(config, central=central))
    await one.forwarder.start()
    try:
        assert REFUSED in (await one.until(lambda now: REFUSED in now.problem)).problem
    finally:
        await one.forwarder.close()


async def test_new_certificates_are_read_for_every_connection(receiver, sidecar, peerage, made, quick):
    config = sidecar(receiver.port)
    good = made[1].read_text()
    own = peerage.authority.folder / "renewed.pem"
    own.write_text("not yet")
    own.chmod(0o600)
    central = msgspec.structs.replace(config.central, certificate=str(own), key=str(own))
    one = Side(msgspec.structs.replace(config, central=central))
    await one.forwarder.start()
    try:
        await one.until(lambda now: "central.certificate" in now.problem)
        own.write_text(good)
        await one.until(lambda now: now.connected)
    finally:
        await one.forwarder.close()


def test_waits_double_up_to_half_a_minute_and_are_spread():
    assert pause(0, 1.0) == 0.0
    assert [pause(n, 1.0) for n in (1, 2, 3)] == [0.25, 0.5, 1.0]
    assert (pause(50, 1.0), pause(50, 0.0)) == (30.0, 15.0)


def test_only_what_ships_may_forward(tmp_path):
    with pytest.raises(OperatorError, match="role"):
        Forwarder(Config(state_dir=str(tmp_path)), lambda: None)
