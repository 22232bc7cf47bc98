"""What one image of the supervisor leaves to the next when it replaces itself by execve.

Rules: the process keeps its pid, so its children stay its children; locks, listeners, life line and the children's
stderr are kept open by number; the next image trusts nothing but its own pid in the note.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import msgspec

VARIABLE: Final = "GNOMON_LISTEN_FDS"


class Heir(msgspec.Struct, frozen=True):
    """A living child. `kind`: store or w."""

    kind: str
    name: str
    pid: int
    stderr: int


class Handover(msgspec.Struct, frozen=True):
    """Descriptors by purpose, and the children."""

    pid: int
    locks: tuple[int, int]
    lifeline: tuple[int, int]
    listeners: dict[str, int]
    children: tuple[Heir, ...] = ()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Everything that must stay open over the exec."""
        return (*self.locks, *self.lifeline, *self.listeners.values(), *(child.stderr for child in self.children))


def receive() -> Handover | None:
    """What the image before this one left, None for a fresh start. The note is taken from the environment."""
    note = os.environ.pop(VARIABLE, "")
    try:
        found = msgspec.json.decode(note, type=Handover)
    except msgspec.MsgspecError:
        return None
    if found.pid != os.getpid():
        return None
    for fd in found.descriptors:
        os.set_inheritable(fd, False)
    return found


def become(handover: Handover) -> None:
    """Replace this image by the program on disk, run as this one was. OSError: it cannot be; nothing has changed."""
    os.environ[VARIABLE] = msgspec.json.encode(handover).decode()
    try:
        for fd in handover.descriptors:
            os.set_inheritable(fd, True)
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ)  # noqa: S606 - ourselves, no shell
    finally:
        os.environ.pop(VARIABLE, None)
        for fd in handover.descriptors:
            os.set_inheritable(fd, False)
