"""Virtual keys on disk: `state_dir/virtual-keys.json`, salted hashes only.

Rules: 0600, the appliance's own, a regular file and no link; changed under a lock, at one stroke; a worker looks at its
date at most once a second and takes what is new without a restart; a damaged file leaves what held before in force,
except that nothing held at the start: then no key is taken. A key is shown once, to whoever minted it.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from appliance.config.site_key import derive
from appliance.identity.virtual_keys import (
    ID_BYTES,
    MAX_KEYS,
    SALT_BYTES,
    SECRET_BYTES,
    VirtualKey,
    VirtualKeys,
    digest_of,
    fault_of,
    make_key,
)
from appliance.model.errors import OperatorError

NAME = "virtual-keys.json"
FILE_MODE = 0o600
MAX_FILE = 64 << 20
LOOK_EVERY = 1.0  # seconds between two looks at the file's date
_TRIES = 8


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[VirtualKey, ...] = ()
    v: int = 1


class VirtualKeyFile:
    """`keys` is replaced as a whole. `problem`: empty, or why the file as it is now is not used."""

    def __init__(self, state: Path, site_key: bytes) -> None:
        self._path = state / NAME
        self._site = site_of(site_key)
        self._seen: tuple[int, ...] | None = None
        self._next_look = 0.0
        self.problem = ""
        self.keys = VirtualKeys((), self._site)
        self._look()

    def refresh(self, now: float) -> bool:
        """Look whether the file has changed; True: other keys are in force."""
        if now < self._next_look <= now + LOOK_EVERY:
            return False
        self._next_look = now + LOOK_EVERY
        return self._look()

    def _look(self) -> bool:
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            entries = read(self._path)
        except OperatorError as error:
            self.problem = str(error)
            return False
        self.problem = ""
        self.keys = VirtualKeys(entries, self._site)
        return True


def site_of(site_key: bytes) -> bytes:
    """The key of this site under which secrets are hashed."""
    return derive(site_key, b"gnomon-virtkeys")


def read(path: Path) -> tuple[VirtualKey, ...]:
    """The entries; none where there is no file. OperatorError names the file and what is wrong, and shows no key."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror}); it must be a file of the appliance") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise OperatorError(f"{path}: must be a file of the appliance's own user")
        if stat.S_IMODE(found.st_mode) & ~FILE_MODE:
            raise OperatorError(f"{path}: others may read or write it; run: chmod 600 {path}")
        data = file.read(MAX_FILE + 1)
    return _entries(data, path)


def mint(state: Path, site_key: bytes, template: VirtualKey) -> tuple[str, VirtualKey]:
    """A new key, and its entry: `template` with id, salt and digest of its own. OperatorError: it cannot be written."""
    with _changing(state) as (path, entries):
        if len(entries) >= MAX_KEYS:
            raise OperatorError(f"{path}: holds {MAX_KEYS} keys, the most there can be; remove revoked ones first")
        taken = {entry.id for entry in entries}
        for _ in range(_TRIES):
            text, shown = make_key(secrets.token_bytes(ID_BYTES + SECRET_BYTES))
            if shown.id not in taken:
                break
        salt = secrets.token_bytes(SALT_BYTES)
        digest = digest_of(shown.secret, salt, site_of(site_key))
        made = msgspec.structs.replace(template, id=shown.id, salt=salt.hex(), digest=digest.hex())
        if what := fault_of(made):
            raise OperatorError(f"the key is not made: {what}")
        _write(path, (*entries, made))
    return text, made


def revoke(state: Path, key_id: str, now: float) -> VirtualKey | None:
    """Take a key back; None: there is none of that id, or it is taken back already."""
    with _changing(state) as (path, entries):
        entry = next((each for each in entries if each.id == key_id and each.revoked is None), None)
        if entry is None:
            return None
        changed = msgspec.structs.replace(entry, revoked=now)
        _write(path, tuple(changed if each is entry else each for each in entries))
    return changed


def _entries(data: bytes, path: Path) -> tuple[VirtualKey, ...]:
    if len(data) > MAX_FILE:
        raise OperatorError(f"{path}: larger than {MAX_FILE >> 20} MiB")
    try:
        found = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OperatorError(f"{path}: damaged; restore it from a backup, or remove it and mint the keys anew") from None
    ids: set[str] = set()
    for number, entry in enumerate(found.keys):
        if (what := fault_of(entry)) or entry.id in ids:
            raise OperatorError(f"{path}: entry {number}: {what or 'its id stands twice'}; restore it from a backup")
        ids.add(entry.id)
    return found.keys


@contextmanager
def _changing(state: Path) -> Iterator[tuple[Path, tuple[VirtualKey, ...]]]:
    """The file and its entries, with nobody else changing it meanwhile."""
    path = state / NAME
    lock = state / f".{NAME}.lock"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise OperatorError(f"{state}: cannot be written ({error.strerror}); run as the appliance's user") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path, read(path)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error.strerror}); run as the appliance's user") from None
    finally:
        os.close(descriptor)


def _write(path: Path, entries: tuple[VirtualKey, ...]) -> None:
    data = msgspec.json.format(msgspec.json.encode(_File(entries)), indent=1)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)  # of a process of that number that died; nobody else may be here
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.lstat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
