"""The mapped counter file: creating, opening, locking, and changes that happen whole or not at all.

Rules: everything after the header is read and written only under the lock. A change is first written to the log, then
`busy` is set (one byte: this is the moment at which it has happened), then the log is applied, then `busy` is cleared.
A process killed before the byte has changed nothing; killed after it, the next holder of the lock finds `busy`, applies
the log again (absolute values, so twice is harmless) and clears it. The kernel releases a dead holder's lock, and its
stores up to the kill are in the shared pages in program order, so nothing can fall between these cases.
A power cut may lose pages in any order; the header's boot id tells, and the counters are rebuilt then.
Locks are open-file-description record locks: byte 0 for changes, byte 64 + n for life in worker place n.
"""

import contextlib
import fcntl
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.ledger.layout import (
    BUSY_AT,
    HEADER_SIZE,
    LOG_AT,
    LOG_SIZE,
    Header,
    Outdated,
    Write,
    decode_header,
    decode_log,
    encode_header,
    encode_log,
)
from appliance.model.errors import EvidenceError, OperatorError

_WORKER_LOCK_AT = 64
MAX_PLACES = 256  # worker places that any file has
_PATIENCE_S = 1.0
_SPINS = 2000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _range(kind: int, start: int) -> bytes:
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, start, 1, 0)


_LOCK = _range(fcntl.F_WRLCK, 0)
_UNLOCK = _range(fcntl.F_UNLCK, 0)


class LedgerBusy(EvidenceError):  # noqa: N818 - a state, in the words of its readers
    """The lock was not free within a second: somebody holding it is stopped. Fail closed."""


def boot_id() -> bytes:
    """16 bytes that change with every start of the machine."""
    return bytes.fromhex(_BOOT_ID.read_text().strip().replace("-", ""))


def create(path: Path, *, slots: int, workers: int, notes: int) -> None:
    """A new empty file with all its blocks allocated (a full disk fails here, not later), whole from the start.

    A file that is there already stays: two that create at once end up with the same one.
    """
    header = Header(slots, workers, notes, os.urandom(16), boot_id())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(fd, 0, header.size)
        os.pwrite(fd, encode_header(header), 0)
        os.fsync(fd)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise OperatorError(f"{path}: cannot make the counter file ({header.size} bytes): {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
        os.close(fd)


def read_header(path: Path, fd: int) -> Header:
    """Raises OperatorError naming the file, what is wrong and what to do."""
    try:
        header = decode_header(os.pread(fd, HEADER_SIZE, 0), os.fstat(fd).st_size)
    except ValueError as error:
        raise OperatorError(
            f"{path}: {error}; stop the appliance, move the file away and start again: the counters are rebuilt from "
            "store and journals"
        ) from None
    return header


def outdated(path: Path) -> bool:
    """Whether the file is of an earlier format; False for any other, sound or not."""
    try:
        with path.open("rb") as file:
            decode_header(file.read(HEADER_SIZE), os.fstat(file.fileno()).st_size)
    except Outdated:
        return True
    except (OSError, ValueError):
        return False
    return False


def owners(path: Path) -> list[int]:
    """Worker places in which somebody lives, of a file of any format."""
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        found = []
        for place in range(MAX_PLACES):
            try:
                fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _range(fcntl.F_WRLCK, _WORKER_LOCK_AT + place))
            except BlockingIOError:
                found.append(place)
    finally:
        os.close(fd)  # and with it every lock that was taken to look
    return found


class CounterFile:
    """An open file. One per process; threads are kept apart by a lock of their own."""

    def __init__(self, path: Path) -> None:
        """Raises OperatorError if the file is missing, foreign, damaged or of another version."""
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except OSError as error:
            raise OperatorError(
                f"{path}: cannot open the counter file: {error.strerror}; stop the appliance and start it again: "
                "what is missing is rebuilt"
            ) from error
        try:
            self.header = read_header(path, self._fd)
            self.map = mmap.mmap(self._fd, self.header.size)
        except BaseException:
            os.close(self._fd)
            raise
        self._threads = threading.Lock()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; a change that a dead holder had begun is finished first. Raises LedgerBusy after a second."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def acquire(self) -> None:
        """Take the lock, for callers to whom a context manager's microsecond matters; `release` must follow."""
        self._threads.acquire()
        try:
            try:
                fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _LOCK)
            except BlockingIOError:
                self._wait()
            if self.map[BUSY_AT]:
                self._repair()
        except BaseException:
            self._threads.release()
            raise

    def release(self) -> None:
        """Give the lock back."""
        fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _UNLOCK)
        self._threads.release()

    def _wait(self) -> None:
        """Holders need microseconds: yield first, then sleep, and give up rather than hang an event loop."""
        deadline = time.monotonic() + _PATIENCE_S
        spins = 0
        while time.monotonic() < deadline:
            spins += 1
            if spins < _SPINS:
                os.sched_yield()
            else:
                time.sleep(0.0005)
            with contextlib.suppress(BlockingIOError):
                fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _LOCK)
                return
        raise LedgerBusy(f"{self.path}: the lock has been held for {_PATIENCE_S:g} s; is a worker stopped?")

    def commit(self, writes: list[Write]) -> None:
        """Make all writes or none. The caller holds the lock."""
        log = encode_log(writes)
        counters = self.map
        counters[LOG_AT : LOG_AT + len(log)] = log
        counters[BUSY_AT] = 1
        for offset, data in writes:
            counters[offset : offset + len(data)] = data
        counters[BUSY_AT] = 0

    def _repair(self) -> None:
        for offset, data in decode_log(self.map[LOG_AT : LOG_AT + LOG_SIZE]):
            self.map[offset : offset + len(data)] = data
        self.map[BUSY_AT] = 0

    def claim(self, worker: int) -> bool:
        """Live in a worker's place until `close` or death; False if somebody else does."""
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _range(fcntl.F_WRLCK, _WORKER_LOCK_AT + worker))
        except BlockingIOError:
            return False
        return True

    def leave(self, worker: int) -> None:
        """Give a claimed place up."""
        fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _range(fcntl.F_UNLCK, _WORKER_LOCK_AT + worker))

    def close(self) -> None:
        """Unmap and release every lock."""
        if self._fd >= 0:
            self.map.close()
            os.close(self._fd)
            self._fd = -1
