"""The named queries over hosts.

Rules: as in appliance/store/queries.py: no text from a caller ever becomes SQL. A text is looked for in clear values
too, so who asks learns which hosts fit, and the clear values themselves by verb `persons` alone.
"""

from typing import Any, Final

import msgspec

from appliance.model.errors import PeerError
from appliance.model.finding import Finding
from appliance.store.connection import Connection
from appliance.store.finding_rows import SHOWN
from appliance.store.host_pages import (
    HostDetail,
    HostKey,
    HostOrder,
    HostRecord,
    HostRequest,
    HostsHead,
    HostsRequest,
    ServiceUse,
)

MOST: Final = 100  # services and findings of one host
MAX_SERVICES: Final = 64  # named in a list
_ORDERS: Final = {
    HostOrder.LAST_SEEN: "last_seen",
    HostOrder.FIRST_SEEN: "first_seen",
    HostOrder.BYTES: "CAST(bytes_up + bytes_down AS DOUBLE)",
    HostOrder.PAST: "CAST(past AS DOUBLE)",
}
_COLUMNS: Final = ", ".join(HostRecord.__struct_fields__).replace("services,", f"services[:{MAX_SERVICES}],")
_TEXT: Final = """(contains(lower(vendor), $text) OR contains(lower(system), $text)
OR len(list_filter(services, lambda s: contains(lower(s), $text))) > 0
OR address IN (SELECT digest FROM clear) OR mac IN (SELECT digest FROM clear)
OR EXISTS (SELECT 1 FROM clear WHERE list_contains(names, digest)))"""
_CLEAR: Final = "WITH clear AS MATERIALIZED (SELECT digest FROM persons WHERE contains(lower(value), $text)) "
_USE: Final = """SELECT service, surface, CAST(sum(exchanges) AS BIGINT), CAST(sum(past) AS BIGINT),
CAST(sum(hints) AS BIGINT), CAST(sum(up) AS BIGINT), CAST(sum(down) AS BIGINT), bool_or(at_least), min(first),
max(last), CAST(sum(cost) AS BIGINT)
FROM (SELECT service, surface, 1 AS exchanges, 0 AS past, 0 AS hints, 0 AS up, 0 AS down, false AS at_least,
ts AS first, ts AS last, p.cost FROM exchange_open LEFT JOIN (SELECT exchange, arg_min(cost_micros, n) AS cost
FROM exchange_close WHERE exchange IN (SELECT exchange FROM exchange_open WHERE client = $address) GROUP BY exchange) p
USING (exchange) WHERE client = $address AND service IS NOT NULL
UNION ALL SELECT service, surface, 0, CASE WHEN past THEN count ELSE 0 END,
CASE WHEN NOT past AND seen <> 'flow' THEN count ELSE 0 END, coalesce(bytes_up, 0), coalesce(bytes_down, 0),
coalesce(at_least, false), ts, until, NULL
FROM (SELECT *, leg = 'direct' AND seen IN ('tls', 'quic', 'http') AS past FROM observations WHERE client = $address))
GROUP BY service, surface ORDER BY max(last) DESC, service, surface LIMIT $most"""
_FINDINGS: Final = (
    f"SELECT {', '.join(SHOWN)} FROM findings WHERE id IN "  # noqa: S608 - names of ours
    "(SELECT finding FROM finding_parties WHERE digest = $address) ORDER BY rank DESC, last_seen DESC, id LIMIT $most"
)


def hosts(connection: Connection, request: HostsRequest) -> tuple[HostsHead, list[HostRecord]]:
    """A page of hosts, and how many there are in all."""
    tests, values = _tests(request)
    rank = _ORDERS[request.order]
    begins = _CLEAR if request.text else ""
    counted = f"{begins}SELECT count(*) FROM v_hosts WHERE {tests}"  # noqa: S608 - texts of this file
    total = connection.execute(counted, values).fetchall()[0][0]
    if (key := request.before) is not None:
        tests += f" AND ({rank} < $rank OR ({rank} = $rank AND address > $behind))"
        values |= {"rank": key.rank, "behind": key.address}
    statement = (
        f"{begins}SELECT {_COLUMNS}, {rank} FROM v_hosts WHERE {tests} "  # noqa: S608 - texts of this file
        f"ORDER BY {rank} DESC, address LIMIT $limit"
    )
    found = _any(connection.execute(statement, values | {"limit": request.limit}).fetchall())
    rows = [_record(row[:-1]) for row in found]
    following = HostKey(found[-1][-1], rows[-1].address) if len(rows) == request.limit else None
    return HostsHead(len(rows), msgspec.convert(total, int), following), rows


def host(connection: Connection, request: HostRequest) -> HostDetail:
    """Everything about one host; PeerError (404) when nothing is known of it."""
    statement = f"SELECT {_COLUMNS} FROM v_hosts WHERE address = ?"  # noqa: S608 - names of ours
    rows = _any(connection.execute(statement, [request.address]).fetchall())
    if not rows:
        raise PeerError(f"host: there is no host {request.address}", 404)
    bound = {"address": request.address, "most": MOST}
    used = [ServiceUse(*row) for row in _any(connection.execute(_USE, bound).fetchall())]
    found = [
        msgspec.convert(dict(zip(SHOWN, row, strict=True)), Finding)
        for row in connection.execute(_FINDINGS, bound).fetchall()
    ]
    return HostDetail(_record(rows[0]), tuple(used), tuple(found))


def _tests(request: HostsRequest) -> tuple[str, dict[str, object]]:
    tests = ["true"]
    values: dict[str, object] = {}
    for name, test, value in (
        ("text", _TEXT, request.text.lower() if request.text else None),
        ("service", "list_contains(services, $service)", request.service),
        ("since", "last_seen >= $since", request.since),
    ):
        if value is not None:
            tests.append(test)
            values[name] = value
    if request.ai:
        tests.append("len(services) > 0")
    return " AND ".join(tests), values


def _record(row: tuple[Any, ...]) -> HostRecord:
    return msgspec.convert(dict(zip(HostRecord.__struct_fields__, row, strict=True)), HostRecord)


def _any(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Rows as the schema types them."""
    return rows
