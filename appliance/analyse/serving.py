"""What the processes beside a worker share: their arguments, their socket, and what they give up before they read.

Rules: after `confine` there is no file, network, capability or further process; a step that fails raises OperatorError,
and then nothing foreign is read.
"""

import argparse
import os
import socket
from typing import Final

from appliance.confine import privileges

NICE: Final = 5  # small requests go first


def parser(name: str) -> argparse.ArgumentParser:
    """The arguments that all have."""
    made = argparse.ArgumentParser(prog=name, allow_abbrev=False)
    made.add_argument("--fd", type=int, required=True, help="socket to the worker")
    made.add_argument("--uid", type=int)
    made.add_argument("--gid", type=int)
    return made


def user_of(options: argparse.Namespace) -> tuple[int, int] | None:
    """Whom to become; None: stay who it is."""
    return (options.uid, options.gid) if options.uid is not None else None


def confine(user: tuple[int, int] | None, memory: int, nice: int = NICE) -> None:
    """Give everything up. `memory`: bytes of address space. OperatorError: it could not."""
    os.nice(nice)
    privileges.drop_bounding()
    if user is not None:
        privileges.become(*user)
    privileges.hide()
    privileges.die_with_parent()
    privileges.silence()
    privileges.bound(memory)
    privileges.drop_capabilities()
    privileges.only_reading()


def exactly(sock: socket.socket, size: int) -> bytes:
    """That many bytes. OSError: the worker has left."""
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = sock.recv_into(view)
        if not got:
            raise ConnectionResetError
        view = view[got:]
    return bytes(data)
