"""Which packets of servers of interest the kernel copies to the second ring: a program for it, made of addresses.

Owns: the program of the second ring. Rules: pure; a packet passes where it is TCP in plain IPv4 or IPv6, comes from or
goes to one of the addresses, and pushes data (PSH) without beginning or ending a connection: what is written word by
word is pushed word by word, and of what is sent in bulk only the last segment of a burst, so that a download costs
little. `SNAPLEN` bytes of it are kept: the heads, and the first record's. No program passes more than that: what does
not match is refused, and without an address everything is. Fragments, tunnels and heads behind further heads do not
pass; the first ring has all of them. Sources: bpf(4), linux/filter.h; RFC 9293 section 3.1.
"""

import struct
from collections.abc import Iterable
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from discovery.kernel_filter import ETHERNET

SNAPLEN: Final = 96
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _LOAD_BYTE_FROM, _HEAD_LENGTH = 0x20, 0x28, 0x30, 0x50, 0xB1
_AND, _EQUAL, _ANY_BIT, _JUMP, _RETURN = 0x54, 0x15, 0x45, 0x05, 0x06
_IPV4, _IPV6, _TCP = 0x0800, 0x86DD, 6
_ENDING, _PUSHED = 0x0F, 0x08  # FIN, SYN, RST and PSH; only the last of them
_V4_BYTES: Final = 4

type _Step = tuple[int, int, int, int]


def program(linktype: int, addresses: Iterable[str]) -> bytes:
    """For `kernel_filter.ETHERNET`, else for bare IP packets; 8 bytes per instruction, little-endian."""
    packed = [inet_pton(AF_INET6 if ":" in each else AF_INET, each) for each in dict.fromkeys(addresses)]
    four = _four([one for one in packed if len(one) == _V4_BYTES], 14 if linktype == ETHERNET else 0)
    six = _six([one for one in packed if len(one) != _V4_BYTES], 14 if linktype == ETHERNET else 0)
    which: list[_Step] = (
        [(_LOAD_HALF, 0, 0, 12)] if linktype == ETHERNET else [(_LOAD_BYTE, 0, 0, 0), (_AND, 0, 0, 0xF0)]
    )
    names = (_IPV4, _IPV6) if linktype == ETHERNET else (0x40, 0x60)
    # a conditional jump reaches no further than 255 instructions
    which += [(_EQUAL, 0, 1, names[0]), (_JUMP, 0, 0, 3), (_EQUAL, 0, 1, names[1]), (_JUMP, 0, 0, len(four) + 1)]
    steps = [*which, *_REFUSED, *four, *six] if packed else _REFUSED
    return b"".join(struct.pack("<HBBI", *each) for each in steps)


_REFUSED: Final[list[_Step]] = [(_RETURN, 0, 0, 0)]
_KEPT: Final[_Step] = (_RETURN, 0, 0, SNAPLEN)


def _four(addresses: list[bytes], at: int) -> list[_Step]:
    steps: list[_Step] = [
        *((_LOAD_BYTE, 0, 0, at + 9), (_EQUAL, 1, 0, _TCP), *_REFUSED),
        *((_LOAD_HALF, 0, 0, at + 6), (_ANY_BIT, 0, 1, 0x3FFF), *_REFUSED),
        *((_HEAD_LENGTH, 0, 0, at), (_LOAD_BYTE_FROM, 0, 0, at + 13)),
        *((_AND, 0, 0, _ENDING), (_EQUAL, 1, 0, _PUSHED), *_REFUSED),
    ]
    for place in (at + 12, at + 16):
        steps.append((_LOAD_WORD, 0, 0, place))
        for each in addresses:
            steps += [(_EQUAL, 0, 1, int.from_bytes(each)), _KEPT]
    return steps + _REFUSED


def _six(addresses: list[bytes], at: int) -> list[_Step]:
    steps: list[_Step] = [
        *((_LOAD_BYTE, 0, 0, at + 6), (_EQUAL, 1, 0, _TCP), *_REFUSED),
        *((_LOAD_BYTE, 0, 0, at + 53), (_AND, 0, 0, _ENDING), (_EQUAL, 1, 0, _PUSHED), *_REFUSED),
    ]
    for place in (at + 8, at + 24):
        for each in addresses:
            for word in (12, 8, 4, 0):  # the last word differs most
                wanted = int.from_bytes(each[word : word + 4])
                steps += [(_LOAD_WORD, 0, 0, place + word), (_EQUAL, 0, 2 * (word // 4) + 1, wanted)]
            steps.append(_KEPT)
    return steps + _REFUSED
