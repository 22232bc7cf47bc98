"""Held keys on disk: one file NAME per key in `gateway.credentials_dir`, or one that systemd lays beside the service.

Owns: where a key lies, what a file must be like, writing and removing. Rules: systemd's credential of a name goes
before the folder's; a folder is 0700 and a file a regular one of 0600 or 0400, both the appliance's own, no links; what
is not so is refused whole; a key is text of one line that may stand in a header. No error, listing or record shows a
key: only its fingerprint under the site key. A worker reads its keys once, when it starts.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from appliance.config.schema import Config
from appliance.config.site_key import derive
from appliance.model.errors import OperatorError
from appliance.route.credentials import fingerprint
from appliance.route.held import MAX_KEY_BYTES, NAME, HeldKey, held_name, is_sendable

SYSTEMD = "CREDENTIALS_DIRECTORY"  # set by systemd for LoadCredential= and SetCredential=, see systemd.exec(5)
FOLDER_MODE = 0o700
FILE_MODE = 0o600
MAX_LISTED = 1000


class Place(NamedTuple):
    """A folder that may hold keys. `ours`: gateway.credentials_dir, else systemd's."""

    folder: Path
    ours: bool


class Keys(NamedTuple):
    """Keys that routes ask for: those that are there, and in words why another is not."""

    held: dict[str, HeldKey]
    faults: dict[str, str]


class Listed(msgspec.Struct, frozen=True):
    """A credential for people. `fault`: why it cannot be used; empty: it can."""

    name: str
    place: str  # file | systemd
    fingerprint: str | None
    fault: str = ""


def places(config: Config) -> tuple[Place, ...]:
    """Where keys are looked for, in order."""
    given = os.environ.get(SYSTEMD)
    systemd = (Place(Path(given), ours=False),) if given and Path(given).is_absolute() else ()
    return (*systemd, Place(config.credentials_dir, ours=True))


def asked_for(config: Config) -> tuple[str, ...]:
    """Names of the held keys that routes send, sorted."""
    return tuple(sorted({name for route in config.gateway.routes.values() if (name := held_name(route.credential))}))


def load_keys(config: Config) -> Keys:
    """Every key that a route asks for. Never raises for a key: one that cannot be used stands in `faults`."""
    keys = Keys({}, {})
    for name in asked_for(config):
        try:
            found = read_key(config, name)
        except OperatorError as error:
            keys.faults[name] = str(error)
            continue
        if found is None:
            keys.faults[name] = f"no held credential {name}; run: gnomon credential set {name}, then gnomon reload"
        else:
            keys.held[name] = found
    return keys


def usable(config: Config) -> frozenset[str]:
    """Names of the keys that routes ask for and that lie as they must. No key is read."""
    return frozenset(name for name in asked_for(config) if any(_lies_well(place, name) for place in places(config)))


def _lies_well(place: Place, name: str) -> bool:
    try:
        descriptor = _file(place, name)
    except OperatorError:
        return False
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


def check(config: Config) -> Iterator[str]:
    """What is wrong with the keys that are there; one that is missing may still come."""
    for name in asked_for(config):
        try:
            read_key(config, name)
        except OperatorError as error:
            yield str(error)


def read_key(config: Config, name: str) -> HeldKey | None:
    """The key, None where there is none; OperatorError names the file and what to do."""
    for place in places(config):
        if (value := _read(place, name)) is not None:
            return HeldKey(value)
    return None


def key_print(key: HeldKey, site_key: bytes) -> str:
    """The fingerprint of a key, the same that records show of keys seen."""
    return fingerprint(key.reveal(), derive(site_key, b"gnomon-keyprint"))


def write_key(config: Config, name: str, value: bytes) -> Path:
    """Put a key in place at one stroke, 0600; its file. OperatorError: no name, no key, or it cannot be written."""
    _check_name(name)
    value = _line(value)
    if not is_sendable(value):
        raise OperatorError(f"credential {name}: {_SHAPE}; nothing was written")
    folder = config.credentials_dir
    try:
        _make_folder(folder, Path(config.state_dir))
        with _opened(Place(folder, ours=True)) as descriptor:
            _replace(descriptor, name, value)
    except OSError as error:
        raise OperatorError(
            f"{folder / name}: cannot be written ({error.strerror}); run as the appliance's user"
        ) from None
    return folder / name


def remove_key(config: Config, name: str) -> bool:
    """Remove a key from the folder; False: there was none."""
    _check_name(name)
    try:
        (config.credentials_dir / name).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        path = config.credentials_dir / name
        raise OperatorError(f"{path}: cannot be removed ({error.strerror}); run as the appliance's user") from None
    return True


def listed(config: Config, site_key: bytes | None) -> list[Listed]:
    """Every credential that this process can see, by name; what routes ask for and nobody gave has a fault."""
    found: dict[str, Listed] = {}
    for place in places(config):
        for name in _names(place):
            if name not in found:
                found[name] = _listed(place, name, site_key)
    for name in asked_for(config):
        found.setdefault(name, Listed(name, "-", None, "missing"))
    return [found[name] for name in sorted(found)]


def _listed(place: Place, name: str, site_key: bytes | None) -> Listed:
    told = "file" if place.ours else "systemd"
    try:
        value = _read(place, name)
    except OperatorError as error:
        return Listed(name, told, None, str(error))
    printed = key_print(HeldKey(value), site_key) if value and site_key else None
    return Listed(name, told, printed)


def _names(place: Place) -> list[str]:
    try:
        return sorted(path.name for path in place.folder.iterdir() if NAME.match(path.name))[:MAX_LISTED]
    except OSError:
        return []


_SHAPE = f"a key is one line of 1 to {MAX_KEY_BYTES} visible ASCII characters"


def _check_name(name: str) -> None:
    if not NAME.match(name):
        raise OperatorError("a credential's name is a-z, 0-9, - and _, at most 64; it is never the key itself")


def _read(place: Place, name: str) -> bytes | None:
    """The key in one place, None where there is no such file."""
    descriptor = _file(place, name)
    if descriptor is None:
        return None
    try:
        value = _line(os.read(descriptor, MAX_KEY_BYTES + 3))
    finally:
        os.close(descriptor)
    if not is_sendable(value):
        raise OperatorError(f"{place.folder / name}: {_SHAPE}; write it with: gnomon credential set {name}")
    return value


def _file(place: Place, name: str) -> int | None:
    """The file of a key, open and checked; None where there is none."""
    path = place.folder / name
    try:
        with _opened(place) as folder:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        told = "is a link; put the file itself there" if path.is_symlink() else f"cannot be read ({error.strerror})"
        raise OperatorError(f"{path}: {told}") from None
    if what := _file_fault(os.fstat(descriptor), place, path):
        os.close(descriptor)
        raise OperatorError(f"{path}: {what}")
    return descriptor


@contextmanager
def _opened(place: Place) -> Iterator[int]:
    """The folder, checked, as a descriptor: what is opened below it is in this folder and no other."""
    descriptor = os.open(place.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if what := _folder_fault(os.fstat(descriptor), place):
            raise OperatorError(f"{place.folder}: {what}")
        yield descriptor
    finally:
        os.close(descriptor)


def _folder_fault(found: os.stat_result, place: Place) -> str:
    if not place.ours:
        return "others may write into it" if found.st_mode & 0o022 else ""
    if found.st_uid != os.geteuid():
        return f"the folder of held credentials belongs to uid {found.st_uid}; run as that user, or give it to this one"
    if found.st_mode & 0o077:
        return f"others can get into the folder of held credentials; run: chmod 700 {place.folder}"
    return ""


def _file_fault(found: os.stat_result, place: Place, path: Path) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "not a regular file; put the key itself there"
    if (
        not place.ours
    ):  # systemd gives it to the service's user by an access list, whose mask stands in the group's bits
        wrong = found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o037
        return "not as systemd leaves a credential: others may read it" if wrong else ""
    if found.st_uid != os.geteuid():
        return f"belongs to uid {found.st_uid}; the key must belong to the appliance's own user"
    if stat.S_IMODE(found.st_mode) & ~FILE_MODE:
        return f"others may read the key, or it is a program; run: chmod 600 {path}"
    return ""


def _line(value: bytes) -> bytes:
    """Without the one newline that an editor leaves at the end."""
    return value.removesuffix(b"\n").removesuffix(b"\r") if value.endswith(b"\n") else value


def _make_folder(folder: Path, state: Path) -> None:
    """The folder and those above it, private; root gives it to the appliance's user."""
    if folder.exists():
        return
    if not folder.is_relative_to(state):
        raise OperatorError(f"{folder}: no such folder (gateway.credentials_dir); make it: mkdir -m 700 {folder}")
    for part in (state, folder):
        if not part.exists():
            part.mkdir(mode=FOLDER_MODE, parents=True)
            part.chmod(FOLDER_MODE)


def _replace(folder: int, name: str, value: bytes) -> None:
    fresh = f".{name}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(fresh, flags, FILE_MODE, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)  # the umask may have narrowed it
            file.write(value + b"\n")
            file.flush()
            os.fsync(descriptor)
        os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:
        if os.path.lexists(f"/proc/self/fd/{folder}/{fresh}"):
            os.unlink(fresh, dir_fd=folder)
        raise
