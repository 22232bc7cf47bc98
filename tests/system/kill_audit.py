"""Compares what arrived at the provider with what the store holds, after all has come to rest.

Rules: reads the evidence file itself, read-only, once nobody has it open; a problem is a name and examples.
"""

import time
from collections import Counter
from pathlib import Path

import duckdb

from appliance.ledger.ledger import Ledger
from appliance.ledger.table import CounterKey
from appliance.ledger.windows import Window

MAY_NOT_HAVE_ARRIVED = {"lost", "upstream_error", "client_abort", "blocked", "failed_closed"}
TABLES = ("exchange_open", "exchange_close", "refusals", "notices", "tunnels", "detector_sums", "unplaced")
UNUSED = {"lost", "blocked", "failed_closed"}  # given back by the ledger
EXPECTED = {"store_wal_torn"}  # what a killed store leaves is kept and told; nothing was acknowledged of it
EXAMPLES = 5
ORGANISATION = CounterKey("organisation", "", Window.DAY)


class Evidence:
    """All that the store holds about exchanges."""

    def __init__(self, state: Path) -> None:
        with duckdb.connect(str(state / "store" / "gnomon.duckdb"), read_only=True) as found:
            self.opens = found.execute("SELECT exchange, body_digest, sent_digest FROM exchange_open").fetchall()
            self.closes = found.execute("SELECT exchange, outcome FROM exchange_close").fetchall()
            self.alarms = found.execute("SELECT note, detail FROM notices WHERE severity = 'alarm'").fetchall()
            self.notices = Counter(note for (note,) in found.execute("SELECT note FROM notices").fetchall())
            self.unplaced = found.execute("SELECT producer, epoch, seq, fault FROM unplaced").fetchall()
            lines = " UNION ALL ".join(f"SELECT producer, epoch, seq FROM {table}" for table in TABLES)
            self.marks = found.execute(
                "SELECT m.producer, m.epoch, m.seq, count(e.seq), count(DISTINCT e.seq) FROM marks m "
                f"LEFT JOIN ({lines}) e USING (producer, epoch) GROUP BY ALL"
            ).fetchall()
        self.outcome = dict(self.closes)


def compare(evidence: Evidence, arrivals: list[str], answered: set[str]) -> dict[str, list]:
    """Whatever is wrong, by name. `arrivals`: digests of the bodies that came; `answered`: as the clients sent them."""
    sent = Counter(digest for _, _, digest in evidence.opens if digest)
    came = Counter(arrivals)
    opened = Counter(exchange for exchange, _, _ in evidence.opens)
    closed = Counter(exchange for exchange, _ in evidence.closes)
    known = {body for _, body, _ in evidence.opens}
    found = {
        "arrival without a record": came.keys() - sent.keys(),
        "arrived twice": [digest for digest, count in came.items() if count > 1],
        "body recorded twice": [digest for digest, count in sent.items() if count > 1],
        "exchange opened twice": [exchange for exchange, count in opened.items() if count > 1],
        "exchange closed twice": [exchange for exchange, count in closed.items() if count > 1],
        "open without close": opened.keys() - closed.keys(),
        "close without open": closed.keys() - opened.keys(),
        "ended well without an arrival": [
            (exchange, evidence.outcome.get(exchange))
            for exchange, _, digest in evidence.opens
            if digest not in came and evidence.outcome.get(exchange) not in MAY_NOT_HAVE_ARRIVED
        ],
        "answered without a record": answered - known,
        "alarm": [alarm for alarm in evidence.alarms if alarm[0] not in EXPECTED],
        "unplaced record": evidence.unplaced,
        "journal lines lost or doubled": [mark for mark in evidence.marks if not mark[2] == mark[3] == mark[4]],
    }
    return {name: sorted(map(str, wrong))[:EXAMPLES] for name, wrong in found.items() if wrong}


def left_behind(state: Path) -> list[str]:
    """Journal folders and shelves that should be gone."""
    return sorted(file.name for file in (state / "journal").iterdir() if file.name != ".lock")


def counted(state: Path, evidence: Evidence) -> tuple[int, int]:
    """Requests of the organisation: by the ledger (today, UTC), and by the records."""
    used = sum(evidence.outcome.get(exchange) not in UNUSED for exchange, _, _ in evidence.opens)
    with Ledger(state / "ledger" / "counters.map", claim=False) as ledger:
        return ledger.used(ORGANISATION, time.time()), used
