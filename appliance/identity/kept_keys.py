"""Key sets of issuers on disk, so that a start while an issuer is down does not turn everybody away.

Theory of operation. `state_dir/issuer-keys/` holds one file per issuer and address: the set as it was published, and
when it was fetched. A worker writes it after each fetch that brought other keys, or when the file has grown old; each
file is whole, and the last worker's stays. At the start it is read, and counts as fetched then: so it is renewed with
the first token, and is no longer used once it is `kept_s` old. Rules: 0600 in a folder of 0700, the appliance's own, no
link; what is damaged, another issuer's, from the future or of another mode is as if it were not there; only public keys
come here, and no key is believed because it lay on disk: the set is read as strictly as one from the network.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.identity.jwks import MAX_JWKS

FOLDER = "issuer-keys"
FILE_MODE, FOLDER_MODE = 0o600, 0o700
MAX_FILE = 3 * MAX_JWKS  # quoting makes it longer
_CLOCKS_S = 300.0  # a file from further in the future than that says nothing of its age


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuer: str
    address: str
    fetched: float  # seconds since the epoch
    keys: str
    v: int = 1


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """The file of one issuer. `address`: where its keys are fetched; another one makes another file."""

    state: Path
    issuer: str
    address: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        name = hashlib.blake2b(f"{self.issuer}\0{self.address}".encode(), digest_size=16).hexdigest()
        return self.state / FOLDER / f"{name}.json"

    def read(self, now: float) -> tuple[bytes, float] | None:
        """The set and when it was fetched; None: there is none that can be used."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            found = os.fstat(descriptor)
            own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            if not own or stat.S_IMODE(found.st_mode) != FILE_MODE:
                return None
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(MAX_FILE + 1)
        finally:
            os.close(descriptor)
        try:
            kept = msgspec.json.decode(data, type=_File)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        ours = len(data) <= MAX_FILE and (kept.issuer, kept.address) == (self.issuer, self.address)
        return (kept.keys.encode(), kept.fetched) if ours and 0 < kept.fetched <= now + _CLOCKS_S else None

    def write(self, keys: bytes, fetched: float) -> None:
        """Keep a set that was read. OSError: it cannot be written."""
        path = self.path
        path.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        data = msgspec.json.encode(_File(self.issuer, self.address, fetched, keys.decode("utf-8")))
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)  # of a process of that number that died
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(fresh, flags, FILE_MODE), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
