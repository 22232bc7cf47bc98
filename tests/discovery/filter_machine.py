"""A machine for classic BPF (linux/filter.h), so that a filter can be tried on packets without kernel or libpcap."""

import struct
from collections.abc import Callable

_SIZES = {0x00: 4, 0x08: 2, 0x10: 1}
_JUMPS: dict[int, Callable[[int, int], bool]] = {
    0x10: lambda a, b: a == b,
    0x20: lambda a, b: a > b,
    0x30: lambda a, b: a >= b,
    0x40: lambda a, b: bool(a & b),
}
_SUMS: dict[int, Callable[[int, int], int]] = {
    0x00: lambda a, b: a + b,
    0x10: lambda a, b: a - b,
    0x20: lambda a, b: a * b,
    0x40: lambda a, b: a | b,
    0x50: lambda a, b: a & b,
    0x60: lambda a, b: a << b,
    0x70: lambda a, b: a >> b,
}


def instructions(program: bytes) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("<HBBI", program))


def passes(program: list[tuple[int, int, int, int]], packet: bytes) -> bool:  # noqa: C901 - a machine
    a = x = at = 0
    memory = [0] * 16
    while True:
        code, yes, no, k = program[at]
        kind, mode, at = code & 7, code & 0xE0, at + 1
        if kind == 6:  # return
            return bool(a if code & 0x18 == 0x10 else k)
        if kind in {0, 1} and mode in {0x20, 0x40}:  # load from the packet
            start, size = k + (x if mode == 0x40 else 0), _SIZES[code & 0x18]
            if start + size > len(packet):
                return False
            a = int.from_bytes(packet[start : start + size])
        elif kind == 1 and mode == 0xA0:  # the length of an IPv4 head
            if k >= len(packet):
                return False
            x = 4 * (packet[k] & 0xF)
        elif kind in {0, 1}:
            value = {0x00: k, 0x60: memory[k & 15], 0x80: len(packet)}[mode]
            a, x = (value, x) if kind == 0 else (a, value)
        elif kind in {2, 3}:
            memory[k] = a if kind == 2 else x
        elif kind == 4:
            a = -a & 0xFFFFFFFF if code & 0xF0 == 0x80 else _SUMS[code & 0xF0](a, x if code & 8 else k) & 0xFFFFFFFF
        elif kind == 5:
            operand = x if code & 8 else k
            at += k if code & 0xF0 == 0 else yes if _JUMPS[code & 0xF0](a, operand) else no
        else:
            a, x = (x, x) if code & 0x80 else (a, a)
