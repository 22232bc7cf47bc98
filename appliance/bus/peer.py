"""Who is at the other end, as the kernel tells it, and how a socket file is named and made.

Owns: SO_PEERCRED, the making of a socket file with its final mode, the judgement whether a socket file is stale.
Rules: credentials are those of the moment of connect and are never taken from a message; a socket file is never wider
than asked for, not even for a moment; a file that somebody listens on is never replaced.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import secrets
import socket
import stat
import struct
from typing import TYPE_CHECKING

import msgspec

from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CREDENTIALS = struct.Struct("iII")  # struct ucred, <linux/socket.h>
_SUN_PATH = 107  # sizeof(sockaddr_un.sun_path) - 1
_BACKLOG = 256


class Peer(msgspec.Struct, frozen=True):
    """Process, user and group of a caller at the time it connected."""

    pid: int
    uid: int
    gid: int

    @property
    def user(self) -> str:
        """The user's name, or `uid:N` where the system knows none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid:{self.uid}"


def peer_of(sock: socket.socket) -> Peer:
    """Credentials of a connected AF_UNIX socket's other end."""
    return Peer(*_CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)))


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """A name for `path` that fits into a socket address, however long the path is."""
    if len(os.fsencode(path)) <= _SUN_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path, mode: int, group: str | None = None) -> socket.socket:
    """A listening socket at `path`; a stale file is replaced at one stroke.

    OperatorError when another process listens there, something else lies there, or group or folder do not allow it.
    """
    _refuse_living(path)
    scratch = path.with_name(f".{path.name[:20]}.{secrets.token_hex(4)}")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _bind(sock, scratch, mode, group)
        sock.listen(_BACKLOG)
        scratch.rename(path)
    except OSError as error:
        sock.close()
        scratch.unlink(missing_ok=True)
        raise OperatorError(
            f"{path}: cannot make the socket: {error.strerror}; check the folder's owner and mode"
        ) from None
    except BaseException:
        sock.close()
        scratch.unlink(missing_ok=True)
        raise
    return sock


def _bind(sock: socket.socket, scratch: Path, mode: int, group: str | None) -> None:
    # Linux gives the file the mode of the socket's inode less the umask, so set it before bind: no moment too wide.
    os.fchmod(sock.fileno(), mode)
    with address(scratch) as name:
        sock.bind(name)
    if group is not None:
        os.chown(scratch, -1, group_id(group, str(scratch.parent)))
    scratch.chmod(mode)  # the umask may have narrowed it


def group_id(group: str, place: str) -> int:
    """The number of a system group; OperatorError, beginning with `place`, when there is none of that name."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise OperatorError(f"{place}: no group {group!r} on this system; create it or leave it out") from None


def _refuse_living(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OperatorError(f"{path}: something that is not a socket lies there; move it away")
    except FileNotFoundError:
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(1.0)
    with probe, address(path) as name:
        try:
            probe.connect(name)
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError:
            pass  # a full backlog or no permission: somebody is there
    raise OperatorError(f"{path}: another process listens there; stop it first (`gnomon status` names it)")
