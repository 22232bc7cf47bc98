"""Snapshots on disk: `policy-<n>.json` and `current`, a link to the newest.

The only file here that does I/O. Rules: a file is written whole, synced and renamed into place, then the link is
replaced by rename: a reader sees the old or the new snapshot, never half of one. A number is written once.
"""

import os
import re
from pathlib import Path

from appliance.model.errors import OperatorError
from appliance.policy.snapshot import MAX_BYTES, PolicySnapshot, decode, encode

CURRENT = "current"
_NAME = re.compile(r"policy-([1-9][0-9]*)\.json\Z")


def snapshot_path(folder: Path, version: int) -> Path:
    """Where snapshot number `version` lies."""
    return folder / f"policy-{version}.json"


def write_snapshot(folder: Path, snapshot: PolicySnapshot) -> Path:
    """Write the snapshot (0600) and point `current` at it; durable on return.

    OperatorError when the number is taken by another content, or the folder cannot be written.
    """
    path = snapshot_path(folder, snapshot.version)
    data = encode(snapshot)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() != data:
            raise OperatorError(
                f"{path}: snapshot {snapshot.version} exists with other content; nothing was overwritten"
            )
        _replace(path, data)
        link = folder / f".{CURRENT}.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(path.name)
        link.replace(folder / CURRENT)
        _sync_folder(folder)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error.strerror}); check state_dir") from error
    return path


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def current_version(folder: Path) -> int:
    """The number of the current snapshot by its name, 0 when there is none. Cheap: one readlink."""
    try:
        found = _NAME.fullmatch((folder / CURRENT).readlink().name)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def read_current(folder: Path) -> PolicySnapshot | None:
    """The snapshot that `current` names, None when there has never been one; OperatorError when it is damaged."""
    link = folder / CURRENT
    try:
        name = link.readlink().name
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OperatorError(
            f"{link}: not a link ({error.strerror}); make it a link to the newest policy-N.json"
        ) from error
    found = _NAME.fullmatch(name)
    if not found:
        raise OperatorError(f"{link}: names {name!r}, not a policy-N.json; make it a link to the newest one")
    return read_snapshot(folder, int(found[1]))


def read_snapshot(folder: Path, version: int) -> PolicySnapshot:
    """Snapshot number `version`; OperatorError when it is missing, damaged or holds another number."""
    path = snapshot_path(folder, version)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror})") from error
    snapshot = decode(data, str(path))
    if snapshot.version != version:
        raise OperatorError(f"{path}: holds snapshot {snapshot.version}; it was renamed or copied over")
    return snapshot
