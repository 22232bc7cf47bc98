"""A look at the write-ahead file before DuckDB replays it.

Owns: knowledge of that file's outline. Why: DuckDB takes an entry whose length runs past the end for a write cut short
and drops it with all that follows, in silence; the same happens to a whole file with a damaged start. A cut-short
tail is normal after a crash, yet nothing is to be thrown away unseen. Rules: a file with a foreign start is refused; a
file that does not end with a whole entry is copied aside first, and the caller tells.

Outline (read off files of DuckDB 2.0.0): a header of tagged fields - 100: kind 98, 101: version 2, 102: 16 numbers that
name the database, 103: a checkpoint's number, end mark ff ff - then entries: u64 length, u64 checksum, payload;
little-endian.
"""

import hashlib
import os
import shutil
import struct
from pathlib import Path
from typing import Final

from appliance.model.errors import EvidenceError

_START: Final = b"\x64\x00\x62\x65\x00\x02\x66\x00\x10"
_NAME_NUMBERS: Final = 16
_NUMBER_TAG: Final = b"\x67\x00"
_END: Final = b"\xff\xff"
_ENTRY: Final = struct.Struct("<QQ")
_LONGEST_HEADER: Final = 128


def keep_torn(wal: Path) -> Path | None:
    """Where a copy of a write-ahead file with a cut-short tail now lies; None if it is whole or absent.

    EvidenceError when its start is not DuckDB's.
    """
    try:
        descriptor = os.open(wal, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        if not size or _whole(descriptor, size, wal):
            return None
        return _copy(descriptor, wal)
    finally:
        os.close(descriptor)


def _whole(descriptor: int, size: int, wal: Path) -> bool:
    at = _header_end(os.pread(descriptor, _LONGEST_HEADER, 0))
    if at is None:
        raise EvidenceError(
            f"{wal}: damaged at its start, or written by another DuckDB; nothing was changed. Keep it aside together "
            "with the database and restore a backup, or start the gnomon that wrote it"
        )
    while at + _ENTRY.size <= size:
        length, _ = _ENTRY.unpack(os.pread(descriptor, _ENTRY.size, at))
        at += _ENTRY.size + length
    return at == size


def _header_end(start: bytes) -> int | None:
    if not start.startswith(_START):
        return None
    at = len(_START)
    for _ in range(_NAME_NUMBERS):
        at = _skip_number(start, at)
    if start[at : at + len(_NUMBER_TAG)] != _NUMBER_TAG:
        return None
    at = _skip_number(start, at + len(_NUMBER_TAG))
    return at + len(_END) if start[at : at + len(_END)] == _END else None


def _skip_number(data: bytes, at: int) -> int:
    """Past one LEB128 number."""
    while data[at : at + 1] > b"\x7f":
        at += 1
    return at + 1


def _copy(descriptor: int, wal: Path) -> Path:
    """A copy named by its content: a store that is started again and again on the same file makes one copy."""
    with os.fdopen(os.dup(descriptor), "rb") as source:
        source.seek(0)
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        aside = wal.with_name(f"{wal.name}.torn-{digest[:16]}")
        if aside.exists():
            return aside
        fresh = aside.with_name(f".{aside.name}")
        fresh.unlink(missing_ok=True)
        source.seek(0)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
        fresh.replace(aside)
    return aside
