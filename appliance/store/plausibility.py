"""Where the ledger's tokens and the wire's bytes do not fit each other: by client, service and hour.

Owns: the statement of verb `plausibility`, and which hours are judged. Rules: bound parameters only; sums are those of
the view v_plausibility, made here of the asked time alone, for a view over everything would be read whole. Sizes of a
connection are told when it ends: bytes are held against the tokens of their hour and the one before, tokens against the
bytes of their hour and the one after; so an hour is judged once the next one is over. Where no sensor saw a byte of a
client and service nothing is said.
"""

from typing import Any, Final, NamedTuple

from appliance.findings.plausible import Plausibility, plausible
from appliance.store.connection import Connection
from appliance.store.finding_pages import Implausible, PlausibilityRequest

HOUR_S: Final = 3600
MAX_SUMS: Final = 20_000  # of one question

_SUMS: Final = """WITH asked AS (
SELECT CAST(floor(o.ts / 3600) AS BIGINT) AS slot, o.client, o.service, count(*) AS requests,
coalesce(sum(c.input_tokens), 0) AS input_tokens,
coalesce(sum(o.request_bytes) FILTER (WHERE c.input_tokens IS NULL), 0) AS untold_bytes
FROM (SELECT ts, client, service, exchange, request_bytes FROM exchange_open
WHERE ts >= $since AND ts < $until AND listener = 'proxy' AND service IS NOT NULL) o
LEFT JOIN (SELECT exchange, input_tokens FROM exchange_close WHERE ts >= $since
QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1) c ON c.exchange = o.exchange GROUP BY ALL),
seen AS (SELECT CAST(floor(until / 3600) AS BIGINT) AS slot, client, service, sensor, sum(bytes_up) AS bytes_up,
bool_or(coalesce(at_least, false)) AS at_least FROM observations
WHERE until >= $since AND until < $until AND leg = 'proxy' AND bytes_up IS NOT NULL GROUP BY ALL),
wire AS (SELECT slot, client, service, max(bytes_up) AS bytes_up, bool_or(at_least) AS at_least FROM seen GROUP BY ALL)
SELECT slot, client, service, CAST(coalesce(a.requests, 0) AS BIGINT), CAST(coalesce(a.input_tokens, 0) AS BIGINT),
CAST(coalesce(a.untold_bytes, 0) AS BIGINT), CAST(w.bytes_up AS BIGINT), coalesce(w.at_least, false)
FROM asked a FULL JOIN wire w USING (slot, client, service)
WHERE (client, service) IN (SELECT (client, service) FROM wire) ORDER BY slot DESC, client, service LIMIT $limit"""


class _Sum(NamedTuple):
    """Of one hour. `bytes_up` None: no connection was told of in it."""

    requests: int = 0
    input_tokens: int = 0
    untold_bytes: int = 0
    bytes_up: int | None = None
    at_least: bool = False


type _Key = tuple[int, str, str]


def plausibility(connection: Connection, request: PlausibilityRequest) -> list[Implausible]:
    """What does not fit, the newest hour first."""
    first, last = -(-int(request.since) // HOUR_S), int(request.until) // HOUR_S - 1  # whole hours only
    if last - first < 2:  # noqa: PLR2004 - an hour and its two neighbours
        return []
    bounds = {"since": first * HOUR_S, "until": (last + 1) * HOUR_S, "limit": MAX_SUMS}
    rows: list[tuple[Any, ...]] = connection.execute(_SUMS, bounds).fetchall()
    sums: dict[_Key, _Sum] = {(slot, client, service): _Sum(*rest) for slot, client, service, *rest in rows}
    found = [_judged(sums, key) for key in sums if first < key[0] < last]
    return [one for one in found if one is not None][: request.limit]


def _judged(sums: dict[_Key, _Sum], key: _Key) -> Implausible | None:
    slot, client, service = key
    before, here, after = (sums.get((slot + step, client, service), _Sum()) for step in (-1, 0, 1))
    why = None
    requests, tokens = here.requests + before.requests, here.input_tokens + before.input_tokens
    if here.bytes_up is not None and requests:  # without any, the connection was sealed, or refused
        untold = here.untold_bytes + before.untold_bytes
        why = plausible(here.bytes_up, tokens, requests, untold_bytes=untold, at_least=True)
    if why is not Plausibility.MORE_BYTES:
        up = (here.bytes_up or 0) + (after.bytes_up or 0)
        open_end = here.at_least or after.at_least or (here.bytes_up is None and after.bytes_up is None)
        # No more bytes than tokens: from here on the only question is whether there are too few.
        why = plausible(min(up, here.input_tokens), here.input_tokens, here.requests, at_least=open_end)
    if why is Plausibility.PLAUSIBLE:
        return None
    return Implausible(slot * HOUR_S, client, service, why.value, here.requests, here.input_tokens, here.bytes_up or 0)
