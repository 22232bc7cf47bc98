"""One child process: start, readiness, its stderr, signals and death, as events on the loop.

Rules: a child inherits only the descriptors that are named, an environment without anybody's keys, and a session of
its own, so that a Ctrl-C at the terminal reaches the supervisor alone. It is known by a pidfd, so that no signal can
ever hit a stranger that got its number; its death is reaped here and nowhere else.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Final

from appliance.bus.lifeline import PARENT_FD, READY_FD

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT: Final = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "CREDENTIALS_DIRECTORY",  # the folder's name only: the keys in it are read by the workers
)
_LINE_LIMIT: Final = 8_192
_LAST_LINES: Final = 5


class Listener:
    """Whom a child's events go to. Exactly one `exited` per child, and nothing after it."""

    def ready(self, name: str) -> None:
        """It serves."""

    def said(self, name: str, line: str) -> None:
        """It wrote a line to stderr."""

    def exited(self, name: str, status: int, last: str) -> None:
        """It is dead: exit code, or minus the signal. `last`: the end of what it wrote to stderr."""


class Child:
    """A running process under `name`. Made by `spawn`, or by `adopt` for one that an earlier image started."""

    def __init__(self, name: str, pid: int, stderr: int, listener: Listener) -> None:
        self.name, self.pid, self.stderr = name, pid, stderr
        self._listener = listener
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = os.pidfd_open(pid)
        self._ready = -1
        self._buffer = b""
        self._last: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        self._loop = asyncio.get_running_loop()
        os.set_blocking(stderr, False)
        self.watch()

    @classmethod
    def spawn(
        cls, name: str, argv: Sequence[str], listener: Listener, *, fds: Sequence[int] = (), parent_fd: int
    ) -> Child:
        """Start `argv` with `fds` and the life line inherited. OSError when the program cannot be started."""
        ready, ready_end = os.pipe()
        stderr, stderr_end = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - argv is ours
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stderr_end,
                stderr=stderr_end,
                pass_fds=(*fds, ready_end, parent_fd),
                env=_environment(ready_end, parent_fd),
                start_new_session=True,
            )
        except OSError:
            os.close(ready)
            os.close(stderr)
            raise
        finally:
            os.close(ready_end)
            os.close(stderr_end)
        child = cls(name, process.pid, stderr, listener)
        child._process, child._ready = process, ready
        child.watch()
        return child

    def watch(self) -> None:
        """Hear its events, from now on or again."""
        self._loop.add_reader(self._pidfd, self._ended)
        self._loop.add_reader(self.stderr, self._read)
        if self._ready >= 0:
            self._loop.add_reader(self._ready, self._told_ready)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that is dead already hears nothing."""
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self._pidfd, number)

    def abandon(self) -> None:
        """Stop watching without ending it: the process image is about to be replaced."""
        for fd in (self._pidfd, self.stderr, self._ready):
            if fd >= 0:
                self._loop.remove_reader(fd)

    def _told_ready(self) -> None:
        told = os.read(self._ready, 16)
        self._close_ready()
        if told:
            self._listener.ready(self.name)

    def _close_ready(self) -> None:
        if self._ready >= 0:
            self._loop.remove_reader(self._ready)
            os.close(self._ready)
            self._ready = -1

    def _read(self) -> None:
        try:
            chunk = os.read(self.stderr, 65_536)
        except BlockingIOError:
            return
        if not chunk:
            self._loop.remove_reader(self.stderr)
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        if len(self._buffer) > _LINE_LIMIT or not chunk:
            lines, self._buffer = [*lines, self._buffer], b""
        for line in filter(None, lines):
            text = line[:_LINE_LIMIT].decode(errors="replace")
            self._last.append(text)
            self._listener.said(self.name, text)

    def _ended(self) -> None:
        found = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        if found is None:
            return
        status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        if self._process is not None:
            self._process.returncode = status  # reaped here: Popen must not look for it
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._drain_stderr()
        self._close_ready()
        self._listener.exited(self.name, status, "\n".join(self._last))

    def _drain_stderr(self) -> None:
        """What it wrote before it died; a grandchild that still holds the pipe is not waited for."""
        for _ in range(64):
            before = (len(self._last), self._buffer)
            self._read()
            if before == (len(self._last), self._buffer):
                break
        self._loop.remove_reader(self.stderr)
        os.close(self.stderr)


def _environment(ready: int, parent: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, READY_FD: str(ready), PARENT_FD: str(parent)}


def describe(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
