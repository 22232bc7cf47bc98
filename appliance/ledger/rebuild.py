"""Makes the counter file fit for a start: kept, created, or rebuilt from what store and journals tell.

Rules: only before workers run. A file of this machine life is trusted, for no kill can harm it; one of an earlier life
is not, for a power cut may have lost any of its pages. A damaged or foreign file is never overwritten.
"""

import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

from appliance.ledger.file import CounterFile, boot_id, create
from appliance.ledger.ledger import NOTES, SLOTS, WORKERS, Ledger
from appliance.ledger.levels import KeysFor, request_keys, tally
from appliance.model.errors import OperatorError
from appliance.model.event import Event


class Prepared(StrEnum):
    """What `prepare` found and did."""

    KEPT = "kept"
    CREATED = "created"
    REBUILT = "rebuilt"


def prepare(
    path: Path, events: Callable[[], Iterable[Event]], now: float, *, keys_for: KeysFor = request_keys
) -> Prepared:
    """Call once at start, before any worker. Raises OperatorError for a file that is damaged or of another version.

    `events` is asked only where counters must be rebuilt: what happened since the last midnight UTC, with every open
    before its close.
    """
    existed = path.exists()
    if existed:
        file = CounterFile(path)
        file.close()
        if file.header.boot == boot_id():
            with Ledger(path, claim=False) as ledger:
                ledger.refund_dead()
            return Prepared.KEPT
    rebuild(path, events(), now, keys_for=keys_for)
    return Prepared.REBUILT if existed else Prepared.CREATED


def rebuild(path: Path, events: Iterable[Event], now: float, *, keys_for: KeysFor = request_keys) -> int:
    """Put a new file in place whose counters are told by `events`; how many counters it has.

    Raises OperatorError while a worker has the old file open, LedgerFull if there are more counters than slots.
    """
    if path.exists():
        _refuse_if_used(path)
    fresh = path.with_name(path.name + ".rebuild")
    fresh.unlink(missing_ok=True)
    create(fresh, slots=SLOTS, workers=WORKERS, notes=NOTES)
    try:
        totals = tally(events, keys_for, now)
        with Ledger(fresh, claim=False) as ledger:
            for key, count in totals.items():
                ledger.add_settled(key, count, now)
        os.replace(fresh, path)  # noqa: PTH105 - the word that says it overwrites
    finally:
        fresh.unlink(missing_ok=True)
    return len(totals)


def _refuse_if_used(path: Path) -> None:
    file = CounterFile(path)
    try:
        for place in range(file.header.workers):
            if not file.claim(place):
                raise OperatorError(f"{path}: worker place {place} is in use; stop the appliance first")
    finally:
        file.close()
