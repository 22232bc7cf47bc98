"""The terminal of `gnomon up`: whatever becomes of the child in it, the appliance goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pty_terminal import PtyTerminal

from appliance.supervisor.log_file import LogFile

ROOT = Path(__file__).resolve().parents[3]
STANDIN = str(Path(__file__).with_name("standin_console.py"))
RAW = "import sys, tty, os; tty.setraw(0); os.write(1, b'\\x1b[?1049h\\x1b[?25l\\x1b[?1000h\\x1b[?2004hI am here'); "


@pytest.fixture
def console(tmp_path):
    opened = []

    def start(program, **environment):
        command = [sys.executable, STANDIN, str(tmp_path), sys.executable, "-c", program]
        opened.append(PtyTerminal(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), **environment}))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_its_word_stops_the_appliance(console, tmp_path):
    shown = console("import sys; print('I am here'); sys.exit(20)")
    shown.until_text("told to stop")
    assert shown.wait() == 0
    assert "a line of the log" in (tmp_path / "gnomon.log").read_text()
    assert b"a line of the log" not in shown.seen
    assert b"the last line" in shown.seen
    assert (tmp_path / "gnomon.log").stat().st_mode & 0o077 == 0


def test_left_running_its_log_comes_to_the_terminal(console):
    shown = console("import sys; sys.exit(21)")
    shown.until_text("the appliance goes on; Ctrl-C stops it")
    shown.type("\x03")
    assert shown.wait() == 0
    assert b"told to stop" not in shown.seen


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "sys.exit(1)", "sys.exit(0)"])
def test_its_death_leaves_a_usable_terminal_and_a_line(console, end):
    shown = console(RAW + end)
    shown.until_text("the appliance goes on; `gnomon tui` opens another")
    assert shown.restored() == []
    shown.type("\x03")  # reaches the appliance again
    assert shown.wait() == 0


def test_the_end_of_the_appliance_ends_it(console):
    shown = console("import sys; print('I am here', flush=True); sys.stdin.read()")
    shown.until_text("I am here")
    shown.process.send_signal(signal.SIGINT)
    assert shown.wait() == 0
    assert b"goes on" not in shown.seen
    assert b"the last line" in shown.seen


def test_it_hears_of_the_supervisors_death(console):
    watching = "os.read(int(os.environ['GNOMON_PARENT_FD']), 1); os.write(1, b'orphaned')"
    deaf = "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.write(1, b'I am here'); "
    shown = console(deaf + watching)
    shown.until_text("I am here")
    shown.process.kill()
    shown.until_text("orphaned")


def test_it_gets_no_keys_of_ours(console):
    shown = console("import os, sys; print(sorted(os.environ)); sys.exit(20)", OPENAI_API_KEY="sk-secret")
    assert shown.wait() == 0
    assert b"TERM" in shown.seen
    assert b"OPENAI" not in shown.seen


def test_the_log_file_is_bounded(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from appliance.supervisor.log_file import LogFile\n"
        "log = LogFile(Path(sys.argv[1]) / 'x.log', limit=1000); log.take()\n"
        "for at in range(300):\n os.write(2, b'%03d %s\\n' % (at, b'x' * 95)); log.look()\n"
        "log.give_back(); os.write(2, b'back')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"back")
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["x.log", "x.log.1"]
    assert sum(path.stat().st_size for path in files) <= 2_200
    assert "299 " in "".join(path.read_text() for path in files)


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "x.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        LogFile(tmp_path / "x.log").take()
    assert not (tmp_path / "elsewhere").exists()
    assert os.fstat(2)
