"""The worker's pen: turns what the other addons saw into audit events, through the journal.

Owns: exchange ids, pseudonyms of persons, when the journal is synced. Rules: `opened` returns only after write(2);
block is synced at once, everything else within `sync_ms`; nothing here reads a body; a failing journal raises, so that
the caller fails closed.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Protocol

from appliance.model.event import (
    DetectorsCounted,
    Event,
    ExchangeClosed,
    ExchangeOpened,
    Notice,
    Refused,
    Tunnelled,
)
from appliance.model.facts import Principal
from appliance.model.names import Disposition, RefusalReason
from appliance.model.pseudonym import Pseudonyms

ALARM_FILL = 0.8
SYNC_AT_ONCE = frozenset({Disposition.BLOCK, Disposition.HOLD})
TUNNEL_PERIOD_S = 3600.0


class AppendOnly(Protocol):
    """What this file needs of `appliance.journal.writer.Journal`."""

    @property
    def fill(self) -> float:
        """0-1: unacknowledged bytes against the limit."""

    def append(self, event: Event, persons: dict[str, str]) -> int:
        """Write one event; the sequence number."""

    def sync(self) -> None:
        """Fdatasync, if anything was written since."""


class Telemetry:
    """One per worker. `clock` gives epoch seconds."""

    def __init__(
        self,
        worker: str,
        journal: AppendOnly,
        pseudonyms: Pseudonyms,
        sync_ms: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.worker = worker
        self.clock = clock
        self.pseudonyms = pseudonyms
        self._journal = journal
        self._sync_s = sync_ms / 1000
        self._sync_due: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[None] | None = None
        self.shipping: Callable[[], bool] = lambda: False  # whether the shipper syncs as often as is asked here
        self._alarmed = False
        self._tunnels = [0, 0, 0]
        self._tunnels_since = clock()
        self.counts = {"opened": 0, "closed": 0, "refused": 0, "faults": 0}

    def exchange_id(self) -> str:
        """Time-ordered, 32 hexadecimal characters: 48 bits of milliseconds, 80 random bits (UUIDv7's layout idea)."""
        return f"{int(self.clock() * 1000):012x}{os.urandom(10).hex()}"

    def opened(self, event: ExchangeOpened, principal: Principal) -> None:
        """Journal the open of an exchange; raises when it cannot be written."""
        self._append(event, self._persons(principal))
        self.counts["opened"] += 1
        if event.verdict.effective in SYNC_AT_ONCE:
            self._journal.sync()
        self._watch_fill()

    def closed(self, event: ExchangeClosed) -> None:
        """Journal the end of an exchange."""
        self._append(event, {})
        self.counts["closed"] += 1

    def refused(self, reason: RefusalReason, principal: Principal, host: str, port: int, **more: str) -> None:
        """Journal a connection or request that never became an exchange. `more`: detail, listener."""
        event = Refused(
            ts=self.clock(),
            worker=self.worker,
            reason=reason,
            client=self.pseudonyms.address(principal.address),
            principal=self.pseudonyms.person(principal.name),
            host=host[:255],
            port=port,
            detail=more.get("detail", "")[:500],
            listener=more.get("listener", "proxy"),
        )
        self._append(event, self._persons(principal))
        self._journal.sync()
        self.counts["refused"] += 1

    def notice(self, severity: str, note: str, detail: str = "") -> None:
        """Journal something the operator must know. `detail` never holds text from a body."""
        self._append(Notice(self.clock(), self.worker, severity, note, detail[:500]), {})

    def tunnelled(self, up: int, down: int) -> None:
        """Add one finished plain tunnel to this hour's sum."""
        self._tunnels[0] += 1
        self._tunnels[1] += up
        self._tunnels[2] += down
        if self.clock() - self._tunnels_since >= TUNNEL_PERIOD_S:
            self.flush_tunnels()

    def flush_tunnels(self) -> None:
        """Journal the sum of plain tunnels since the last flush."""
        count, up, down = self._tunnels
        if count:
            self._append(Tunnelled(self.clock(), self.worker, count, up, down), {})
        self._tunnels = [0, 0, 0]
        self._tunnels_since = self.clock()

    def counted(self, event: DetectorsCounted) -> None:
        """Journal what detectors have cost and found."""
        self._append(event, {})

    def close(self) -> None:
        """Flush and sync: the last act of a worker."""
        self.flush_tunnels()
        self._journal.sync()

    def _persons(self, principal: Principal) -> dict[str, str]:
        return {
            self.pseudonyms.person(principal.name): principal.name,
            self.pseudonyms.address(principal.address): principal.address,
        }

    def _append(self, event: Event, persons: dict[str, str]) -> None:
        self._journal.append(event, persons)
        if self._sync_due is None:
            self._sync_due = asyncio.get_running_loop().call_later(self._sync_s, self._sync)

    def _sync(self) -> None:
        self._sync_due = None
        if self.shipping():
            return  # the shipper syncs before it sends, every 50 ms
        # A disk that is slow to answer must not hold up the loop; a failure shows at the next append.
        self._syncing = asyncio.get_running_loop().run_in_executor(None, self._journal.sync)

    def _watch_fill(self) -> None:
        if self._journal.fill < ALARM_FILL:
            self._alarmed = False
        elif not self._alarmed:
            self._alarmed = True
            self.notice("alarm", "journal_filling", f"{self._journal.fill:.0%} of journal.max_bytes is not yet stored")
