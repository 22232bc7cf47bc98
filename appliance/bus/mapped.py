"""Files of fixed size that workers write and sensors read, mapped by all of them.

Owns: how such a file (0600) is made, found sound and mapped. Rules: it is whole on disk before anybody maps it, so that
a full disk shows here and not as a signal in a worker, and it is never replaced while it is sound: a worker of an
earlier supervisor goes on writing. A file is known by its size and its first bytes.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, NamedTuple

from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path


class Form(NamedTuple):
    """What a file is known by, and what it is called in messages."""

    magic: bytes
    size: int
    what: str


def create(path: Path, form: Form) -> Path:
    """The file, made or found sound; OperatorError when it cannot be had."""
    if sound(path, form):
        return path
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(fd, 0, form.size)
            os.pwrite(fd, form.magic, 0)
        finally:
            os.close(fd)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OperatorError(f"{path}: cannot be made ({form.size} bytes): {error.strerror}; check run_dir") from None
    return path


def sound(path: Path, form: Form) -> bool:
    """It is there, and of that form."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size == form.size and file.read(len(form.magic)) == form.magic
    except OSError:
        return False


def opened(path: Path, form: Form, *, write: bool) -> mmap.mmap:
    """The file, mapped. OperatorError: there is no sound file at `path`."""
    if not sound(path, form):
        raise OperatorError(f"{path}: not {form.what}; start the appliance with `gnomon up`")
    fd = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_NOFOLLOW)
    try:
        return mmap.mmap(fd, form.size, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)
    finally:
        os.close(fd)
