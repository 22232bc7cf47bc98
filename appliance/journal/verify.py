"""Reads journal folders and says how far they can be trusted; quarantines those that cannot. Changes no line.

Rules: a torn tail is the last line of the last segment, behind everything acknowledged, cut short by a death or a power
cut: its append never returned, so no request relied on it. Any other fault is damage and is never mended here.
"""

import os
from pathlib import Path

import msgspec

from appliance.journal.folder import Cursor, Folder, adopt, folders, locked_root, sync_directory
from appliance.journal.record import Chain, Mark, verify_lines
from appliance.journal.ship import Send, Shipper
from appliance.model.errors import EvidenceError, OperatorError

QUARANTINE = "quarantine"


class Torn(msgspec.Struct, frozen=True):
    """An unfinished last line: `size` bytes at byte `offset` of the segment that begins with seq `segment`."""

    segment: int
    offset: int
    size: int


class Scan(msgspec.Struct, frozen=True):
    """What a folder holds: lines up to `mark` are good, `opened` have no close there, `damage` says what is wrong."""

    folder: str
    mark: Mark
    acknowledged: int
    opened: tuple[str, ...] = ()
    torn: Torn | None = None
    damage: str | None = None


class Quarantined(msgspec.Struct, frozen=True):
    """Where a folder went: its lines up to `good` verify, those up to `acknowledged` are in the store."""

    path: str
    good: int
    acknowledged: int
    damage: str


def scan(folder: Folder) -> Scan:
    """Verify every line that is still there. Never raises for damage: it is in the result."""
    mark = folder.genesis()
    try:
        cursor = folder.cursor()
        segments = folder.segments()
        mark, opened = _start(folder, segments)
    except EvidenceError as error:
        return Scan(str(folder.path), mark, 0, damage=str(error))
    chain = Chain(mark, 0, opened)
    for first in segments:
        chain = _scan_segment(folder, first, chain)
        if chain.fault:
            return _faulty(folder, first, chain, cursor, last=first == segments[-1])
    return Scan(str(folder.path), chain.mark, cursor.seq, chain.opened)


def _start(folder: Folder, segments: list[int]) -> tuple[Mark, tuple[str, ...]]:
    if not segments:
        return folder.genesis(), ()
    head = folder.read_head(segments[0])
    mark = Mark(folder.producer, folder.epoch, head.seq, head.digest)
    if head.seq + 1 != segments[0] or (head.seq == 0 and mark != folder.genesis()):
        raise EvidenceError(_told(folder, folder.head_file(segments[0]), 0, "belongs to another segment"))
    return mark, head.opened


def _scan_segment(folder: Folder, first: int, chain: Chain) -> Chain:
    with folder.segment(first).open("rb") as file:
        return verify_lines(file, chain.mark, chain.opened)


def _faulty(folder: Folder, first: int, chain: Chain, cursor: Cursor, *, last: bool) -> Scan:
    assert chain.fault  # noqa: S101 - for the type checker
    result = Scan(str(folder.path), chain.mark, cursor.seq, chain.opened)
    acknowledged = cursor.seq > chain.mark.seq  # what the store took was whole and on disk
    if last and chain.fault.torn and not acknowledged:
        size = folder.segment(first).stat().st_size - chain.length
        return msgspec.structs.replace(result, torn=Torn(first, chain.length, size))
    reason = f"{chain.fault.reason} (line {chain.fault.seq}; {chain.mark.seq} lines before it are good)"
    return msgspec.structs.replace(result, damage=_told(folder, folder.segment(first), chain.length, reason))


def _told(folder: Folder, file: Path, offset: int, reason: str) -> str:
    return f"{file}: byte {offset}: {reason}; `gnomon journal quarantine {folder.path}` sets the folder aside"


def check(root: Path) -> list[Scan]:
    """Verify all folders whose writer is dead, quickly, at start-up; their scans.

    Raises EvidenceError naming every damaged file. Folders of living writers are left out.
    """
    scans = []
    for folder in folders(root):
        lock = adopt(folder)
        if lock is not None:
            try:
                scans.append(scan(folder))
            except OSError as error:
                raise OperatorError(f"{error.filename}: cannot be read: {error.strerror}") from error
            finally:
                os.close(lock)
    if damage := [found.damage for found in scans if found.damage]:
        raise EvidenceError("\n".join(damage))
    return scans


def verify(root: Path) -> list[Scan]:
    """Scan every folder, living ones too (their last line may be half written): for `gnomon journal verify`."""
    return [_scan_living(folder) for folder in folders(root)]


def _scan_living(folder: Folder) -> Scan:
    for _ in range(3):
        try:
            return scan(folder)
        except FileNotFoundError:
            continue  # the shipper has just dropped an acknowledged segment
    return Scan(str(folder.path), folder.genesis(), 0, damage=f"{folder.path}: segments vanish while they are read")


def quarantine(path: Path, send: Send | None = None) -> Quarantined:
    """Move a damaged folder to `<root>/quarantine/`, unchanged; first ship its good prefix if `send` is given.

    Raises OperatorError if the folder is in use or whole. Exchanges that the prefix leaves open stay open: what became
    of them is in the damaged part, which a person has to read.
    """
    folder = Folder.at(path)
    if not path.is_dir():
        raise OperatorError(f"{path}: no such journal folder")
    lock = adopt(folder)
    if lock is None:
        raise OperatorError(f"{path}: its writer is alive; stop the appliance first")
    try:
        found = scan(folder)
        if found.damage is None:
            raise OperatorError(f"{path}: whole up to line {found.mark.seq}; nothing to set aside")
        acknowledged = found.acknowledged
        if send and found.mark.seq > acknowledged:
            acknowledged = _ship_prefix(folder, send, found.mark.seq)
        target = _move_aside(folder)
    finally:
        os.close(lock)
    return Quarantined(str(target), found.mark.seq, acknowledged, found.damage)


def _ship_prefix(folder: Folder, send: Send, until: int) -> int:
    shipper = Shipper(folder.path, send, until=until, keep=True)
    try:
        return shipper.drain()
    finally:
        shipper.close()


def _move_aside(folder: Folder) -> Path:
    root = folder.path.parent
    shelf = root / QUARANTINE
    with locked_root(root):
        shelf.mkdir(mode=0o700, exist_ok=True)
        target = shelf / folder.path.name
        if target.exists():
            raise OperatorError(f"{target}: exists already; move it away first")
        folder.path.rename(target)
        sync_directory(root)
    return target
