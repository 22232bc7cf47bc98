"""Sensors as children: they never keep the appliance from starting, are restarted, and end before the store."""

import os
import signal

import msgspec
import pytest
from test_supervisor_processes import appliance, greet  # noqa: F401 - a fixture

from appliance.bus import control, ownflows
from appliance.config.schema import SensorConfig
from appliance.supervisor.supervisor import CAPTURES, prepare_sensing

pytestmark = pytest.mark.system


def sensors(status):
    return {one.name: (one.source, one.state, one.problem) for one in status.sensors}


def alive(status):
    return {child.name: child.pid for child in status.children if child.name.startswith("sensor")}


def capturing(names, but=()):
    def check(status):
        found = alive(status)
        ready = {one.name for one in status.sensors if one.state == "capturing"}
        return ready == set(names) and set(found) == set(names) and not set(found.values()) & set(but)

    return check


def test_sensors_live_beside_the_workers_and_end_before_the_store(appliance):  # noqa: F811
    one = appliance(sensor=SensorConfig(interfaces=("eth0", "eth1"))).start()
    status = one.ready()
    assert sensors(status) == {"sensor0": ("eth0", "capturing", ""), "sensor1": ("eth1", "capturing", "")}
    assert (one.run_dir / ownflows.NAME).stat().st_size == ownflows.SIZE
    assert one.end() == 0
    ends = (one.run_dir / "ends.txt").read_text().split()
    assert ends[0] == "w0"
    assert sorted(ends[1:3]) == ["sensor0", "sensor1"]
    assert ends[3] == "store"


def test_one_that_cannot_begin_is_told_once_and_the_rest_runs(appliance):  # noqa: F811
    one = appliance(sensor=SensorConfig(interfaces=("eth0",), captures=("/a.pcap",)))
    one.behave(
        {
            "sensor0": {"exit": 2, "say": "gnomon sensor sensor0: eth0: no right to capture: run as root"},
            "sensor1": {"exit": 0, "say": ""},
        }
    )
    status = one.start().ready()
    assert status.phase == "up"
    assert len(greet(status.proxy)) == 2
    assert sensors(status) == {
        "sensor0": ("eth0", "failed", "eth0: no right to capture: run as root"),
        "sensor1": ("/a.pcap", "finished", ""),
    }
    assert status.problems == ("sensor: eth0: no right to capture: run as root",)
    assert alive(status) == {}
    assert one.end() == 0
    assert sum("sensor0 started" in line for line in one.log) == 1


def test_deaths_reloads_and_upgrades(appliance):  # noqa: F811
    one = appliance(sensor=SensorConfig(interfaces=("eth0",))).start()
    before = alive(one.ready())
    os.kill(before["sensor0"], signal.SIGKILL)
    after = one.until(capturing(["sensor0"], but=before.values()))
    assert after.restarts == 1
    workers = {child.name: child.pid for child in after.children if child.name.startswith("w")}

    more = msgspec.structs.replace(one.config, sensor=SensorConfig(interfaces=("eth0", "eth1")))
    one.write(more)
    one.call("reload", control.Reload(), control.Reloaded)
    both = one.until(capturing(["sensor0", "sensor1"]))
    assert alive(both)["sensor0"] == alive(after)["sensor0"], "nothing has changed for it"

    one.write(msgspec.structs.replace(one.config, sensor=SensorConfig(interfaces=("eth1",))))
    one.call("reload", control.Reload(), control.Reloaded)
    fewer = one.until(capturing(["sensor1"]))
    assert alive(fewer)["sensor1"] == alive(both)["sensor1"]

    one.call("reload", control.Reload(upgrade=True), control.Reloaded)
    upgraded = one.ready()
    assert upgraded.pid == after.pid
    last = one.until(lambda status: capturing(["sensor0"])(status) and settled_workers(status, workers))
    assert not set(alive(last).values()) & set(alive(fewer).values())
    assert one.end() == 0


def settled_workers(status, before):
    found = {child.name: child.pid for child in status.children if child.name.startswith("w")}
    return found and not set(found.values()) & set(before.values())


def test_a_stop_while_a_sensor_hangs_is_bounded(appliance):  # noqa: F811
    one = appliance(sensor=SensorConfig(interfaces=("eth0",))).start()
    os.kill(alive(one.ready())["sensor0"], signal.SIGSTOP)
    one.process.send_signal(signal.SIGTERM)
    one.until(lambda status: status.phase == "draining")
    assert one.end() == 0
    assert any("killed by SIGKILL" in line for line in one.log)


def test_a_fresh_start_counts_every_file_as_unread(tmp_path):
    note = tmp_path / CAPTURES / "0123"
    note.parent.mkdir()
    note.touch()
    prepare_sensing(tmp_path, fresh=False)
    assert note.exists()
    prepare_sensing(tmp_path, fresh=True)
    assert not note.exists()
    assert (tmp_path / ownflows.NAME).exists()
