"""Packets out of a packet socket one system call each, where there is no ring.

Rules: never blocks; what the kernel took off a frame (the outer VLAN tag) is put back, as `ring` does. Sources:
packet(7), linux/if_packet.h.
"""

import socket
import struct
from collections.abc import Sequence
from typing import Final

from discovery.files import Frame
from discovery.ring import SOL_PACKET, TAG_TYPED, TAGGED, with_tag

MAX_FRAME: Final = 65_536 + 256  # bytes: the largest that the kernel puts together, with its link heads
RECEIVE_BYTES: Final = 64 << 20  # of packets that wait to be read
_TIMESTAMP_NS, _RECEIVE_FORCED, _AUXDATA = 35, 33, 8  # of asm-generic/socket.h and linux/if_packet.h
_BESIDE: Final = 128  # bytes for the time and what was taken off

_seconds = struct.Struct("@qq").unpack
_auxiliary = struct.Struct("@I12xHH").unpack_from  # status, tag, its type


def prepare(opened: socket.socket) -> None:
    """Have the kernel tell times and tags, and keep much that waits."""
    opened.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)
    opened.setsockopt(SOL_PACKET, _AUXDATA, 1)
    try:
        opened.setsockopt(socket.SOL_SOCKET, _RECEIVE_FORCED, RECEIVE_BYTES)
    except PermissionError:  # without CAP_NET_ADMIN: as much as net.core.rmem_max allows
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)


class Plain:
    """The reader of a prepared socket."""

    def __init__(self, opened: socket.socket, linktype: int, *, tags: bool) -> None:
        self._socket, self._linktype, self._tags = opened, linktype, tags
        self._buffer = bytearray(MAX_FRAME)
        self._fault: OSError | None = None

    def frames(self, limit: int) -> list[Frame]:
        """Up to `limit` packets that wait: (epoch seconds, link type, bytes). OSError: what the socket says."""
        if self._fault:
            fault, self._fault = self._fault, None
            raise fault
        receive, view, found = self._socket.recvmsg_into, memoryview(self._buffer), []
        try:
            for _ in range(limit):
                size, beside, _, _ = receive([self._buffer], _BESIDE, socket.MSG_DONTWAIT)
                found.append(self._frame(bytes(view[:size]), beside))
        except BlockingIOError:
            pass
        except OSError as error:
            if not found:
                raise
            self._fault = error  # told in the next turn
        return found

    def close(self) -> None:
        """Nothing is held beside the socket."""

    def _frame(self, data: bytes, beside: Sequence[tuple[int, int, bytes]]) -> Frame:
        ts = 0.0
        for level, _, told in beside:
            if level == socket.SOL_SOCKET:
                seconds, nanos = _seconds(told)
                ts = seconds + nanos * 1e-9
            elif self._tags:
                status, tag, kind = _auxiliary(told)
                if status & TAGGED:
                    data = with_tag(data, tag, kind if status & TAG_TYPED else 0)
        return ts, self._linktype, data
