"""Giving up what a process may do, for good.

Owns: capabilities, user, limits and system calls of the sensor's two processes and of the analysers. Rules: what is
given up cannot be had again, not by a program that is started either; a step that fails ends the process before it
reads a foreign byte; capabilities belong to a thread, so all of this runs before there is a second one. Sources:
capabilities(7), capset(2), prctl(2), seccomp(2); numbers from <linux/capability.h>, <linux/prctl.h>, <linux/seccomp.h>.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pwd
import resource
from pathlib import Path
from typing import Final

from appliance.confine import syscalls
from appliance.model.errors import OperatorError

MEMORY_BYTES: Final = 1 << 30  # address space of the process that parses
DESCRIPTORS: Final = 16
_VERSION_3: Final = 0x20080522  # two words of each set
_DUMPABLE, _BOUNDING_DROP, _NO_NEW_PRIVS, _SECCOMP, _AMBIENT, _DEATH_SIGNAL = 4, 24, 38, 22, 47, 1
_AMBIENT_CLEAR_ALL, _SECCOMP_FILTER, _SIGKILL = 4, 2, 9

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [("words", ctypes.c_uint32 * 6)]  # effective, permitted, inheritable; then their upper halves


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def user_ids(name: str) -> tuple[int, int]:
    """Uid and gid of a system user; OperatorError when there is none, or it is root."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise OperatorError(f"sensor.user: no user {name!r} on this system; name one that owns nothing") from None
    if found.pw_uid == 0 or found.pw_gid == 0:
        raise OperatorError(f"sensor.user: {name!r} is root; name a user that owns nothing, e.g. nobody")
    return found.pw_uid, found.pw_gid


def become(uid: int, gid: int) -> None:
    """Change to that user and group with no further groups; OperatorError when the system does not allow it."""
    try:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise OperatorError(
            f"sensor.user: cannot become uid {uid}: {error.strerror}; foreign bytes are never read as root: "
            "allow CAP_SETUID and CAP_SETGID, or start as another user with CAP_NET_RAW"
        ) from None


def drop_bounding() -> None:
    """Bar what a program that is started could gain; before `become`, which takes the right to do so."""
    _prctl(_NO_NEW_PRIVS, 1)
    for capability in range(64):
        if not _prctl(_BOUNDING_DROP, capability, may=(errno.EPERM, errno.EINVAL)):
            break  # none left to drop, or not ours to drop: with no_new_privs nothing can be gained from it


def drop_capabilities() -> None:
    """Empty every set of this thread."""
    drop_bounding()
    _prctl(_AMBIENT, _AMBIENT_CLEAR_ALL, may=(errno.EINVAL,))
    header, none = _Header(_VERSION_3, 0), _Sets()
    if _libc.capset(ctypes.byref(header), ctypes.byref(none)) != 0 or any(_held()):
        raise OperatorError("this process cannot give up its privileges; foreign bytes are never read with them")


def _held() -> list[int]:
    header, sets = _Header(_VERSION_3, 0), _Sets()
    if _libc.capget(ctypes.byref(header), ctypes.byref(sets)) != 0:
        return [1]
    return list(sets.words)


def bound(memory: int = MEMORY_BYTES) -> None:
    """Limits of a process that parses: no core, no child, no file written, little memory (bytes), few descriptors."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: DESCRIPTORS,
        resource.RLIMIT_AS: memory,
    }
    for which, most in limits.items():
        hard = resource.getrlimit(which)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (value, value))


def hide() -> None:
    """No core, no debugger, no look into its memory by others of the same user."""
    _prctl(_DUMPABLE, 0)


def die_with_parent() -> None:
    """Be killed when the parent ends, where the system allows that; after `become`, which takes it back."""
    _prctl(_DEATH_SIGNAL, _SIGKILL)


def only_reading() -> bool:
    """Leave only system calls that read what is open, write to it, and keep the process going.

    False where this kernel or processor has no such filter: then nothing is barred. Needs `drop_capabilities` first.
    """
    code = syscalls.program(os.uname().machine)
    if code is None:
        return False
    program = _Filter(len(code) // syscalls.INSTRUCTION, code)
    return _prctl(_SECCOMP, _SECCOMP_FILTER, ctypes.addressof(program), may=(errno.EINVAL, errno.ENOSYS))


def silence() -> None:
    """Point stdin, stdout and stderr nowhere, and leave every folder."""
    fd = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(fd, standard)
    if fd > 2:  # noqa: PLR2004 - stderr
        os.close(fd)
    os.chdir("/")


def has_net_raw() -> bool:
    """Whether this process may open a packet socket: CAP_NET_RAW is effective."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return bool(int(next(line for line in lines if line.startswith("CapEff:")).split()[1], 16) >> 13 & 1)
    return False


def _prctl(option: int, value: int, argument: int = 0, *, may: tuple[int, ...] = ()) -> bool:
    """prctl(2); False for a failure named in `may`, OperatorError for any other."""
    words = [ctypes.c_ulong(word) for word in (value, argument, 0, 0)]
    if _libc.prctl(ctypes.c_int(option), *words) == 0:
        return True
    code = ctypes.get_errno()
    if code in may:
        return False
    raise OperatorError(f"this process cannot give up its privileges: prctl {option}: {os.strerror(code)}")
