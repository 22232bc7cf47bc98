"""What this package needs of a database connection, so that only `owner` imports DuckDB; and a transaction."""

import contextlib
from collections.abc import Iterator
from typing import Protocol


class Rows(Protocol):
    """What a statement answers with."""

    def fetchall(self) -> list[tuple[object, ...]]:
        """Every row."""


class Connection(Protocol):
    """One connection, used by one thread."""

    def execute(self, query: str, parameters: object = None) -> Rows:
        """Run one statement; `parameters` are bound by position."""

    def cursor(self) -> "Connection":
        """Another connection to the same database."""

    def interrupt(self) -> None:
        """Stop the statement that runs now; it raises."""

    def close(self) -> None:
        """Let go of the connection."""


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All of it or nothing: COMMIT at the end, ROLLBACK on any exception."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A failed COMMIT has already rolled back; a second failure must not hide the first.
        with contextlib.suppress(Exception):
            connection.execute("ROLLBACK")
        raise
