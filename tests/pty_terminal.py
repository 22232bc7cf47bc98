"""A pseudo-terminal with a program in it, and a plain reading of what it shows. Unix only, no sleeps."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

ESCAPES = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][0-9A-Za-z]|[=>78cM])")


class PtyTerminal:
    """`argv` in a terminal of its own. `seen`: every byte that it wrote."""

    def __init__(self, argv, *, rows=30, columns=120, env=None, cwd=None):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.started = time.monotonic()
        name = os.ttyname(self.slave)
        self.process = subprocess.Popen(
            argv,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: _own(name),  # noqa: PLW1509 - the child must own its terminal
            env={**os.environ, "TERM": "xterm-256color", **(env or {})},
            cwd=cwd,
        )

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def plain(self):
        return ESCAPES.sub(b"", self.seen)

    def read_until(self, condition, timeout=20.0):
        """Read until `condition()`; the seconds since the start. AssertionError in the end."""
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"never came; seen last: {self.plain()[-600:]!r}"
            ready, _, _ = select.select([self.master], [], [], min(left, 0.2))
            if ready:
                with contextlib.suppress(OSError):
                    self.seen += os.read(self.master, 65_536)
        return time.monotonic() - self.started

    def until_text(self, text, timeout=20.0, since=0):
        return self.read_until(lambda: text.encode() in ESCAPES.sub(b"", self.seen[since:]), timeout)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def send(self, data, timeout=20.0):
        """Many bytes, read along: a terminal takes no more than its program has taken."""
        deadline = time.monotonic() + timeout
        os.set_blocking(self.master, False)
        try:
            while data:
                assert time.monotonic() < deadline, f"{len(data)} bytes were never taken"
                readable, writable, _ = select.select([self.master], [self.master], [], 0.002)
                if readable:
                    self.seen += os.read(self.master, 65_536)
                if writable:
                    with contextlib.suppress(BlockingIOError):
                        data = data[os.write(self.master, data[:2_048]) :]
        finally:
            os.set_blocking(self.master, True)

    def wait(self, timeout=20.0):
        """Its exit code; what it writes meanwhile is read."""
        self.read_until(lambda: self.process.poll() is not None, timeout)
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 65_536)
        return self.process.returncode

    def restored(self):
        """What is wrong with the terminal now; empty: it is as it was."""
        wrong = []
        if termios.tcgetattr(self.slave) != self.before:
            wrong.append("modes")
        for name, on, off in (
            ("alternate screen", b"\x1b[?1049h", b"\x1b[?1049l"),
            ("cursor", b"\x1b[?25l", b"\x1b[?25h"),
            ("mouse", b"\x1b[?1000h", b"\x1b[?1000l"),
            ("paste", b"\x1b[?2004h", b"\x1b[?2004l"),
        ):
            if self.seen.rfind(on) > self.seen.rfind(off):
                wrong.append(name)
        return wrong

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        for fd in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(fd)


def _own(name):
    """The terminal as the controlling one, this process in its foreground."""
    fd = os.open(name, os.O_RDWR)
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
    os.close(fd)
