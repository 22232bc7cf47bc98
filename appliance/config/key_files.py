"""Files of held keys: where they lie, what they and their folder must be like, and how one is replaced.

Rules: a folder is 0700 and a file a regular one of 0600 or 0400, both the appliance's own, no links; what is not so is
refused whole; what is opened below a folder is in that folder and no other. Systemd's credentials are as systemd leaves
them.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from appliance.model.errors import OperatorError

FOLDER_MODE = 0o700
FILE_MODE = 0o600


class Place(NamedTuple):
    """A folder that may hold keys. `ours`: gateway.credentials_dir, else systemd's."""

    folder: Path
    ours: bool


def open_key(place: Place, name: str) -> int | None:
    """The file of a key, open and checked; None where there is none."""
    path = place.folder / name
    try:
        with opened(place) as folder:
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
def opened(place: Place) -> Iterator[int]:
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


def make_folder(folder: Path, state: Path) -> None:
    """The folder and those above it, private; root gives it to the appliance's user."""
    if folder.exists():
        return
    if not folder.is_relative_to(state):
        raise OperatorError(f"{folder}: no such folder (gateway.credentials_dir); make it: mkdir -m 700 {folder}")
    for part in (state, folder):
        if not part.exists():
            part.mkdir(mode=FOLDER_MODE, parents=True)
            part.chmod(FOLDER_MODE)


def replace(folder: int, name: str, data: bytes) -> None:
    """Put a file in place at one stroke, on the disk before it has its name. `folder`: its descriptor."""
    fresh = f".{name}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(fresh, flags, FILE_MODE, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)  # the umask may have narrowed it
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:
        if os.path.lexists(f"/proc/self/fd/{folder}/{fresh}"):
            os.unlink(fresh, dir_fd=folder)
        raise
