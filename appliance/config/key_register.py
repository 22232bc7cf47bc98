"""The register of held keys: what is known of each beside its value, in one file beside them.

Owns: credentials_dir/.keys.json (0600) and its lock. Rules: no value of a key is ever in it, fingerprints only; it is
replaced whole, under a lock; a damaged one is refused, and never begun anew in silence.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from appliance.config.schema import Config
from appliance.model.errors import OperatorError
from appliance.route.key_life import KeyRecord

NAME = ".keys.json"
FILE_MODE = 0o600
MAX_FILE = 4 << 20


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[KeyRecord, ...]
    version: int = 1


def path_of(config: Config) -> Path:
    """Where it lies."""
    return config.credentials_dir / NAME


def read(config: Config) -> dict[str, KeyRecord]:
    """The records by name; none where there is no file. OperatorError names the file and what to do."""
    path = path_of(config)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror}); run as the appliance's user") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise OperatorError(f"{path}: must be a file of the appliance's own user, 0600")
        data = file.read(MAX_FILE + 1)
    try:
        return {each.name: each for each in msgspec.json.decode(data[:MAX_FILE], type=_File).keys}
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OperatorError(f"{path}: damaged; restore it from a backup, or remove it: no key is in it") from None


@contextmanager
def changing(config: Config) -> Iterator[dict[str, KeyRecord]]:
    """The records, to be changed, with nobody else changing them; what is there at the end is written."""
    path = path_of(config)
    try:
        descriptor = os.open(
            path.with_name(".keys.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE
        )
    except OSError as error:
        raise OperatorError(
            f"{path.parent}: cannot be written ({error.strerror}); run as the appliance's user"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        records = read(config)
        before = dict(records)
        try:
            yield records
        finally:
            if records != before:  # also what had been done when something failed
                _write(path, records)
    finally:
        os.close(descriptor)


def _write(path: Path, records: dict[str, KeyRecord]) -> None:
    data = msgspec.json.format(msgspec.json.encode(_File(tuple(records[name] for name in sorted(records)))), indent=1)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error.strerror}); run as the appliance's user") from None
    finally:
        fresh.unlink(missing_ok=True)
