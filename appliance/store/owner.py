"""The one connection to the evidence file, and the only import of DuckDB.

Owns: the lock beside the file, the connection's settings, opening and closing. Rules:

* One process only. `lock` (flock) is taken before DuckDB touches the file. After opening, nothing in this process may
  open the file by other means: closing any descriptor of it would drop DuckDB's own POSIX lock.
* Never fork with the connection open: the child would write into its own copy of memory. Processes are started anew.
* The file is never replaced or repaired here. What cannot be opened is told with the file's name and what to do.
* No extension is installed or loaded, no file beside the database is read or written but below `exports`, which is
  private and emptied at each start; after opening the settings are locked.
* The write-ahead file is bounded: DuckDB folds it in at `CHECKPOINT_BYTES`, and closing does it once more.
"""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Final, Self, cast

import duckdb
import msgspec

from appliance.journal.aside import thin_out
from appliance.model.errors import EvidenceError, OperatorError
from appliance.store.connection import Connection
from appliance.store.schema import load_migrations, migrate
from appliance.store.wal import keep_torn

STORAGE_VERSION: Final = "v2.0.0"
CHECKPOINT_BYTES: Final = 64 << 20
BESIDE_MEMORY: Final = "256MB"
_MAGIC: Final = b"DUCK"  # at byte 8 of the main header, behind its checksum
_MAGIC_AT: Final = 8

# Errors of a statement that say: these rows cannot be stored, the database itself is well.
ROW_ERRORS: Final[tuple[type[Exception], ...]] = (
    duckdb.ConstraintException,
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
)
INTERRUPTED: Final[type[Exception]] = duckdb.InterruptException
STORE_ERROR: Final[type[Exception]] = duckdb.Error


class Settings(msgspec.Struct, frozen=True):
    """Bounds of the database: memory as DuckDB writes it (`512MB`), worker threads, size of spilled data."""

    memory_limit: str = "512MB"
    threads: int = 2
    temp_limit: str = "2GB"


class Owner:
    """Holds the evidence file open. `cursor()` gives a connection for one thread."""

    def __init__(self, folder: Path, lock: int, connection: duckdb.DuckDBPyConnection) -> None:
        self.folder = folder
        self.path = folder / "gnomon.duckdb"
        self.exports = folder / "exports"  # the only place where statements may write files
        self.torn: Path | None = None  # copy of a write-ahead file whose tail was cut short
        self.outdated = 0  # older copies of that kind, removed for it
        self._lock = lock
        self._connection = connection

    @classmethod
    def open(cls, folder: Path, now: float, settings: Settings = Settings()) -> Self:  # noqa: B008 - frozen
        """Open or create `folder/gnomon.duckdb` and bring its schema up to date. OperatorError when that cannot be."""
        lock = _take_lock(_make_folder(folder))
        try:
            path = folder / "gnomon.duckdb"
            _check_header(path)
            torn = keep_torn(path.with_name(path.name + ".wal"))
            owner = cls(folder, lock, _connect(path, folder, settings))
            owner.torn = torn
            owner.outdated = thin_out(torn, f"{path.name}.wal.torn-*") if torn else 0
        except BaseException:
            os.close(lock)
            raise
        try:
            owner._prepare(now)
        except BaseException:
            owner.close()
            raise
        return owner

    def _prepare(self, now: float) -> None:
        self.path.chmod(0o600)
        _empty(self.exports)
        _check_storage(self._connection, self.path)
        try:
            migrate(self.cursor(), load_migrations(), now, str(self.path))
            self._connection.execute(f"SET allowed_directories = ['{_quoted(self.exports)}/']")
            self._connection.execute("SET enable_external_access = false")
            self._connection.execute("SET lock_configuration = true")
        except duckdb.Error as error:
            raise OperatorError(f"{self.path}: the schema cannot be brought up to date: {_short(error)}") from None

    def cursor(self) -> Connection:
        """A further connection to the same database, for one thread's use."""
        return cast("Connection", self._connection.cursor())

    def sizes(self) -> tuple[int, int]:
        """Bytes of the database file and of its write-ahead file."""
        wal = self.path.with_name(self.path.name + ".wal")
        return self.path.stat().st_size, wal.stat().st_size if wal.exists() else 0

    def close(self) -> None:
        """Fold the write-ahead file in and let go of file and lock; a second call does nothing."""
        if self._lock < 0:
            return
        with contextlib.suppress(duckdb.Error):
            self._connection.execute("CHECKPOINT")
        self._connection.close()
        os.close(self._lock)
        self._lock = -1


def open_beside(folder: Path, memory_limit: str = BESIDE_MEMORY) -> Connection:
    """A database instance of its own, in memory, with one thread, that reaches no file outside `folder`.

    For work that would take memory from the evidence file's instance; closing the connection ends it.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
            "memory_limit": memory_limit,
            "threads": "1",
            # Text files written on threads of their own lock up for good when COPY is interrupted or the disk is full.
            "async_threads": "0",
            "temp_directory": str(folder / "tmp"),
        },
    )
    try:
        connection.execute(f"SET allowed_directories = ['{_quoted(folder)}/']")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    except duckdb.Error:
        connection.close()
        raise
    return cast("Connection", connection)


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "tmp").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"{folder}: cannot make the store's folder: {error.strerror}") from None
    return folder


def _empty(folder: Path) -> None:
    """A new folder in the place of what a former life has left there."""
    try:
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise OperatorError(f"{folder}: cannot be emptied: {error.strerror}; check owner and mode") from None


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _take_lock(folder: Path) -> int:
    path = folder / "lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise OperatorError(f"{path}: cannot open the lock file: {error.strerror}; check owner and mode") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise OperatorError(
            f"{folder / 'gnomon.duckdb'}: already open in process {holder}; "
            "ask that one over analyst.sock, or stop it first (gnomon down)"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _check_header(path: Path) -> None:
    """Refuse what is not a DuckDB file. Runs before DuckDB opens it, see the rule on descriptors."""
    try:
        with path.open("rb") as file:
            start = file.read(_MAGIC_AT + len(_MAGIC))
    except FileNotFoundError:
        return
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read: {error.strerror}; check owner and mode") from None
    if start[_MAGIC_AT:] != _MAGIC:
        raise OperatorError(f"{path}: not a DuckDB file; move it away, or restore a backup in its place")


def _connect(path: Path, folder: Path, settings: Settings) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "storage_compatibility_version": STORAGE_VERSION,
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "python_enable_replacements": "false",
        "memory_limit": settings.memory_limit,
        "threads": str(settings.threads),
        "temp_directory": str(folder / "tmp"),
        "max_temp_directory_size": settings.temp_limit,
        "checkpoint_threshold": f"{CHECKPOINT_BYTES >> 20}MiB",
    }
    umask = os.umask(0o077)
    try:
        return duckdb.connect(str(path), config=config)
    except duckdb.Error as error:
        raise _opening_error(path, _short(error)) from None
    finally:
        os.umask(umask)


def _opening_error(path: Path, told: str) -> OperatorError | EvidenceError:
    if "Could not set lock" in told:
        return OperatorError(f"{path}: another program has it open ({told}); close that program and start again")
    if "storage version number" in told or "newer version" in told:
        return OperatorError(
            f"{path}: written by a newer DuckDB than this program's {duckdb.__version__} ({told}); "
            "start the gnomon that wrote it, or restore a backup made by this one"
        )
    if "Corrupt" in told or "checksum" in told or "WAL" in told:
        return EvidenceError(f"{path}: damaged ({told}); keep it aside with its .wal file and restore a backup")
    return OperatorError(f"{path}: cannot be opened ({told})")


def _check_storage(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    row = connection.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE path IS NOT NULL").fetchone()
    found = str(row[0]) if row else "unknown"
    if not found.startswith(STORAGE_VERSION):
        raise OperatorError(
            f"{path}: storage version {found}, this program writes {STORAGE_VERSION}; "
            "it was not made by this gnomon: move it away, or restore a backup"
        )


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
