"""What is slow to work out and the same until a library changes: the database, alphabets, unlike characters.

Owns: the tables, and their file. Rules: the file's name is a hash over everything they were made from, so that no stale
file is ever read; a file that is damaged, foreign or open to others is ignored and replaced, never trusted, because
Hyperscan reads it as memory; written to a temporary file first, mode 0600.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

_MAGIC = b"gnomon-tables-3\n"
_DIGEST = 32
_LARGEST_FILE = 64 << 20


type Ranges = tuple[tuple[int, int], ...]


class Scope(msgspec.Struct, frozen=True):
    """Where an expression's matches can lie; None for `members`: anywhere.

    `unicode`: engines may read the expression apart, and `agreed` are the members that they read alike. `wide`: it
    consumes more than a few of those that they do not, such as every combining mark. `reach`: without members, how far
    around a hit its match can lie; 0: anywhere.
    """

    members: str | None
    margin: int
    unicode: bool
    agreed: str = ""
    wide: bool = False
    reach: int = 0


class Tables(msgspec.Struct, frozen=True):
    """One serialised database; `scopes` has one entry per expression in it.

    `unlike`: characters that engines read apart; `narrow`: those of them that some scope which is not wide consumes.
    Both are closed ranges of code points.
    """

    database: bytes
    scopes: tuple[Scope, ...]
    unlike: Ranges
    narrow: Ranges


def obtain(folder: Path | None, fingerprint: str, build: Callable[[], Tables]) -> Tables:
    """Read the tables for `fingerprint` (hex) from `folder`, or build and keep them there.

    A folder that cannot be written costs time at the next start, nothing else.
    """
    if folder is None:
        return build()
    path = folder / f"detect-{fingerprint}.tables"
    found = _read(path)
    if found is None:
        found = build()
        with suppress(OSError):
            _write(path, found)
    return found


def _read(path: Path) -> Tables | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = _trusted(handle)
    finally:
        os.close(handle)
    if data is None:
        return None
    head = len(_MAGIC) + _DIGEST
    body = data[head:]
    if data[:head] != _MAGIC + hashlib.sha256(body).digest():
        return None
    with suppress(msgspec.MsgspecError):
        return msgspec.msgpack.decode(body, type=Tables)
    return None


def _trusted(handle: int) -> bytes | None:
    """All bytes of a regular file that only this user can write; None for anything else."""
    facts = os.fstat(handle)
    mine = facts.st_uid == os.geteuid() and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not mine or not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST_FILE:
        return None
    with suppress(OSError), os.fdopen(handle, "rb", closefd=False) as file:
        return file.read(_LARGEST_FILE)
    return None


def _write(path: Path, tables: Tables) -> None:
    body = msgspec.msgpack.encode(tables)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tables-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(body).digest() + body)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
