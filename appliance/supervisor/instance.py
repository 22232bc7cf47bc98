"""One supervisor per run folder and per state folder.

Owns: the folders' modes and the two locks. Rules: a lock is flock on a file, so it dies with its holder and is never
stale; the file's text (the holder's pid) is only for people. A folder is never widened, and one that holds other
people's files is never narrowed behind their back.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.bus.peer import group_id
from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    from appliance.config.schema import Config

RUN_LOCK: Final = "supervisor.lock"
STATE_LOCK: Final = "lock"
STATE_MODE: Final = 0o700
RUN_MODE: Final = 0o750


def make_folders(config: Config) -> None:
    """State and run folder with owner and mode as they must be; OperatorError says what to mend."""
    _make(Path(config.state_dir), STATE_MODE, "state_dir")
    _make(Path(config.run_dir), RUN_MODE, "run_dir")
    if (group := config.store.analyst_group) is not None:
        os.chown(config.run_dir, -1, group_id(group, "store.analyst_group"))  # so that it can get to analyst.sock


def _make(path: Path, mode: int, key: str) -> None:
    try:
        if not path.exists():
            path.mkdir(mode=mode, parents=True)
            path.chmod(mode)  # the umask may have narrowed it
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise OperatorError(
                f"{path}: {key} belongs to uid {found.st_uid}; run as that user, or choose another {key}"
            )
        if stat.S_IMODE(found.st_mode) & ~mode:
            if any(path.iterdir()):
                raise OperatorError(f"{path}: {key} is open to others; run: chmod {mode:o} {path}")
            path.chmod(mode)
    except OSError as error:
        raise OperatorError(f"{path}: cannot use it as {key}: {error.strerror}") from None


class Instance:
    """The locks, held until `release` or death. `succeeds`: an earlier holder did not end in good order."""

    def __init__(self, fds: tuple[int, int], *, succeeds: bool = False) -> None:
        self.fds, self.succeeds = fds, succeeds

    @classmethod
    def claim(cls, config: Config) -> Instance:
        """Take both locks; OperatorError names the pid that has one."""
        run, run_left = _lock(Path(config.run_dir) / RUN_LOCK, "run_dir")
        try:
            state, state_left = _lock(Path(config.state_dir) / STATE_LOCK, "state_dir")
        except BaseException:
            os.close(run)
            raise
        return cls((run, state), succeeds=run_left or state_left)

    def release(self) -> None:
        """Give up the locks, leaving word that all ended in good order."""
        for fd in self.fds:
            os.ftruncate(fd, 0)
            os.close(fd)


def holder(path: Path) -> int | None:
    """The pid that holds the lock file `path`, None when nobody does."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(fd)
    finally:
        os.close(fd)
    return None


def lives(path: Path) -> bool:
    """Whether a living process holds the lock file `path`; a lock that is free is not even touched for a moment."""
    try:
        os.kill(int(path.read_text()), 0)  # it belongs to whoever may read the file
    except (OSError, ValueError, OverflowError):
        return False
    return holder(path) is not None


def _pid(fd: int) -> int:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else 0


def _lock(path: Path, key: str) -> tuple[int, bool]:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = _pid(fd)
        os.close(fd)
        raise OperatorError(
            f"{path}: another gnomon (pid {pid or 'unknown'}) runs with this {key}; `gnomon down` stops it"
        ) from None
    left = _pid(fd) not in (0, os.getpid())
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd, left
