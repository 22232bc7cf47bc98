"""`gnomon up` in a terminal: the analysts' terminal opens in it, and the appliance outlives it."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from pty_terminal import PtyTerminal
from system.conftest import CLEAN, GNOMON, free_port
from tests_support import ROOT

pytestmark = pytest.mark.system


@pytest.fixture
def up(tmp_path):
    config = tmp_path / "gnomon.yaml"
    listen = f"{{proxy: '127.0.0.1:{free_port()}', gateway: '127.0.0.1:{free_port()}'}}"
    config.write_text(f"listen: {listen}\nstate_dir: {tmp_path}/state\nrun_dir: {tmp_path}/run\ndrain_s: 2\n")
    opened = []

    def start(*flags):
        opened.append(PtyTerminal([*GNOMON, "up", "--config", str(config), *flags], cwd=ROOT, env=CLEAN))
        return opened[-1]

    start.config, start.folder = config, tmp_path
    yield start
    for each in opened:
        if each.process.poll() is None:
            each.process.terminate()
            each.wait()
        each.close()


def status(up) -> dict:
    command = [*GNOMON, "status", "--json", "--config", str(up.config)]
    return json.loads(subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60).stdout)


def terminal_of(up) -> int:
    """The pid of the terminal that runs in it, by the only command line that names its folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"tui" in words and os.fsencode(up.folder / "run") in words:
                return int(entry.name)
    raise AssertionError("no terminal runs")


def test_leaving_stops_the_appliance_when_asked(up):
    shown = up()
    shown.until_text("no finding yet", 60)
    shown.until_text("OBSERVE")
    assert b"gnomon.supervisor" not in shown.seen.partition(b"\x1b[?1049h")[2]
    shown.type("q")
    shown.until_text("Leave it running")
    shown.type("\x1b[C\x1b[C\r")
    assert shown.wait(60) == 0
    assert shown.restored() == []
    assert b"draining" in shown.seen
    assert b"draining" not in (up.folder / "state" / "gnomon.log").read_bytes()


def test_the_appliance_outlives_its_terminal(up):
    shown = up()
    shown.until_text("no finding yet", 60)
    os.kill(terminal_of(up), signal.SIGKILL)
    shown.until_text("`gnomon tui` opens another")
    assert shown.restored() == []
    assert status(up)["phase"] == "up"
    shown.type("\x03")
    assert shown.wait(60) == 0


@pytest.mark.conformance
def test_an_upgrade_keeps_the_terminal(up):
    shown = up()
    shown.until_text("no finding yet", 60)
    before, pid = terminal_of(up), shown.process.pid
    command = [*GNOMON, "reload", "--upgrade", "--config", str(up.config)]
    assert subprocess.run(command, cwd=ROOT, timeout=60).returncode == 0
    shown.read_until(
        lambda: any(each["name"] == "w1" and each["state"] == "ready" for each in status(up)["children"]), 60
    )
    assert (terminal_of(up), status(up)["pid"]) == (before, pid)
    shown.type("q")
    shown.until_text("Leave it running")
    shown.type("\x1b[C\r")
    shown.until_text("the appliance goes on; Ctrl-C stops it")
    shown.type("\x03")
    assert shown.wait(60) == 0
    assert shown.restored() == []


@pytest.mark.conformance
def test_plain_lines_when_asked(up):
    shown = up("--plain")
    shown.until_text("w0 is ready", 60)
    shown.until_text("is up:")
    assert b"\x1b[?1049h" not in shown.seen
    shown.type("\x03")
    assert shown.wait(60) == 0
