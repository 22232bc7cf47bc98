"""How much of the use of AI services passes the appliance: by service, host, person or department.

Owns: the statements of verb `shares`. Rules: bound parameters only; both ways are counted in the same measure, so that
ten requests on one connection through weigh as much as ten on one connection past: connections that a sensor saw (of
requests in clear each), and exchanges only where no sensor saw a client's way in, and at the gateway. What several
sensors saw of one client and service within an hour counts as often as the one that saw most. A person is known at the
proxy alone, so what a host did counts for the one person that was seen at that host in the same time; where there were
several or none, their exchanges count, and what went past counts for nobody. A connection whose client rejected our
certificate has passed nothing. Sizes of connections and questions to resolvers are no use of their own.
"""

from typing import Any, Final, Literal

import msgspec

from appliance.store.connection import Connection
from appliance.store.pages import Limit
from appliance.store.wire import Request

type By = Literal["service", "host", "person", "department"]

_USED: Final = """SELECT service, client, principal, any_value(department) AS department,
count(*) FILTER (WHERE listener <> 'gateway') AS asked, count(*) FILTER (WHERE listener = 'gateway') AS at_gateway
FROM exchange_open WHERE ts >= $since AND service IS NOT NULL AND handed IS NOT TRUE
GROUP BY service, client, principal"""
_SEEN: Final = """SELECT service, client, ts // 3600 AS hour,
coalesce(sum(count) FILTER (WHERE leg = 'proxy' AND cause IS NULL), 0) AS via,
coalesce(sum(count) FILTER (WHERE leg = 'direct'), 0) AS past FROM observations
WHERE until >= $since AND seen IN ('tls', 'quic', 'http') GROUP BY service, client, sensor, ts // 3600"""
_ALONE: Final = """SELECT client, min(principal) AS principal, min(department) AS department FROM used
GROUP BY client HAVING count(DISTINCT principal) = 1"""
_KEYS: Final[dict[str, tuple[str, str, str]]] = {  # of exchanges, of sightings, whether sightings tell whose they are
    "service": ("u.service", "w.service", "true"),
    "host": ("u.client", "w.client", "true"),
    "person": ("u.principal", "coalesce(a.principal, '')", "a.client IS NOT NULL"),
    "department": ("coalesce(u.department, '')", "coalesce(a.department, '')", "a.client IS NOT NULL"),
}
_SHARES: Final = f"""WITH used AS ({_USED}), seen AS ({_SEEN}), alone AS ({_ALONE}),
hours AS (SELECT service, client, max(via) AS via, max(past) AS past FROM seen GROUP BY service, client, hour),
wire AS (SELECT service, client, sum(via) AS via, sum(past) AS past FROM hours GROUP BY service, client),
told AS (SELECT {{used}} AS key, at_gateway + CASE WHEN w.via > 0 AND {{known}} THEN 0 ELSE asked END AS through,
0 AS past
FROM used u LEFT JOIN wire w ON w.service = u.service AND w.client = u.client LEFT JOIN alone a ON a.client = u.client
UNION ALL SELECT {{wire}}, CASE WHEN {{known}} THEN via ELSE 0 END, past
FROM wire w LEFT JOIN alone a ON a.client = w.client),
sums AS (SELECT key, sum(through) AS through, sum(past) AS past FROM told GROUP BY key)
SELECT key, CAST(through AS BIGINT), CAST(past AS BIGINT) FROM sums WHERE through + past > 0
ORDER BY past DESC, through DESC, key LIMIT $limit"""  # noqa: S608 - statements of this file
_CAUSES: Final = """SELECT cause, CAST(sum(count) AS BIGINT) FROM observations
WHERE until >= ? AND leg = 'direct' AND seen IN ('tls', 'quic', 'http') AND cause IS NOT NULL GROUP BY 1"""


class SharesRequest(Request, frozen=True):
    """Verb `shares`. `since`: epoch seconds; most past the appliance first."""

    by: By = "service"
    since: float = 0.0
    limit: Limit = 100


class Share(msgspec.Struct, frozen=True):
    """Use of one service, or by one host, person or department. `key` empty: not known whose."""

    key: str
    through: int
    past: int
    governed: float  # 0-1, the part that passed the appliance


def shares(connection: Connection, request: SharesRequest) -> list[Share]:
    """The answer to `shares`."""
    used, wire, known = _KEYS[request.by]
    statement = _SHARES.replace("{used}", used).replace("{wire}", wire).replace("{known}", known)
    rows = connection.execute(statement, {"since": request.since, "limit": request.limit}).fetchall()
    return [Share(key, through, past, round(through / (through + past), 4)) for key, through, past in _any(rows)]


def causes(connection: Connection, since: float) -> dict[str, int]:
    """Sightings past the appliance since then, by how they came past it."""
    return dict(_any(connection.execute(_CAUSES, [since]).fetchall()))


def _any(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Rows as the schema types them."""
    return rows
