"""The password file on disk: read at start, read again when it has changed.

Rules: at start a bad file is refused (OperatorError); later the old entries stay in force and `problem` says why the
new ones are not.
"""

import os
from pathlib import Path

from appliance.identity.htpasswd import MAX_FILE, Passwords, parse_htpasswd
from appliance.model.errors import OperatorError

LOOK_EVERY = 1.0  # seconds between two looks at the file's date


class PasswordFile:
    """`passwords` is replaced as a whole. `problem`: empty, or why the file as it is now is not used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problem = ""
        self._seen = _stamp(path)
        self.passwords = _read(path)
        self._next_look = 0.0

    def refresh(self, now: float) -> bool:
        """Look whether the file has changed, at most once a second; True: new entries are in force."""
        if now < self._next_look <= now + LOOK_EVERY:
            return False
        self._next_look = now + LOOK_EVERY
        try:
            stamp = _stamp(self._path)
            if stamp == self._seen:
                return False
            self._seen = stamp
            self.passwords = _read(self._path)
        except OperatorError as error:
            self.problem = str(error)
            return False
        self.problem = ""
        return True


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise OperatorError(f"identity.htpasswd {path}: cannot be read: {error.strerror}") from None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> Passwords:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise OperatorError(f"identity.htpasswd {path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE:
        raise OperatorError(f"identity.htpasswd {path}: larger than {MAX_FILE >> 20} MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OperatorError(f"{path}:{line}: not UTF-8 text") from None
    return parse_htpasswd(text, str(path))
