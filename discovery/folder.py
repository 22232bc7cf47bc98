"""A folder into which a capturing program rotates its files: which of them are whole and not read yet.

Owns: what counts as whole, and the memory of what was read. Rules: a file is whole when it was renamed, or has not
changed for a while; what was read is known by inode, size and time of change, also under another name, also packed
since (packers keep the time), also after a restart. A file that changes after it was read is another file. No link is
followed, nothing below the folder is looked at, and what does not look like a capture by its name is left alone.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from appliance.model.errors import OperatorError

SETTLED_S: Final = 10.0  # without a change, a file counts as whole
MAX_FILES: Final = 20_000  # looked at, and remembered
MEMORY: Final = ".gnomon-read.jsonl"  # in the folder, unless another place is told
_PACKED: Final = (".gz", ".zst")
_CAPTURE: Final = re.compile(r"[^.].*\.(?:pcap|pcapng|cap)[0-9]{0,9}(?:\.[0-9]{1,9})?(?:\.gz|\.zst)?", re.DOTALL)
_MOST_MEMORY: Final = 8 << 20  # bytes of the file that remembers


class Found(msgspec.Struct, frozen=True):
    """A file as the folder lists it. `changed`: nanoseconds since the epoch."""

    name: str
    inode: int
    size: int
    changed: int

    @property
    def content(self) -> tuple[int, int, int]:
        """What tells it, whatever it is called."""
        return self.inode, self.size, self.changed

    @property
    def unpacked(self) -> tuple[str, int]:
        """What stays when it is packed."""
        name = in_text(self.name)
        for ending in _PACKED:
            name = name.removesuffix(ending)
        return name, self.changed


def in_text(name: str) -> str:
    r"""A file's name as it can be written down: bytes that are no UTF-8 as `\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode()


def listing(folder: Path) -> list[Found]:
    """Every regular file in it, the longest unchanged first. OperatorError: it cannot be read."""
    found: list[Found] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # rotated away since it was listed
                if stat.S_ISREG(facts.st_mode):
                    found.append(Found(entry.name, facts.st_ino, facts.st_size, facts.st_mtime_ns))
                if len(found) > MAX_FILES:
                    raise OperatorError(f"{folder}: more than {MAX_FILES} files; have older ones moved away")
    except OSError as error:
        raise OperatorError(f"{folder}: cannot be read: {error.strerror or error}") from error
    return sorted(found, key=lambda each: (each.changed, each.name))


class Waiting:
    """Which files are ready; pure. `read`: those of earlier runs."""

    def __init__(self, read: Iterable[Found] = (), settled_s: float = SETTLED_S) -> None:
        self._settled_s = settled_s
        self._names: dict[int, str] = {}  # of each inode, as first seen
        self._since: dict[Found, float] = {}
        self._read: set[object] = set()
        for each in read:
            self.done(each)

    def ready(self, found: Sequence[Found], now: float) -> list[Found]:
        """Of what the folder lists, what is to be read now; `now` in seconds of any clock that does not go back."""
        here, names = set(found), {each.inode: each.name for each in found}
        self._since = {each: since for each, since in self._since.items() if each in here}
        whole = []
        for each in found:
            since = self._since.setdefault(each, now)
            renamed = self._names.get(each.inode, each.name) != each.name
            if self._wanted(each) and (renamed or now - since >= self._settled_s):
                whole.append(each)
        self._names = {inode: self._names.get(inode, name) for inode, name in names.items()}
        return whole

    def done(self, found: Found) -> None:
        """It was read."""
        self._read.add(found.content)
        self._read.add(found.unpacked)

    def _wanted(self, found: Found) -> bool:
        if found.content in self._read or not found.size or not _CAPTURE.fullmatch(found.name):
            return False
        packed = found.name.endswith(_PACKED)
        return not (packed and found.unpacked in self._read)


class Memory:
    """What was read, in a file of one line each. OperatorError: it cannot be read or written."""

    def __init__(self, path: Path, instead: str = "name another place with --seen") -> None:
        """`instead`: what a person can do where it cannot be written."""
        self._path, self._instead = path, instead

    def load(self, present: Iterable[Found]) -> list[Found]:
        """What is remembered of files that are still there, under whatever name or packed; the rest is forgotten."""
        try:
            if self._path.stat(follow_symlinks=False).st_size > _MOST_MEMORY:
                raise OperatorError(f"{self._path}: too large to be what this program wrote; move it away")
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OperatorError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        known = [each for line in lines if (each := _of(line)) is not None]
        inodes, unpacked = {each.inode for each in present}, {each.unpacked for each in present}
        kept = [each for each in known if each.inode in inodes or each.unpacked in unpacked][-MAX_FILES:]
        if len(kept) < len(lines):
            self._rewrite(kept)
        return kept

    def add(self, found: Found) -> None:
        """One more was read; on disk before this returns."""
        self._write(self._path, os.O_APPEND, [found])

    def _rewrite(self, kept: Sequence[Found]) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        self._write(beside, os.O_TRUNC, kept)
        beside.replace(self._path)

    def _write(self, path: Path, how: int, lines: Sequence[Found]) -> None:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | how, 0o600)
            try:
                data = msgspec.json.Encoder().encode_lines(
                    [msgspec.structs.replace(each, name=in_text(each.name)) for each in lines]
                )
                while data:
                    data = data[os.write(fd, data) :]
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            reason = error.strerror or error
            raise OperatorError(f"{path}: cannot be written: {reason}; {self._instead}") from error


def _of(line: bytes) -> Found | None:
    try:
        return msgspec.json.decode(line, type=Found)
    except msgspec.MsgspecError:
        return None  # cut short by a death; that file is read again


def follow(
    folder: Path,
    memory: Memory,
    take: Callable[[Path], None],
    *,
    stopped: Callable[[], bool],
    clock: Callable[[], float],
    settled_s: float = SETTLED_S,
) -> None:
    """Have `take` read each file once it is whole, until `stopped`, which is also what waits between two looks."""
    waiting = Waiting(memory.load(listing(folder)), settled_s)
    while not stopped():
        for found in waiting.ready(listing(folder), clock()):
            take(folder / found.name)
            memory.add(found)
            waiting.done(found)
