"""How much of the use of AI services passes the appliance: by service, host, person or department.

Owns: the statements of verb `shares`. Rules: bound parameters only; a person is known at the proxy alone, so what a
host did past it counts for the one person that was seen at that host in the same time, and for nobody where there were
several or none. What passed is told by exchanges or by sightings on the way in, whichever are more: a sensor may not
see that way. Sizes of connections and questions to resolvers are no use of their own.
"""

from typing import Any, Final, Literal

import msgspec

from appliance.store.connection import Connection
from appliance.store.pages import Limit
from appliance.store.wire import Request

type By = Literal["service", "host", "person", "department"]

_USED: Final = """SELECT service, client, any_value(principal) AS principal, any_value(department) AS department,
count(*) AS exchanges FROM exchange_open WHERE ts >= $since AND service IS NOT NULL
GROUP BY service, client, principal"""
_WIRE: Final = """SELECT service, client, sum(count) FILTER (WHERE leg = 'proxy') AS via,
sum(count) FILTER (WHERE leg = 'direct') AS past FROM observations
WHERE until >= $since AND seen IN ('tls', 'quic', 'http') GROUP BY service, client"""
_ALONE: Final = """SELECT client, min(principal) AS principal, min(department) AS department FROM used
GROUP BY client HAVING count(DISTINCT principal) = 1"""
_KEYS: Final[dict[str, tuple[str, str]]] = {  # of exchanges, of sightings
    "service": ("u.service", "w.service"),
    "host": ("u.client", "w.client"),
    "person": ("u.principal", "coalesce(a.principal, '')"),
    "department": ("coalesce(u.department, '')", "coalesce(a.department, '')"),
}
_SHARES: Final = f"""WITH used AS ({_USED}), wire AS ({_WIRE}), alone AS ({_ALONE}),
sums AS (SELECT {{used}} AS key, sum(exchanges) AS exchanges, 0 AS via, 0 AS past FROM used u GROUP BY 1
UNION ALL SELECT {{wire}}, 0, coalesce(sum(via), 0), coalesce(sum(past), 0)
FROM wire w LEFT JOIN alone a ON a.client = w.client GROUP BY 1),
told AS (SELECT key, greatest(sum(exchanges), sum(via)) AS through, sum(past) AS past FROM sums GROUP BY 1)
SELECT key, CAST(through AS BIGINT), CAST(past AS BIGINT) FROM told WHERE through + past > 0
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
    used, wire = _KEYS[request.by]
    statement = _SHARES.replace("{used}", used).replace("{wire}", wire)
    rows = connection.execute(statement, {"since": request.since, "limit": request.limit}).fetchall()
    return [Share(key, through, past, round(through / (through + past), 4)) for key, through, past in _any(rows)]


def causes(connection: Connection, since: float) -> dict[str, int]:
    """Sightings past the appliance since then, by how they came past it."""
    return dict(_any(connection.execute(_CAUSES, [since]).fetchall()))


def _any(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Rows as the schema types them."""
    return rows
