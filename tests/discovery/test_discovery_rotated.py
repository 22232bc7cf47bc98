"""A sensor over a folder of rotated captures: the real processes, each file once, over deaths and restarts."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sensing import Journal, sensor, until

from appliance.bus import ownflows
from appliance.config.effective import write_effective
from appliance.config.schema import Config, SensorConfig
from appliance.config.site_key import load_site_key
from appliance.model.errors import OperatorError
from discovery import rotated
from discovery.progress import Progress
from discovery.rotated import FOLDER, TRIES

pytestmark = pytest.mark.system
PCAPS = Path(__file__).parents[2] / "pcaps"


class World:
    def __init__(self, folder):
        self.captures = folder / "captures"
        self.captures.mkdir()
        self.config = Config(
            state_dir=str(folder / "state"),
            run_dir=str(folder / "run"),
            sensor=SensorConfig(folder=str(self.captures), folder_settled_s=0),
        )
        for name in (self.config.state_dir, self.config.run_dir):
            Path(name).mkdir(mode=0o700)
        load_site_key(Path(self.config.state_dir))
        write_effective(self.config, Path(self.config.run_dir))
        ownflows.create(Path(self.config.run_dir))
        self.running = []

    def start(self):
        argv = [sys.executable, "-I", "-O", "-m", "discovery.launch", "--run-dir", self.config.run_dir]
        ready, end = os.pipe()
        process = subprocess.Popen(
            [*argv, "--name", "sensor0", f"--folder={self.captures}"],
            env={"GNOMON_READY_FD": str(end)},
            pass_fds=(end,),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        os.close(end)
        process.is_ready = os.read(ready, 1) == b"1"
        os.close(ready)
        self.running.append(process)
        return process

    def add(self, name, source="openai-sdk.pcap"):
        shutil.copy(PCAPS / source, self.captures / name)

    def events(self):
        files = sorted((Path(self.config.state_dir) / "journal").glob("sensor0-*/*.jsonl"))
        lines = [line for file in files for line in file.read_text().splitlines()]
        return [json.loads(line)["body"]["event"] for line in lines]

    def notes(self, note):
        return [event["detail"] for event in self.events() if event.get("note") == note]

    def until(self, happened):
        deadline = time.monotonic() + 30
        while not happened():
            assert time.monotonic() < deadline, self.events()
            time.sleep(0.01)

    def read(self):
        """Names of files that were read to their end, in that order."""
        return [detail.split(":")[0] for detail in self.notes("capture_ended")]

    def remembered(self):
        found = list((Path(self.config.state_dir) / FOLDER).glob("*.jsonl"))
        return [json.loads(line)["name"] for file in found for line in file.read_text().splitlines()]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    for process in world.running:
        process.kill()
        process.communicate(timeout=20)


def ended(process, number=signal.SIGTERM):
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    return process.returncode, said.decode()


def test_each_file_is_read_once_also_over_restarts(world):
    world.add("a.pcap")
    process = world.start()
    world.until(lambda: world.remembered() == ["a.pcap"])
    world.add("b.pcap", "mixed-office.pcap")
    (world.captures / "notes.txt").write_text("no capture")
    world.until(lambda: world.remembered() == ["a.pcap", "b.pcap"])
    assert ended(process) == (0, "")
    assert world.read() == ["a.pcap", "b.pcap"]
    assert {event["source"] for event in world.events() if event["kind"] == "observation"} == {"a.pcap", "b.pcap"}
    world.add("c.pcap")
    process = world.start()
    world.until(lambda: "c.pcap" in world.remembered())
    assert ended(process, signal.SIGINT) == (0, "")
    assert world.read() == ["a.pcap", "b.pcap", "c.pcap"]
    assert sorted(file.name for file in world.captures.iterdir()) == ["a.pcap", "b.pcap", "c.pcap", "notes.txt"]


def test_hostile_names_are_read_as_any_other(world):
    for name in ("--uid=0.pcap", "-h.pcap", "a\n\x1b[2J.pcap", os.fsdecode(b"odd\xff.pcap"), "z" * 250 + ".pcap"):
        world.add(name)
    process = world.start()
    world.until(lambda: len(world.remembered()) == 5)
    assert ended(process) == (0, "")
    assert len(world.read()) == 5
    assert not [event for event in world.events() if "\x1b" in str(event)]
    process = world.start()
    assert ended(process) == (0, "")
    assert len(world.read()) == 5


def test_what_is_no_capture_is_told_and_the_next_one_goes_on(world):
    (world.captures / "a.pcap").write_text("some text")
    (world.captures / "b.pcap").symlink_to(PCAPS / "openai-sdk.pcap")
    world.add("c.pcap")
    (world.captures / "d.pcap").write_bytes((PCAPS / "openai-sdk.pcap").read_bytes()[:-7])
    process = world.start()
    world.until(lambda: {"c.pcap", "d.pcap"} <= set(world.remembered()))
    world.until(lambda: world.notes("capture_refused"))
    assert ended(process) == (0, "")
    (refused,) = world.notes("capture_refused")
    assert "a.pcap" in refused
    assert "not a capture file" in refused
    assert world.remembered() == ["c.pcap", "d.pcap"], "what could not be read is tried again by the next process"
    assert len(world.notes("capture_fault")) == 1


def test_a_death_in_the_middle_repeats_at_most_one_record(world):
    world.add("a.pcap", "mixed-office.pcap")
    for _ in range(2):
        process, before = world.start(), len(world.events())
        while process.poll() is None and len(world.events()) <= before + 2 and "a.pcap" not in world.remembered():
            pass
        process.kill()
        process.communicate(timeout=20)
    process = world.start()
    world.until(lambda: world.remembered() == ["a.pcap"])
    assert ended(process)[0] == 0
    found = [(event["ts"], event["evidence"]) for event in world.events() if event["kind"] == "observation"]
    repeated = len(found) - len({json.dumps(one) for one in found})
    assert repeated <= 2, "one for each death"
    assert len(found) > 5


def test_a_folder_that_does_not_exist_ends_with_one_line(world):
    world.captures.rmdir()
    process = world.start()
    _, said = process.communicate(timeout=30)
    assert (process.returncode, process.is_ready) == (2, False)
    assert said.decode().count("\n") == 1
    assert "sensor.folder" in said.decode()


def test_what_reads_owns_nothing_and_what_records_may_nothing(world):
    if os.geteuid() != 0:
        pytest.skip("only root changes users")
    (world.captures / "x.pcap").mkdir()
    process = world.start()
    status = Path(f"/proc/{process.pid}/status").read_text()
    assert "CapPrm:\t0000000000000000" in status
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert b"discovery.opener" in Path(f"/proc/{child}/cmdline").read_bytes()
    private = world.captures / "new.pcap"
    world.add(private.name)
    private.chmod(0o600)
    os.chown(private, 65534, 65534)  # as a capturing program that has changed its user leaves it
    world.until(lambda: world.remembered() == ["new.pcap"])
    process.kill()
    process.wait(20)
    world.until(lambda: not Path(f"/proc/{child}").exists() or "zombie" in Path(f"/proc/{child}/status").read_text())


async def test_a_reader_that_dies_again_and_again_is_given_up_with_an_alarm(world, monkeypatch):
    monkeypatch.setattr(rotated, "LOOK_S", 0.01)
    world.add("a.pcap")
    journal, started = Journal(), []

    def start(name):
        ours, theirs = socket.socketpair()
        theirs.close()
        started.append(name)
        return ours

    def noted(found):
        return Progress(Path(world.config.run_dir), "x", str(found.inode), "eyes")

    memory = rotated.remembered(Path(world.config.state_dir), world.captures)
    one = rotated.Rotated(world.captures, memory, start, lambda _: sensor(), noted, journal, "sensor0", settled_s=0)
    running = asyncio.ensure_future(one.run(lambda: None))
    await until(lambda: "capture_given_up" in journal.notes())
    one.stop()
    await running
    assert started == ["a.pcap"] * TRIES
    assert world.remembered() == []


async def test_what_cannot_be_read_and_goes_away_leaves_nothing_behind(world, monkeypatch):
    monkeypatch.setattr(rotated, "LOOK_S", 0.01)
    place, journal, looks = Path(world.config.state_dir) / FOLDER, Journal(), []

    def start(name):
        looks.append(name)
        raise OperatorError(f"{name}: no capture")

    def noted(found):
        return Progress(place, str(found.content), str(found.inode), "eyes")

    memory = rotated.remembered(Path(world.config.state_dir), world.captures)
    one = rotated.Rotated(world.captures, memory, start, lambda _: sensor(), noted, journal, "sensor0", settled_s=0)
    running = asyncio.ensure_future(one.run(lambda: None))
    for name in ("a.pcap", "b.pcap"):
        world.add(name)
        await until(lambda name=name: looks[-1:] == [name])
        (world.captures / name).unlink()
    await until(lambda: not one._tried)
    one.stop()
    await running
    assert looks == ["a.pcap", "b.pcap"]
    assert list((place / "captures").iterdir()) == []
