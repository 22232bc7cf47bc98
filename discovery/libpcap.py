"""Packets by way of libpcap, from what it captures and the kernel calls no interface: `any`, `nflog:2`, `usbmon1`.

Rules: the library is an argument (only `capture` loads it); a handle belongs to the process that opened it, so the one
that parses opens it itself, before it gives up its rights; then it reads memory and waits. Source: pcap(3PCAP).
"""

import ctypes
import errno
from types import ModuleType
from typing import Any, Final

from appliance.model.errors import OperatorError
from discovery.files import Frame
from discovery.kernel_filter import ETHERNET, RAW_IP, expression

SNAPLEN: Final = 1 << 18  # bytes
WAIT_MS: Final = 50  # until what waits is handed over
_ERROR_BYTES: Final = 256  # PCAP_ERRBUF_SIZE
_ANY_NETMASK: Final = 0xFFFF_FFFF
_RAW_DLT: Final = {12: RAW_IP, 14: RAW_IP}  # a DLT that is another number in capture files


def devices(library: ModuleType) -> tuple[str, ...]:
    """What libpcap says that it could capture on."""
    said, first = ctypes.create_string_buffer(_ERROR_BYTES), ctypes.POINTER(library.pcap_if_t)()
    if library.pcap_findalldevs(ctypes.byref(first), said) != 0:
        return ()
    found, at = [], first
    while at:
        found.append(at.contents.name.decode(errors="replace"))
        at = at.contents.next
    library.pcap_freealldevs(first)
    return tuple(found)


class Pcap:
    """An open capture, read as `capture.Live` is. OperatorError: libpcap cannot open it."""

    downs = 0  # what is no interface does not go down

    def __init__(self, library: ModuleType, device: str) -> None:
        said = ctypes.create_string_buffer(_ERROR_BYTES)
        self._library = library
        self._handle = library.pcap_open_live(device.encode(), SNAPLEN, 1, WAIT_MS, said)
        if not self._handle:
            raise OperatorError(f"{device}: cannot be captured: {said.value.decode(errors='replace')[:200]}")
        library.pcap_setnonblock(self._handle, 1, said)
        kind = library.pcap_datalink(self._handle)
        self.linktype = _RAW_DLT.get(kind, kind)
        self.filtered = self._filter()
        self._head, self._data = ctypes.POINTER(library.pcap_pkthdr)(), ctypes.POINTER(ctypes.c_ubyte)()

    def _filter(self) -> bool:
        """Whether the kernel leaves out what nobody reads; of some links it cannot."""
        program: Any = self._library.bpf_program()
        for linktype in (ETHERNET, RAW_IP):
            text = expression(linktype).encode()
            if self._library.pcap_compile(self._handle, ctypes.byref(program), text, 1, _ANY_NETMASK) == 0:
                done = self._library.pcap_setfilter(self._handle, ctypes.byref(program)) == 0
                self._library.pcap_freecode(ctypes.byref(program))
                return bool(done)
        return False

    def fileno(self) -> int:
        """Readable when packets wait."""
        return int(self._library.pcap_get_selectable_fd(self._handle))

    def frames(self, limit: int = 512) -> list[Frame]:
        """Up to `limit` packets that wait. OSError: the capture is over."""
        following, head, data = self._library.pcap_next_ex, self._head, self._data
        found: list[Frame] = []
        for _ in range(limit):
            told = following(self._handle, ctypes.byref(head), ctypes.byref(data))
            if told == 0:
                break
            if told < 0:
                raise OSError(errno.ENODEV, "libpcap reads no further")
            packet = head.contents
            ts = packet.ts.tv_sec + packet.ts.tv_usec * 1e-6
            found.append((ts, self.linktype, ctypes.string_at(data, packet.caplen)))
        return found

    def drops(self) -> int:
        """Packets that passed the filter and were lost since the capture began."""
        told = self._library.pcap_stat()
        self._library.pcap_stats(self._handle, ctypes.byref(told))
        return int(told.ps_drop)

    def close(self) -> None:
        """End the capture."""
        self._library.pcap_close(self._handle)
