"""How far the records of a capture file have been journalled in this run of the appliance.

Owns: RUN/captures/<digest of path>. Rules: a file gives the same records in the same order whenever it is read with the
same eyes, so a sensor that was killed reads it again from its start and leaves out as many records as are noted here;
the note follows the journal's write at once, so a death can at most repeat the one record between the two. A file that
was read to its end is not read again in this run, not by a newer program either: its records stand, and reading it
again would count all of them twice; `gnomon replay` shows what the newer program sees in it. One that was left in the
middle is begun anew by another program, which may see more in the part that was read. One sensor at a time holds a
note, by a lock that dies with it.
"""

import fcntl
import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import Final

import msgspec

from appliance.model.errors import OperatorError

FOLDER: Final = "captures"
_SIZE: Final = 512


class Note(msgspec.Struct, frozen=True):
    """`file`: which file it is; `eyes`: a digest of what read it; `records`: how many are journalled."""

    file: str
    eyes: str
    records: int = 0
    done: bool = False


def identity(path: Path) -> str:
    """Of the file's present content, as far as the file system tells. OSError: there is none."""
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


class Progress:
    """The note of one capture file, held until `close`."""

    def __init__(self, run_dir: Path, source: str, file: str, eyes: str) -> None:
        """Wait for whoever holds the note, then take it. OperatorError: the run folder cannot be written.

        `eyes`: what makes another reading give other records, the program's own version aside.
        """
        eyes = _digest(f"{importlib.metadata.version('gnomon')} {eyes}")
        path = run_dir / FOLDER / _digest(source)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._path = path
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except OSError as error:
            raise OperatorError(f"{path}: cannot be written: {error.strerror}; check run_dir") from None
        found = self._read()
        same = found is not None and found.file == file and (found.done or found.eyes == eyes)
        self._note = found if found is not None and same else Note(file, eyes)

    @property
    def records(self) -> int:
        """How many records an earlier life has journalled."""
        return self._note.records

    @property
    def done(self) -> bool:
        """The file was read to its end."""
        return self._note.done

    def recorded(self) -> None:
        """One more is journalled."""
        self._write(msgspec.structs.replace(self._note, records=self._note.records + 1))

    def finish(self) -> None:
        """All are journalled."""
        self._write(msgspec.structs.replace(self._note, done=True))

    def forget(self) -> None:
        """Take the note away: that the file was read is remembered elsewhere."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the note."""
        os.close(self._fd)

    def _read(self) -> Note | None:
        try:
            return msgspec.json.decode(os.pread(self._fd, _SIZE, 0).rstrip(b" "), type=Note)
        except msgspec.MsgspecError:
            return None

    def _write(self, note: Note) -> None:
        self._note = note
        os.pwrite(self._fd, msgspec.json.encode(note).ljust(_SIZE), 0)  # in one write of fixed size
