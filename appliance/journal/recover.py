"""Adopts journals whose writer is dead: closes what was open, ships the rest, removes what the store holds.

Rules: a folder is touched only under its lock, so two recoveries at once do the work once. Every step can be cut short
and done again: an open gets one `lost` because the next scan sees the first one; the store skips what it has; a torn
tail is copied to `<root>/torn/` before it is cut, and the newest few copies are kept. Damage stops the folder, never
the others, and overwrites nothing.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from appliance.journal import aside
from appliance.journal.folder import Folder, adopt, folders, locked_root, sync_directory, write_all
from appliance.journal.ship import Send, Shipper
from appliance.journal.tail import Tail
from appliance.journal.verify import Scan, Torn, check, scan
from appliance.model.errors import EvidenceError
from appliance.model.event import ExchangeClosed, Notice
from appliance.model.names import Outcome

__all__ = ["Recovered", "RecoveryReport", "check", "recover"]

TORN = "torn"
_NOBODY: Mapping[str, str] = {}


class Recovered(msgspec.Struct, frozen=True):
    """One folder: exchanges closed as lost, bytes cut off its tail, last line, why it is still there (None: gone)."""

    folder: str
    lost: int
    torn_bytes: int
    seq: int
    pending: str | None = None


class RecoveryReport(msgspec.Struct, frozen=True):
    """What was done, and the folders left alone because their writer lives or another recovery has them."""

    recovered: tuple[Recovered, ...] = ()
    busy: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[Recovered, ...]:
        """Folders whose lines the store has not taken yet: run again later."""
        return tuple(found for found in self.recovered if found.pending)


def recover(root: Path, send: Send, now: float) -> RecoveryReport:
    """Recover every folder whose writer is dead. `now`: epoch seconds for the `lost` closes.

    A store that is away leaves folders pending. Raises EvidenceError, after all other folders were done, naming each
    damaged file with its place and what to do.
    """
    done: list[Recovered] = []
    busy: list[str] = []
    damage: list[str] = []
    away: str | None = None
    for folder in folders(root):
        lock = adopt(folder)
        if lock is None:
            busy.append(folder.path.name)
            continue
        try:
            found = _recover_folder(folder, send, now, away)
        except EvidenceError as error:
            damage.append(str(error))
        else:
            done.append(found)
            away = away or found.pending
        finally:
            os.close(lock)
    if damage:
        raise EvidenceError("\n".join(damage))
    return RecoveryReport(tuple(done), tuple(busy))


def _recover_folder(folder: Folder, send: Send, now: float, away: str | None) -> Recovered:
    found = scan(folder)
    if found.damage:
        raise EvidenceError(found.damage)
    removed = _cut(folder, found.torn) if found.torn else 0
    seq = _close_lost(folder, found, now, removed)
    pending = away or _ship(folder, send)
    if pending is None:
        _remove(folder)
    return Recovered(folder.path.name, len(found.opened), found.torn.size if found.torn else 0, seq, pending)


def _cut(folder: Folder, torn: Torn) -> int:
    """Keep the torn bytes beside the journals, then cut them away; how many older copies made room."""
    shelf = folder.path.parent / TORN
    shelf.mkdir(mode=0o700, exist_ok=True)
    copy = shelf / f"{folder.path.name}-{torn.segment}-{torn.offset}"
    fd = os.open(folder.segment(torn.segment), os.O_RDWR | os.O_NOFOLLOW)
    try:
        kept = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(kept, os.pread(fd, torn.size, torn.offset))
            os.fsync(kept)
        finally:
            os.close(kept)
        sync_directory(shelf)
        os.ftruncate(fd, torn.offset)
        os.fsync(fd)
    finally:
        os.close(fd)
    return aside.thin_out(copy, "*")


def _close_lost(folder: Folder, found: Scan, now: float, removed: int = 0) -> int:
    """Append a `lost` close for every open, and a notice of a cut; returns the last seq."""
    if not found.opened and not found.torn:
        return found.mark.seq
    tail = Tail(folder, found.mark, found.opened)
    try:
        if found.torn:
            told = f"{found.torn.size} bytes of an unfinished line after line {found.mark.seq} cut away and kept aside"
            told += aside.told(removed)
            tail.append(Notice(now, folder.producer, "warning", "journal_torn", told), _NOBODY)
        for exchange in found.opened:
            lost = ExchangeClosed(exchange, now, Outcome.LOST, reason="the worker died before the exchange ended")
            tail.append(lost, _NOBODY)
    finally:
        tail.close()
    return tail.mark.seq


def _ship(folder: Folder, send: Send) -> str | None:
    """Send everything; why it could not be done, or None. Raises EvidenceError if journal and store contradict."""
    shipper = Shipper(folder.path, send)
    try:
        shipper.drain()
    except EvidenceError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever keeps the store away, the folder stays for the next time
        return f"{type(error).__name__}: {error}"
    finally:
        shipper.close()
    return None


def _remove(folder: Folder) -> None:
    """Everything is in the store. The order keeps what is left readable, should this be cut short."""
    with locked_root(folder.path.parent):
        for file in sorted(folder.path.iterdir(), key=_removal_order):
            file.unlink()
        folder.path.rmdir()


def _removal_order(file: Path) -> tuple[int, str]:
    """The cursor names a segment, a segment needs its head, the folder its lock."""
    ranks = {"cursor": 0, "lock": 3}
    return ranks.get(file.name, 1 if file.suffix == ".jsonl" else 2), file.name
