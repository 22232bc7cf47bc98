"""Capture files: pcap and pcapng, plain or packed, read in one pass with bounded memory.

Owns: the formats (`packed` unpacks). Rules: a file is hostile: every length is bounded before it is believed, and what
was whole is handed out before damage is told. `OperatorError`: this is no capture at all, or cannot be opened;
`EvidenceError`: it is one, and ends or breaks at the byte that the message names. Times are epoch seconds; link types
are those of tcpdump.org/linktypes.html. Sources: draft-ietf-opsawg-pcap-05, draft-ietf-opsawg-pcapng-03.
"""

import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from appliance.model.errors import EvidenceError, OperatorError
from discovery import packed

type Frame = tuple[float, int, bytes]
type Take = Callable[[bytes, int, float], int]  # records of a buffer, from where on, seconds of a fraction; to where
type Step = tuple[list[Frame], int]  # frames of a buffer, and how many bytes of it they took

MAX_FRAME: Final = 262_144  # bytes of one packet; libpcap's MAXIMUM_SNAPLEN
MAX_BLOCK: Final = 16 << 20  # bytes of one pcapng block; what libpcap takes
MAX_INTERFACES: Final = 65_536  # per pcapng section
HEAD: Final = 24
STDIN: Final = "-"
_CHUNK: Final = 1 << 17  # bytes: of more, the memory of a batch goes back to the kernel after each, and costs a third
_LINK: Final = 0x03FF_FFFF  # above it stands the length of the frame check sequence
_MAJOR: Final = 2
_PCAPNG: Final = b"\x0a\x0d\x0d\x0a"
_LITTLE, _BIG = b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"
# Magic -> byte order, fractions of a second, bytes of a record head (24: Kuznetzov's patched libpcap).
_MAGICS: Final[dict[bytes, tuple[str, float, int]]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1e-6, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9, 16),
    b"\x34\xcd\xb2\xa1": ("<", 1e-6, 24),
    b"\xa1\xb2\xcd\x34": (">", 1e-6, 24),
}
_TAKEN: Final = ("<", 16, 1)  # byte order, bytes of a record's head, link type: what `take` reads
_LEAST: Final = {1: 8, 2: 20, 3: 4, 5: 12, 6: 20}  # pcapng block type -> bytes of its fixed part
_PACKED: Final = {b"\xfd7": "xz", b"BZ": "bzip2"}  # and not unpacked here
_DROPS: Final = frozenset({5, 7})  # isb_ifdrop, isb_osdrop


class Told:
    """What a file tells of its capture beside the packets. `drops`: by section and interface, as pcapng counts them."""

    def __init__(self) -> None:
        self.drops: dict[tuple[int, int], int] = {}

    @property
    def dropped(self) -> int:
        """Packets that the capture lost, as far as the file says."""
        return sum(self.drops.values())


def read(source: str | Path | BinaryIO) -> Iterator[Frame]:
    """`(ts, linktype, frame)` of every packet in file order. `source`: a path, `-` for stdin, or an open binary file.

    Raises when first asked for a packet, or after the last whole one; see the module's rules.
    """
    for batch in batches(source):
        yield from batch


def batches(
    source: str | Path | BinaryIO,
    advance: Callable[[int], None] = lambda _: None,
    told: Told | None = None,
    take: Take | None = None,
) -> Iterator[list[Frame]]:
    """The same in lists, one for about each 128 KiB of the file: what costs least per packet.

    `advance` gets the bytes of the file as they are read (packed ones, where it is packed); `told` what else it says.
    `take` is offered the records of little-endian pcap files of Ethernet as they stand; what it takes is in no list.
    """
    told = told or Told()
    if not isinstance(source, (str, Path)):
        yield from _batches(source, str(getattr(source, "name", "capture")), advance, told, take)
    elif str(source) == STDIN:
        yield from _batches(sys.stdin.buffer, "stdin", advance, told, take)
    else:
        with _open(Path(source)) as file:
            yield from _batches(file, str(source), advance, told, take)


def _open(path: Path) -> BinaryIO:
    if path.is_dir():
        raise OperatorError(f"{path}: a folder, not a capture file; name the files in it")
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read: {error.strerror or error}") from error


def _batches(
    file: BinaryIO, name: str, advance: Callable[[int], None], told: Told, take: Take | None
) -> Iterator[list[Frame]]:
    """Feed the format's reader with the file, keeping only what belongs to an unfinished packet."""
    place = 0
    read_some = packed.unpacked(_reading(file, name, advance), name)
    buffer, end = _more(read_some, b"", HEAD)
    step = _reader(buffer, name, told, take)
    while True:
        try:
            frames, taken = step(buffer, place)
        except _BrokenError as broken:
            yield broken.frames
            raise EvidenceError(f"{name}: damaged at byte {broken.place}: {broken.what}") from None
        yield frames
        buffer, place = buffer[taken:], place + taken
        if end and buffer:
            raise EvidenceError(f"{name}: cut short at byte {place}: {len(buffer)} bytes are no whole packet")
        if end:
            return
        buffer, end = _more(read_some, buffer, len(buffer) + 1)


def _reading(file: BinaryIO, name: str, advance: Callable[[int], None]) -> packed.Read:
    """Reads up to so many bytes of the file as they come; none: it has ended."""
    read_some = getattr(file, "read1", file.read)  # a pipe's packets are wanted as they come

    def read(size: int) -> bytes:
        try:
            part: bytes = read_some(size)
        except OSError as error:
            raise OperatorError(f"{name}: cannot be read: {error.strerror or error}") from error
        advance(len(part))
        return part

    return read


def _more(read_some: packed.Read, buffer: bytes, wanted: int) -> tuple[bytes, bool]:
    """The buffer with at least `wanted` bytes in all where the file has them, and whether the file has ended."""
    parts, have = [buffer], len(buffer)
    while have < wanted:
        part = read_some(_CHUNK)
        if not part:
            return b"".join(parts), True
        parts.append(part)
        have += len(part)
    return b"".join(parts), False


class _BrokenError(Exception):
    """Damage at `place`; `frames` were whole before it."""

    def __init__(self, frames: list[Frame], place: int, what: str) -> None:
        super().__init__(what)
        self.frames, self.place, self.what = frames, place, what


def _reader(head: bytes, name: str, told: Told, take: Take | None) -> Callable[[bytes, int], Step]:
    """The reader for the format that the head announces; OperatorError for every other."""
    if head[:4] == _PCAPNG and head[8:12] in {_LITTLE, _BIG}:
        return _Blocks(told).step
    if (found := _MAGICS.get(head[:4])) and len(head) >= HEAD:
        major = struct.unpack_from(found[0] + "H", head, 4)[0]
        if major == _MAJOR:
            return _Records(head, *found, take).step
        raise OperatorError(f"{name}: pcap of version {major}, only version {_MAJOR} is known")
    raise OperatorError(f"{name}: not a capture file (pcap or pcapng){_hint(head)}")


def _hint(head: bytes) -> str:
    if not head:
        return ": it is empty"
    if head[:4] in _MAGICS or head[:4] == _PCAPNG:
        return f": it ends or breaks in its first {HEAD} bytes"
    if packing := _PACKED.get(head[:2]):
        return f": it is packed with {packing}; unpack it and pipe it into `gnomon replay -`"
    return f": it begins with {head[:4].hex(' ')}"


class _Records:
    """Packets of a pcap file."""

    def __init__(self, head: bytes, order: str, unit: float, size: int, take: Take | None) -> None:
        self._link: int = struct.unpack_from(order + "I", head, 20)[0] & _LINK
        self._unpack = struct.Struct(order + "III").unpack_from
        self._unit, self._size, self._skip = unit, size, HEAD
        self._take = take if (order, size, self._link) == _TAKEN else None

    def step(self, buffer: bytes, place: int) -> Step:
        """Every whole packet of `buffer`, which begins at byte `place` of the file."""
        frames: list[Frame] = []
        append, unpack, unit, size, link = frames.append, self._unpack, self._unit, self._size, self._link
        at, self._skip, last = self._skip, 0, len(buffer)
        if self._take is not None:
            at = self._take(buffer, at, unit)
        while at + size <= last:
            seconds, fraction, length = unpack(buffer, at)
            end = at + size + length
            if end > last:
                if length > MAX_FRAME:
                    raise _BrokenError(frames, place + at, f"a packet of {length} bytes")
                break
            append((seconds + fraction * unit, link, buffer[at + size : end]))
            at = end
        return frames, at


class _Blocks:
    """Packets of a pcapng file: sections, each with its byte order and interfaces."""

    def __init__(self, told: Told) -> None:
        self._told, self._section = told, 0
        self._order = "<"
        self._interfaces: list[tuple[int, float, int]] = []  # link type, seconds per tick, offset in seconds
        self._ts = 0.0  # simple packets carry no time: they are as late as the packet before

    def step(self, buffer: bytes, place: int) -> Step:
        """Every whole packet of `buffer`, which begins at byte `place` of the file."""
        frames: list[Frame] = []
        at, last = 0, len(buffer)
        while at + 12 <= last:
            try:
                length = self._length(buffer, at)
                if at + length > last:
                    break
                self._block(buffer, at, length, frames)
            except _DamageError as damage:
                raise _BrokenError(frames, place + at, str(damage)) from None
            at += length
        return frames, at

    def _length(self, buffer: bytes, at: int) -> int:
        """Of the block at `at`; a section's head sets the byte order first."""
        if buffer[at : at + 4] == _PCAPNG:
            mark = buffer[at + 8 : at + 12]
            if mark not in {_LITTLE, _BIG}:
                raise _DamageError("a section without byte order")
            self._order = "<" if mark == _LITTLE else ">"
        length: int = struct.unpack_from(self._order + "I", buffer, at + 4)[0]
        if length < 12 or length > MAX_BLOCK or length % 4:  # noqa: PLR2004 - type, length, length again
            raise _DamageError(f"a block of {length} bytes")
        return length

    def _block(self, buffer: bytes, at: int, length: int, frames: list[Frame]) -> None:
        order = self._order
        kind, _ = struct.unpack_from(order + "II", buffer, at)
        if struct.unpack_from(order + "I", buffer, at + length - 4)[0] != length:
            raise _DamageError("a block whose two lengths differ")
        body, end = at + 8, at + length - 4
        if end - body < _LEAST.get(kind, 0):
            raise _DamageError(f"a block of kind {kind} with {end - body} bytes")
        if kind == 6:  # noqa: PLR2004 - enhanced packet
            number, high, low, size = struct.unpack_from(order + "IIII", buffer, body)
            self._packet(buffer[body + 20 : end], number, high << 32 | low, size, frames)
        elif kind == 3:  # noqa: PLR2004 - simple packet: only its length on the wire is told
            size = struct.unpack_from(order + "I", buffer, body)[0]
            self._packet(buffer[body + 4 : end], 0, None, min(size, end - body - 4), frames)
        elif kind == 2:  # noqa: PLR2004 - packet, obsolete
            number, _, high, low, size = struct.unpack_from(order + "HHIII", buffer, body)
            self._packet(buffer[body + 20 : end], number, high << 32 | low, size, frames)
        elif kind == 1:
            self._interface(buffer[body:end])
        elif kind == 5:  # noqa: PLR2004 - interface statistics
            self._statistics(buffer[body:end])
        elif kind == 0x0A0D_0D0A:  # noqa: PLR2004 - a new section
            self._interfaces, self._section = [], self._section + 1

    def _packet(self, data: bytes, number: int, ticks: int | None, size: int, frames: list[Frame]) -> None:
        if number >= len(self._interfaces):
            raise _DamageError(f"a packet of interface {number}, which nothing describes")
        if size > len(data) or size > MAX_FRAME:
            raise _DamageError(f"a packet of {size} bytes")
        link, unit, offset = self._interfaces[number]
        if ticks is not None:
            self._ts = ticks * unit + offset
        frames.append((self._ts, link, data[:size]))

    def _interface(self, body: bytes) -> None:
        if len(self._interfaces) >= MAX_INTERFACES:
            raise _DamageError(f"more than {MAX_INTERFACES} interfaces")
        link, _, _ = struct.unpack_from(self._order + "HHI", body)
        unit, offset = 1e-6, 0
        for code, value in self._options(body, 8):
            if code == 9 and value:  # noqa: PLR2004 - if_tsresol
                power = value[0] & 0x7F
                unit = 2.0**-power if value[0] & 0x80 else 10.0**-power
            elif code == 14 and len(value) == 8:  # noqa: PLR2004 - if_tsoffset
                offset = struct.unpack(self._order + "q", value)[0]
        self._interfaces.append((link, unit, offset))

    def _statistics(self, body: bytes) -> None:
        """Sums since the capture began, so the last ones of an interface hold."""
        number = struct.unpack_from(self._order + "I", body)[0]
        counts = [value for code, value in self._options(body, 12) if code in _DROPS and len(value) == 8]  # noqa: PLR2004 - as drafted
        if counts and number < len(self._interfaces):
            lost = sum(struct.unpack(self._order + "Q", value)[0] for value in counts)
            self._told.drops[self._section, number] = lost

    def _options(self, body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        while at + 4 <= len(body):
            code, length = struct.unpack_from(self._order + "HH", body, at)
            if code == 0:
                return
            yield code, body[at + 4 : at + 4 + length]
            at += 4 + (length + 3 & ~3)


class _DamageError(Exception):
    """What is wrong with a block."""
