"""Makes the counter file fit for a start: kept, created, or rebuilt from what the store tells.

Rules: only before workers run. A file of this machine life is trusted, for no kill can harm it; one of an earlier life
is not, for a power cut may have lost any of its pages; nor is one of an earlier format. A damaged or foreign file is
never overwritten.
"""

import datetime as dt
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from appliance.ledger.budgets import Budgets
from appliance.ledger.file import CounterFile, boot_id, create, outdated, owners
from appliance.ledger.ledger import NOTES, SLOTS, WORKERS, Ledger
from appliance.ledger.levels import Used, tally
from appliance.ledger.windows import LENGTH, RATE_CODE, Calendar, Window
from appliance.model.errors import OperatorError


def stands(path: Path) -> bool:
    """Whether the file can be used as it is; what dead workers had reserved is then given back.

    Raises OperatorError for a file that is damaged or of a later version.
    """
    if not path.exists() or outdated(path):
        return False
    file = CounterFile(path)
    file.close()
    if file.header.boot != boot_id():
        return False
    with Ledger(path, claim=False) as ledger:
        ledger.refund_dead()
    return True


def spans(now: float, budgets: Budgets | None, calendar: Calendar) -> dict[Window, float]:
    """The windows whose counters are told by history, each with its beginning, epoch seconds."""
    windows = {Window.DAY, *(budget.window for budget in (budgets.all if budgets else ()))} - {Window.RUNNING}
    return {
        window: now - LENGTH[window] if window in RATE_CODE else float(calendar.bounds(window, now)[0])
        for window in windows
    }


def rebuild(
    path: Path,
    history: Callable[[float], Iterable[Used]],
    now: float,
    budgets: Budgets | None = None,
    zone: dt.tzinfo = dt.UTC,
) -> int:
    """Put a new file in place whose counters are told by `history` (what was used since a time); how many it has.

    Of a rate all that was used within its span counts as used just now, which is never too little. Raises
    OperatorError while a worker has the old file open, LedgerFull if there are more counters than slots.
    """
    if path.exists():
        _refuse_if_used(path)
    fresh = path.with_name(path.name + ".rebuild")
    fresh.unlink(missing_ok=True)
    create(fresh, slots=SLOTS, workers=WORKERS, notes=NOTES)
    made = 0
    try:
        with Ledger(fresh, claim=False, zone=zone) as ledger:
            for window, since in spans(now, budgets, Calendar(zone)).items():
                for key, count in tally(history(since), window, budgets).items():
                    ledger.add_settled(key, count, now)
                    made += 1
        os.replace(fresh, path)  # noqa: PTH105 - the word that says it overwrites
    finally:
        fresh.unlink(missing_ok=True)
    return made


def _refuse_if_used(path: Path) -> None:
    if not outdated(path):
        CounterFile(path).close()
    if found := owners(path):
        raise OperatorError(f"{path}: worker place {found[0]} is in use; stop the appliance first")
