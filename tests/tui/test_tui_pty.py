"""The terminal in a pseudo-terminal: whatever ends it or is shown in it, the terminal is left as it was found."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pty_terminal import PtyTerminal

from appliance.supervisor import console
from tui import app

ROOT = Path(__file__).resolve().parents[2]
FAKE = str(Path(__file__).with_name("fake_store.py"))
TUI = [sys.executable, "-I", "-m", "tui", "--run-dir"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A folder with a store in it, of 40 findings; some of them hostile."""
    folder = tmp_path_factory.mktemp("run")
    process = subprocess.Popen(
        [sys.executable, FAKE, str(folder), "40"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "ready\n"
    process.stdin.write(
        "put [red]\x1b]0;owned\x07\x1b[?1049l\x1b[2J\u202e\u009b31m" + "\u0301" * 300 + "\u4e2d" * 300 + "[/]\n"
    )
    process.stdin.flush()
    yield folder
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def terminal(store):
    opened = []

    def start(*flags, **options):
        opened.append(PtyTerminal([*TUI, str(store), *flags], cwd=ROOT, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_hostile_names_resizes_and_q(terminal):
    shown = terminal()
    shown.until_text("Service 2")
    shown.until_text("[red]\\x1b]0;owned\\x07\\x1b[?1049l\\x1b[2J")
    assert b"\x1b]0;" not in shown.seen
    assert b"\x1b[?1049l" not in shown.seen
    assert "\u202e".encode() not in shown.seen
    assert b"\xc2\x9b" not in shown.seen
    for rows, columns in ((5, 20), (1, 1), (0, 0), (2, 300), (1, 1), (30, 120)):
        shown.resize(rows, columns)
        shown.process.send_signal(signal.SIGWINCH)
    since = len(shown.seen)
    shown.type("1")
    shown.until_text("LAST HOUR", since=since)
    shown.type("q")
    assert shown.wait() == 0
    assert shown.restored() == []
    assert b"Traceback" not in shown.seen


@pytest.mark.parametrize("stop", [signal.SIGSTOP, None])
def test_a_terminal_that_was_stopped_goes_on(terminal, stop):
    shown = terminal()
    shown.until_text("Service 2")
    if stop:
        os.kill(shown.process.pid, stop)
        os.waitid(os.P_PID, shown.process.pid, os.WSTOPPED | os.WNOWAIT)
    since = len(shown.seen)
    os.kill(shown.process.pid, signal.SIGCONT)
    shown.until_text("Service 2", since=since)
    since = len(shown.seen)
    shown.type("3")
    shown.until_text("nothing has been decided yet", since=since)
    shown.type("\x03")
    assert shown.wait() == 0
    assert shown.restored() == []


def test_a_filter_that_comes_in_one_burst_presses_no_keys(terminal):
    shown = terminal()
    shown.until_text("Service 2")
    since = len(shown.seen)
    shown.type("/bad rap\r")  # b, a, d, r, p are keys of the page
    shown.until_text("no finding fits the filter", since=since)
    shown.type("q")
    assert shown.wait() == 0
    assert b"Cancel" not in shown.seen[since:]
    assert shown.restored() == []


@pytest.mark.parametrize(
    "sent",
    [b"\x1b[200~x\x1b[31m\rb\ra\r\x1b[201~", b"\xff\xfe\x80", b"\x1b[200~" + b"a\r\x1b[31mb" * 100_000 + b"\x1b[201~"],
    ids=["escape in a paste", "no utf-8", "a long paste"],
)
def test_what_a_terminal_may_send_presses_no_keys_and_ends_nothing(terminal, sent):
    shown = terminal()
    shown.until_text("Service 2")
    since = len(shown.seen)
    shown.send(sent)
    shown.type("3")
    shown.until_text("nothing has been decided yet", since=since)
    shown.type("q")
    assert shown.wait() == 0
    assert b"Cancel" not in shown.seen[since:]
    assert shown.restored() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_leave_the_terminal_as_it_was(terminal, number):
    shown = terminal()
    shown.until_text("Service 2")
    shown.process.send_signal(number)
    assert shown.wait() == 128 + number
    assert shown.restored() == []
    assert b"Traceback" not in shown.seen


def test_a_terminal_that_goes_away_ends_it(terminal):
    shown = terminal()
    shown.until_text("Service 2")
    os.close(shown.slave)
    os.close(shown.master)
    assert shown.process.wait(20) == 128 + signal.SIGHUP


@pytest.mark.conformance
def test_a_tiny_terminal_from_the_start(terminal):
    shown = terminal(rows=1, columns=1)
    shown.read_until(lambda: b"\x1b[?2004h" in shown.seen)
    shown.type("q")
    assert shown.wait() == 0
    assert shown.restored() == []


@pytest.mark.conformance
def test_without_colour(terminal):
    shown = terminal(env={"NO_COLOR": "1", "COLORTERM": "truecolor"})
    shown.until_text("Service 2")
    colours = set(re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", shown.seen))
    assert all(red == green == blue for red, green, blue in colours)
    shown.type("q")
    assert shown.wait() == 0


@pytest.mark.parametrize(("keys", "code"), [("\x1b[C\r", app.LOG), ("\x1b[C\x1b[C\r", app.STOP)])
def test_in_the_terminal_of_up_leaving_asks(terminal, keys, code):
    shown = terminal("--attached")
    shown.until_text("Service 2")
    shown.type("\x03")
    shown.until_text("Stop the appliance")
    shown.type(keys)
    assert shown.wait() == code
    assert shown.restored() == []


def test_both_sides_of_up_agree_on_the_codes():
    assert (app.STOP, app.LOG) == (console.STOP, console.LOG)


def test_no_terminal_is_told_in_one_line():
    command = [sys.executable, "-m", "appliance.cli", "tui"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    (told,) = done.stderr.splitlines()
    assert "must be a terminal" in told


async def test_a_fault_of_our_own_is_one_line(run_dir, monkeypatch, capsys):
    async def broken(*_):
        raise AssertionError("boom \x1b[2J")

    made = app.GnomonApp(run_dir)
    monkeypatch.setattr(made, "action_leave", broken)

    async def pressed():
        async with made.run_test() as pilot:
            await pilot.press("ctrl+c")
            await asyncio.wait_for(made._exception_event.wait(), 10)

    with pytest.raises(AssertionError, match="boom"):
        await pressed()
    assert isinstance(made.fault, AssertionError)
    assert "Traceback" not in capsys.readouterr().err
