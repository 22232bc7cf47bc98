"""Packets out of a ring that the kernel fills and this process reads: TPACKET_V3 of packet(7).

Owns: the layout of the shared memory and whose turn each block is. Rules: a block belongs to whoever its status names,
and goes back whole when its last packet was taken; nothing the kernel does not vouch for is read beyond a block; no
system call per packet. What the network card or the kernel took off a frame (the outer VLAN tag) is put back, so that
parsers see what was on the wire. Sources: linux/if_packet.h; Documentation/networking/packet_mmap.rst of the kernel.
"""

import mmap
import socket
import struct
import threading
from typing import Final

from discovery.files import Frame

BLOCK_BYTES: Final = 1 << 18  # holds any frame that the kernel puts together from segments, with its heads
BLOCKS: Final = 256  # 64 MiB in all
FEW_BLOCKS: Final = 32  # 8 MiB, of the second ring
RETIRE_MS: Final = 50  # a block with packets waits no longer to be handed over: 12.8 s of a quiet network fit

SOL_PACKET: Final = 263
_RX_RING, _STATISTICS, _VERSION, _V3 = 5, 6, 10, 2
_FRAME_BYTES: Final = 2_048  # V3 does not cut frames to it, but wants one that divides a block
_OURS: Final = 1  # TP_STATUS_USER
TAGGED, TAG_TYPED = 1 << 4, 1 << 6  # TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID
_VLAN: Final = 0x8100
_ADDRESSES: Final = 12  # bytes before an Ethernet head's type

_HEAD_WORD: Final = 2  # of 32 bits: where a block's status is, behind version and offset
_block = struct.Struct("=II").unpack_from  # packets, offset of the first; behind the status
# next, seconds, nanoseconds, bytes kept, bytes on the wire, status, where the link's head is; hash, tag, its type
_packet = struct.Struct("=IIIIIIH2xIIH").unpack_from
_tag = struct.Struct(">HH").pack


def prepare(opened: socket.socket, blocks: int = BLOCKS) -> None:
    """Have the kernel fill a ring for a packet socket that is not bound yet. OSError: it has none, or no memory."""
    opened.setsockopt(SOL_PACKET, _VERSION, _V3)
    frames = BLOCK_BYTES // _FRAME_BYTES * blocks
    request = struct.pack("@7I", BLOCK_BYTES, blocks, _FRAME_BYTES, frames, RETIRE_MS, 0, 0)
    opened.setsockopt(SOL_PACKET, _RX_RING, request)


def prepared(opened: socket.socket) -> bool:
    """Whether a packet socket, perhaps inherited, has a ring."""
    return opened.getsockopt(SOL_PACKET, _VERSION) == _V3


def dropped(opened: socket.socket) -> int:
    """Packets lost since the last question, because every block was waiting to be read."""
    told = opened.getsockopt(SOL_PACKET, _STATISTICS, 12)
    return int(struct.unpack_from("@II", told)[1])


def mapped(opened: socket.socket, blocks: int = BLOCKS) -> mmap.mmap:
    """The ring of a prepared socket in this process's memory, which it then shares with the kernel."""
    return mmap.mmap(opened.fileno(), BLOCK_BYTES * blocks, trackfd=False)


def with_tag(frame: bytes, tag: int, kind: int) -> bytes:
    """An Ethernet frame with the VLAN tag that was taken off it; `kind`: its EtherType, 0 for the usual one."""
    return frame[:_ADDRESSES] + _tag(kind or _VLAN, tag & 0xFFFF) + frame[_ADDRESSES:]


class Ring:
    """The reader's place in a ring. `memory`: all of its blocks, writable."""

    def __init__(self, memory: mmap.mmap | bytearray, linktype: int, *, tags: bool, block: int = BLOCK_BYTES) -> None:
        self._memory, self._linktype, self._tags, self._block = memory, linktype, tags, block
        self._words = memoryview(memory).cast("I")
        self._count = len(memory) // block
        self._index = 0  # of the block that is ours next
        self._left = 0  # packets of it that were not taken yet
        self._at = 0  # where the next of them is
        self._order = threading.Lock()
        self._order.acquire()

    def frames(self, limit: int) -> list[Frame]:
        """Up to `limit` packets that wait: (epoch seconds, link type, bytes)."""
        found: list[Frame] = []
        while len(found) < limit and (self._left or self._begin()):
            self._walk(found, limit - len(found))
            if not self._left:
                self._hand_back()
        return found

    def close(self) -> None:
        """Let go of the memory."""
        self._words.release()
        if isinstance(self._memory, mmap.mmap):
            self._memory.close()

    def _begin(self) -> bool:
        """Take the next block, if it is ours; one without packets goes back."""
        start = self._index * self._block
        if not self._words[(start >> 2) + _HEAD_WORD] & _OURS:
            return False
        self._fence()
        self._left, first = _block(self._memory, start + 12)
        self._at = start + first
        if not self._left:  # its time ran out
            self._hand_back()
        return self._left > 0

    def _walk(self, found: list[Frame], limit: int) -> None:
        memory, linktype, tags, at = self._memory, self._linktype, self._tags, self._at
        most = min(self._left, limit)
        for _ in range(most):
            onwards, seconds, nanos, kept, _, status, link, _, tag, kind = _packet(memory, at)
            data = bytes(memory[at + link : at + link + kept])
            if tags and status & TAGGED:
                data = with_tag(data, tag, kind if status & TAG_TYPED else 0)
            found.append((seconds + nanos * 1e-9, linktype, data))
            at += onwards
        self._left -= most
        self._at = at

    def _hand_back(self) -> None:
        self._fence()
        self._words[(self._index * self._block >> 2) + _HEAD_WORD] = 0
        self._index = (self._index + 1) % self._count

    def _fence(self) -> None:
        """Neither this processor nor its compiler moves a read or write past this: what a lock does, and no more."""
        self._order.release()
        self._order.acquire()
