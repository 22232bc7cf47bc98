"""Forgetting: rows past their age, and persons on request.

Owns: every DELETE. Rules: rows go in batches, so that no transaction holds the writer for long; decisions, snapshots,
feedback, erasures and marks are never deleted; a finding goes with all that hangs on it, and only where no decision
stands; an erased person's digest stays in the events (the chain is not touched), its clear value is gone and old events
cannot bring it back; each erasure is recorded with its author.
"""

import contextlib
from collections.abc import Mapping
from typing import Final

from appliance.config.schema import StoreConfig
from appliance.store.connection import Connection, transaction
from appliance.store.owner import STORE_ERROR

BATCH_ROWS: Final = 5_000
DAY_S: Final = 86_400.0

# Which tables a key of `store.retention` governs, and the column that tells a row's age.
GOVERNS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "exchanges": (("exchange_open", "ts"), ("exchange_close", "ts"), ("unplaced", "ts")),
    "refusals": (("refusals", "ts"),),
    "notices": (("notices", "ts"),),
    "tunnels": (("tunnels", "ts"),),
    "detectors": (("detector_sums", "ts"),),
    "losses": (("packet_losses", "ts"),),
    "observations": (("observations", "taken"),),  # a capture may be older than its evidence
    "findings": (("findings", "touched"),),
    "hosts": (("host_records", "taken"), ("hosts", "touched")),
    "persons": (("persons", "last_seen"),),
}


_ONLY: Final[Mapping[str, str]] = {"findings": "AND decision IS NULL"}
_HANGING: Final = ("finding_parties", "finding_evidence", "finding_states")
_TOO_MUCH: Final = """DELETE FROM finding_evidence WHERE rowid IN (SELECT rowid FROM (
SELECT rowid, row_number() OVER (PARTITION BY finding ORDER BY n DESC) AS place FROM finding_evidence)
WHERE place > ?)"""

_CROWDED: Final = (
    "DELETE FROM hosts WHERE rowid IN (SELECT rowid FROM hosts ORDER BY touched DESC, address OFFSET ?) RETURNING 1"
)


def ages(config: StoreConfig) -> dict[tuple[str, str], int]:
    """Days to keep, by table and age column."""
    return {place: config.days(key) for key, places in GOVERNS.items() for place in places}


def delete_batch(connection: Connection, place: tuple[str, str], before: float, rows: int = BATCH_ROWS) -> int:
    """Delete up to `rows` rows that are older than `before` (epoch seconds); how many went."""
    table, column = place
    statement = (
        f"DELETE FROM {table} WHERE rowid IN "  # noqa: S608 - names from this file only
        f"(SELECT rowid FROM {table} WHERE {column} < ? {_ONLY.get(table, '')} LIMIT ?) RETURNING 1"
    )
    with transaction(connection):
        gone = len(connection.execute(statement, [before, rows]).fetchall())
        if gone and table == "findings":
            for hanging in _HANGING:
                connection.execute(f"DELETE FROM {hanging} WHERE finding NOT IN (SELECT id FROM findings)")  # noqa: S608
    return gone


def trim_evidence(connection: Connection, keep: int) -> None:
    """Of each finding only the newest `keep` reasons stay."""
    with transaction(connection):
        connection.execute(_TOO_MUCH, [keep])


def trim_hosts(connection: Connection, keep: int) -> int:
    """Only the `keep` hosts that were heard of last stay; how many went. Whoever forges addresses makes hosts."""
    with transaction(connection):
        return len(connection.execute(_CROWDED, [keep]).fetchall())


def erase(connection: Connection, digest: str, now: float, author: str) -> int:
    """Forget the clear value behind `digest`; 1 if there was one. Recorded either way."""
    with transaction(connection):
        # A deleted row stays in its segment until that is rewritten; an overwritten value does not.
        connection.execute("UPDATE persons SET value = '' WHERE digest = ?", [digest])
    with transaction(connection):
        gone = connection.execute("DELETE FROM persons WHERE digest = ? RETURNING 1", [digest]).fetchall()
        connection.execute("INSERT INTO erasures VALUES (?, ?, ?)", [digest, now, author])
    # The value also stands in the write-ahead file: fold that in. A reader in mid-query may forbid it just now; then
    # the next checkpoint does it.
    with contextlib.suppress(STORE_ERROR):
        connection.execute("CHECKPOINT")
    return len(gone)
