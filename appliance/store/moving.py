"""How far decisions have moved people: who goes where they were sent, who still uses what they were sent away from.

Owns: the statements of verb `migration`. Rules: bound parameters only; told of decisions in force that coach, redirect
or block; people are those that the appliance has seen, hosts those that sensors saw going past it; somebody has moved
whose calls were redirected since, and is still there who was let through to the service since, or went past; both at
once is possible, and counts as still there. Every list is bounded.
"""

from typing import Any, Final

import msgspec

from appliance.model.names import DecisionKind
from appliance.store.connection import Connection
from appliance.store.pages import Limit
from appliance.store.wire import Request

MOST_DECISIONS: Final = 100
_DECIDED: Final = """SELECT number, ts, decision, service, surface, route, expires,
coalesce(json_array_length(body, '$.scope.principals'), 0) + coalesce(json_array_length(body, '$.scope.groups'), 0)
+ coalesce(json_array_length(body, '$.scope.clients'), 0) > 0
FROM v_decisions WHERE NOT undone AND decision IN ('coach', 'redirect', 'block') AND (expires IS NULL OR expires > $now)
AND ($number IS NULL OR number = $number) ORDER BY number DESC LIMIT $most"""
_OF: Final = "service = $service AND ($surface IS NULL OR surface = $surface)"
_USED: Final = f"""SELECT principal, client, ts, ts >= $since AS since, effective = 'redirect' AS moved,
effective IN ('coach', 'hold', 'block') AS stopped FROM exchange_open WHERE {_OF}"""  # noqa: S608 - texts of this file
_PAST: Final = f"""SELECT client, count, until FROM observations WHERE {_OF} AND leg = 'direct'
AND seen IN ('tls', 'quic', 'http') AND until >= $since"""  # noqa: S608 - texts of this file
_COUNTS: Final = f"""WITH used AS ({_USED}), past AS ({_PAST}),
people AS (SELECT principal, bool_or(NOT since) AS earlier, count(*) FILTER (WHERE since AND moved) AS moved,
count(*) FILTER (WHERE since AND stopped) AS stopped,
count(*) FILTER (WHERE since AND NOT moved AND NOT stopped) AS still FROM used GROUP BY principal)
SELECT count(*) FILTER (WHERE earlier), count(*) FILTER (WHERE moved > 0 AND still = 0),
count(*) FILTER (WHERE stopped > 0 AND moved = 0 AND still = 0), count(*) FILTER (WHERE still > 0),
count(*) FILTER (WHERE earlier AND moved + stopped + still = 0), CAST(coalesce(sum(moved), 0) AS BIGINT),
CAST(coalesce(sum(stopped), 0) AS BIGINT), CAST(coalesce(sum(still), 0) AS BIGINT),
(SELECT count(DISTINCT client) FROM past), (SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM past)
FROM people"""  # noqa: S608 - texts of this file
_STILL: Final = f"""SELECT who, CAST(sum(exchanges) AS BIGINT), CAST(sum(past) AS BIGINT), max(last) FROM (
SELECT principal AS who, 1 AS exchanges, 0 AS past, ts AS last FROM ({_USED}) WHERE since AND NOT moved AND NOT stopped
UNION ALL SELECT client, 0, count, until FROM ({_PAST}))
GROUP BY who ORDER BY max(last) DESC, who LIMIT $limit"""  # noqa: S608 - texts of this file


class MigrationRequest(Request, frozen=True):
    """Verb `migration`. `number`: of one decision, None: of all in force; `limit`: who is still there, of each."""

    now: float
    number: int | None = None
    limit: Limit = 20


class StillThere(msgspec.Struct, frozen=True):
    """Somebody who has not moved: a person (`p_...`) let through, or a host (`a_...`) that went past."""

    who: str
    exchanges: int
    past: int
    last_seen: float


class Migration(msgspec.Struct, frozen=True):
    """What became of one decision. `narrowed`: it holds for some people only; the counts are of all.

    People: `earlier` used it before; since then `moved`, `stopped` (turned away only), `still` are told apart, `gone`
    of the earlier ones have not been seen with it. Then exchanges since; `hosts` and `past`: by the way past.
    """

    number: int
    ts: float
    decision: DecisionKind
    service: str
    surface: str | None
    route: str | None
    expires: float | None
    narrowed: bool
    earlier: int
    moved: int
    stopped: int
    still: int
    gone: int
    moved_exchanges: int
    stopped_exchanges: int
    still_exchanges: int
    hosts: int
    past: int
    there: tuple[StillThere, ...] = ()


def migration(connection: Connection, request: MigrationRequest) -> list[Migration]:
    """The answer to `migration`, the newest decision first."""
    asked = {"now": request.now, "number": request.number, "most": MOST_DECISIONS}
    decided: list[tuple[Any, ...]] = connection.execute(_DECIDED, asked).fetchall()
    return [_of(connection, row, request.limit) for row in decided]


def _of(connection: Connection, row: tuple[Any, ...], limit: int) -> Migration:
    values = {"service": row[3], "surface": row[4], "since": row[1]}
    counts: tuple[Any, ...] = connection.execute(_COUNTS, values).fetchall()[0]
    there: list[tuple[Any, ...]] = connection.execute(_STILL, values | {"limit": limit}).fetchall()
    still = tuple(StillThere(*one) for one in there)
    told = dict(zip(Migration.__struct_fields__, (*row, *counts, still), strict=True))
    return msgspec.convert(told, Migration)
