"""The processes of the demo: started on a leash, ended together.

Rules: each has a process group of its own, so that Ctrl-C reaches the demo alone, which ends the others in order; each
ends when the demo is killed; what does not end in time is killed; their environment holds nobody's keys and no proxy.
"""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Final

from appliance.model.errors import OperatorError

END_S: Final = 20.0
_LAST_LINES: Final = 40


def environment() -> dict[str, str]:
    """Ours without keys, proxies, and what would lead Python or TLS elsewhere."""
    unwanted = ("PROXY", "API_KEY", "TOKEN", "SECRET", "PYTHON", "SSL_CERT", "OPENAI_", "CURL_")
    return {name: value for name, value in os.environ.items() if not any(word in name.upper() for word in unwanted)}


def module(name: str, *arguments: object) -> list[str]:
    """The command line of a module of ours, deaf to the caller's environment and folder."""
    return [sys.executable, "-I", "-m", name, *map(str, arguments)]


class Process:
    """A child with pipes. What it says on stderr is kept, the last lines of it."""

    def __init__(self, title: str, command: Sequence[str]) -> None:
        self.title = title
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._popen = subprocess.Popen(  # noqa: S603 - a command line of ours, no shell
            module("appliance.demo.leash", os.getpid(), *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment(),
            process_group=0,
        )
        self._listening = threading.Thread(target=self._listen, args=(self._popen.stderr,), daemon=True)
        self._listening.start()

    def _listen(self, stream: IO[str]) -> None:
        with suppress(ValueError, OSError):  # closed under us at the end
            self._said.extend(line.rstrip() for line in stream)

    def answer(self) -> str:
        """The next line on stdout. OperatorError: it ended instead."""
        stdout = self._popen.stdout
        line = stdout.readline() if stdout is not None else ""
        if not line:
            self._listening.join(1.0)
            raise OperatorError(f"{self.title} ended unexpectedly:\n" + "\n".join(self.last_words(8)))
        return line

    def ask(self, line: str) -> str:
        """Write a line to its stdin and read one from its stdout."""
        if self._popen.stdin is not None:
            with suppress(BrokenPipeError):
                self._popen.stdin.write(line + "\n")
                self._popen.stdin.flush()
        return self.answer()

    def last_words(self, count: int = _LAST_LINES) -> list[str]:
        """The newest lines of its stderr."""
        return list(self._said)[-count:]

    def end(self) -> None:
        """Ask it to end, then make it."""
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(END_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self._popen.wait()
        self._listening.join(1.0)
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
