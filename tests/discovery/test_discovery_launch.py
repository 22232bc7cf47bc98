"""A sensor as its two processes, over capture files: what it journals, how it ends, what it says."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.bus import ownflows, programs
from appliance.config.effective import write_effective
from appliance.config.schema import Config, SensorConfig
from appliance.config.site_key import load_site_key
from discovery import capture, launch

pytestmark = pytest.mark.system
PCAPS = Path(__file__).parents[2] / "pcaps"


@pytest.fixture
def config(tmp_path):
    config = Config(state_dir=str(tmp_path / "state"), run_dir=str(tmp_path / "run"))
    for name in (config.state_dir, config.run_dir):
        Path(name).mkdir(mode=0o700)
    load_site_key(Path(config.state_dir))
    write_effective(config, Path(config.run_dir))
    ownflows.create(Path(config.run_dir))
    programs.create(Path(config.run_dir))
    return config


def start(config, *source):
    argv = [sys.executable, "-I", "-O", "-m", "discovery.launch", "--run-dir", config.run_dir, "--name", "sensor0"]
    argv += [*source, "--listener", "proxy=127.0.0.1:8080"]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)


def ended(process):
    _, said = process.communicate(timeout=60)
    return process.returncode, said.decode()


def journalled(config):
    """(kind, note or name, count) of every line of every life, in order."""
    found = []
    for file in sorted((Path(config.state_dir) / "journal").glob("sensor0-*/*.jsonl")):
        for line in file.read_text().splitlines():
            event = json.loads(line)["body"]["event"]
            found.append((event["kind"], event.get("note") or event.get("name"), event.get("count", 1)))
    return found


def sightings(config):
    """What tells one observation from every other, of every life, in order."""
    found = []
    for file in sorted((Path(config.state_dir) / "journal").glob("sensor0-*/*.jsonl")):
        events = [json.loads(line)["body"]["event"] for line in file.read_text().splitlines()]
        found += [(event["ts"], event["evidence"]) for event in events if event["kind"] == "observation"]
    return found


def began(config):
    """How the capture began, in words."""
    files = (Path(config.state_dir) / "journal").glob("*/*.jsonl")
    lines = [line for file in files for line in file.read_text().splitlines()]
    events = [json.loads(line)["body"]["event"] for line in lines]
    return next(event["detail"] for event in events if event.get("note") == "capture_began")


def observations(config):
    return [line for line in journalled(config) if line[0] == "observation"]


def test_a_capture_file_is_recorded_once_to_its_end(config):
    path = PCAPS / "mixed-office.pcap"
    assert ended(start(config, "--pcap", str(path))) == (0, "")
    lines = journalled(config)
    assert [lines[0][1], lines[-1][1]] == ["capture_began", "capture_ended"]
    assert len(observations(config)) > 5
    assert ended(start(config, "--pcap", str(path))) == (0, "")
    assert journalled(config) == lines, "not again in this run"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("some text"), "not a capture file"),
        (lambda path: path.touch(), "not a capture file"),
        (lambda path: path.mkdir(), "not a regular file"),
        (os.mkfifo, "not a regular file"),
        (lambda _: None, "No such file"),
    ],
    ids=["text", "empty", "folder", "pipe", "missing"],
)
def test_what_cannot_be_read_ends_with_one_line(config, tmp_path, make, words):
    path = tmp_path / "x.pcap"
    make(path)
    code, said = ended(start(config, "--pcap", str(path)))
    assert code == 2
    assert said.count("\n") == 1
    assert said.startswith("gnomon sensor sensor0: ")
    assert str(path) in said
    assert words in said


def test_a_truncated_capture_gives_what_was_whole(config, tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes((PCAPS / "openai-sdk.pcap").read_bytes()[:-7])
    code, _ = ended(start(config, "--pcap", str(path)))
    assert code == 0
    assert ("notice", "capture_fault", 1) in journalled(config)
    assert observations(config)


def test_an_interface_that_does_not_exist_ends_with_one_line(config):
    code, said = ended(start(config, "--interface", "nope0"))
    assert code == 2
    assert "nope0: no such network interface" in said
    assert said.count("\n") == 1


def test_a_user_that_does_not_exist_ends_with_one_line(config):
    write_effective(
        Config(state_dir=config.state_dir, run_dir=config.run_dir, sensor=SensorConfig(user="no-such-user")),
        Path(config.run_dir),
    )
    if os.geteuid() != 0:
        pytest.skip("only root changes users")
    code, said = ended(start(config, "--pcap", str(PCAPS / "openai-sdk.pcap")))
    assert (code, said.count("\n")) == (2, 1)
    assert "sensor.user" in said


def test_a_killed_reading_goes_on_where_its_records_end(config, tmp_path):
    whole = tmp_path / "whole"
    other = Config(state_dir=str(whole / "state"), run_dir=str(whole / "run"))
    for name in (other.state_dir, other.run_dir):
        Path(name).mkdir(mode=0o700, parents=True)
    (whole / "state" / "site.key").write_bytes((Path(config.state_dir) / "site.key").read_bytes())
    (whole / "state" / "site.key").chmod(0o600)
    write_effective(other, Path(other.run_dir))
    path = str(PCAPS / "mixed-office.pcap")
    ended(start(other, "--pcap", path))
    expected = sightings(other)
    for _ in range(2):
        killed_after_some_records(config, path)
    assert ended(start(config, "--pcap", path))[0] == 0
    found = sightings(config)
    assert [one for one, before in zip(found, [None, *found], strict=False) if one != before] == expected
    assert len(found) <= len(expected) + 2, "a death repeats at most the record that its note had not followed yet"


def killed_after_some_records(config, path):
    """SIGKILL to the recording process as soon as the journal has grown."""
    before = len(observations(config))
    process = start(config, "--pcap", path)
    deadline = time.monotonic() + 20
    while process.poll() is None and len(observations(config)) <= before and time.monotonic() < deadline:
        pass
    process.kill()
    process.communicate(timeout=20)


@pytest.mark.parametrize(
    ("number", "processes", "interface", "means"),
    [
        (signal.SIGTERM, 1, "lo", "lo by ring in 1 process"),
        (signal.SIGINT, 1, "lo", "lo by ring in 1 process"),
        (signal.SIGTERM, 2, "lo", "lo by ring in 2 processes"),
        (signal.SIGTERM, 1, "any", "any by libpcap in 1 process"),
    ],
)
def test_a_live_sensor_ends_when_asked(config, number, processes, interface, means):
    if os.geteuid() != 0:
        pytest.skip("needs the right to capture")
    if interface == "any" and capture.libpcap() is None:
        pytest.skip("libpcap is not installed")
    sensor = SensorConfig(processes=processes)
    shared = Config(state_dir=config.state_dir, run_dir=config.run_dir, sensor=sensor)
    write_effective(shared, Path(config.run_dir))
    ready, ready_end = os.pipe()
    argv = [sys.executable, "-I", "-m", "discovery.launch", "--run-dir", config.run_dir, "--name", "sensor0"]
    process = subprocess.Popen(
        [*argv, "--interface", interface],
        env={"GNOMON_READY_FD": str(ready_end)},
        pass_fds=(ready_end,),
        stderr=subprocess.PIPE,
    )
    os.close(ready_end)
    assert os.read(ready, 1) == b"1"
    os.close(ready)
    process.send_signal(number)
    assert ended(process)[0] == 0
    assert began(config).startswith(means)
    assert [line[1] for line in journalled(config) if line[0] == "notice"] == ["capture_began", "capture_ended"]


def test_only_one_source_is_taken():
    with pytest.raises(SystemExit):
        launch.main(["--run-dir", "/x", "--name", "s", "--interface", "lo", "--pcap", "x"])
