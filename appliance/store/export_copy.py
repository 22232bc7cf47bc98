"""The first step of an export: rows of one moment, copied as they are out of the evidence file.

Rules: runs on a connection to the evidence file, in one transaction, and does nothing there but read in passing: no
sort, no join, no window, because memory that it takes is memory that the writer has not. What needs more is done with
the copy (appliance/store/export_build.py). Between statements, and within long ones by an interrupt, it stops when
`Bounds` says so. Names and texts in statements are those of our own catalogue; values are bound.
"""

import contextlib
import threading
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.store.connection import Connection, transaction
from appliance.store.export_csv import literal, name
from appliance.store.export_wire import ChainHead
from appliance.store.owner import STORE_ERROR

STORAGE: Final = "STORAGE_VERSION 'v1.4.0', ROW_GROUP_SIZE 16384"  # DuckDB 1.4 opens it; small groups, little memory
_ALIAS: Final = "export_copy"
_LEFT_OUT: Final = frozenset({"migrations", "snapshots", "erasures", "marks", "persons", "folded", "key_columns"})
_HERE: Final = "database_name = current_database() AND schema_name = 'main'"
_FOUND: Final = "finding IN (SELECT id FROM findings WHERE last_seen >= $since AND first_seen < $until)"

# What a table has of the span where that is not simply its column `ts`.
_SPANS: Final = {
    "decisions": "ts < $until",
    "observations": "greatest(ts, until) >= $since AND ts < $until",
    "findings": "last_seen >= $since AND first_seen < $until",
    "hosts": "last_seen >= $since AND first_seen < $until",
    "host_records": "greatest(ts, until) >= $since AND ts < $until",
    "finding_parties": _FOUND,
    "finding_states": f"{_FOUND} AND ts < $until",
}


# Columns of digests that are called otherwise, and tables with lists of them.
_NAMED: Final = frozenset({"hosts", "host_records"})
_ALSO: Final = frozenset(
    {("finding_parties", "digest"), *((table, column) for table in _NAMED for column in ("address", "mac"))}
)


class Stopped(Exception):  # noqa: N818 - not an error of ours: someone or some bound ended the making
    """The making was ended; the text says why."""


class Bounds:
    """Tells the making thread to stop: `stop` and `press` are called from any thread; the first reason counts."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._working: Connection | None = None
        self._lock = threading.Lock()

    def stop(self, reason: str) -> None:
        """End at the next statement."""
        self.reason = self.reason or reason

    def press(self) -> None:
        """Interrupt the statement under way. Between two statements it is lost: say it again until it is heard."""
        with self._lock:
            if self.reason is not None and self._working is not None:
                self._working.interrupt()

    def check(self) -> None:
        """Raise `Stopped` once somebody has called `stop`."""
        if self.reason is not None:
            raise Stopped(self.reason)

    @contextlib.contextmanager
    def working(self, connection: Connection) -> Any:
        """While this lasts, `press` interrupts `connection`."""
        with self._lock:
            self._working = connection
        try:
            yield
        finally:
            with self._lock:
                self._working = None

    def ask(self, connection: Connection, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement; `values` are bound by name."""
        self.check()
        return connection.execute(statement, values or None).fetchall()


class Comment(msgspec.Struct, frozen=True):
    """A comment on a table or view (`kind`), or on a column of it."""

    kind: str
    relation: str
    column: str | None
    text: str


class Copied(msgspec.Struct, frozen=True):
    """What was copied, and what the catalogue of the evidence file says: views in the order of their making."""

    tables: tuple[str, ...]
    views: tuple[tuple[str, str], ...]  # name and statement
    comments: tuple[Comment, ...]
    heads: tuple[ChainHead, ...]
    schema_version: int
    keyless: int = 0  # exchanges of before keys and accounts had columns: theirs stand in their texts only


def copy(connection: Connection, path: Path, since: float, until: float, bounds: Bounds) -> Copied:
    """Copy the rows of the span to a new database at `path`; persons as far as they occur in it."""
    with contextlib.closing(connection.cursor()) as cursor:
        try:
            with bounds.working(cursor):
                copied = _copy(cursor, path, {"since": since, "until": until}, bounds)
        finally:
            # Whatever was interrupted, a ROLLBACK included: from here on nobody presses any more.
            for statement in ("ROLLBACK", f"DETACH DATABASE IF EXISTS {_ALIAS}"):
                with contextlib.suppress(STORE_ERROR):
                    cursor.execute(statement)
    return copied


def _copy(cursor: Connection, path: Path, span: dict[str, float], bounds: Bounds) -> Copied:
    bounds.ask(cursor, f"ATTACH {literal(str(path))} AS {_ALIAS} ({STORAGE})")
    with transaction(cursor):
        copied = msgspec.structs.replace(_copied(cursor, bounds), keyless=_keyless(cursor, span, bounds))
        for table in copied.tables:
            _copy_table(cursor, table, span, bounds)
        _copy_persons(cursor, copied.tables, bounds)
    bounds.ask(cursor, f"CHECKPOINT {_ALIAS}")
    return copied


def _copied(connection: Connection, bounds: Bounds) -> Copied:
    tables = bounds.ask(
        connection,
        f"SELECT table_name FROM duckdb_tables() WHERE {_HERE} AND NOT temporary ORDER BY table_oid",  # noqa: S608 - our names
    )
    views = bounds.ask(
        connection,
        f"SELECT view_name, sql FROM duckdb_views() WHERE {_HERE} AND NOT internal ORDER BY view_oid",  # noqa: S608 - our names
    )
    heads = bounds.ask(connection, "SELECT producer, epoch, seq, digest FROM marks ORDER BY producer, epoch")
    return Copied(
        tables=tuple(table for (table,) in tables if table not in _LEFT_OUT),
        views=tuple((view, sql) for view, sql in views),
        comments=_comments(connection, bounds),
        heads=tuple(ChainHead(*head) for head in heads),
        schema_version=int(bounds.ask(connection, "SELECT max(number) FROM migrations")[0][0]),
    )


def _keyless(connection: Connection, span: dict[str, float], bounds: Bounds) -> int:
    older = "n <= (SELECT coalesce(max(n), 0) FROM key_columns)"
    counted = f"SELECT count(*) FROM exchange_open WHERE ts >= $since AND ts < $until AND {older}"  # noqa: S608 - our names
    return int(bounds.ask(connection, counted, **span)[0][0])


def _comments(connection: Connection, bounds: Bounds) -> tuple[Comment, ...]:
    found = bounds.ask(
        connection,
        f"""SELECT 'TABLE', table_name, NULL, comment FROM duckdb_tables() WHERE {_HERE} AND comment IS NOT NULL
        UNION ALL SELECT 'VIEW', view_name, NULL, comment FROM duckdb_views() WHERE {_HERE} AND comment IS NOT NULL
        UNION ALL SELECT 'COLUMN', table_name, column_name, comment FROM duckdb_columns()
        WHERE {_HERE} AND comment IS NOT NULL""",  # noqa: S608 - our names
    )
    return tuple(Comment(*row) for row in found)


def columns(connection: Connection, database: str, table: str, bounds: Bounds) -> list[tuple[str, str]]:
    """Names and types of a table's or view's columns; `database` is an expression."""
    found = bounds.ask(
        connection,
        f"SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = {database} "  # noqa: S608 - our names
        f"AND schema_name = 'main' AND table_name = {literal(table)} ORDER BY column_index",
    )
    return [(column, kind) for column, kind in found]


def _copy_table(connection: Connection, table: str, span: dict[str, float], bounds: Bounds) -> None:
    has = {column for column, _ in columns(connection, "current_database()", table, bounds)}
    where = _SPANS.get(table) or ("ts >= $since AND ts < $until" if "ts" in has else "true")
    bound = {key: value for key, value in span.items() if f"${key}" in where}
    bounds.ask(connection, f"CREATE TABLE {_new(table)} AS SELECT * FROM {name(table)} WHERE {where}", **bound)  # noqa: S608 - our names


def _copy_persons(connection: Connection, tables: tuple[str, ...], bounds: Bounds) -> None:
    """Clear values of those who occur in the copied rows."""
    seen = [
        f"SELECT {name(column)} FROM {_new(table)}"  # noqa: S608 - our names
        for table in tables
        for column, _ in columns(connection, literal(_ALIAS), table, bounds)
        if column in {"principal", "client"} or (table, column) in _ALSO
    ]
    seen += [f"SELECT unnest(names) FROM {_new(table)}" for table in tables if table in _NAMED]  # noqa: S608 - our names
    among = " UNION ".join(seen)
    bounds.ask(connection, f"CREATE TABLE {_new('persons')} AS SELECT * FROM persons WHERE digest IN ({among})")  # noqa: S608 - our names


def _new(table: str) -> str:
    return f"{_ALIAS}.main.{name(table)}"
