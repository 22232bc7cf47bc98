"""A person at a terminal, in tmux: looks at the screen until something is there, presses keys, and counts them.

Rules: each terminal is a tmux server of its own, under a name of its own, ended with all it runs; a look is bounded.
"""

import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

PATIENCE_S = 30.0


def why_not() -> str | None:
    """Why there can be no terminal here; None: there can."""
    return None if shutil.which("tmux") else "needs the program tmux"


class Terminal:
    """A program on a screen of `columns` by `rows`."""

    def __init__(self, folder: Path, command: list[str], cwd: Path, columns: int = 160, rows: int = 45) -> None:
        self._socket = folder / f"tmux-{os.getpid()}"
        self.pressed = 0
        size = ("-x", str(columns), "-y", str(rows))
        line = f'{shlex.join(command)}; echo "[ended with $?]"; exec sleep {2 * PATIENCE_S:.0f}'
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(cwd), line)

    def press(self, *keys: str) -> None:
        """Press keys one by one, by tmux's names (Enter, Escape, Down, r)."""
        for key in keys:
            self._tmux("send-keys", key)
            self.pressed += 1

    def screen(self) -> str:
        """What stands on it."""
        return self._tmux("capture-pane", "-p")

    def modes(self) -> str:
        """The alternate screen, the mouse and the cursor: `0 0 1` when a program has put all back."""
        return self._tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}").strip()

    def see(self, pattern: str) -> str:
        """Look until `pattern` is on the screen; the screen."""
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(pattern, shown := self.screen()):
            assert time.monotonic() < deadline, f"never saw {pattern!r}; the screen:\n{shown}"
            time.sleep(0.02)
        return shown

    def _tmux(self, *words: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env=environment | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")
