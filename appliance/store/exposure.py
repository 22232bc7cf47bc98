"""The query over keys that were seen.

Rules: as in appliance/store/queries.py: no text from a caller ever becomes SQL. Fields that have no column are read
from the records themselves, of the time that was asked about and of nothing else.
"""

from typing import Any, Final

import msgspec

from appliance.store.connection import Connection
from appliance.store.exposure_pages import FEW, ExposedKey, ExposureHead, ExposureRequest

# One look at a record: taken one by one, each path would parse it anew.
_PATHS: Final = ", ".join(
    f"'$.event.{path}'"
    for path in (
        "facts.key_fingerprint",
        "facts.key_shape",
        "facts.account",
        "facts.account_id",
        "facts.client_name",
        "facts.client_version",
        "edits",
    )
)
_SEEN: Final = f"""seen AS MATERIALIZED (
SELECT exchange, ts, principal, client, service, told[1] AS fingerprint, told[2] AS shape, told[3] AS account,
       told[4] AS account_id, told[5] AS program, told[6] AS version,
       nullif(regexp_extract(told[7], '"held:([a-z0-9_-]{{1,64}})"', 1), '') AS held
FROM (SELECT exchange, ts, principal, client, service, json_extract_string(body, [{_PATHS}]) AS told
      FROM exchange_open WHERE ts >= $since AND service IS NOT NULL)
WHERE told[1] IS NOT NULL)"""  # noqa: S608 - texts of this file
_ANSWERED: Final = """answered AS MATERIALIZED (
SELECT exchange, arg_min(told[1], n) AS account, arg_min(told[2], n) AS account_id
FROM (SELECT exchange, n, json_extract_string(body, ['$.event.account', '$.event.account_id']) AS told
      FROM exchange_close WHERE ts >= $since)
WHERE told[1] IS NOT NULL GROUP BY exchange)"""
_PROGRAM: Final = """(lower(program) = $program OR lower(program) || '/' || lower(coalesce(version, '')) = $program
OR starts_with(lower(program), $program || '-'))"""


def _few(column: str) -> str:
    return f"coalesce(list_sort(list(DISTINCT {column}) FILTER ({column} IS NOT NULL))[:{FEW}], [])"


def exposure(connection: Connection, request: ExposureRequest) -> tuple[ExposureHead, list[ExposedKey]]:
    """Keys that were used in the span, the latest first, and how many there are in all."""
    tests, values = _tests(request)
    statement = f"""WITH {_SEEN}, {_ANSWERED}, keys AS (
SELECT fingerprint, any_value(shape) AS shape, any_value(held) AS held, {_few("principal")} AS principals,
       {_few("s.client")} AS clients, {_few("program || coalesce('/' || version, '')")} AS programs,
       {_few("service")} AS services, {_few("coalesce(a.account, s.account)")} AS accounts,
       {_few("coalesce(a.account_id, s.account_id)")} AS account_ids, count(*) AS exchanges, min(ts) AS first_seen,
       max(ts) AS last_seen
FROM seen s LEFT JOIN answered a USING (exchange) WHERE {tests} GROUP BY fingerprint
), later AS (
SELECT fingerprint, count(*) AS after, max(ts) AS last_after FROM seen WHERE ts > $until GROUP BY fingerprint)
SELECT k.*, coalesce(l.after, 0), l.last_after, count(*) OVER () FROM keys k LEFT JOIN later l USING (fingerprint)
ORDER BY last_seen DESC, fingerprint LIMIT $limit"""  # noqa: S608 - texts of this file; values are bound
    rows: list[tuple[Any, ...]] = connection.execute(statement, values).fetchall()
    keys = [_key(row[:-1]) for row in rows]
    return ExposureHead(len(keys), int(rows[0][-1]) if rows else 0), keys


def _tests(request: ExposureRequest) -> tuple[str, dict[str, object]]:
    until = 1e15 if request.until is None else request.until
    tests = ["ts <= $until"]
    values: dict[str, object] = {"since": request.since, "until": until, "limit": request.limit}
    for name, test, value in (
        ("program", _PROGRAM, request.program.lower() if request.program else None),
        ("principal", "principal = $principal", request.principal),
        ("client", "s.client = $client", request.client),
        ("service", "service = $service", request.service),
    ):
        if value is not None:
            tests.append(test)
            values[name] = value
    return " AND ".join(tests), values


def _key(row: tuple[Any, ...]) -> ExposedKey:
    return msgspec.convert(dict(zip(ExposedKey.__struct_fields__, row, strict=True)), ExposedKey)
