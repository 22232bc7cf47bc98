"""Makes the counter file fit for a start: kept, created, or rebuilt from what the store tells.

Rules: only before workers run. A file of this machine life is trusted, for no kill can harm it; one of an earlier life
is not, for a power cut may have lost any of its pages. A damaged or foreign file is never overwritten.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from appliance.ledger.file import CounterFile, boot_id, create
from appliance.ledger.layout import LENGTH, Window
from appliance.ledger.ledger import NOTES, SLOTS, WORKERS, Ledger
from appliance.ledger.levels import Used, tally
from appliance.model.errors import OperatorError


def stands(path: Path) -> bool:
    """Whether the file can be used as it is; what dead workers had reserved is then given back.

    Raises OperatorError for a file that is damaged or of another version.
    """
    if not path.exists():
        return False
    file = CounterFile(path)
    file.close()
    if file.header.boot != boot_id():
        return False
    with Ledger(path, claim=False) as ledger:
        ledger.refund_dead()
    return True


def windows_began(now: float) -> float:
    """Since when history is needed: the last midnight UTC. Epoch seconds, as `now`."""
    return now // LENGTH[Window.DAY] * LENGTH[Window.DAY]


def rebuild(path: Path, history: Iterable[Used], now: float) -> int:
    """Put a new file in place whose counters are told by `history`; how many counters it has.

    Raises OperatorError while a worker has the old file open, LedgerFull if there are more counters than slots.
    """
    if path.exists():
        _refuse_if_used(path)
    fresh = path.with_name(path.name + ".rebuild")
    fresh.unlink(missing_ok=True)
    create(fresh, slots=SLOTS, workers=WORKERS, notes=NOTES)
    try:
        totals = tally(history)
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
