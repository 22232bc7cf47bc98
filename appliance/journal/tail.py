"""The growing end of a journal: appends lines to the last segment and rolls to the next.

Rules: `append` returns only after write(2) took the whole line; a line that cannot be written whole is cut away again,
so the file always ends with a whole line while its writer lives. After a failure that leaves the file in doubt (a cut
that failed, a failed sync) the tail is broken and every later append fails: a journal that may lie takes no records.
`append` belongs to one thread; `sync` may be called from any.
"""

import os
import threading
from collections.abc import Iterable, Mapping

from appliance.journal.folder import Folder, Head
from appliance.journal.record import Mark, encode_line
from appliance.model.errors import EvidenceError
from appliance.model.event import Event, ExchangeClosed, ExchangeOpened

SEGMENT_BYTES = 32 << 20


class JournalFull(EvidenceError):  # noqa: N818 - named as the operator knows it
    """The journal has reached its limit: no new exchange may begin until the store has taken what is there."""


class Tail:
    """Appends after `mark`. `offset` is the length of the last segment, `written` the bytes appended in this life."""

    def __init__(
        self, folder: Folder, mark: Mark, opened: Iterable[str] = (), *, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """Continue the last segment, or begin the first. Raises EvidenceError if the files cannot be made."""
        self.folder, self.mark, self.opened = folder, mark, dict.fromkeys(opened)
        self.written = 0
        self._segment_bytes = segment_bytes
        self._broken: str | None = None
        self._dirty = False
        self._swap = threading.Lock()  # held while the descriptor is synced or exchanged
        segments = folder.segments()
        try:
            if segments:
                self._fd = os.open(folder.segment(segments[-1]), os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
            else:
                self._fd = self._next_segment()
        except OSError as error:
            raise EvidenceError(f"{folder.path}: cannot begin a journal segment: {error.strerror}") from error
        self.offset = os.fstat(self._fd).st_size

    def append(self, event: Event, persons: Mapping[str, str], room: int | None = None) -> int:
        """Write one event; returns its seq. `room`: bytes it may take (None: any), else JournalFull.

        Raises EvidenceError when the line cannot be written; nothing of it is left behind then.
        """
        if self._broken:
            raise EvidenceError(self._broken)
        line, mark = encode_line(self.mark, event, persons)
        if room is not None and len(line) > room:
            raise JournalFull(f"{self.folder.path}: the journal is full; the store has to take what is there first")
        if self.offset >= self._segment_bytes:
            self._roll()
        self._write(line)
        self.mark = mark
        if isinstance(event, ExchangeOpened):
            self.opened[event.exchange] = None
        elif isinstance(event, ExchangeClosed):
            self.opened.pop(event.exchange, None)
        return mark.seq

    def _write(self, line: bytes) -> None:
        try:
            done = os.write(self._fd, line)
            while done < len(line):
                done += os.write(self._fd, line[done:])
        except OSError as error:
            self._cut_back()
            raise EvidenceError(f"{self.folder.path}: journal write failed: {error.strerror}") from error
        self.offset += done
        self.written += done
        self._dirty = True

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._fd, self.offset)
        except OSError as error:
            self._broken = (
                f"{self.folder.path}: a half-written line could not be cut away ({error.strerror}); "
                "the worker must restart"
            )

    def sync(self) -> None:
        """Sync if anything was written since the last one. Raises EvidenceError; the tail is broken then."""
        if not self._dirty:
            return
        with self._swap:
            self._dirty = False  # first: a line written meanwhile sets it again
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                # After a failed sync the kernel may drop the dirty pages; a later success would prove nothing.
                self._broken = f"{self.folder.path}: journal sync failed ({error.strerror}); the worker must restart"
                raise EvidenceError(self._broken) from error

    def _roll(self) -> None:
        self.sync()
        try:
            fresh = self._next_segment()
        except OSError as error:
            raise EvidenceError(f"{self.folder.path}: cannot begin a journal segment: {error.strerror}") from error
        with self._swap:
            old, self._fd, self.offset = self._fd, fresh, 0
        os.close(old)

    def _next_segment(self) -> int:
        first = self.mark.seq + 1
        self.folder.write_head(first, Head(self.mark.seq, self.mark.digest, tuple(self.opened)))
        return self.folder.create_segment(first)

    def close(self) -> None:
        """Sync and close; further appends fail."""
        if self._fd < 0:
            return
        try:
            self.sync()
        finally:
            self._broken = self._broken or f"{self.folder.path}: this journal is closed"
            with self._swap:
                os.close(self._fd)
                self._fd = -1
