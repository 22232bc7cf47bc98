"""Files in the folder of an export: written beside their place, then put there all together.

Rules: files are 0600, a folder made here is 0700; nothing is overwritten unless asked for; names come from this program
or are checked; whatever goes wrong, no half-written file stays behind.
"""

import contextlib
import io
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from appliance.model.errors import OperatorError

_NAME: Final = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,100}\Z")


class Folder:
    """A folder being filled. Use as a context: leaving it without `publish` removes what was written."""

    def __init__(self, path: Path, force: bool = False) -> None:
        self.path = path
        self._force = force
        self._made = False
        self._token = secrets.token_hex(4)
        self._parts: dict[str, Path] = {}

    def __enter__(self) -> Self:
        """OperatorError when the folder cannot be made or written to."""
        with _told(self.path):
            try:
                self.path.mkdir(mode=0o700, parents=True)
                self._made = True
            except FileExistsError:
                if not self.path.is_dir():
                    raise OperatorError(f"{self.path}: is no folder; choose another one") from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise OperatorError(f"{self.path}: cannot be written to; choose another folder")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self._parts.values():
            part.unlink(missing_ok=True)
        if self._made:
            with contextlib.suppress(OSError):
                self.path.rmdir()  # only if it is empty

    def refuse_present(self, names: Iterable[str]) -> None:
        """OperatorError when one of these files lies there already and may not be overwritten."""
        if self._force:
            return
        for name in names:
            if os.path.lexists(self.path / name):
                raise OperatorError(f"{self.path / name}: exists; choose another folder, or overwrite it with --force")

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file beside its place. OperatorError when the disk is full or the like."""
        if not _NAME.match(name):
            raise OperatorError(f"the store offers a file of the odd name {name[:40]!r}; nothing was written")
        part = self._parts[name] = self.path / f".{name}.{self._token}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        place = self.path / name
        with _told(place):
            file = os.fdopen(os.open(part, flags, 0o600), "wb", buffering=0)
        with file:
            for piece in pieces:  # what goes wrong with them is no fault of the folder
                with _told(place):
                    _write_all(file, piece)
            with _told(place):
                os.fsync(file.fileno())

    def publish(self) -> tuple[Path, ...]:
        """Put every file in its place; their paths. OperatorError, and none of them, when one has come up meanwhile."""
        placed: list[Path] = []
        try:
            for name, part in tuple(self._parts.items()):
                with _told(self.path / name):
                    self._place(part, self.path / name)
                placed.append(self.path / name)
        except BaseException:
            for path in () if self._force else placed:
                path.unlink(missing_ok=True)
            raise
        self._made = False
        return tuple(placed)

    def _place(self, part: Path, place: Path) -> None:
        if not self._force:  # a rename overwrites, so take the name first; a link would do, but not on every medium
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        part.replace(place)


def _write_all(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written: {error.strerror}; nothing was left there") from None
