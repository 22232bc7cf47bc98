"""Which system calls the process that parses packets may still make: a filter program for the kernel.

Owns: the list. Rules: pure; what is not on the list fails with EPERM, so a library that asks for more gets an error
and no freedom; nothing on it opens, connects, starts, signals or looks into another process. Sources: seccomp(2);
numbers from <asm/unistd_64.h> (x86_64) and <asm-generic/unistd.h> (aarch64), instructions from <linux/bpf_common.h>.
"""

import struct
from typing import Final

INSTRUCTION: Final = 8  # bytes of one
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # where they stand in struct seccomp_data
_ALLOW: Final = 0x7FFF_0000
_REFUSE: Final = 0x0005_0000 | 1  # EPERM
_KILL: Final = 0x8000_0000
_X32: Final = 0x4000_0000  # calls of another table under the same architecture

_MACHINES: Final[dict[str, int]] = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}  # AUDIT_ARCH_*
# Name -> number on x86_64 and aarch64; -1: there is none.
_CALLS: Final[dict[str, tuple[int, int]]] = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "lseek": (8, 62),
    "close": (3, 57),
    "fstat": (5, 80),
    "newfstatat": (262, 79),  # of what is open: a path leads nowhere that this user may not read anyway
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "poll": (7, -1),
    "ppoll": (271, 73),
    "recvfrom": (45, 207),
    "recvmsg": (47, 212),
    "recvmmsg": (299, 243),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "shutdown": (48, 210),
    "getsockopt": (55, 209),
    "getsockname": (51, 204),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "brk": (12, 214),
    "futex": (202, 98),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "setitimer": (38, 103),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "sched_yield": (24, 124),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "exit": (60, 93),
    "exit_group": (231, 94),
}


def program(machine: str) -> bytes | None:
    """The filter for a machine as uname(2) names it; None for one whose numbers are not known here."""
    architecture = _MACHINES.get(machine)
    if architecture is None:
        return None
    column = list(_MACHINES).index(machine)
    numbers = sorted(call[column] for call in _CALLS.values() if call[column] >= 0)
    head = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, yes=len(numbers)),
    ]
    checks = [_step(_EQUAL, number, yes=len(numbers) - at) for at, number in enumerate(numbers)]
    return b"".join([*head, *checks, _step(_RETURN, _REFUSE), _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, *, yes: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, 0, value)
