"""The terminal of `gnomon up`: the analysts' terminal runs in it as a child, log lines go to a file meanwhile.

Rules: the appliance never depends on it: whatever becomes of the child, the appliance goes on, the terminal is made
usable again and the log comes back with a line that says so. Only the child's own word (its exit code) stops the
appliance. The child is known by a pidfd; over an upgrade it is handed on by pid and descriptor, named in the
environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.lifeline import PARENT_FD
from appliance.supervisor.child import describe
from appliance.supervisor.log_file import NAME, STDERR, LogFile

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("gnomon.console")
STOP: Final = 20  # exit code: stop the appliance too
LOG: Final = 21  # exit code: leave it running, its log in this terminal
VARIABLE: Final = "GNOMON_CONSOLE"  # pid and saved stderr, over an upgrade
LOOK_S: Final = 1.0
END_S: Final = 3.0
_KEPT: Final = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "COLORTERM", "NO_COLOR", "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION", "COLORFGBG",
)  # fmt: skip
# Alternate screen, mouse, focus, paste and resize reports off; cursor, wrapping and plain keys on.
_SANE: Final = (
    b"\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[<u\x1b[?1049l\x1b[?7h\x1b[?25h"
    b"\x1b[0m\r"
)


class Console:
    """`program`: the child's command line; `stop`: called when the person asks for the appliance's end."""

    def __init__(self, program: list[str], state_dir: Path, stop: Callable[[], None]) -> None:
        self._program, self._stop = program, stop
        self._file = LogFile(state_dir / NAME)
        self._pid = self._pidfd = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()
        self._closing = False
        self._modes: list[Any] | None = None
        self._loop = asyncio.get_running_loop()

    def open(self, lifeline: int) -> None:
        """Start the child; without one all stays plain. `lifeline`: tells the child of this process's death."""
        with contextlib.suppress(termios.error):
            self._modes = termios.tcgetattr(0)
        try:
            if os.isatty(STDERR):  # else it goes where the caller sent it
                self._file.take()
        except OSError as error:
            _log.warning("%s: %s; the terminal stays plain", self._file.path, error.strerror)
            return
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - argv is ours
                self._program, stderr=1, pass_fds=(lifeline,), env={**environment, PARENT_FD: str(lifeline)}
            )
        except OSError as error:
            self._file.give_back()
            _log.warning("the terminal cannot be started: %s; going on plain", error.strerror)
            return
        self._watch(self._process.pid)

    def resume(self) -> None:
        """Take over the child that the image before this one left, if it left one."""
        pid, _, saved = os.environ.pop(VARIABLE, "").partition(":")
        if not pid.isdecimal():
            return
        self._file.saved = int(saved) if saved.isdecimal() else None
        try:
            self._watch(int(pid))
        except OSError:
            self._over(None)

    def _watch(self, pid: int) -> None:
        self._pid, self._pidfd = pid, os.pidfd_open(pid)
        self._loop.add_reader(self._pidfd, self._ended)
        if self._file.saved is not None:
            os.set_inheritable(self._file.saved, True)
        os.environ[VARIABLE] = f"{pid}:{'' if self._file.saved is None else self._file.saved}"
        self._look()

    def _look(self) -> None:
        self._file.look()
        self._timer = self._loop.call_later(LOOK_S, self._look)

    def _ended(self) -> None:
        found = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        if found is None:
            return
        status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        if self._process is not None:
            self._process.returncode = status  # reaped here: Popen must not look for it
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pid = self._pidfd = -1
        self._over(status)

    def _over(self, status: int | None) -> None:
        """The terminal is ours again."""
        os.environ.pop(VARIABLE, None)
        if self._timer is not None:
            self._timer.cancel()
        if status not in (STOP, LOG):
            mend_terminal(self._modes)
        self._file.give_back()
        self._gone.set()
        if status == STOP:
            self._stop()
        elif status == LOG:
            _log.info("the appliance goes on; Ctrl-C stops it, `gnomon tui` opens the terminal again")
        elif not self._closing:
            told = "" if status is None else f" ({describe(status)})"
            _log.warning("the terminal ended%s; the appliance goes on; `gnomon tui` opens another", told)

    async def close(self) -> None:
        """End the child, in good order if it can."""
        self._closing = True
        if self._pid < 0:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._pidfd, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), END_S)
                return


def mend_terminal(modes: list[Any] | None) -> None:
    """Modes as they were (None: line-wise input, echo, Ctrl-C), and the plain screen, whatever was left behind."""
    with contextlib.suppress(termios.error, OSError):
        if modes is None:
            modes = termios.tcgetattr(0)
            modes[0] |= termios.ICRNL | termios.IXON
            modes[1] |= termios.OPOST | termios.ONLCR
            modes[3] |= termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN
        termios.tcsetattr(0, termios.TCSANOW, modes)
    with contextlib.suppress(OSError):
        os.write(1, _SANE)


def wanted(*, plain: bool) -> bool:
    """There is a person at a terminal who did not ask for plain lines."""
    return not plain and os.isatty(0) and os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"


def program(run_dir: str) -> list[str]:
    """The child's command line; `-I` keeps the caller's environment and working folder out of its imports."""
    return [sys.executable, "-I", "-m", "tui", "--run-dir", run_dir, "--attached"]


def of(state_dir: str, run_dir: str, stop: Callable[[], None]) -> Console:
    """The console of an appliance."""
    return Console(program(run_dir), Path(state_dir), stop)
