"""Live packets from a network interface.

Owns: the capture sockets, by which means they are read (a ring, else one call per packet), and the one use of scapy (it
has libpcap compile the kernel filter). Rules: nothing is let in until the socket is bound and shares its traffic with
others as it should; then the filter is attached and locked, so no packet passes unfiltered or twice, and whoever
inherits the socket cannot widen it. A second ring's filter changes while it runs and stays open: who may not call
setsockopt(2) cannot widen it either, and it lets nothing in until `attach`. `open_live` needs CAP_NET_RAW, everything
after it needs nothing: another process makes its own `Live` of the inherited descriptor with `adopt`, without scapy.
Times are in epoch seconds. Linux only.
"""

import ctypes
import errno
import fcntl
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from types import ModuleType
from typing import Final

from appliance.model.errors import OperatorError
from discovery import plain, ring
from discovery.files import Frame
from discovery.kernel_filter import ETHERNET, PROGRAMS, RAW_IP, built_in, expression, packed
from discovery.plain import Plain
from discovery.ring import Ring

BATCH: Final = 512  # packets handed out at once
RING, SOCKET = "ring", "socket"  # means

# Of linux/if_packet.h, linux/if_arp.h, asm-generic/socket.h and linux/sockios.h; Python's socket lacks them.
_ALL: Final = 0x0003
_ADD_MEMBERSHIP, _FANOUT, _IGNORE_OUTGOING, _PROMISCUOUS = 1, 18, 23, 1
_BY_FLOW, _UNIQUE = 0, 0x2000  # PACKET_FANOUT_HASH, of both directions alike; the kernel chooses the group's number
_ATTACH_FILTER, _LOCK_FILTER = 26, 44
_NOTHING, _EVERYTHING = struct.pack("<HBBI", 6, 0, 0, 0), struct.pack("<HBBI", 6, 0, 0, 1 << 18)  # programs: return
_LEAN: Final = "short filter: net.core.optmem_max is too low for the whole one; 65536 lets whole certificates be seen"
_GET_FLAGS, _GET_HARDWARE = 0x8913, 0x8927
_UP, _LOOPBACK = 0x1, 0x8
_ETHER_LIKE: Final = frozenset({1, 772})  # Ethernet; loopback, whose frames carry an empty Ethernet head


def interfaces() -> tuple[str, ...]:
    """Names of the interfaces of this machine, or of the network namespace that this process is in."""
    return tuple(name for _, name in socket.if_nameindex())


def libpcap() -> ModuleType | None:
    """The library that captures what is no interface, as scapy binds it; None where it is not installed."""
    _quiet()
    try:
        from scapy.libs import winpcapy
    except (ImportError, OSError):
        return None
    return winpcapy


def _quiet() -> None:
    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # it tells of routes that nobody asked for


class Live:
    """An open capture; `linktype` as in capture files, `means` how it is read, `instead` why not better."""

    def __init__(self, opened: socket.socket, linktype: int, *, instead: str = "", blocks: int = ring.BLOCKS) -> None:
        self._socket, self._blocks = opened, blocks
        self.linktype, self.instead = linktype, instead
        self.means = RING if ring.prepared(opened) else SOCKET
        self._reader: Ring | Plain | None = None
        self._drops = 0
        self.downs = 0  # how often the interface went down since the capture began

    @classmethod
    def adopt(cls, descriptor: int, linktype: int, *, blocks: int = ring.BLOCKS) -> "Live":
        """A capture made of the `fileno()` of one, inherited from another process; it owns the descriptor then.

        `blocks`: how many its ring has.
        """
        live = cls(socket.socket(fileno=descriptor), linktype, blocks=blocks)
        live.begin()
        return live

    def begin(self) -> "Ring | Plain":
        """What reads; a ring is mapped now, so that later turns need no more than to read and wait."""
        if self._reader is None:
            tags = self.linktype == ETHERNET and self._blocks == ring.BLOCKS  # of followed packets nobody asks for them
            shared = ring.mapped(self._socket, self._blocks) if self.means == RING else None
            plain = Plain(self._socket, self.linktype, tags=tags)
            self._reader = Ring(shared, self.linktype, tags=tags) if shared else plain
        return self._reader

    def fileno(self) -> int:
        """Readable when packets wait."""
        return self._socket.fileno()

    def frames(self, limit: int = BATCH) -> list[Frame]:
        """Up to `limit` packets that wait, without blocking: (epoch seconds, link type, bytes).

        OSError when the interface is gone; one that went down gives nothing until it is up again.
        """
        try:
            found = self.begin().frames(limit)
            code = 0 if found else self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError as error:
            found, code = [], error.errno or errno.EIO
        if code:
            if code != errno.ENETDOWN or not self._socket.getsockname()[0]:
                raise OSError(code, os.strerror(code))
            self.downs += 1
        return found

    def drops(self) -> int:
        """Packets that passed the filter and were lost since the capture began, because nobody read them in time."""
        self._drops += ring.dropped(self._socket)  # the kernel counts anew after each question
        return self._drops

    def detach(self) -> int:
        """The descriptor, which is the caller's from now on: for a process that adopts it."""
        return self._socket.detach()

    def close(self) -> None:
        """End the capture."""
        if self._reader is not None:
            self._reader.close()
        self._socket.close()


def open_live(interface: str, ports: Iterable[int] = ()) -> Live:
    """Capture on `interface`, promiscuous and filtered. `ports`: the appliance's own, of which all payloads pass.

    OperatorError, in one line, when it does not exist or is down, or the right to capture is missing.
    """
    return open_parts(interface, ports, 1)[0]


def open_parts(interface: str, ports: Iterable[int], parts: int, *, records: bool = False) -> tuple[Live, ...]:
    """The same as `parts` captures between which the kernel divides the traffic: a flow stays with one of them.

    `records`: TLS records of application data pass as well.
    """
    linktype = ETHERNET if _is_ethernet(interface) else RAW_IP
    opened: list[tuple[socket.socket, str]] = []
    group = 0
    try:
        for _ in range(parts):
            opened.append(_bound(interface, linktype))
            group = _join(opened[-1][0], group) if parts > 1 else 0
        lean = "; ".join(_let_in([each for each, _ in opened], linktype, tuple(ports), records=records))
    except OSError as error:
        for each, _ in opened:
            each.close()
        raise OperatorError(f"{interface}: cannot be captured: {error.strerror or error}") from error
    return tuple(Live(each, linktype, instead="; ".join(filter(None, (why, lean)))) for each, why in opened)


def open_followed(interface: str, parts: int) -> tuple[socket.socket, ...]:
    """Sockets of a second ring that lets nothing in yet, divided as the first: the same flow goes to the same part.

    Empty where there is none to be had; then nothing is followed.
    """
    linktype = ETHERNET if _is_ethernet(interface) else RAW_IP
    opened: list[socket.socket] = []
    group = 0
    try:
        for _ in range(parts):
            opened.append(_made(interface, linktype, partial(ring.prepare, blocks=ring.FEW_BLOCKS)))
            group = _join(opened[-1], group) if parts > 1 else 0
    except OSError:
        for each in opened:
            each.close()
        return ()
    return tuple(opened)


def _bound(interface: str, linktype: int) -> tuple[socket.socket, str]:
    """A socket that lets nothing in yet, and why it has no ring; empty: it has one."""
    try:
        return _made(interface, linktype, ring.prepare), ""
    except OSError as error:
        return _made(interface, linktype, plain.prepare), f"no ring: {error.strerror or error}"


def _made(interface: str, linktype: int, prepare: Callable[[socket.socket], None]) -> socket.socket:
    opened = _packet_socket(interface, ethernet=linktype == ETHERNET)
    try:
        attach(opened, _NOTHING)
        prepare(opened)
        _tune(opened, interface)
        opened.bind((interface, _ALL))
    except OSError:
        opened.close()
        raise
    return opened


def _packet_socket(interface: str, *, ethernet: bool) -> socket.socket:
    kind = socket.SOCK_RAW if ethernet else socket.SOCK_DGRAM  # of other links the kernel takes the head off
    try:
        return socket.socket(socket.AF_PACKET, kind, 0)  # protocol 0: nothing arrives before bind
    except PermissionError as error:
        raise OperatorError(
            f"{interface}: no right to capture packets (CAP_NET_RAW): run as root, give the right to the service "
            "(systemd: AmbientCapabilities=CAP_NET_RAW), or read a file with --pcap FILE"
        ) from error


def _join(opened: socket.socket, group: int) -> int:
    """Share the traffic with the sockets of a group, 0: a new one; the group's number."""
    how = 0 if group else _UNIQUE
    opened.setsockopt(ring.SOL_PACKET, _FANOUT, group | (_BY_FLOW | how) << 16)
    return opened.getsockopt(ring.SOL_PACKET, _FANOUT) & 0xFFFF


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
    number = socket.if_nametoindex(interface)
    member = struct.pack("@iHH8s", number, _PROMISCUOUS, 0, b"")
    opened.setsockopt(ring.SOL_PACKET, _ADD_MEMBERSHIP, member)
    if interface == "lo":  # every packet passes it twice, out and in
        opened.setsockopt(ring.SOL_PACKET, _IGNORE_OUTGOING, 1)


def _let_in(
    opened: Sequence[socket.socket], linktype: int, ports: Sequence[int], *, records: bool = False
) -> list[str]:
    """Exchange the filter that lets nothing through for the real one, and lock it; in words what is less than best."""
    said: list[str] = []
    program = _program(linktype, ports, lean=False, records=records)
    if program is None:
        said, program = ["no filter: neither libpcap nor a program for this link"], _EVERYTHING
    for each in opened:
        try:
            attach(each, program)
        except OSError as error:
            if error.errno != errno.ENOMEM or (lean := _program(linktype, ports, lean=True, records=records)) is None:
                raise
            said, program = [_LEAN], lean
            attach(each, program)
        each.setsockopt(socket.SOL_SOCKET, _LOCK_FILTER, 1)
    return said


def _program(linktype: int, ports: Iterable[int], *, lean: bool, records: bool) -> bytes | None:
    return compiled(linktype, ports, lean=lean, records=records) or built_in(linktype, lean=lean)


def attach(opened: socket.socket, program: bytes) -> None:
    """Have the kernel judge by `program` from the next packet on; needs no right. OSError: no room, or locked."""
    code = b"".join(struct.pack("=HBBI", *each) for each in struct.iter_unpack("<HBBI", program))
    held = ctypes.create_string_buffer(code, len(code))
    opened.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("@HP", len(code) // 8, ctypes.addressof(held)))


def compiled(linktype: int, ports: Iterable[int] = (), *, lean: bool = False, records: bool = False) -> bytes | None:
    """The filter as libpcap compiles it, 8 bytes per instruction, little-endian; None where there is no libpcap."""
    _quiet()
    from scapy.arch.common import compile_filter

    try:
        program = compile_filter(expression(linktype, ports, lean=lean, records=records), linktype=linktype)
    except ImportError:
        return None
    code = ctypes.string_at(program.bf_insns, program.bf_len * 8)
    return b"".join(struct.pack("<HBBI", *each) for each in struct.iter_unpack("=HBBI", code))


def main() -> None:
    """Print `PROGRAMS` anew, for discovery/kernel_filter.py."""
    for linktype, lean in product((ETHERNET, RAW_IP), (False, True)):
        program = compiled(linktype, lean=lean)
        if program is None:
            raise SystemExit("libpcap is not installed")
        text = packed(program)
        state = "as it stands" if text == PROGRAMS.get((linktype, lean)) else "new"
        lines = "".join(f'        "{text[at : at + 110]}"\n' for at in range(0, len(text), 110))
        told = f"    ({linktype}, {lean}): (  # {len(program) // 8} instructions, {state}\n{lines}    ),\n"
        os.write(1, told.encode())


if __name__ == "__main__":
    main()
