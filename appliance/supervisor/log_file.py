"""Where log lines go while something else has the terminal: a file, bounded, in the state folder.

Owns: descriptor 2 between `take` and `give_back`. Rules: everything that writes to stderr is caught, because the
descriptor itself is turned; one older file is kept beside it; a file that cannot be opened is told to the caller and
nothing has changed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "gnomon.log"
LIMIT: Final = 8 << 20  # bytes of the file; at most as much again in the older one
STDERR: Final = 2
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class LogFile:
    """`saved`: the descriptor of the true stderr, kept over an exec; None: nothing is turned yet."""

    def __init__(self, path: Path, *, saved: int | None = None, limit: int = LIMIT) -> None:
        self.path, self.saved, self._limit = path, saved, limit

    def take(self) -> None:
        """From now on stderr goes to the file. OSError: it cannot be opened."""
        fd = os.open(self.path, _FLAGS, 0o600)
        self.saved = os.dup(STDERR)
        os.dup2(fd, STDERR)
        os.close(fd)

    def look(self) -> None:
        """Begin a new file when this one is full; call it now and then. One that cannot be renamed is emptied."""
        if self.saved is None or os.fstat(STDERR).st_size < self._limit:
            return
        try:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            fd = os.open(self.path, _FLAGS, 0o600)
        except OSError:
            os.ftruncate(STDERR, 0)
            return
        os.dup2(fd, STDERR)
        os.close(fd)

    def give_back(self) -> None:
        """Stderr is what it was."""
        if self.saved is not None:
            os.dup2(self.saved, STDERR)
            os.close(self.saved)
            self.saved = None
