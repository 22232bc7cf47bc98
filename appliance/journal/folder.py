"""One journal folder on disk: names, locks, segment heads, cursor. Knows nothing of lines.

Layout of `<root>/<producer>-<epoch>/` (0700, files 0600)::

    lock                     flock(LOCK_EX), held by the living writer or by the recovery that adopted the folder
    <first seq>.jsonl        segments, 20 digits, contiguous; only the last one grows
    <first seq>.head         what stood before that segment: digest and the exchanges then open
    cursor                   what the store has acknowledged

Rules: a head is on disk before its segment is created and a segment is synced before the next head is written, so only
the last segment can be torn. The cursor is on disk before an acknowledged segment is unlinked, so a segment missing
behind the cursor is damage, never haste. Creating and adopting folders happens under `<root>/.lock`, so nobody adopts a
folder whose writer is just being born. Small files are sealed: `<sha256 of the rest> <json>`.
"""

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.journal.record import Mark, genesis
from appliance.model.errors import EvidenceError, OperatorError

_NAME = re.compile(r"([a-z][a-z0-9_]{0,31})-([0-9]{1,20})\Z")
_SEGMENT = re.compile(r"([0-9]{20})\.jsonl\Z")
_CURSOR_SIZE = 256
_CREATE = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class Head(msgspec.Struct, frozen=True):
    """State before a segment's first line: last seq and digest, exchanges open then."""

    seq: int
    digest: str
    opened: tuple[str, ...] = ()


class Cursor(msgspec.Struct, frozen=True):
    """Acknowledged up to `seq`; the next byte to send is `offset` of the segment that begins with seq `segment`."""

    segment: int
    offset: int
    seq: int


class Folder(msgspec.Struct, frozen=True):
    """A journal folder by path; producer and epoch are its name."""

    path: Path
    producer: str
    epoch: int

    @classmethod
    def at(cls, path: Path) -> "Folder":
        """Raises OperatorError unless the last part of `path` is `<producer>-<epoch>`."""
        if found := _NAME.match(path.name):
            return cls(path, found[1], int(found[2]))
        raise OperatorError(f"{path}: not a journal folder; its name must be PRODUCER-EPOCH, e.g. w0-1731580000")

    def segments(self) -> list[int]:
        """First seqs of the segments, rising."""
        return sorted(int(found[1]) for file in self.path.iterdir() if (found := _SEGMENT.match(file.name)))

    def segment(self, first: int) -> Path:
        """The segment that begins with seq `first`."""
        return self.path / f"{first:020d}.jsonl"

    def head_file(self, first: int) -> Path:
        """The head of that segment."""
        return self.path / f"{first:020d}.head"

    def genesis(self) -> Mark:
        """The place before the folder's first line."""
        return genesis(self.producer, self.epoch)

    def write_head(self, first: int, head: Head) -> None:
        """Durably, by rename."""
        draft = self.path / "head.draft"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            write_all(fd, _seal(msgspec.json.encode(head)))
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.rename(self.head_file(first))

    def read_head(self, first: int) -> Head:
        """Raises EvidenceError if it is missing or damaged: without it nobody knows what is still open."""
        path = self.head_file(first)
        try:
            return msgspec.json.decode(_unseal(path.read_bytes()), type=Head)
        except (OSError, ValueError) as error:
            raise EvidenceError(
                f"{path}: segment head unreadable ({error}); "
                f"`gnomon journal quarantine {self.path}` sets the folder aside"
            ) from None

    def create_segment(self, first: int) -> int:
        """A new empty segment, durable in its folder; returns its descriptor, open for reading and appending."""
        fd = os.open(self.segment(first), os.O_RDWR | os.O_APPEND | _CREATE, 0o600)
        sync_directory(self.path)
        return fd

    def open_cursor(self) -> int:
        """A descriptor for `read_cursor` and `write_cursor`."""
        return os.open(self.path / "cursor", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def cursor(self) -> Cursor:
        """The cursor as it stands; the start of the oldest segment if it is missing or unreadable.

        Falling back costs only re-sending: the store skips what it has. Raises EvidenceError if the cursor names a
        segment that is gone or too short, for then unacknowledged lines are missing.
        """
        segments = self.segments()
        oldest = segments[0] if segments else 1
        try:
            raw = (self.path / "cursor").read_bytes()
            cursor = msgspec.json.decode(_unseal(raw), type=Cursor)
        except (OSError, ValueError):
            return Cursor(oldest, 0, oldest - 1)
        size = self.segment(cursor.segment).stat().st_size if cursor.segment in segments else -1
        if size < cursor.offset:
            raise EvidenceError(
                f"{self.segment(cursor.segment)}: acknowledged up to byte {cursor.offset} (seq {cursor.seq}), but "
                + (f"the file ends at byte {size}" if size >= 0 else "the file is missing")
                + f"; `gnomon journal quarantine {self.path}` sets the folder aside"
            )
        return cursor


def write_cursor(fd: int, cursor: Cursor) -> None:
    """In one write of fixed size (kill -9 cannot split it; a power cut that does is caught by the seal)."""
    os.pwrite(fd, _seal(msgspec.json.encode(cursor)).ljust(_CURSOR_SIZE), 0)


def write_all(fd: int, data: bytes) -> None:
    """os.write until everything is out; OSError passes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_directory(path: Path) -> None:
    """Make names created, renamed or removed in `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def create(root: Path, producer: str, epoch: int) -> tuple[Folder, int]:
    """A new folder with its lock held; returns the lock's descriptor. Raises OperatorError if it exists already."""
    if not _NAME.match(f"{producer}-{epoch}"):  # the whole name: a producer must not lead out of the root
        raise OperatorError(f"{producer!r} and {epoch}: not a journal's PRODUCER-EPOCH, e.g. w0-1731580000")
    folder = Folder.at(root / f"{producer}-{epoch}")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked_root(root):
        try:
            folder.path.mkdir(mode=0o700)
        except FileExistsError:
            raise OperatorError(f"{folder.path}: exists already; every life of a worker needs its own epoch") from None
        lock = os.open(folder.path / "lock", os.O_RDWR | _CREATE, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder, lock


def folders(root: Path) -> list[Folder]:
    """All journal folders of a root, by name; none if the root does not exist. Other names are left alone."""
    try:
        names = sorted(file.name for file in root.iterdir())
    except FileNotFoundError:
        return []
    return [Folder.at(root / name) for name in names if _NAME.match(name)]


def adopt(folder: Folder) -> int | None:
    """Take the lock of a folder whose writer is dead; None if it lives or the folder is gone."""
    with locked_root(folder.path.parent):
        if not folder.path.is_dir():
            return None
        lock = os.open(folder.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock


@contextlib.contextmanager
def locked_root(root: Path) -> Iterator[None]:
    """Hold `<root>/.lock`: for the few file operations of creating, adopting, moving or removing a folder."""
    lock = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _seal(payload: bytes) -> bytes:
    return hashlib.sha256(payload).hexdigest().encode() + b" " + payload + b"\n"


def _unseal(sealed: bytes) -> bytes:
    digest, _, payload = sealed.rstrip(b" ").rstrip(b"\n").partition(b" ")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise ValueError("its checksum is wrong")
    return payload
