"""The second step of an export: out of the copied rows the files that are handed out.

Owns: every statement that writes such a file. Rules: runs in a database instance of its own, with memory of its own and
one thread, so that nothing here takes room from the writer; it reaches no file outside the export's folder. The new
database holds the copied tables, masked if asked for, and the views as the catalogue of the evidence file has them:
nothing in it points back. CSV and summary are read from it, so they show what it shows.
"""

import contextlib
import importlib.metadata
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.store.connection import Connection, transaction
from appliance.store.export_copy import STORAGE, Bounds, Copied, columns, copy
from appliance.store.export_csv import OPTIONS, cell, literal, name
from appliance.store.export_masks import WITHHELD, key_expression, masked, process_of
from appliance.store.export_summary import summarise
from appliance.store.export_views import INFO, OWN_VIEWS
from appliance.store.export_wire import DATABASE_FILE, SUMMARY_FILE, ChainHead, ExportFormat, ExportInfo
from appliance.store.owner import open_beside

_COPY_FILE: Final = "copy.duckdb"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One export: an empty private folder, the formats, the span (epoch seconds), who asks.

    `key`: secret text for pseudonyms, None for clear ones. `public`: names of the catalogue, lower case.
    """

    folder: Path
    formats: tuple[ExportFormat, ...]
    since: float
    until: float
    made: float
    author: str
    role: str
    key: str | None = None
    public: tuple[str, ...] = ()


class Built(msgspec.Struct, frozen=True):
    """Finished files, and rows by view."""

    files: tuple[Path, ...]
    rows: dict[str, int]


def build(connection: Connection, plan: Plan, bounds: Bounds) -> Built:
    """Make the files; `connection` is one to the evidence file. `Stopped` when told to stop."""
    copy_path = plan.folder / _COPY_FILE
    copied = copy(connection, copy_path, plan.since, plan.until, bounds)
    with contextlib.closing(open_beside(plan.folder)) as beside, bounds.working(beside):
        making = _Making(beside, plan, copied, bounds)
        info = making.database(copy_path)
        files = [plan.folder / DATABASE_FILE] if ExportFormat.DUCKDB in plan.formats else []
        if ExportFormat.CSV in plan.formats:
            files += [making.csv(view) for view in sorted(info.rows)]
        if ExportFormat.HTML in plan.formats:
            page = plan.folder / SUMMARY_FILE
            page.write_bytes(msgspec.json.encode(summarise(making.rows, info, copied.keyless)))
            files.append(page)
        making.run("USE memory")
        making.run("DETACH export")
    return Built(tuple(files), info.rows)


class _Making:
    """A connection to an instance of its own, at work on one plan."""

    def __init__(self, connection: Connection, plan: Plan, copied: Copied, bounds: Bounds) -> None:
        self._connection, self._plan, self._copied, self._bounds = connection, plan, copied, bounds

    def run(self, statement: str) -> None:
        """A statement that answers nothing."""
        self.rows(statement)

    def rows(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement; `values` are bound by name."""
        return self._bounds.ask(self._connection, statement, **values)

    def database(self, copy_path: Path) -> ExportInfo:
        """Fill the new database; what it says of itself."""
        path = self._plan.folder / DATABASE_FILE
        if self._plan.key is None:
            copy_path.rename(path)
            self.run(f"ATTACH {literal(str(path))} AS export ({STORAGE})")
        else:
            self.run(f"ATTACH {literal(str(path))} AS export ({STORAGE})")
            self.run(f"ATTACH {literal(str(copy_path))} AS copied (READ_ONLY)")
            with transaction(self._connection):
                for table in self._copied.tables:
                    self._mask(table)
            self.run("DETACH copied")
            copy_path.unlink()
        self.run("USE export")
        with transaction(self._connection):
            self._views()
            info = self._info({view: self._count(view) for view, _ in (*self._copied.views, *self._own())})
            self._write_info(info)
        self.run("CHECKPOINT export")
        return info

    def csv(self, view: str) -> Path:
        """The rows of a view as a CSV file."""
        path = self._plan.folder / f"{view}.csv"
        cells = ", ".join(
            cell(column, kind) for column, kind in columns(self._connection, "'export'", view, self._bounds)
        )
        self.run(f"COPY (SELECT {cells} FROM {name(view)}) TO {literal(str(path))} {OPTIONS}")  # noqa: S608 - our names
        return path

    def _mask(self, table: str) -> None:
        if table in WITHHELD:
            return
        place = f"copied.main.{name(table)}"
        cells = ", ".join(
            f"{masked(table, column, kind, place, 'copied.main.persons')} AS {name(column)}"
            for column, kind in columns(self._connection, "'copied'", table, self._bounds)
        )
        statement = f"CREATE TABLE export.main.{name(table)} AS SELECT {cells} FROM {place}"  # noqa: S608 - our names
        known = {"key": self._plan.key, "public": list(self._plan.public)}
        # Only what a statement names may be bound; it is made of our own names, so no text holds a `$` by chance.
        self.rows(statement, **{key: value for key, value in known.items() if re.search(rf"\${key}\b", statement)})

    def _own(self) -> list[tuple[str, str]]:
        """Views beside those of the evidence file."""
        there = {view for view, _ in self._copied.views}
        return [(view, told.statement) for view, told in OWN_VIEWS.items() if view not in there]

    def _views(self) -> None:
        for _, statement in self._copied.views:
            self.run(statement)
        withheld = WITHHELD if self._plan.key is not None else frozenset()
        known = {*self._copied.tables, *(view for view, _ in self._copied.views)} - withheld
        for comment in self._copied.comments:
            if comment.relation in known:
                self._comment(comment.kind, comment.relation, comment.column, comment.text)
        for view, statement in self._own():
            self.run(f"CREATE VIEW {view} AS {statement}")
            self._comment("VIEW", view, None, OWN_VIEWS[view].comment)
            for column, text in OWN_VIEWS[view].columns.items():
                self._comment("COLUMN", view, column, text)

    def _comment(self, kind: str, relation: str, column: str | None, text: str) -> None:
        place = name(relation) if column is None else f"{name(relation)}.{name(column)}"
        self.run(f"COMMENT ON {kind} {place} IS {literal(text)}")

    def _count(self, view: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {name(view)}")[0][0])  # noqa: S608 - our names

    def _info(self, rows: dict[str, int]) -> ExportInfo:
        plan, author = self._plan, self._plan.author
        if plan.key is not None:
            author = self.rows(f"SELECT {key_expression('u_', '$author')}", key=plan.key, author=author)[0][0]
        return ExportInfo(
            gnomon_version=importlib.metadata.version("gnomon"),
            schema_version=self._copied.schema_version,
            made=plan.made,
            since=plan.since,
            until=plan.until,
            pseudonymised=plan.key is not None,
            author=author,
            role=plan.role,
            rows=rows,
            chain_heads=self._heads(),
        )

    def _heads(self) -> tuple[ChainHead, ...]:
        """Names of other appliances are no more told here than in the tables."""
        key, heads = self._plan.key, self._copied.heads
        if key is None:
            return heads
        return tuple(msgspec.structs.replace(head, producer=process_of(head.producer, key)) for head in heads)

    def _write_info(self, info: ExportInfo) -> None:
        self.run(f"CREATE TABLE export_info ({', '.join(f'{column} {kind}' for column, kind, _ in INFO)})")
        told = {column: _bindable(getattr(info, column)) for column, _, _ in INFO}
        values = ", ".join(_value(column, kind) for column, kind, _ in INFO)
        self.rows(f"INSERT INTO export_info SELECT {values}", **told)
        self._comment("TABLE", "export_info", None, "What this file is: one row")
        for column, _, comment in INFO:
            self._comment("COLUMN", "export_info", column, comment)


def _bindable(value: object) -> object:
    return value if isinstance(value, str | int | float | bool) else msgspec.json.encode(value).decode()


def _value(column: str, kind: str) -> str:
    """A bound value as its column takes it; what is no scalar is bound as JSON."""
    return f"CAST(CAST(${column} AS JSON) AS {kind})" if kind.endswith((")", "]")) else f"CAST(${column} AS {kind})"
