"""What a child process owes its supervisor: to say when it serves, and to notice when nobody watches it any more.

Rules: both go over inherited pipes, named by two environment variables; a program started by hand has neither and
runs all the same. The supervisor's death shows as end-of-file, whatever it died of, and never by a signal that could
race.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

READY_FD: Final = "GNOMON_READY_FD"
PARENT_FD: Final = "GNOMON_PARENT_FD"


def tell_ready() -> None:
    """Write the one byte that says: I serve. Does nothing when nobody asked or nobody listens."""
    if (fd := _taken(READY_FD)) is not None:
        try:
            os.write(fd, b"1")
        except OSError:
            pass
        finally:
            os.close(fd)


def on_parent_gone(callback: Callable[[], None]) -> None:
    """Have `callback` called once on the running loop when the supervisor is no more."""
    if (fd := _taken(PARENT_FD)) is None:
        return
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        callback()

    loop.add_reader(fd, gone)


def _taken(name: str) -> int | None:
    """The descriptor in `name`, which then leaves the environment."""
    value = os.environ.pop(name, "")
    return int(value) if value.isdecimal() else None
