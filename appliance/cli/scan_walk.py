"""The files below a folder, opened so that nothing outside it is ever read.

Rules: no link is followed below the folder that was named, and each file is opened by its name in the folder already
open, so that nothing can be put in between; only regular files are read, each up to a bound; what is left out is told
with its reason.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 64 << 20
"""Of one file; larger ones are left out."""
MAX_FILES = 200_000
MAX_DEPTH = 64
LEFT_OUT = frozenset({".git", ".hg", ".svn"})
"""Folders of version control: what they hold is compressed."""
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Item(NamedTuple):
    """A file: its path as the person would write it, and its bytes, or why they are not there."""

    path: str
    data: bytes | None
    reason: str = ""


def size_of(root: Path) -> int:
    """Bytes of the files that `items` would read, for a progress bar."""
    if not root.is_dir():
        return root.stat().st_size if root.exists() else 0
    total = count = 0
    for folder, names, files, handle in os.fwalk(root):
        names[:] = _entered(folder, str(root), names)
        for name in files:
            count += 1
            if count > MAX_FILES:
                return total
            facts = _facts(name, handle)
            total += facts.st_size if facts and stat.S_ISREG(facts.st_mode) and facts.st_size <= MAX_BYTES else 0
    return total


def items(root: Path) -> Iterator[Item]:
    """The file itself, or every file below the folder in the order of names. OperatorError where there is neither."""
    if not root.exists():
        raise OperatorError(f"{root}: no such file or folder (a text is given with --text)")
    if not root.is_dir():
        yield _read(str(root), os.fspath(root.resolve()), None)
        return
    count = 0
    for folder, names, files, handle in os.fwalk(root):
        names[:] = _entered(folder, str(root), sorted(names))
        for name in sorted(files):
            count += 1
            if count > MAX_FILES:
                yield Item(str(root), None, "too_many_files")
                return
            yield _read(os.path.join(folder, name), name, handle)  # noqa: PTH118 - fwalk works on text
    return


def _entered(folder: str, root: str, names: list[str]) -> list[str]:
    if folder.count(os.sep) - root.count(os.sep) >= MAX_DEPTH:
        return []
    return [name for name in names if name not in LEFT_OUT]


def _facts(name: str, handle: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=handle, follow_symlinks=False)
    except OSError:
        return None


def _read(path: str, name: str, folder: int | None) -> Item:
    try:
        handle = os.open(name, _FLAGS, dir_fd=folder)
    except OSError as error:
        is_link = folder is not None and os.path.islink(path)  # noqa: PTH114 - fwalk works on text
        return Item(path, None, "link" if is_link else f"unreadable ({error.strerror})")
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            return Item(path, None, "no_file")
        if facts.st_size > MAX_BYTES:
            return Item(path, None, "too_large")
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            return Item(path, None, f"unreadable ({error.strerror})")
    return Item(path, data) if len(data) <= MAX_BYTES else Item(path, None, "too_large")
