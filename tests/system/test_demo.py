"""`gnomon demo --headless`: every step as expected; ended at any time it leaves nothing behind; says what it lacks."""

import csv
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from system import tmux_world
from system.conftest import CLEAN, GNOMON
from tests_support import ROOT

from appliance.demo.story import STEPS

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs the program curl"),
]
WAIT_S = 100


class Demo:
    """A running `gnomon demo` with a folder of its own for temporary files."""

    def __init__(self, folder: Path, words) -> None:
        self.folder = folder / "tmp"
        self.folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*GNOMON, "demo", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=CLEAN | {"TMPDIR": str(self.folder)},
        )

    def end(self) -> tuple[int, str, str]:
        """Exit code and what it said, once it has ended."""
        said, errors = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, said, errors

    def left(self) -> list[str]:
        """What it has left behind."""
        return left(self.folder)


def left(folder: Path) -> list[str]:
    """What lies in a folder, and the processes that name what is in it."""
    lines = [_words(process) for process in Path("/proc").glob("[0-9]*")]
    return [path.name for path in folder.iterdir()] + [line for line in lines if f"{folder}/" in line]


def _words(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def demo(tmp_path):
    """`demo(word, ...)` starts one; what a test leaves running is ended."""
    started = []

    def start(*words) -> Demo:
        started.append(Demo(tmp_path, words))
        return started[-1]

    yield start
    for each in started:
        each.process.terminate()
        each.process.communicate(timeout=WAIT_S)


def test_every_step_goes_as_expected_and_the_evidence_is_there(demo, tmp_path):
    out = tmp_path / "report"
    told = demo("--headless", "--out", out)
    code, said, errors = told.end()
    assert f"{len(STEPS) + 1} of {len(STEPS) + 1} steps went as expected" in said, said + errors
    assert (code, said.count("\nok "), errors) == (0, len(STEPS) + 1, "")
    assert {path.suffix for path in out.rglob("*.*")} >= {".duckdb", ".csv", ".html"}
    with (out / "v_exchanges.csv").open(newline="") as file:
        who = {(row["department"], row["identity_method"]) for row in csv.DictReader(file)}
    assert who == {("design", "address"), ("sales", "address")}  # Maria and Jonas, and nobody without a name
    assert told.left() == []


@pytest.mark.conformance
def test_ended_in_the_middle_it_leaves_nothing(demo):
    told = demo("--headless")
    assert told.process.stdout.readline().startswith("starting")
    assert told.process.stdout.readline().startswith("ok ")
    told.process.send_signal(signal.SIGINT)
    code, _, errors = told.end()
    assert (code, errors) == (128 + signal.SIGINT, "")
    assert told.left() == []


def test_what_it_cannot_do_is_one_line(demo, tmp_path):
    full, junk = tmp_path / "full", tmp_path / "junk.pcap"
    full.mkdir()
    (full / "file").touch()
    junk.write_bytes(b"no capture at all" * 9)
    for words, why in (
        ([], "needs a terminal"),
        (["--out", tmp_path / "x"], "--out goes with --headless"),
        (["--headless", "--out", full], "must be a new or an empty folder"),
        (["--headless", "--capture", tmp_path / "none.pcap"], "No such file"),
        (["--headless", "--capture", junk], "not a pcap file"),
    ):
        told = demo(*words)
        code, _, errors = told.end()
        assert (code, errors.count("\n")) == (2, 1), errors
        assert why in errors
        assert told.left() == []


@pytest.fixture
def on_screen(tmp_path):
    """`gnomon demo` at a terminal, its process id, and its folder for temporary files."""
    if reason := tmux_world.why_not():
        pytest.skip(reason)
    folder, number = tmp_path / "tmp", tmp_path / "pid"
    folder.mkdir()
    line = f"echo $$ > {number}; TMPDIR={folder} exec {shlex.join([*GNOMON, 'demo'])}"
    with tmux_world.Terminal(tmp_path, ["sh", "-c", line], ROOT) as made:
        made.see(r"ENFORCE(.|\n)*DeepSeek API .* bypass ")
        yield made, int(number.read_text()), folder


def test_on_screen_it_shows_what_is_found_and_ends_with_the_person(on_screen):
    screen, _, folder = on_screen
    screen.press("q")
    shown = screen.see(r"\[ended with \d+\]")
    assert "[ended with 0]" in shown
    assert "went as expected" in shown
    assert "FAILED" not in shown
    assert left(folder) == []


@pytest.mark.conformance
def test_on_screen_and_ended_from_outside_the_terminal_is_as_it_was(on_screen):
    screen, number, folder = on_screen
    os.kill(number, signal.SIGTERM)
    shown = screen.see(r"\[ended with \d+\]")
    assert f"[ended with {128 + signal.SIGTERM}]" in shown
    assert "Traceback" not in shown
    assert screen.modes() == "0 0 1"
    assert left(folder) == []
