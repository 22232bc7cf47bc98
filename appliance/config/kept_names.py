"""What names stand for in memories that providers keep: encrypted, for a time, for whom it was and for nobody else.

Owns: state_dir/names (0700), one file per person and memory. Theory: a file is what was appended to it, each record
sealed by itself (AES-256-GCM, a nonce of its own) under a key that is derived from the site key, and bound to the
person, the application, the provider and the id of the memory: with any of them another it does not open. Appending is
one write(2), so that workers need no lock and lose nothing to each other. Files are called by keyed digests.

Rules: no value stands in clear in a file, a name of one or an error; what is damaged, too old or somebody else's counts
as not there; files, bytes and ages are bounded, the oldest go first; whatever cannot be kept costs a name that stays a
name, never an exchange.
"""

import errno
import hashlib
import os
import secrets
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.config.site_key import derive

FOLDER: Final = "names"
MOST_FILES: Final = 20_000
MOST_BYTES: Final = 128 << 20
MAX_FILE: Final = 4 << 20
SWEEP_S: Final = 600.0
SWEEP_BYTES: Final = 8 << 20  # written by one worker
_HEAD: Final = struct.Struct(">4sQI")  # magic, until when (epoch seconds), bytes that follow
_MAGIC: Final = b"GNM1"
_NONCE: Final = 12
_SUFFIX: Final = ".names"


class Owner(NamedTuple):
    """Whose names they are. `person`: who asks, `application`: with which program, `provider`: the service."""

    person: str
    application: str
    provider: str


class Held(NamedTuple):
    """What lies there: memories, their bytes, and the time of the oldest (epoch seconds, 0: none)."""

    memories: int
    size: int
    oldest: float


class KeptNames:
    """One for the life of a worker, or of a command. `life_s`: how long names are kept; 0: none are."""

    def __init__(self, state_dir: Path, site_key: bytes, life_s: float, clock: Callable[[], float]) -> None:
        self.life_s = life_s
        self._folder = state_dir / FOLDER
        self._seal = AESGCM(derive(site_key, b"gnomon-restore"))
        self._digest_key = derive(site_key, b"gnomon-restorers")
        self._clock = clock
        self._due, self._fresh = 0.0, 0

    def is_due(self) -> bool:
        """Whether it is time to sweep; asked once, it is not for a while."""
        now = self._clock()
        if now < self._due and self._fresh < SWEEP_BYTES:
            return False
        self._due, self._fresh = now + min(SWEEP_S, max(1.0, self.life_s / 4)), 0
        return True

    def recall(self, owner: Owner, memories: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Names and values that are known of these memories to this owner, and have not expired."""
        now = self._clock()
        for memory in memories if self.life_s > 0 else ():
            try:
                with self._path(owner, memory).open("rb") as file:
                    data = file.read(MAX_FILE)
            except OSError:
                continue
            for until, sealed in _records(data):
                if now < until:
                    yield from self._opened(owner, memory, until, sealed).items()

    def keep(self, owner: Owner, memories: Iterable[str], names: Mapping[str, str]) -> None:
        """Add names to what is known of these memories. OSError: they could not be kept."""
        if self.life_s <= 0 or not names:
            return
        until = int(self._clock() + self.life_s)
        told = msgspec.json.encode({name: _plain(value) for name, value in names.items()})
        for memory in memories:
            nonce = secrets.token_bytes(_NONCE)
            sealed = nonce + self._seal.encrypt(nonce, told, _bound(owner, memory, until))
            self._append(self._path(owner, memory), _HEAD.pack(_MAGIC, until, len(sealed)) + sealed)

    def sweep(self) -> None:
        """Delete what has expired, and the oldest of what is too much."""
        files = sorted(self._files())
        now, size, most = self._clock(), sum(one[1] for one in files), len(files)
        for changed, length, path in files:
            if self.life_s > 0 and changed + self.life_s > now and size <= MOST_BYTES and most <= MOST_FILES:
                break
            path.unlink(missing_ok=True)
            size, most = size - length, most - 1

    def held(self) -> Held:
        """How much is kept."""
        files = sorted(self._files())
        return Held(len(files), sum(one[1] for one in files), files[0][0] if files else 0.0)

    def purge(self, person: str | None = None) -> int:
        """Delete everything, or everything of one person; how many memories that were."""
        start = f"{self._digest('person', person)}-" if person is not None else ""
        gone = [path for _, _, path in self._files() if path.name.startswith(start)]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def _opened(self, owner: Owner, memory: str, until: int, sealed: bytes) -> dict[str, str]:
        try:
            told = self._seal.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(owner, memory, until))
            return msgspec.json.decode(told, type=dict[str, str])
        except (InvalidTag, ValueError, msgspec.DecodeError):
            return {}

    def _append(self, path: Path, record: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(descriptor).st_size + len(record) > MAX_FILE:
                return
            self._fresh += len(record)
            if os.write(descriptor, record) != len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)

    def _path(self, owner: Owner, memory: str) -> Path:
        return self._folder / f"{self._digest('person', owner.person)}-{self._digest(*owner, memory)}{_SUFFIX}"

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Last change, size, place."""
        try:
            entries = list(os.scandir(self._folder))
        except FileNotFoundError:
            return
        for entry in entries:
            try:
                told = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # another worker has swept it
            if entry.name.endswith(_SUFFIX):
                yield told.st_mtime, told.st_size, Path(entry.path)

    def _digest(self, *parts: str) -> str:
        return hashlib.blake2b(_joined(parts), key=self._digest_key, digest_size=16).hexdigest()


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Records of a file, up to the first that is none: until when, and what is sealed."""
    at = 0
    while at + _HEAD.size <= len(data):
        magic, until, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if magic != _MAGIC or not _NONCE < length <= len(data) - at:
            return
        yield until, data[at : at + length]
        at += length


def _bound(owner: Owner, memory: str, until: int) -> bytes:
    """What a record is bound to."""
    return _MAGIC + _joined((*owner, memory, str(until)))


def _joined(parts: Iterable[str]) -> bytes:
    """No two lists of parts make the same bytes."""
    told = (part.encode("utf-8", "surrogatepass") for part in parts)
    return b"".join(struct.pack(">I", len(one)) + one for one in told)


def _plain(value: str) -> str:
    """A value as JSON can hold it: lone surrogates cannot be written."""
    return value.encode("utf-8", "replace").decode()
