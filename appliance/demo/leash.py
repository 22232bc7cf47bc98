"""Runs a program that ends when its parent does: `python -I -m appliance.demo.leash PARENT_PID PROGRAM ...`.

Rules: the kernel sends SIGTERM when the thread that started us ends (prctl(2), PR_SET_PDEATHSIG; it survives execve),
so it is started from a main thread; a parent that died before the call is noticed by its number. The program keeps our
process id.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def main(argv: list[str]) -> None:
    """Become the program. Never returns."""
    parent, *command = argv
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        sys.exit(f"leash: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):
        sys.exit("leash: the parent has gone")
    os.execvp(command[0], command)  # noqa: S606 - the command line is the demo's own


if __name__ == "__main__":
    main(sys.argv[1:])
