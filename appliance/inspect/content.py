"""Content codings (RFC 9110 8.4): from the bytes on the wire to the bytes that are inspected, and back.

Rules: output is bounded before it is produced, by size and by ratio to the wire bytes, so that a bomb costs at most
one bounded buffer; nothing raises on hostile input: a body that cannot be decoded comes back unchanged with a
`problem`, and the caller counts it as opaque; bytes after the end of a compressed stream are refused, since other
readers may see them.
"""

import gzip
import re
import zlib
from collections.abc import Callable

import brotli
import msgspec
import zstandard

MAX_STACKED = 3
"""Codings on top of each other; more has no honest use."""
MAX_MEMBERS = 16
"""Concatenated gzip members or zstd frames in one body: each costs a fresh window."""
ZSTD_WINDOW = 8 * 1024 * 1024
"""RFC 9659: a zstd content coding must not need a larger window."""
RATIO_FLOOR = 64 * 1024
"""Below this many bytes of output the ratio is not judged: small repetitive bodies compress very well."""
_ZSTD_STEP = 256  # bytes fed at once; four bytes of zstd can hold a 128 KiB run


class Decoded(msgspec.Struct, frozen=True):
    """A body without its codings.

    `encodings` in header order, `identity` left out. `problem` is None, or a snake_case word: `unknown_encoding`,
    `too_many_encodings`, `corrupt_encoding`, `decompression_bomb`, `too_large`; then `data` is the body as it came.
    """

    data: bytes
    encodings: tuple[str, ...] = ()
    problem: str | None = None


class _ContentFault(Exception):  # noqa: N818 - internal signal, always turned into `problem`
    """Decoding stopped; `word` is the problem."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def decode_body(raw: bytes, encoding_header: str | None, *, max_bytes: int, max_ratio: int) -> Decoded:
    """Undo every coding of `encoding_header`; never more than `max_bytes`, nor `max_ratio` times the wire bytes."""
    encodings = encodings_of(encoding_header) if encoding_header else ()
    if not encodings or not raw:
        return Decoded(raw, encodings, "too_large" if len(raw) > max_bytes else None)
    try:
        return Decoded(_undo(raw, encodings, max_bytes, max_ratio), encodings)
    except _ContentFault as fault:
        return Decoded(raw, encodings, fault.word)


def encode_body(data: bytes, encodings: tuple[str, ...]) -> bytes:
    """Apply `encodings` in order. ValueError for a coding that `decode_body` would not have accepted."""
    for name in encodings:
        if name not in _ENCODERS:
            raise ValueError(f"unknown content coding {name!r}")
        data = _ENCODERS[name](data)
    return data


def encodings_of(header: str) -> tuple[str, ...]:
    """The codings that a Content-Encoding header names, in its order, `identity` left out."""
    names = (name.strip().lower() for name in header.split(","))
    return tuple(_ALIASES.get(name, name) for name in names if name not in {"", "identity"})


def _undo(raw: bytes, encodings: tuple[str, ...], max_bytes: int, max_ratio: int) -> bytes:
    if any(name not in _DECODERS for name in encodings):
        raise _ContentFault("unknown_encoding")
    if len(encodings) > MAX_STACKED:
        raise _ContentFault("too_many_encodings")
    by_ratio = max(len(raw) * max_ratio, RATIO_FLOOR)
    limit = min(max_bytes, by_ratio)
    data = raw
    for name in reversed(encodings):
        try:
            data = _DECODERS[name](data, limit)
        except (zlib.error, brotli.error, zstandard.ZstdError, MemoryError) as error:
            raise _ContentFault("corrupt_encoding") from error
        if len(data) > limit:
            raise _ContentFault("too_large" if limit == max_bytes else "decompression_bomb")
    return data


def _inflate(data: bytes, limit: int, wbits: int) -> tuple[bytes, bytes]:
    """One zlib stream: at most `limit` + 1 bytes of output, and what follows the stream."""
    stream = zlib.decompressobj(wbits)
    out = stream.decompress(data, limit + 1)
    if len(out) <= limit and not stream.eof:
        raise _ContentFault("corrupt_encoding")
    return out, stream.unused_data


def _gunzip(data: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    room = limit
    for _ in range(MAX_MEMBERS):
        out, data = _inflate(data, room, 31)
        parts.append(out)
        room -= len(out)
        if room < 0 or not data:
            return b"".join(parts)
    raise _ContentFault("corrupt_encoding")


def _undeflate(data: bytes, limit: int) -> bytes:
    # RFC 9110 says zlib format; clients that send a bare deflate stream are as common as those that do not.
    try:
        out, rest = _inflate(data, limit, 15)
    except zlib.error:
        out, rest = _inflate(data, limit, -15)
    if rest and len(out) <= limit:
        raise _ContentFault("corrupt_encoding")
    return out


def _unbrotli(data: bytes, limit: int) -> bytes:
    stream = brotli.Decompressor()
    parts = [stream.process(data, output_buffer_limit=limit + 1)]
    size = len(parts[0])
    while size <= limit and not stream.is_finished():
        more = stream.process(b"", output_buffer_limit=limit + 1 - size)
        if not more:
            raise _ContentFault("corrupt_encoding")
        parts.append(more)
        size += len(more)
    return b"".join(parts)


def _unzstd(data: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    room = limit
    for _ in range(MAX_MEMBERS):
        out, data = _zstd_frame(data, room)
        parts.append(out)
        room -= len(out)
        if room < 0 or not data:
            return b"".join(parts)
    raise _ContentFault("corrupt_encoding")


def _zstd_frame(data: bytes, limit: int) -> tuple[bytes, bytes]:
    """One frame, fed in small steps: the library has no bound on the output of one call."""
    stream = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
    parts: list[bytes] = []
    size = 0
    for at in range(0, len(data), _ZSTD_STEP):
        parts.append(stream.decompress(data[at : at + _ZSTD_STEP]))
        size += len(parts[-1])
        if size > limit:
            return b"".join(parts), b""
        if stream.eof:
            return b"".join(parts), stream.unused_data + data[at + _ZSTD_STEP :]
    raise _ContentFault("corrupt_encoding")


_ALIASES = {"x-gzip": "gzip", "x-deflate": "deflate"}
_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "deflate": _undeflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "deflate": lambda data: zlib.compress(data, 1),
    "br": lambda data: bytes(brotli.compress(data, quality=4)),
    "zstd": lambda data: zstandard.ZstdCompressor(level=3).compress(data),
}
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)


def media_type(content_type: str) -> str:
    """`Text/Plain; charset=x` -> `text/plain`."""
    return content_type.partition(";")[0].strip().lower()


def charset(content_type: str) -> str:
    """The declared charset in lower case; utf-8 when none is declared."""
    found = _CHARSET.search(content_type)
    return found.group(1).lower() if found else "utf-8"
