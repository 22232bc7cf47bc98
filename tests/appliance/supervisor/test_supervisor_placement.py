"""What a role changes for the supervisor: which processes, whose word counts, counters without a store."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest
from peers_world import Peerage

from appliance.bus import control
from appliance.bus.client import AsyncClient
from appliance.bus.control import Peering, PeerStanding, Status, StatusRequest
from appliance.bus.errors import RemoteError
from appliance.bus.verbs import Done
from appliance.config.placement_schema import AcceptEntry, Peers
from appliance.config.schema import Config
from appliance.config.site_key import load_site_key
from appliance.model.decision import Decision
from appliance.model.errors import OperatorError
from appliance.model.names import DecisionKind, Stage
from appliance.supervisor import change, policy
from appliance.supervisor.evidence import Evidence, counter_file
from appliance.supervisor.observing import OBSERVER, RECEIVER, takes_records
from appliance.supervisor.preflight import check_files
from appliance.supervisor.settings import Programs, Settings
from appliance.supervisor.supervisor import Supervisor


@pytest.fixture(scope="module")
def peerage(tmp_path_factory):
    world = Peerage(tmp_path_factory.mktemp("peerage"))
    world.own = world.peer("pod-a")
    return world


@pytest.fixture
def sidecar(tmp_path, peerage):
    central = peerage.central_of(peerage.own, "central:9443")
    return Config(state_dir=str(tmp_path / "s"), run_dir=str(tmp_path), role="sidecar", central=central)


def test_in_place_of_the_store_stands_the_shipper(sidecar):
    programs = Programs()
    assert programs.store(sidecar)[3] == "appliance.peers"
    assert programs.store(Config())[3] == "appliance.store"


def test_the_receiver_runs_where_records_are_taken(peerage):
    files = {"ca": str(peerage.ca), "certificate": str(peerage.own), "key": str(peerage.own)}
    accept = {"pod-a": AcceptEntry(roles=("edge",))}
    taking = Peers(**files, journal="127.0.0.1:0", accept=accept)
    assert [takes_records(Config(peers=one)) for one in (None, taking)] == [False, True]
    assert not takes_records(Config(peers=Peers(**files, exchanges="127.0.0.1:0", accept=accept)))
    assert (OBSERVER.name, RECEIVER.name, RECEIVER.module) == ("observer", "peers", "appliance.peers")


async def test_how_it_ships_is_shown_and_a_fault_is_a_problem_until_it_is_over(sidecar, monkeypatch):
    boss = Supervisor(Settings(lambda: sidecar), sidecar)
    boss.addresses = {"proxy": "p", "gateway": "g"}
    assert boss.store.kind == "shipper"
    await boss.control.start()
    client = AsyncClient(boss.control._server.path)
    away = PeerStanding("central:9443", "central", connected=False, behind=9, problem="Connection refused")
    try:
        with pytest.raises(RemoteError, match="is not 'shipper'"):
            await client.call("peering", Peering("shipper", (away,)), reply=Done)
        monkeypatch.setattr(type(boss.receiving), "pid", property(lambda _self: os.getpid()))
        await client.call("peering", Peering("shipper", (away,)), reply=Done)
        told, _ = await client.call("status", StatusRequest(), reply=Status)
        assert (told.role, told.peers) == ("sidecar", (away,))
        assert told.problems == ("central appliance central:9443: Connection refused",)
        well = msgspec.structs.replace(away, connected=True, behind=0, problem="")
        await client.call("peering", Peering("shipper", (well,)), reply=Done)
        assert (await client.call("status", StatusRequest(), reply=Status))[0].problems == ()
    finally:
        await client.close()
        await boss.control.close()


def test_counters_begin_at_nothing_without_asking_a_store(sidecar):
    Path(sidecar.state_dir).mkdir(mode=0o700)
    load_site_key(Path(sidecar.state_dir))
    assert Evidence().rebuild_counters(sidecar) == 0
    assert counter_file(sidecar).exists()


async def test_a_role_does_not_change_while_running(sidecar):
    fresh = Config(state_dir=sidecar.state_dir, run_dir=sidecar.run_dir)
    boss = Supervisor(Settings(lambda: fresh), sidecar)
    with pytest.raises(OperatorError, match="role: cannot change while running"):
        await change.reload(boss)


def test_certificates_are_looked_at_before_the_start(sidecar, peerage):
    check_files(sidecar)
    central = peerage.central_of(peerage.own, "central:9443", name="pod-b")
    with pytest.raises(OperatorError, match=r"central\.name: pod-b"):
        check_files(msgspec.structs.replace(sidecar, central=central))


async def test_what_waits_is_tried_again_less_and_less_often(sidecar, monkeypatch):
    boss = Supervisor(Settings(lambda: sidecar), sidecar)
    monkeypatch.setattr(type(boss.store), "serving", property(lambda _self: 1))
    waits, done = [], asyncio.Event()

    async def once():
        return len(waits) == 6

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 6:
            done.set()

    monkeypatch.setattr(boss._recovery, "once", once)
    monkeypatch.setattr("appliance.supervisor.recovery.asyncio.sleep", sleep)
    boss._recovery.due()
    task = asyncio.get_running_loop().create_task(boss._recovery.forever())
    async with asyncio.timeout(5):
        await done.wait()
    task.cancel()
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


DECISION = Decision(number=4, ts=1.0, author="a", role="analyst", decision=DecisionKind.BLOCK, service="openai")


def test_decisions_of_the_central_appliance_make_a_snapshot_of_their_own(sidecar):
    with pytest.raises(OperatorError, match="no policy snapshot yet"):
        policy.take_decisions(sidecar, (DECISION,))
    first = policy.ensure(sidecar, Stage.ENFORCE)
    taken = policy.take_decisions(sidecar, (DECISION,))
    assert (taken.version, taken.decisions, taken.stage) == (first.version + 1, (DECISION,), Stage.ENFORCE)
    assert taken.rules == first.rules
    assert policy.take_decisions(sidecar, (DECISION,)).version == taken.version, "nothing new, no new number"
    assert policy.change_stage(sidecar, Stage.OBSERVE).decisions == (DECISION,)
    assert policy.take_decisions(sidecar, ()).decisions == ()


async def test_only_the_shipper_hands_decisions_on(sidecar, tmp_path, monkeypatch):
    body = msgspec.json.encode([DECISION])
    policy.ensure(sidecar, None)
    for config, process, words in (
        (sidecar, "w0", "decisions are made here"),
        (Config(state_dir=sidecar.state_dir, run_dir=str(tmp_path)), "store", "decisions are made here"),
        (sidecar, "shipper", ""),
    ):
        boss = Supervisor(Settings(lambda config=config: config), config)
        await boss.control.start()
        client = AsyncClient(boss.control._server.path)
        try:
            with pytest.raises(RemoteError, match="is not"):
                await client.call("decided", control.Decided(process), body, reply=control.Snapshot)
            monkeypatch.setattr(boss.control, "_check", lambda *_: None)
            if words:
                with pytest.raises(RemoteError, match=words):
                    await client.call("decided", control.Decided(process), body, reply=control.Snapshot)
            else:
                told, _ = await client.call("decided", control.Decided(process), body, reply=control.Snapshot)
                assert (told.version, boss.control.current.version) == (2, 2)
                with pytest.raises(RemoteError):
                    await client.call("decided", control.Decided(process), b'[{"number": 1}]', reply=control.Snapshot)
        finally:
            await client.close()
            await boss.control.close()
