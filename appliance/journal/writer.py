"""A living worker's journal: its own folder, its lock, and the limit on what the store has not taken yet.

Rules: one journal per worker life, written by one thread. At the limit no exchange may open, yet an exchange that runs
can always end: refusals, notices and sums may use 3 % above the limit, closes 5 %, so that a flood of refusals cannot
take the room of the closes.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from appliance.journal.folder import Folder, create
from appliance.journal.tail import SEGMENT_BYTES, JournalFull, Tail
from appliance.model.event import Event, ExchangeClosed, ExchangeOpened

__all__ = ["Journal", "JournalFull"]


class Journal:
    """Append-only record of one worker life under `<root>/<producer>-<epoch>/`."""

    def __init__(
        self, root: Path, producer: str, epoch: int, *, max_bytes: int, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """Create folder, lock, first segment. Raises OperatorError (bad name, epoch used) or EvidenceError (disk)."""
        folder, self._lock = create(root, producer, epoch)
        try:
            self._tail = Tail(folder, folder.genesis(), segment_bytes=segment_bytes)
        except BaseException:
            os.close(self._lock)
            raise
        self._max_bytes = max_bytes
        self._for_others = max_bytes + max_bytes * 3 // 100
        self._for_closes = max_bytes + max_bytes * 5 // 100
        self._acknowledged = 0

    @property
    def folder(self) -> Folder:
        """Where it is."""
        return self._tail.folder

    @property
    def seq(self) -> int:
        """The last seq written; 0 before the first."""
        return self._tail.mark.seq

    @property
    def opened(self) -> frozenset[str]:
        """Exchanges opened and not yet closed."""
        return frozenset(self._tail.opened)

    @property
    def fill(self) -> float:
        """Bytes that the store has not acknowledged, as a share of the limit; an alarm is due at 0.8."""
        return (self._tail.written - self._acknowledged) / self._max_bytes

    def append(self, event: Event, persons: Mapping[str, str]) -> int:
        """Write one event; returns its seq after write(2): kill -9 cannot lose it. `sync` guards from a power cut.

        `persons` maps the digests in the event to clear values. Raises JournalFull at the limit, EvidenceError when the
        disk refuses; in both cases nothing was recorded and the caller must not go on as if it were.
        """
        if isinstance(event, ExchangeOpened):
            limit = self._max_bytes
        elif isinstance(event, ExchangeClosed):
            limit = self._for_closes
        else:
            limit = self._for_others
        return self._tail.append(event, persons, limit - (self._tail.written - self._acknowledged))

    def sync(self) -> None:
        """Sync to the disk if dirty: every 50 ms, at once for a block or hold. Any thread. Raises EvidenceError."""
        self._tail.sync()

    def acknowledged(self, total: int) -> None:
        """The shipper's word that the store holds the first `total` bytes of this life. Any thread."""
        self._acknowledged = total

    def close(self) -> None:
        """Sync, close, give the lock back. What is not yet shipped is found by recovery."""
        try:
            self._tail.close()
        finally:
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1
