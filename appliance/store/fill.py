"""`python -m appliance.store.fill STATE_DIR`: a store with many findings and exchanges, for tests and measurements.

Rules: only into a store that holds no findings yet, and none that is open; rows are made by the database itself, so
that they differ from each other and are the same at each run; what is made looks like what is taken in, but all records
carry one text, so their chain cannot be verified. The services of the catalogue come first, made-up ones follow.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from appliance.config.catalogue import load_catalogue
from appliance.journal.record import encode_line, genesis
from appliance.model.catalogue import Service
from appliance.model.errors import OperatorError
from appliance.model.finding import finding_id
from appliance.model.names import FindingKind, Surface
from appliance.store.bench import closed, opened
from appliance.store.connection import Connection, transaction
from appliance.store.ingest import Ingest
from appliance.store.owner import Owner, Settings
from appliance.store.wire import Append

_SUBJECTS: Final = """CREATE TEMP TABLE subjects AS SELECT row_number() OVER () - 1 AS i, s.*
FROM (SELECT from_json(x, ?) AS s FROM (SELECT unnest(?::VARCHAR[]) AS x))"""
_FINDINGS: Final = """INSERT INTO findings
WITH numbered AS (SELECT *, CAST(hash(i) % 1000 AS BIGINT) AS dice FROM subjects),
drawn AS (
  SELECT *,
    CASE WHEN dice < 500 THEN 'new' WHEN dice < 650 THEN 'triaged' WHEN dice < 800 THEN 'approved'
         WHEN dice < 850 THEN 'coached' WHEN dice < 900 THEN 'redirected' WHEN dice < 960 THEN 'blocked'
         ELSE 'dismissed' END AS state,
    CASE WHEN dice % 10 < 2 THEN 'bypass' WHEN dice % 10 < 8 THEN 'governed' ELSE 'unknown' END AS governance,
    ? - (i * 7919) % (86400 * 14) AS last_seen
  FROM numbered),
weighed AS (
  SELECT *, CASE WHEN state = 'dismissed' THEN 0
                 WHEN state IN ('coached', 'redirected', 'blocked') THEN if(governance = 'bypass', 4, 0)
                 WHEN state = 'approved' THEN if(governance = 'bypass', 3, 0)
                 WHEN governance = 'bypass' THEN 3 WHEN governance = 'governed' THEN 2 ELSE 1 END AS rank
  FROM drawn)
SELECT id, 'service_in_use', subject, name, owner, category, surface,
  ['info', 'low', 'medium', 'high', 'critical'][1 + rank], rank, state, governance, 0.5 + (dice % 50) / 100.0,
  last_seen - 86400 * 16, last_seen, if(governance = 'bypass', last_seen, NULL),
  if(governance = 'unknown', 0, 1 + dice * 3), 0, if(governance = 'bypass', 1 + dice, 0), dice % 20, dice % 40,
  dice % 60, state = 'triaged',
  lower(concat_ws(chr(10), name, subject, owner, category)), NULL, ?
FROM weighed"""
_PARTIES: Final = """INSERT INTO finding_parties SELECT id, if(i % 2 = 0, 'p_', 'a_') || left(md5('party' || i), 16),
  if(i % 2 = 0, 'person', 'host'), ? - i FROM subjects"""
_EVIDENCE: Final = """INSERT INTO finding_evidence
SELECT i + 1, id, ? - i, 'eth0', 'tls', 'a_' || left(md5('party' || i), 16), 'SNI host' || i || '.example'
FROM subjects"""
_PEOPLE: Final = 2_000
_KEYS: Final = 3_000
_OPENS: Final = """INSERT INTO exchange_open
SELECT e.* REPLACE (n + 2 * i AS n, seq + 2 * i AS seq, ? - (? - i) * 0.5 AS ts, 'x' || i AS exchange,
  'p_' || left(md5('person' || i % ?), 16) AS principal, 'a_' || left(md5('host' || i % ?), 16) AS client,
  CASE WHEN i % 20 < 12 THEN service ELSE ['anthropic', 'chatgpt', 'mistral', 'gemini'][1 + i % 4] END AS service,
  ['allow', 'observe', 'redact', 'block', 'coach'][1 + (i * 7) % 5] AS effective,
  ['research', 'sales' || chr(10) || 'board', ''][1 + i % 3] AS groups,
  'k_' || left(md5('key' || i % ?), 16) AS key_fingerprint, 'openai_project' AS key_shape,
  ['corporate', 'personal', 'anonymous', 'unknown'][1 + i % 4] AS account,
  ['openai-python', 'litellm', 'curl', 'cursor'][1 + i % 4] AS client_name, '1.' || i % 50 AS client_version)
FROM exchange_open e, range(1, ?) t(i) WHERE exchange = 'template'"""
_CLOSES: Final = """INSERT INTO exchange_close
SELECT e.* REPLACE (n + 2 * i AS n, seq + 2 * i AS seq, ? - (? - i) * 0.5 + 0.4 AS ts, 'x' || i AS exchange,
  if(i % 2 = 0, 'personal', NULL) AS account, 512 + i % 4000 AS cost_micros, i % 50 <> 0 AS cost_priced)
FROM exchange_close e, range(1, ?) t(i) WHERE exchange = 'template' AND i % 1000 <> 0"""
_STARTED: Final = "UPDATE folded SET n = ?"


def fill(state_dir: Path, *, findings: int = 0, exchanges: int = 0, now: float | None = None) -> None:
    """Make the store of `state_dir` and fill it. `now`: the newest rows' time, epoch seconds.

    Takes about a second for 100,000 findings, 20 s for a million exchanges. OperatorError: it cannot be opened, or is
    not empty.
    """
    at = time.time() if now is None else now
    owner = Owner.open(state_dir / "store", at, Settings())
    try:
        connection = owner.cursor()
        if connection.execute("SELECT 1 FROM findings UNION ALL SELECT 1 FROM exchange_open LIMIT 1").fetchall():
            raise OperatorError(f"{owner.path}: holds findings or exchanges already; fill a new folder")
        with transaction(connection):
            _findings(connection, findings, at)
        _exchanges(connection, exchanges, at)
        connection.close()
    finally:
        owner.close()


def _findings(connection: Connection, count: int, now: float) -> None:
    made_up = (_made_up(number) for number in itertools.count())
    subjects = itertools.islice(itertools.chain(map(_known, load_catalogue().services.values()), made_up), count)
    connection.execute(_SUBJECTS, [_STRUCTURE, [msgspec.json.encode(subject).decode() for subject in subjects]])
    connection.execute(_FINDINGS, [now, now])
    connection.execute(_PARTIES, [now])
    connection.execute(_EVIDENCE, [now])


class _Subject(msgspec.Struct):
    id: str
    subject: str
    name: str
    owner: str
    category: str
    surface: str


_STRUCTURE: Final = msgspec.json.encode(dict.fromkeys(_Subject.__struct_fields__, "VARCHAR")).decode()


def _known(service: Service) -> _Subject:
    name = finding_id(FindingKind.SERVICE_IN_USE, service.id, service.surface)
    return _Subject(name, service.id, service.name, service.owner, service.category, service.surface)


def _made_up(number: int) -> _Subject:
    subject, surface = f"service_{number}", (Surface.API, Surface.WEB, Surface.AGENT)[number % 3]
    name = finding_id(FindingKind.SERVICE_IN_USE, subject, surface)
    return _Subject(name, subject, f"Service {number}", f"Owner {number % 997}", "assistant", surface)


def _exchanges(connection: Connection, count: int, now: float) -> None:
    """Two exchanges a second up to now, one in a thousand still running."""
    if not count:
        return
    mark, lines = genesis("filled", 1), []
    for event in (opened("template", "filled", now - count * 0.5), closed("template", now - count * 0.5)):
        line, mark = encode_line(mark, event, {})
        lines.append(line)
    append = Append(producer="filled", epoch=1, first_seq=1, last_seq=2)
    Ingest(connection, lambda: now, 1).commit([(append, b"".join(lines))])
    with transaction(connection):
        connection.execute(_OPENS, [now, count, _PEOPLE, _PEOPLE, _KEYS, count])
        connection.execute(_CLOSES, [now, count, count])
        connection.execute(_STARTED, [2 * count])
        connection.execute("UPDATE marks SET n = ?, seq = ?", [2 * count, 2 * count])


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m appliance.store.fill", description="A store for measurements.")
    parser.add_argument("state_dir", type=Path, help="state folder; the store lies in its folder store")
    parser.add_argument("--findings", type=int, default=100_000)
    parser.add_argument("--exchanges", type=int, default=0)
    asked = parser.parse_args()
    began = time.monotonic()
    try:
        fill(asked.state_dir, findings=asked.findings, exchanges=asked.exchanges)
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{asked.findings} findings, {asked.exchanges} exchanges: {time.monotonic() - began:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
