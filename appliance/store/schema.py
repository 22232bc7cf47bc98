"""Numbered migrations of the evidence file.

Owns: the `migrations` table and the order in which `migrations/NNNN_name.sql` are applied. Rules: a migration is never
edited once released (its sha256 is recorded and compared); each is applied whole, in one transaction, or not at all; a
file that knows a migration which this program does not is from a newer program and is refused untouched.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from appliance.model.errors import OperatorError
from appliance.store.connection import Connection, transaction

FOLDER = Path(__file__).parent / "migrations"

_TABLE = """CREATE TABLE IF NOT EXISTS migrations (
  number INTEGER NOT NULL, name VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, applied_at DOUBLE NOT NULL)"""


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema. `number` counts from 1 without gaps."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Digest of the text, hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The migrations that this program knows, in order."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(int(number), name, path.read_text(encoding="utf-8")))
    if [step.number for step in found] != list(range(1, len(found) + 1)):
        raise OperatorError(f"{folder}: migrations must be numbered 1, 2, 3 without gaps; reinstall gnomon")
    return tuple(found)


def migrate(connection: Connection, steps: Sequence[Migration], now: float, where: str) -> int:
    """Bring the file to the newest step; the number of steps applied. `where` names the file in errors."""
    connection.execute(_TABLE)
    applied = connection.execute("SELECT number, name, sha256 FROM migrations ORDER BY number").fetchall()
    if len(applied) > len(steps):
        raise OperatorError(
            f"{where}: written by a newer gnomon (schema {len(applied)}, this program knows {len(steps)}); "
            "start that version, or restore a backup made by this one"
        )
    for row, step in zip(applied, steps, strict=False):
        if row != (step.number, step.name, step.sha256):
            raise OperatorError(
                f"{where}: schema step {row[0]} ({row[1]}) differs from this program's; "
                "the file belongs to another build of gnomon"
            )
    for step in steps[len(applied) :]:
        _apply(connection, step, now)
    return len(steps) - len(applied)


def _apply(connection: Connection, step: Migration, now: float) -> None:
    with transaction(connection):
        connection.execute(step.sql)
        connection.execute("INSERT INTO migrations VALUES (?, ?, ?, ?)", [step.number, step.name, step.sha256, now])
