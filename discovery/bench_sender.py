"""Sends a capture's packets onto an interface at a steady rate: `python -m discovery.bench_sender INTERFACE FILE`.

Owns: the load of `gnomon bench live`. Rules: for a network namespace of its own, never for a network; one system call
for many packets (sendmmsg(2)). Each line `TURNS RATE` on stdin sends the whole capture so many times, at so many
packets a second (0: as fast as it goes), and is answered by `PACKETS SECONDS`. From turn to turn the middle octets of
both addresses change, so that a connection comes again after 65,536 turns.
"""

import ctypes
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Final

from discovery import files

SLOT: Final = 2_048  # bytes, for one packet
BATCH: Final = 256  # packets of one system call
_QDISC_BYPASS, _SOL_PACKET = 20, 263
_OCTETS: Final = (27, 28, 31, 32)  # of IPv4 behind Ethernet: the second and third of either address

_libc = ctypes.CDLL(None, use_errno=True)


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """struct mmsghdr of sendmmsg(2)."""

    _fields_ = [
        *(("name", ctypes.c_void_p), ("name_length", ctypes.c_uint)),
        *(("vectors", ctypes.c_void_p), ("count", ctypes.c_size_t)),
        *(("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t)),
        *(("flags", ctypes.c_int), ("sent", ctypes.c_uint)),
    ]


class Sender:
    """Packets laid out for the kernel. `frames`: of at most `SLOT` bytes."""

    def __init__(self, interface: str, frames: Sequence[bytes]) -> None:
        self._count, self._turn = len(frames), 0
        self._memory = bytearray(SLOT * len(frames))
        for at, frame in enumerate(frames):
            self._memory[at * SLOT : at * SLOT + len(frame)] = frame
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._vectors = (_Vector * len(frames))()
        self._messages = (_Message * len(frames))()
        for at, frame in enumerate(frames):
            self._vectors[at].base, self._vectors[at].length = base + at * SLOT, len(frame)
            self._messages[at].vectors = ctypes.addressof(self._vectors) + at * ctypes.sizeof(_Vector)
            self._messages[at].count = 1
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.bind((interface, 0))
        self._socket.setsockopt(_SOL_PACKET, _QDISC_BYPASS, 1)

    def send(self, turns: int, rate: float) -> tuple[int, float]:
        """All packets `turns` times at `rate` a second (0: no limit); how many, and the seconds it took. OSError."""
        begun, sent = time.perf_counter(), 0
        for _ in range(turns):
            self._renew()
            for at in range(0, self._count, BATCH):
                wait = begun + sent / rate - time.perf_counter() if rate else 0
                if wait > 0:
                    time.sleep(wait)
                sent += self._batch(at, min(BATCH, self._count - at))
        return sent, time.perf_counter() - begun

    def _batch(self, at: int, count: int) -> int:
        done = 0
        while done < count:
            first = ctypes.byref(self._messages, (at + done) * ctypes.sizeof(_Message))
            told = _libc.sendmmsg(self._socket.fileno(), first, count - done, 0)
            if told <= 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            done += told
        return count

    def _renew(self) -> None:
        self._turn += 1
        for octet, value in zip(_OCTETS, (self._turn, self._turn >> 8) * 2, strict=True):
            self._memory[octet::SLOT] = bytes([value & 0xFF]) * self._count


def main(interface: str, path: str) -> None:
    """Until stdin ends."""
    sender = Sender(interface, [frame for batch in files.batches(path) for _, _, frame in batch])
    for line in sys.stdin:
        turns, rate = line.split()
        packets, seconds = sender.send(int(turns), float(rate))
        sys.stdout.write(f"{packets} {seconds}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:3])
