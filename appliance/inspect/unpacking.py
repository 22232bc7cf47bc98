"""Content codings undone piece by piece, for answers that stream (RFC 9110 8.4).

Rules: pure; what one piece may become is bounded by size and, over the whole, by ratio, before it is produced; a fault
raises `PackingFault` with the same words as content.py and ends the stream: half of a compressed text is no text.
"""

import zlib
from collections.abc import Callable
from typing import Protocol

import brotli
import zstandard

from appliance.inspect.content import MAX_STACKED, RATIO_FLOOR, ZSTD_WINDOW, encodings_of

MAX_PIECE = 16 * 1024 * 1024
"""Bytes that one piece may become."""
_ZLIB_HEAD = 2
_ZSTD_STEP = 256  # bytes fed at once; four bytes of zstd can hold a 128 KiB run


class PackingFault(Exception):  # noqa: N818 - names the state of the stream
    """The stream cannot be unpacked any further; `word`: corrupt_encoding or decompression_bomb."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _Coding(Protocol):
    def feed(self, data: bytes, room: int) -> bytes:
        """What `data` unpacks to; more than `room` bytes: at least `room` + 1 of them."""

    def ended(self) -> bool:
        """A whole stream has been read, or nothing."""


class Unpacker:
    """Undoes the codings of one answer."""

    def __init__(self, codings: list[_Coding], max_ratio: int) -> None:
        self._codings = codings
        self._max_ratio = max_ratio
        self._taken = self._given = 0

    def feed(self, data: bytes) -> bytes:
        """The next piece, unpacked. PackingFault: damaged, or far larger than it was."""
        self._taken += len(data)
        room = min(MAX_PIECE, max(self._taken * self._max_ratio, RATIO_FLOOR) - self._given)
        try:
            for coding in self._codings:
                data = coding.feed(data, room) if data else b""
                if len(data) > room:
                    raise PackingFault("decompression_bomb")
        except (zlib.error, brotli.error, zstandard.ZstdError, MemoryError) as error:
            raise PackingFault("corrupt_encoding") from error
        self._given += len(data)
        return data

    def close(self) -> None:
        """Nothing more comes. PackingFault: it stopped in the middle."""
        if not all(coding.ended() for coding in self._codings):
            raise PackingFault("corrupt_encoding")


def unpacker(encoding_header: str | None, max_ratio: int) -> Unpacker | None:
    """For an answer with this header; None: a coding is unknown, or too many stand on each other."""
    names = encodings_of(encoding_header) if encoding_header else ()
    if len(names) > MAX_STACKED or any(name not in _CODINGS for name in names):
        return None
    return Unpacker([_CODINGS[name]() for name in reversed(names)], max_ratio)


class _Zlib:
    """gzip (any number of members) and deflate (with or without the zlib head)."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._stream = zlib.decompressobj(wbits)
        self._begun = False
        self._first = b""  # the zlib head is two bytes

    def feed(self, data: bytes, room: int) -> bytes:
        parts: list[bytes] = []
        data, self._first = self._first + data, b""
        if not self._begun and len(data) < _ZLIB_HEAD:
            self._first = data
            return b""
        while data and room >= 0:
            if self._stream.eof:
                self._stream = zlib.decompressobj(self._wbits)
            out, data = self._step(data, room + 1)
            parts.append(out)
            room -= len(out)
        return b"".join(parts)

    def ended(self) -> bool:
        return self._stream.eof or not (self._begun or self._first)

    def _step(self, data: bytes, most: int) -> tuple[bytes, bytes]:
        try:
            out = self._stream.decompress(data, most)
        except zlib.error:
            if self._begun or self._wbits != zlib.MAX_WBITS:
                raise
            # Clients and servers that send a bare deflate stream are as common as those that do not.
            self._wbits = -zlib.MAX_WBITS
            self._stream = zlib.decompressobj(self._wbits)
            out = self._stream.decompress(data, most)
        self._begun = True
        return out, self._stream.unconsumed_tail or self._stream.unused_data


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._begun = False

    def feed(self, data: bytes, room: int) -> bytes:
        self._begun = True
        parts = [self._stream.process(data, output_buffer_limit=room + 1)]
        size = len(parts[0])
        while size <= room and not self._stream.is_finished() and not self._stream.can_accept_more_data():
            more = self._stream.process(b"", output_buffer_limit=room + 1 - size)
            parts.append(more)
            size += len(more)
            if not more:
                break
        return b"".join(parts)

    def ended(self) -> bool:
        return not self._begun or bool(self._stream.is_finished())


class _Zstd:
    def __init__(self) -> None:
        self._fresh()
        self._begun = False

    def _fresh(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()

    def feed(self, data: bytes, room: int) -> bytes:
        self._begun = True
        parts: list[bytes] = []
        while data and room >= 0:
            if self._stream.eof:
                self._fresh()
            step, data = data[:_ZSTD_STEP], data[_ZSTD_STEP:]
            parts.append(self._stream.decompress(step))
            data = self._stream.unused_data + data
            room -= len(parts[-1])
        return b"".join(parts)

    def ended(self) -> bool:
        return not self._begun or bool(self._stream.eof)


_CODINGS: dict[str, Callable[[], _Coding]] = {
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "br": _Brotli,
    "zstd": _Zstd,
}
