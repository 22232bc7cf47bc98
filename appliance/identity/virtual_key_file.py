"""Virtual keys on disk: `state_dir/virtual-keys.json`, salted hashes only.

Form: a first line that tells version and number of keys, then one key a line, so that a large file can be read in
pieces; files of version 1 are one JSON object and are read whole. Rules: 0600, the appliance's own, a regular file and
no link; changed under a lock, at one stroke; a worker looks at its date at most once a second and takes what is new
without a restart, a large file beside the loop and then at one stroke; a damaged file leaves what held before in force,
except that nothing held at the start: then no key is taken. A key is shown once, to whoever minted it.
"""

import fcntl
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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
MAX_LINE = 64 << 10
LOOK_EVERY = 1.0  # seconds between two looks at the file's date
SMALL = 64 << 10  # bytes of a file that is read at once: a millisecond, and what is taken back is so with this request
AT_ONCE = 128  # keys that are read before the loop gets its turn: under a millisecond
PAUSE_S = 0.0005
_TRIES = 8


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Version 1."""

    keys: tuple[VirtualKey, ...] = ()
    v: int = 1


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line from version 2 on."""

    v: int
    keys: int


class VirtualKeyFile:
    """`keys` is replaced as a whole. `problem`: empty, or why the file as it is now is not used.

    `loading`: the thread that reads a large file, while it does.
    """

    def __init__(self, state: Path, site_key: bytes) -> None:
        self._path = state / NAME
        self._site = site_of(site_key)
        self._seen: tuple[int, ...] | None = None
        self._next_look = 0.0
        self.problem = ""
        self.keys = VirtualKeys((), self._site)
        self._ready: VirtualKeys | None = None
        self.loading: threading.Thread | None = None
        self._look(beside=False)

    def refresh(self, now: float) -> bool:
        """Look whether the file has changed; True: other keys are in force."""
        if self._ready is not None:
            old, self.keys, self._ready, self.loading = self.keys, self._ready, None, None
            threading.Thread(target=old.empty, args=(_paced,), name="old virtual keys", daemon=True).start()
            return True
        if self.loading is not None and self.loading.is_alive():
            return False
        if now < self._next_look <= now + LOOK_EVERY:
            return False
        self._next_look = now + LOOK_EVERY
        return self._look(beside=True)

    def _look(self, *, beside: bool) -> bool:
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return False
        self._seen = stamp
        if beside and stamp and stamp[1] > SMALL:
            self.loading = threading.Thread(target=self._load, name="virtual keys", daemon=True)
            self.loading.start()
            return False
        try:
            self.keys = VirtualKeys(read(self._path), self._site)
        except OperatorError as error:
            self.problem = str(error)
            return False
        self.problem = ""
        return True

    def _load(self) -> None:
        """On a thread: read it with pauses. The swap is the loop's, so that no look-up sees half of it."""
        try:
            self._ready = VirtualKeys(_paced(_read(self._path)), self._site)
            self.problem = ""
        except OperatorError as error:
            self.problem = str(error)
        except BaseException as error:
            self.problem = f"{self._path}: cannot be read ({type(error).__name__})"
            raise


def _paced[T](items: Iterable[T]) -> Iterator[T]:
    """The same, with pauses in which other threads run: one that computes would hold them up for 5 ms each time."""
    for number, item in enumerate(items):
        yield item
        if number % AT_ONCE == AT_ONCE - 1:
            time.sleep(PAUSE_S)


def site_of(site_key: bytes) -> bytes:
    """The key of this site under which secrets are hashed."""
    return derive(site_key, b"gnomon-virtkeys")


def read(path: Path) -> tuple[VirtualKey, ...]:
    """The entries; none where there is no file. OperatorError names the file and what is wrong, and shows no key."""
    return tuple(_read(path))


def _read(path: Path) -> Iterator[VirtualKey]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror}); it must be a file of the appliance") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise OperatorError(f"{path}: must be a file of the appliance's own user")
        if stat.S_IMODE(found.st_mode) & ~FILE_MODE:
            raise OperatorError(f"{path}: others may read or write it; run: chmod 600 {path}")
        if found.st_size > MAX_FILE:
            raise OperatorError(f"{path}: larger than {MAX_FILE >> 20} MiB")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield from _sound(_parsed(file, path), path)
    finally:
        os.close(descriptor)


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


def _parsed(file: BinaryIO, path: Path) -> Iterator[VirtualKey]:
    """The entries as they stand there; OperatorError: it is damaged, or not whole."""
    number = 0
    try:
        first = file.readline(MAX_LINE)
        if not first.startswith(b'{"v":2,'):
            yield from msgspec.json.decode(first + file.read(MAX_FILE), type=_File).keys
            return
        head, decoder = msgspec.json.decode(first, type=_Head), msgspec.json.Decoder(VirtualKey)
        while line := file.readline(MAX_LINE):
            number += 1
            yield decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OperatorError(f"{path}: damaged; restore it from a backup, or remove it and mint the keys anew") from None
    if number != head.keys:
        raise OperatorError(f"{path}: damaged: {number} keys of {head.keys}; restore it from a backup")


def _sound(entries: Iterable[VirtualKey], path: Path) -> Iterator[VirtualKey]:
    ids: set[str] = set()
    for number, entry in enumerate(entries):
        if (what := fault_of(entry)) or entry.id in ids:
            raise OperatorError(f"{path}: entry {number}: {what or 'its id stands twice'}; restore it from a backup")
        ids.add(entry.id)
        yield entry


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
    encode = msgspec.json.encode
    data = b"\n".join((encode(_Head(2, len(entries))), *map(encode, entries), b""))
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
