"""Table findings: its rows, how they are read and written.

Owns: the statements on that table, and a bounded memory of the rows that were touched last. Rules: a row in memory is
what COMMIT left in the table; a caller changes a copy, writes it, and after COMMIT hands it to `keep`; after a failure
everything is forgotten and read again. Few rows are written one by one, many with one statement.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from appliance.model.finding import Finding
from appliance.store.connection import Connection

MAX_KEPT: Final = 4_096
FEW: Final = 8  # rows up to which one statement each is quicker


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """Table findings, column by column."""

    id: str
    kind: str
    subject: str
    name: str
    owner: str
    category: str
    surface: str
    severity: str = "info"
    rank: int = 0
    state: str = "new"
    governance: str = "unknown"
    confidence: float = 0.0
    first_seen: float = 0.0
    last_seen: float = 0.0
    bypass_last: float | None = None
    governed: int = 0
    via: int = 0
    bypass: int = 0
    hints: int = 0
    people: int = 0
    hosts: int = 0
    marked: bool = False
    words: str = ""
    decision: int | None = None
    touched: float = 0.0


COLUMNS: Final = FindingRow.__struct_fields__
SHOWN: Final = Finding.__struct_fields__
_FIXED: Final = frozenset({"id", "kind", "subject", "surface", "words"})
_CHANGING: Final = tuple(name for name in COLUMNS if name not in _FIXED)
_TYPES: Final = {
    name: "BIGINT" if name in ("rank", "governed", "via", "bypass", "hints", "people", "hosts", "decision") else
    "DOUBLE" if name in ("confidence", "first_seen", "last_seen", "bypass_last", "touched") else
    "BOOLEAN" if name == "marked" else "VARCHAR"
    for name in COLUMNS
}  # fmt: skip
_STRUCTURE: Final = msgspec.json.encode(_TYPES).decode()
_ROWS: Final = f"(SELECT from_json(x, '{_STRUCTURE}') AS r FROM (SELECT unnest(?::VARCHAR[]) AS x))"  # noqa: S608 - ours
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM findings WHERE "  # noqa: S608 - names from this file only
_INSERT: Final = f"INSERT INTO findings SELECT {', '.join(f'r.{name}' for name in COLUMNS)} FROM {_ROWS}"  # noqa: S608
_UPDATE_MANY: Final = (
    f"UPDATE findings SET {', '.join(f'{name} = u.r.{name}' for name in _CHANGING)} "  # noqa: S608 - names of ours
    f"FROM {_ROWS} u WHERE findings.id = u.r.id"
)
_encode: Final = msgspec.json.Encoder().encode


class FindingTable:
    """Reads and writes rows on the writer's connection, inside the caller's transaction."""

    def __init__(self, connection: Connection, keep: int = MAX_KEPT) -> None:
        self._connection = connection
        self._kept: OrderedDict[str, FindingRow] = OrderedDict()
        self._room = keep

    def get(self, ids: Collection[str]) -> dict[str, FindingRow]:
        """The rows of those that exist."""
        found = {name: row for name in ids if (row := self._kept.get(name)) is not None}
        missing = [name for name in ids if name not in found]
        if len(missing) <= FEW:
            for name in missing:
                found.update((row.id, row) for row in self._read("id = ?", [name]))
        else:
            found.update((row.id, row) for row in self._read("id IN (SELECT unnest(?::VARCHAR[]))", [missing]))
        return found

    def of(self, subjects: Iterable[str]) -> list[FindingRow]:
        """Every finding on one of the subjects, or whose state a decision has set for another reason."""
        return self._read("subject IN (SELECT unnest(?::VARCHAR[]))", [list(subjects)])

    def decided(self) -> list[FindingRow]:
        """Every finding that a decision has set the state of."""
        return self._read("decision IS NOT NULL", [])

    def strangers(self, known: Collection[str]) -> int:
        """Findings on subjects other than the known ones."""
        rows = self._connection.execute(
            "SELECT count(DISTINCT subject) FROM findings WHERE subject NOT IN (SELECT unnest(?::VARCHAR[]))",
            [list(known)],
        ).fetchall()
        return msgspec.convert(rows[0][0], int)

    def insert(self, rows: Sequence[FindingRow]) -> None:
        """New findings."""
        if rows:
            self._connection.execute(_INSERT, [[_encode(row).decode() for row in rows]])

    def update(self, rows: Sequence[FindingRow], known: Mapping[str, FindingRow]) -> None:
        """Findings that exist; `known`: how they stand in the table."""
        if len(rows) > FEW:
            self._connection.execute(_UPDATE_MANY, [[_encode(row).decode() for row in rows]])
            return
        for row in rows:
            was = known[row.id]
            # Each column that is written costs: of the twenty some six change with an event.
            changed = {name: value for name in _CHANGING if (value := getattr(row, name)) != getattr(was, name)}
            if changed:
                places = ", ".join(f"{name} = ?" for name in changed)
                statement = f"UPDATE findings SET {places} WHERE id = ?"  # noqa: S608 - names of ours
                self._connection.execute(statement, [*changed.values(), row.id])

    def keep(self, rows: Iterable[FindingRow]) -> None:
        """These stand in the table now."""
        for row in rows:
            self._kept[row.id] = row
            self._kept.move_to_end(row.id)
        while len(self._kept) > self._room:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Read everything again."""
        self._kept.clear()

    def _read(self, condition: str, values: list[object]) -> list[FindingRow]:
        rows = self._connection.execute(_SELECT + condition, values).fetchall()
        return [FindingRow(**dict(zip(COLUMNS, row, strict=True))) for row in _any(rows)]


def _any(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Rows as the schema types them."""
    return rows
