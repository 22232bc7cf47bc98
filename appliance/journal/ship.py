"""Sends a journal to the store and remembers how far it got.

Rules: a line is sent only after it is on disk, so the store can never know more than a recovered journal. The cursor
moves only on acknowledgement and is a hint: the store skips what it has, so sending twice is harmless and skipping is
impossible. Lines are not parsed, only counted. A store that is away costs back-off, never a record; the thread never
dies of an error and never touches the event loop.
"""

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.journal.folder import Cursor, Folder, write_cursor
from appliance.journal.record import MAX_LINE
from appliance.journal.writer import Journal
from appliance.model.errors import EvidenceError, PeerError

type Send = Callable[[str, int, int, int, bytes, int], int]
"""send(producer, epoch, first_seq, last_seq, lines, oldest) -> the store's mark: the highest seq that it holds.

`oldest` is the lowest seq that the journal still has: where it equals `first_seq`, a store that lacks earlier lines may
take the gap (with an alarm), for they will never come. When the store refuses a batch because lines before it are
missing, its mark is the answer, not an exception. Raises EvidenceError if the store finds the lines damaged, anything
else (OSError, PeerError) if it is away. `appliance.bus.ingest.sender` makes the real one.
"""

BATCH_BYTES = MAX_LINE
BATCH_LINES = 512
INTERVAL_S = 0.05
_MAX_PAUSE_S = 5.0


class _Batch(msgspec.Struct, frozen=True):
    first: int
    last: int
    lines: bytes


class Shipper:
    """Sends one folder in order. `until`: the last seq that may be sent (None: all); `keep`: unlink no segment."""

    def __init__(
        self,
        folder: Path,
        send: Send,
        *,
        on_ack: Callable[[int], None] | None = None,
        until: int | None = None,
        keep: bool = False,
    ) -> None:
        """Resume from the cursor. Raises EvidenceError if files are missing behind it."""
        self._folder = Folder.at(folder)
        self._send, self._on_ack, self._until, self._keep = send, on_ack, until, keep
        self.cursor = self._folder.cursor()
        self.behind = False
        self._cursor_fd = self._folder.open_cursor()
        self._fd = -1
        self._base = 0  # bytes of this life in the segments before the current one
        self._oldest = min(self._folder.segments(), default=1)
        self._claimed = 0  # the highest mark the store ever told
        self._rewound_from = -1

    def ship_once(self) -> bool:
        """Send one batch, at most 512 lines or 1 MiB; False when nothing was left to send. `behind` tells of more.

        Raises what `send` raises; EvidenceError when journal and store cannot be brought together; PeerError when the
        store answers without taking anything.
        """
        batch = self._next_batch()
        self.behind = False
        if batch is None:
            self._check_claim()
            return False
        os.fdatasync(self._fd)
        mark = self._send(self._folder.producer, self._folder.epoch, batch.first, batch.last, batch.lines, self._oldest)
        self._claimed = max(self._claimed, mark)
        if mark < batch.first - 1:
            self._rewind(mark)
        elif mark == batch.first - 1:
            raise PeerError(f"the store took nothing of lines {batch.first}-{batch.last} of {self._folder.path.name}")
        else:
            self._advance(batch, mark)
        full = batch.last - batch.first + 1 == BATCH_LINES or 2 * len(batch.lines) > BATCH_BYTES
        self.behind = full or mark < batch.last
        return True

    def drain(self) -> int:
        """Send until nothing is left; returns the seq acknowledged."""
        while self.ship_once():
            pass
        return self.cursor.seq

    def _next_batch(self) -> _Batch | None:
        room = BATCH_LINES if self._until is None else min(BATCH_LINES, self._until - self.cursor.seq)
        if room <= 0:
            return None
        count, lines = self._read(room)
        while not count and self._step_segment():
            count, lines = self._read(room)
        return _Batch(self.cursor.seq + 1, self.cursor.seq + count, lines) if count else None

    def _read(self, room: int) -> tuple[int, bytes]:
        """Whole lines from the cursor on and their number: at most `room` and BATCH_BYTES."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._folder.segment(self.cursor.segment), os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:
                return 0, b""
        data = os.pread(self._fd, BATCH_BYTES, self.cursor.offset)
        *lines, rest = data.split(b"\n", room)  # one pass: counting and searching apart cost twice as much
        if not lines and len(data) == BATCH_BYTES:
            raise EvidenceError(self._told(self.cursor.offset, f"no end of line within {BATCH_BYTES} bytes"))
        return len(lines), data[: len(data) - len(rest)]

    def _told(self, offset: int, reason: str) -> str:
        return (
            f"{self._folder.segment(self.cursor.segment)}: byte {offset}: {reason}; "
            f"`gnomon journal quarantine {self._folder.path}` sets the folder aside"
        )

    def _step_segment(self) -> bool:
        """Go on to the next segment, if the current one is finished, and drop the current one."""
        following = self.cursor.seq + 1
        if self._fd < 0 or following == self.cursor.segment or not self._folder.segment(following).exists():
            return False
        size = os.fstat(self._fd).st_size
        if size != self.cursor.offset:  # the name of the next segment says that every line of this one was sent
            raise EvidenceError(self._told(self.cursor.offset, f"{size - self.cursor.offset} bytes too many"))
        done = self.cursor.segment
        self._base += size
        self._move(Cursor(following, 0, self.cursor.seq))
        if not self._keep:
            os.fdatasync(self._cursor_fd)
            self._folder.segment(done).unlink(missing_ok=True)
            self._folder.head_file(done).unlink(missing_ok=True)
            self._oldest = following
        return True

    def _advance(self, batch: _Batch, mark: int) -> None:
        size = len(batch.lines) if mark >= batch.last else _end_of_line(batch.lines, mark - self.cursor.seq)
        self._move(Cursor(self.cursor.segment, self.cursor.offset + size, min(mark, batch.last)))

    def _move(self, cursor: Cursor) -> None:
        if cursor.segment != self.cursor.segment:
            self._close_segment()
        self.cursor = cursor
        write_cursor(self._cursor_fd, cursor)
        if self._on_ack:
            self._on_ack(self._base + cursor.offset)

    def _rewind(self, mark: int) -> None:
        """The store lacks lines that it had acknowledged (an older copy was restored): send what is still here."""
        if self.cursor.seq <= self._rewound_from:
            raise PeerError(f"the store keeps asking for lines of {self._folder.path.name} that it has just taken")
        self._rewound_from = self.cursor.seq
        held = self._folder.segments()
        segment = max((first for first in held if first <= mark + 1), default=held[0])
        between = [first for first in held if segment <= first < self.cursor.segment]
        self._base -= sum(self._folder.segment(first).stat().st_size for first in between)
        count = max(0, mark + 1 - segment)
        with self._folder.segment(segment).open("rb") as file:
            offset = sum(len(file.readline()) for _ in range(count))
        self._move(Cursor(segment, offset, segment - 1 + count))

    def _check_claim(self) -> None:
        if self._until is None and self._claimed > self.cursor.seq:
            raise EvidenceError(
                f"{self._folder.path}: the store holds this journal up to seq {self._claimed}, but it ends at seq "
                f"{self.cursor.seq}: it was cut or replaced; `gnomon journal quarantine {self._folder.path}` sets it "
                "aside"
            )

    def _close_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        """Close the files; the cursor stays."""
        self._close_segment()
        if self._cursor_fd >= 0:
            os.close(self._cursor_fd)
            self._cursor_fd = -1


def _end_of_line(lines: bytes, count: int) -> int:
    """The offset after the first `count` lines."""
    return len(lines) - len(lines.split(b"\n", count)[count])


def back_off(failures: int, jitter: float) -> float:
    """Seconds to wait after so many failures in a row: 50 ms doubling to 5 s, of which `jitter` 0-1 keeps 50-100 %."""
    return min(_MAX_PAUSE_S, INTERVAL_S * 2.0 ** min(failures, 10)) * (0.5 + jitter / 2)


class ShipThread:
    """Ships a living journal in the background: every 50 ms, or without pause while full batches are waiting.

    `error` is the last failure (None: all is well); `on_error` is told of each, in the thread.
    """

    def __init__(self, journal: Journal, send: Send, *, on_error: Callable[[Exception], None] | None = None) -> None:
        """Nothing runs before `start`."""
        self._shipper = Shipper(journal.folder.path, send, on_ack=journal.acknowledged)
        self._on_error = on_error
        self.error: Exception | None = None
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-ship", daemon=True)
        self._jitter = random.Random()  # noqa: S311 - spreads retries, protects nothing

    @property
    def acknowledged(self) -> int:
        """The seq up to which the store holds the journal."""
        return self._shipper.cursor.seq

    def start(self) -> None:
        """Begin shipping."""
        self._thread.start()

    def wake(self) -> None:
        """Ship now instead of within 50 ms; no effect while the store is away."""
        self._wake.set()

    def stop(self, timeout: float) -> bool:
        """One last attempt to ship everything, then end; True if the thread ended and nothing had failed."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout)
        return not self._thread.is_alive() and self.error is None

    def _run(self) -> None:
        failures = 0
        while True:
            stopping = self._stop.is_set()  # read before shipping, so that the last pass sees the last lines
            failures = self._pass(failures, to_the_end=stopping)
            if stopping:
                break
            if failures:
                self._stop.wait(back_off(failures, self._jitter.uniform(0, 1)))
            else:
                self._wake.wait(INTERVAL_S)
                self._wake.clear()
        self._shipper.close()

    def _pass(self, failures: int, *, to_the_end: bool) -> int:
        """Ship what is there; the new number of failures in a row.

        A batch that was not full ends the pass: the next one gathers for 50 ms, so that the store commits 20 times a
        second and not once per line.
        """
        try:
            while self._shipper.ship_once() and (to_the_end or self._shipper.behind):
                pass
        except Exception as error:  # noqa: BLE001 - a shipper that dies of one error would fill the journal in silence
            self.error = error
            if self._on_error:
                self._on_error(error)
            return failures + 1
        self.error = None
        return 0
