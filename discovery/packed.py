"""Packed capture files: gzip and zstd, unpacked while they are read.

Owns: the way from packed bytes to bytes. Rules: never more than was asked for, and a window of `MAX_WINDOW` bytes; what
grows beyond `MAX_RATIO` times its size is no capture but a bomb and ends there; members and frames that follow each
other count as one file, as rotating programs append them; what could be unpacked is handed out before damage is told
(zstd: up to its last whole read). What is not packed passes as it is. Sources: RFC 1952, RFC 8878.
"""

import os
import zlib
from collections.abc import Callable
from typing import BinaryIO, Final, cast

from appliance.model.errors import EvidenceError

type Read = Callable[[int], bytes]  # up to so many bytes, none at the end

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
MAX_RATIO: Final = 500  # captures shrink to a third or a tenth, one packet over and over to a hundredth
FREE_BYTES: Final = 64 << 20  # which may grow as they like
MAX_WINDOW: Final = 32 << 20  # what zstd's level 21 has; beyond stand --ultra -22 and --long, for memory's sake
_PIECE: Final = 16 << 10
_GZIP_WINDOW: Final = 31  # zlib: the largest window, in a gzip member


def prepare(fd: int) -> None:
    """Import what the file at `fd` needs to be unpacked, while imports are still possible."""
    if os.pread(fd, len(ZSTD), 0) == ZSTD:
        import zstandard  # noqa: F401 - for later


def unpacked(read: Read, name: str) -> Read:
    """Reads what `read` gives, unpacked where its first bytes say it is packed. EvidenceError: damaged, or a bomb."""
    head = b""
    while len(head) < len(ZSTD) and (part := read(_PIECE)):
        head += part
    source = _Source(read, head)
    if head.startswith(GZIP):
        return _Gzip(source, name).read
    if head.startswith(ZSTD):
        return _Zstd(source, name).read
    return source.read


class _Source:
    """A file whose first bytes were read already; counts what it gives."""

    def __init__(self, read: Read, head: bytes) -> None:
        self._read, self._head, self.given, self._made = read, head, 0, 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        part, self._head = self._head[:size], self._head[size:]
        part = part or self._read(size)
        self.given += len(part)
        return part

    def made(self, data: bytes, name: str) -> bytes:
        """`data` as it came out. EvidenceError: too much has come out of too little."""
        self._made += len(data)
        if self._made > FREE_BYTES and self._made > MAX_RATIO * self.given:
            raise EvidenceError(f"{name}: unpacks to more than {MAX_RATIO} times its size; unpack it first to read it")
        return data


class _Gzip:
    """Members one after the other; what follows the last and is none is not looked at, as gzip does it."""

    def __init__(self, source: _Source, name: str) -> None:
        self._source, self._name = source, name
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._packed = self._fault = b""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        while not self._fault and self._more():
            if data := self._step(size):
                return self._source.made(data, self._name)
        if self._fault:
            raise EvidenceError(f"{self._name}: packed with gzip, and {self._fault.decode()}")
        return b""

    def _more(self) -> bool:
        """Something is there to be unpacked; a member that has ended is followed by the next."""
        self._packed = self._packed or self._source.read(_PIECE)
        if not self._packed:
            self._fault = b"" if self._member.eof else b"cut short"
            return False
        if self._member.eof:
            if not GZIP.startswith(self._packed[:2]):
                self._packed = b""
                return False
            self._member = zlib.decompressobj(_GZIP_WINDOW)
        return True

    def _step(self, size: int) -> bytes:
        before, packed = self._member.copy(), self._packed
        try:
            data = self._member.decompress(packed, size)
        except zlib.error:
            self._fault = b"damaged near byte %d" % self._source.given
            return _until_damage(before, packed)
        self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return data


def _until_damage(member: "zlib._Decompress", packed: bytes) -> bytes:
    """What a piece holds before the byte that breaks it."""
    out = []
    for at in range(len(packed)):
        try:
            out.append(member.decompress(packed[at : at + 1]))
        except zlib.error:
            break
    return b"".join(out)


class _Zstd:
    """Frames one after the other. One that is cut short just ends: the capture's own format tells of that."""

    def __init__(self, source: _Source, name: str) -> None:
        import zstandard

        self._source, self._name, self._error = source, name, zstandard.ZstdError
        file = cast("BinaryIO", source)  # of which no more than `read` is needed
        unpacking = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._reader = unpacking.stream_reader(file, read_size=_PIECE, read_across_frames=True)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        try:
            data = self._reader.read1(size)
        except self._error as error:
            what = str(error).removeprefix("zstd decompress error: ")
            place = f"near byte {self._source.given}"
            raise EvidenceError(f"{self._name}: packed with zstd, and damaged {place}: {what}") from None
        return self._source.made(data, self._name)
