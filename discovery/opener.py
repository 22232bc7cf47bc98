"""The process that may, for a sensor over a folder: `python -m discovery.opener`, started by discovery.launch.

Owns: the rights that are needed for as long as such a sensor lives: to open files that others have written, and to
start processes as another user. Rules: it reads no byte of any file and nothing from the network; it opens regular
files of one folder by their plain names, follows no link, and starts one program, `discovery.watch`; it holds one
socket besides the folder, and ends when the other end of it does. Who records has given up its rights and asks here.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME_BYTES: Final = 1024  # of a file's name, and of an answer
_STARTED: Final = b"+"
_REFUSED: Final = b"-"
_LEFT: Final = 5.0  # seconds to end in


class Opener:
    """The asker's side. Not for two threads at a time."""

    def __init__(self, folder: Path, user: tuple[int, int] | None, *, cadence: bool) -> None:
        """Start it, with the rights that this process still has. OperatorError: the folder cannot be opened."""
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise OperatorError(
                f"{folder}: cannot be read: {error.strerror}; name a folder of captures in sensor.folder"
            ) from None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [sys.executable, "-I", "-O", "-m", "discovery.opener", "--socket-fd", str(theirs.fileno())]
        argv += ["--folder-fd", str(fd), *(("--cadence",) if cadence else ())]
        argv += [] if user is None else ["--uid", str(user[0]), "--gid", str(user[1])]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - argv is ours
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(theirs.fileno(), fd), env={}
            )
        finally:
            theirs.close()
            os.close(fd)
        self._sock = ours

    def start(self, name: str) -> socket.socket:
        """What reads that file, as a socket that it reports on. FileNotFoundError: gone. OperatorError: why not."""
        try:
            self._sock.send(os.fsencode(name))
            told, fds, _, _ = socket.recv_fds(self._sock, NAME_BYTES, 1)
        except OSError as error:
            raise OperatorError(f"the process that opens captures has ended: {error.strerror}") from error
        if told == _STARTED and fds:
            return socket.socket(fileno=fds[0])
        for fd in fds:
            os.close(fd)
        if not told:
            raise OperatorError("the process that opens captures has ended")
        words = told[1:].decode("utf-8", "replace")
        if not words:
            raise FileNotFoundError(name)
        raise OperatorError(words)

    def close(self) -> None:
        """Have it end."""
        self._sock.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEFT)


def opened(folder: int, name: str) -> int:
    """A regular file of the folder behind the descriptor, to be read. FileNotFoundError; OperatorError: why not."""
    if not name or "/" in name or "\0" in name or name in {".", ".."}:
        raise OperatorError("no name of a file in the folder")
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OperatorError(f"{name}: cannot be read: {error.strerror}; mend its permissions") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OperatorError(f"{name}: not a regular file")
    os.set_blocking(fd, True)
    return fd


def _answer(folder: int, name: str, user: tuple[int, int] | None, *, cadence: bool) -> tuple[bytes, list[int]]:
    from discovery.launch import Capture, start_watchers

    try:
        capture = Capture((opened(folder, name),), name, name)
        (watcher,) = start_watchers(capture, user, cadence=cadence)
    except FileNotFoundError:
        return _REFUSED, []
    except (OperatorError, OSError) as error:
        return _REFUSED + (str(error) or type(error).__name__).encode("utf-8", "replace")[: NAME_BYTES - 1], []
    return _STARTED, [watcher.sock.detach()]


def serve(sock: socket.socket, folder: int, user: tuple[int, int] | None, *, cadence: bool) -> None:
    """Answer until the asker is gone."""
    while asked := sock.recv(NAME_BYTES):
        told, fds = _answer(folder, os.fsdecode(asked), user, cadence=cadence)
        socket.send_fds(sock, [told], fds)
        for fd in fds:
            os.close(fd)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: the asker has ended."""
    parser = argparse.ArgumentParser(prog="discovery.opener", description="opens captures; started by a sensor")
    parser.add_argument("--socket-fd", type=int, required=True)
    parser.add_argument("--folder-fd", type=int, required=True)
    parser.add_argument("--cadence", action="store_true")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # its asker decides: what is being read may have to be told yet
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a reader ended: its socket tells
    user = None if options.uid is None else (options.uid, options.gid)
    os.set_inheritable(options.folder_fd, False)
    os.set_inheritable(options.socket_fd, False)
    with contextlib.suppress(OSError):
        serve(socket.socket(fileno=options.socket_fd), options.folder_fd, user, cadence=options.cadence)
    return 0


if __name__ == "__main__":
    sys.exit(main())
