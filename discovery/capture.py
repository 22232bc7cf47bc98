"""Live packets from a network interface.

Owns: the capture socket, and the one use of scapy (it has libpcap compile the kernel filter). Rules: the filter is
attached before the socket is bound and then locked, so no packet passes unfiltered and whoever inherits the socket
cannot widen it; `open_live` needs CAP_NET_RAW, everything after it needs nothing: another process makes its own `Live`
of the inherited descriptor with `adopt`, without scapy. Times are the kernel's, in epoch seconds. Linux only.
"""

import ctypes
import errno
import fcntl
import logging
import os
import socket
import struct
from collections.abc import Iterable
from typing import Final

from appliance.model.errors import OperatorError
from discovery.files import Frame
from discovery.kernel_filter import ETHERNET, PROGRAMS, RAW_IP, built_in, expression, packed

MAX_FRAME: Final = 65_536 + 256  # bytes: the largest that the kernel puts together, with its link heads
RECEIVE_BYTES: Final = 64 << 20  # of packets that wait to be read
BATCH: Final = 512  # packets handed out at once

# Of linux/if_packet.h, linux/if_arp.h, asm-generic/socket.h and linux/sockios.h; Python's socket lacks them.
_ALL: Final = 0x0003
_SOL_PACKET, _ADD_MEMBERSHIP, _STATISTICS, _IGNORE_OUTGOING, _PROMISCUOUS = 263, 1, 6, 23, 1
_TIMESTAMP_NS, _ATTACH_FILTER, _RECEIVE_FORCED, _LOCK_FILTER = 35, 26, 33, 44
_GET_FLAGS, _GET_HARDWARE = 0x8913, 0x8927
_UP, _LOOPBACK = 0x1, 0x8
_ETHER_LIKE: Final = frozenset({1, 772})  # Ethernet; loopback, whose frames carry an empty Ethernet head
_seconds = struct.Struct("@qq").unpack


def interfaces() -> tuple[str, ...]:
    """Names of the interfaces of this machine, or of the network namespace that this process is in."""
    return tuple(name for _, name in socket.if_nameindex())


class Live:
    """An open capture; `linktype` as in capture files, `filtered` by the kernel or not."""

    def __init__(self, opened: socket.socket, linktype: int, *, filtered: bool = True) -> None:
        self._socket = opened
        self.linktype = linktype
        self.filtered = filtered
        self._buffer = bytearray(MAX_FRAME)
        self._drops = 0
        self.downs = 0  # how often the interface went down since the capture began

    @classmethod
    def adopt(cls, descriptor: int, linktype: int) -> "Live":
        """A capture made of the `fileno()` of one, inherited from another process; it owns the descriptor then."""
        return cls(socket.socket(fileno=descriptor), linktype)

    def fileno(self) -> int:
        """Readable when packets wait."""
        return self._socket.fileno()

    def frames(self, limit: int = BATCH) -> list[Frame]:
        """Up to `limit` packets that wait, without blocking: (epoch seconds, link type, bytes).

        OSError when the interface is gone; one that went down gives nothing until it is up again.
        """
        receive, buffer, linktype = self._socket.recvmsg_into, self._buffer, self.linktype
        view, targets, found = memoryview(buffer), [buffer], []
        try:
            for _ in range(limit):
                size, beside, _, _ = receive(targets, 64, socket.MSG_DONTWAIT)
                seconds, nanos = _seconds(beside[0][2])
                found.append((seconds + nanos * 1e-9, linktype, bytes(view[:size])))
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.ENETDOWN or not self._exists():
                raise
            self.downs += 1
        return found

    def drops(self) -> int:
        """Packets that passed the filter and were lost since the capture began, because nobody read them in time."""
        told = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        self._drops += struct.unpack("@II", told)[1]  # the kernel counts anew after each question
        return self._drops

    def close(self) -> None:
        """End the capture."""
        self._socket.close()

    def _exists(self) -> bool:
        return bool(self._socket.getsockname()[0])


def open_live(interface: str, ports: Iterable[int] = ()) -> Live:
    """Capture on `interface`, promiscuous and filtered. `ports`: the appliance's own, of which all payloads pass.

    OperatorError, in one line, when it does not exist or is down, or the right to capture is missing.
    """
    kind = socket.SOCK_RAW if (ethernet := _is_ethernet(interface)) else socket.SOCK_DGRAM
    linktype = ETHERNET if ethernet else RAW_IP  # of other links the kernel takes the head off
    try:
        opened = socket.socket(socket.AF_PACKET, kind, 0)  # protocol 0: nothing arrives before bind
    except PermissionError as error:
        raise OperatorError(
            f"{interface}: no right to capture packets (CAP_NET_RAW): run as root, give the right to the service "
            "(systemd: AmbientCapabilities=CAP_NET_RAW), or read a file with --pcap FILE"
        ) from error
    try:
        filtered = _attach(opened, linktype, ports)
        _tune(opened, interface)
        opened.bind((interface, _ALL))
    except OSError as error:
        opened.close()
        raise OperatorError(f"{interface}: cannot be captured: {error.strerror or error}") from error
    return Live(opened, linktype, filtered=filtered)


def _is_ethernet(interface: str) -> bool:
    """Whether frames come with an Ethernet head; OperatorError when there is no such interface or it is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            question = struct.pack("16s16x8x", interface.encode()[:15])
            hardware = fcntl.ioctl(any_socket, _GET_HARDWARE, question)
            flags = fcntl.ioctl(any_socket, _GET_FLAGS, question)
        except OSError as error:
            known = ", ".join(interfaces()) or "none"
            raise OperatorError(f"{interface}: no such network interface; there are: {known}") from error
    if not struct.unpack_from("@H", flags, 16)[0] & _UP:
        raise OperatorError(f"{interface}: the interface is down; `ip link set {interface} up` brings it up")
    return struct.unpack_from("@H", hardware, 16)[0] in _ETHER_LIKE


def _tune(opened: socket.socket, interface: str) -> None:
    opened.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)
    try:
        opened.setsockopt(socket.SOL_SOCKET, _RECEIVE_FORCED, RECEIVE_BYTES)
    except PermissionError:  # without CAP_NET_ADMIN: as much as net.core.rmem_max allows
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    number = socket.if_nametoindex(interface)
    member = struct.pack("@iHH8s", number, _PROMISCUOUS, 0, b"")
    opened.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, member)
    if interface == "lo":  # every packet passes it twice, out and in
        opened.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)


def _attach(opened: socket.socket, linktype: int, ports: Iterable[int]) -> bool:
    """Attach and lock the filter; False when there is none to be had, and everything comes through."""
    program = compiled(linktype, ports) or built_in(linktype)
    if program is None:
        return False
    code = b"".join(struct.pack("=HBBI", *each) for each in struct.iter_unpack("<HBBI", program))
    held = ctypes.create_string_buffer(code, len(code))
    opened.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("@HP", len(code) // 8, ctypes.addressof(held)))
    opened.setsockopt(socket.SOL_SOCKET, _LOCK_FILTER, 1)
    return True


def compiled(linktype: int, ports: Iterable[int] = ()) -> bytes | None:
    """The filter as libpcap compiles it, 8 bytes per instruction, little-endian; None where there is no libpcap."""
    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # it tells of routes that nobody asked for
    from scapy.arch.common import compile_filter

    try:
        program = compile_filter(expression(linktype, ports), linktype=linktype)
    except ImportError:
        return None
    code = ctypes.string_at(program.bf_insns, program.bf_len * 8)
    return b"".join(struct.pack("<HBBI", *each) for each in struct.iter_unpack("=HBBI", code))


def main() -> None:
    """Print `PROGRAMS` anew, for discovery/kernel_filter.py."""
    for linktype in (ETHERNET, RAW_IP):
        program = compiled(linktype)
        if program is None:
            raise SystemExit("libpcap is not installed")
        state = "as it stands" if packed(program) == PROGRAMS.get(linktype) else "new"
        os.write(1, f"{linktype}: {packed(program)!r},  # {state}\n".encode())


if __name__ == "__main__":
    main()
