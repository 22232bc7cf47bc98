"""The query over keys that were seen.

Theory of operation. Uses are grouped by all that is told of them first, and only the few groups are then listed by key:
a list of different values over millions of rows would cost ten times that. Whose account it is may stand in the close
record; since a join of all closes would cost ten times all else, those of each key's newest uses are asked. Records of
before keys had columns are read from their texts; how far those reach stands in `key_columns`, so that of a newer store
no text is read at all.

Rules: as in appliance/store/queries.py: no text from a caller ever becomes SQL; of the time that was asked about and of
nothing else.
"""

from typing import Any, Final

import msgspec

from appliance.model.names import AccountKind
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
_SEEN: Final = f"""seen AS (
SELECT exchange, ts, principal, client, service, key_fingerprint AS fingerprint, key_shape AS shape, account,
       account_id, client_name AS program, client_version AS version, held
FROM exchange_open WHERE ts >= $since AND n > $known AND service IS NOT NULL AND key_fingerprint IS NOT NULL
  AND handed IS NOT TRUE
UNION ALL
SELECT exchange, ts, principal, client, service, told[1], told[2], told[3], told[4], told[5], told[6],
       nullif(regexp_extract(told[7], '"held:([a-z0-9_-]{{1,64}})"', 1), '')
FROM (SELECT exchange, ts, principal, client, service, json_extract_string(body, [{_PATHS}]) AS told
      FROM exchange_open WHERE ts >= $since AND n <= $known AND service IS NOT NULL)
WHERE told[1] IS NOT NULL)"""  # noqa: S608 - texts of this file
_ANSWERED: Final = """answered AS (
SELECT exchange, arg_min(account, n) AS account, arg_min(account_id, n) AS account_id
FROM (SELECT exchange, n, account, account_id FROM exchange_close
      WHERE ts >= $since AND n > $known AND exchange IN (SELECT exchange FROM asked)
      UNION ALL
      SELECT exchange, n, told[1], told[2]
      FROM (SELECT exchange, n, json_extract_string(body, ['$.event.account', '$.event.account_id']) AS told
            FROM exchange_close WHERE ts >= $since AND n <= $known AND exchange IN (SELECT exchange FROM asked)))
WHERE account IS NOT NULL GROUP BY exchange)"""
ASKED: Final = 64  # newest uses of a key whose answers are asked for an account: a key is of one account
_PROGRAM: Final = """(lower(program) = $program OR lower(program) || '/' || lower(coalesce(version, '')) = $program
OR starts_with(lower(program), $program || '-'))"""


def _few(column: str) -> str:
    return f"coalesce(list_sort(list(DISTINCT {column}) FILTER ({column} IS NOT NULL))[:{FEW}], [])"


def exposure(connection: Connection, request: ExposureRequest) -> tuple[ExposureHead, list[ExposedKey]]:
    """Keys that were used in the span, and how many there are in all.

    Those that were used after it come first, so that no limit cuts them off, then the latest.
    """
    tests, values = _tests(request)
    values["known"] = connection.execute("SELECT coalesce(max(n), 0) FROM key_columns").fetchall()[0][0]
    statement = f"""WITH {_SEEN}, uses AS (
SELECT fingerprint, shape, held, principal, s.client AS client, program, version, service, account, account_id,
       count(*) AS uses, min(ts) AS first_ts, max(ts) AS last_ts
FROM seen s WHERE {tests} GROUP BY ALL
), keys AS (
SELECT fingerprint, any_value(shape) AS shape, any_value(held) AS held, {_few("principal")} AS principals,
       {_few("client")} AS clients, {_few("program || coalesce('/' || version, '')")} AS programs,
       {_few("service")} AS services, {_few("account")} AS accounts, {_few("account_id")} AS account_ids,
       CAST(sum(uses) AS BIGINT) AS exchanges, min(first_ts) AS first_seen, max(last_ts) AS last_seen
FROM uses GROUP BY fingerprint
), later AS (
SELECT fingerprint, count(*) AS after, max(ts) AS last_after FROM seen WHERE ts > $until GROUP BY fingerprint)
SELECT k.*, coalesce(l.after, 0), l.last_after, count(*) OVER () FROM keys k LEFT JOIN later l USING (fingerprint)
ORDER BY coalesce(l.after, 0) > 0 DESC, last_seen DESC, fingerprint LIMIT $limit"""  # noqa: S608 - texts of this file; values are bound
    rows: list[tuple[Any, ...]] = connection.execute(statement, values).fetchall()
    keys = [_key(row[:-1]) for row in rows]
    if keys:
        answered = _answered(connection, tests, values, [key.fingerprint for key in keys])
        keys = [_told(key, *answered.get(key.fingerprint, ((), ()))) for key in keys]
    return ExposureHead(len(keys), int(rows[0][-1]) if rows else 0), keys


type _Accounts = tuple[tuple[str, ...], tuple[str, ...]]  # kinds, digests


def _answered(connection: Connection, tests: str, values: dict[str, object], keys: list[str]) -> dict[str, _Accounts]:
    """Accounts by key, as providers' answers to its newest uses name them; where one names none, as was thought."""
    statement = f"""WITH {_SEEN}, newest AS (
SELECT fingerprint, unnest(arg_max({{'exchange': exchange, 'account': account, 'id': account_id}}, ts, {ASKED})) AS one
FROM seen s WHERE {tests} AND list_contains($keys::VARCHAR[], fingerprint) GROUP BY fingerprint
), asked AS MATERIALIZED (
SELECT fingerprint, one.exchange AS exchange, one.account AS account, one.id AS account_id FROM newest
), {_ANSWERED}
SELECT fingerprint, {_few("coalesce(a.account, s.account)")}, {_few("coalesce(a.account_id, s.account_id)")}
FROM asked s LEFT JOIN answered a USING (exchange) GROUP BY fingerprint"""  # noqa: S608 - texts of this file
    bound = {name: value for name, value in values.items() if name != "limit"} | {"keys": keys}
    rows = msgspec.convert(connection.execute(statement, bound).fetchall(), list[tuple[str, list[str], list[str]]])
    return {key: (tuple(kinds), tuple(digests)) for key, kinds, digests in rows}


def _told(key: ExposedKey, kinds: tuple[str, ...], digests: tuple[str, ...]) -> ExposedKey:
    """With the accounts that answers name, and of all uses what was more than unknown."""
    if key.exchanges > ASKED:
        kinds = tuple(sorted({*kinds, *(kind for kind in key.accounts if kind != AccountKind.UNKNOWN)}))
        digests = tuple(sorted({*digests, *key.account_ids})[:FEW])
    return msgspec.structs.replace(key, accounts=kinds, account_ids=digests)


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
