"""How the appliance stands reaches the store: at every change, together, and anew whenever the store is back."""

import asyncio
from types import SimpleNamespace

import pytest

from appliance.bus import control, ingest
from appliance.bus.server import Reply, Server, Verb
from appliance.bus.tasks import cancel, spawn
from appliance.bus.verbs import Done
from appliance.config.schema import Config, SensorConfig
from appliance.model.names import Stage
from appliance.store.finding_pages import ApplianceState, WorkerState
from appliance.supervisor import relay
from appliance.supervisor.plan import Plan
from appliance.supervisor.relay import Teller, state_of
from appliance.supervisor.sensors import Sensors


@pytest.fixture
def boss(tmp_path):
    config = Config(state_dir=str(tmp_path), run_dir=str(tmp_path), sensor=SensorConfig(interfaces=("eth0",)))
    workers = Plan("w", 2, overlap=True, drain_s=1)
    workers.actions(0)
    workers.ready("w0", 1)
    told = {"w0": control.Health("w0", 7)}
    return SimpleNamespace(
        config=config,
        phase="starting",
        problems=[],
        addresses={"proxy": "127.0.0.1:1", "gateway": "127.0.0.1:2"},
        workers=workers,
        sensors=Sensors(config),
        control=SimpleNamespace(told=told.get, stage=Stage.ENFORCE, current=control.Snapshot(7)),
    )


class Store:
    """ingest.sock with the one verb."""

    def __init__(self, folder):
        self.heard = asyncio.Queue()
        self.server = Server(folder / ingest.SOCKET, {"appliance": Verb(ApplianceState, self.hear)})

    async def hear(self, request, _body, _peer):
        self.heard.put_nowait(request)
        return Reply(Done())


def test_the_state_says_what_analysts_need(boss):
    boss.problems.append("sensor: eth0: no right to capture")
    found = state_of(boss)
    assert (found.phase, found.stage, found.version, found.proxy) == ("starting", "enforce", 7, "127.0.0.1:1")
    assert found.workers == (WorkerState("w0", True, 7), WorkerState("w1", False, 0))
    assert [(one.name, one.source, one.state) for one in found.sensors] == [("sensor0", "eth0", "starting")]
    boss.sensors.sensing(control.Sensing("sensor0", "ring in 1 process", 9, 8, 7, ((8, 7), (9, 2))))
    (sensor,) = state_of(boss).sensors
    assert (sensor.means, sensor.lost_last_minute, sensor.worst_at, sensor.worst_lost) == ("ring in 1 process", 9, 8, 7)
    assert sensor.lost_seconds == ((8, 7), (9, 2))
    assert found.routes == ("openai",)
    assert found.problems == ("sensor: eth0: no right to capture",)


async def test_changes_are_told_together_and_again_to_every_store(tmp_path, boss, monkeypatch):
    monkeypatch.setattr(relay, "RETRY_S", 0.01)
    teller = Teller(boss)
    task = spawn(teller.forever(), "teller")
    try:
        async with asyncio.timeout(20):
            for life in range(2):
                store = Store(tmp_path)
                async with store.server:
                    assert (await store.heard.get()).phase == boss.phase
                    for phase in ("a", "b", f"up{life}"):
                        boss.phase = phase
                        teller.due()
                    told = [(await store.heard.get()).phase]
                    while told[-1] != boss.phase:
                        told.append((await store.heard.get()).phase)
                    assert len(told) <= 2, "together"
                    teller.due()
                    await asyncio.sleep(2 * relay.GATHER_S)
                    assert store.heard.empty(), "nothing has changed: nothing is told"
    finally:
        await cancel(task)


async def test_what_nobody_told_of_is_found(tmp_path, boss, monkeypatch):
    monkeypatch.setattr(relay, "LOOK_S", 0.01)
    store = Store(tmp_path)
    async with store.server, asyncio.timeout(20):
        task = spawn(Teller(boss).forever(), "teller")
        await store.heard.get()
        boss.workers.ready("w1", 2)
        assert all(worker.ready for worker in (await store.heard.get()).workers)
        await cancel(task)


async def test_a_store_that_does_not_know_the_verb_costs_nothing(tmp_path, boss, monkeypatch):
    monkeypatch.setattr(relay, "RETRY_S", 0.01)
    async with Server(tmp_path / ingest.SOCKET, {}):
        task = spawn(Teller(boss).forever(), "teller")
        await asyncio.sleep(0.05)
        assert not task.done()
        await cancel(task)
