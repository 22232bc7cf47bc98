"""The numbers of the first page: findings now, exchanges and sightings since a time.

Owns: the statements of verb `overview`. Rules: bound parameters only. `refused` counts exchanges that were turned away
and connections that never became one; the busiest services come first, those only seen past the appliance among them.
"""

from typing import Any, Final

import msgspec

from appliance.model.catalogue import Catalogue
from appliance.store.connection import Connection
from appliance.store.finding_pages import Implausible, Overview, OverviewRequest, PlausibilityRequest, TopService
from appliance.store.pages import MAX_LIMIT
from appliance.store.plausibility import plausibility
from appliance.store.shares import SharesRequest, causes, shares

TOP: Final = 10
IMPLAUSIBLE: Final = 5
DAY_S: Final = 86_400.0
_FINDINGS: Final = "SELECT state, severity, count(*) FROM findings GROUP BY ALL"
_OPEN: Final = ("new", "triaged")
_EXCHANGES: Final = """SELECT count(*), count(*) FILTER (WHERE effective IN ('block', 'coach', 'hold')),
count(*) FILTER (WHERE redactions > 0), count(DISTINCT principal) FROM exchange_open WHERE ts >= ?"""
_OBSERVED: Final = """SELECT CAST(coalesce(sum(count), 0) AS BIGINT),
CAST(coalesce(sum(count) FILTER (WHERE leg = 'direct' AND seen IN ('tls', 'quic', 'http')), 0) AS BIGINT)
FROM observations WHERE until >= ?"""
_HOSTS: Final = """SELECT count(*) FROM (SELECT client FROM exchange_open WHERE ts >= ?
UNION SELECT client FROM observations WHERE until >= ?)"""
_REFUSED: Final = "SELECT count(*) FROM refusals WHERE ts >= ?"
_ALARMS: Final = "SELECT count(*) FROM notices WHERE severity = 'alarm' AND ts >= ?"
_TOP: Final = """SELECT service, CAST(sum(exchanges) AS BIGINT), CAST(sum(bypass) AS BIGINT),
CAST(sum(people) AS BIGINT) FROM (
SELECT service, count(*) AS exchanges, 0 AS bypass, count(DISTINCT principal) AS people FROM exchange_open
WHERE ts >= ? AND service IS NOT NULL GROUP BY 1
UNION ALL SELECT service, 0, sum(count), 0 FROM observations
WHERE until >= ? AND leg = 'direct' AND seen IN ('tls', 'quic', 'http') GROUP BY 1)
GROUP BY 1 ORDER BY sum(exchanges) + sum(bypass) DESC, 1 LIMIT ?"""


def overview(connection: Connection, request: OverviewRequest, catalogue: Catalogue) -> Overview:
    """Every number of the first page."""

    def row(statement: str, *values: object) -> list[int]:
        return msgspec.convert(connection.execute(statement, list(values)).fetchall()[0], list[int])

    since = request.since
    by_state, by_severity = _findings(connection)
    exchanges, turned_away, redacted, people = row(_EXCHANGES, since)
    observations, bypass = row(_OBSERVED, since)
    return Overview(
        by_state=by_state,
        by_severity=by_severity,
        exchanges=exchanges,
        refused=turned_away + row(_REFUSED, since)[0],
        redacted=redacted,
        observations=observations,
        bypass=bypass,
        people=people,
        hosts=row(_HOSTS, since, since)[0],
        top=_top(connection, since, catalogue),
        alarms=row(_ALARMS, since)[0],
        governed=_governed(connection, since),
        causes=causes(connection, since),
        implausible=tuple(_implausible(connection, since)),
    )


def _implausible(connection: Connection, since: float) -> list[Implausible]:
    """Of the day before `since`: an hour is told once the next one is over."""
    asked = PlausibilityRequest(since=max(0.0, since - DAY_S), until=since, limit=IMPLAUSIBLE)
    return plausibility(connection, asked)


def _governed(connection: Connection, since: float) -> float | None:
    """Over all services: the part that passed the appliance."""
    every = shares(connection, SharesRequest(since=since, limit=MAX_LIMIT))
    through, past = sum(one.through for one in every), sum(one.past for one in every)
    return round(through / (through + past), 4) if through + past else None


def _findings(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """By state; and by severity, of those that wait for somebody."""
    by_state: dict[str, int] = {}
    by_severity: dict[str, int] = {}
    for state, severity, count in _any(connection.execute(_FINDINGS).fetchall()):
        by_state[state] = by_state.get(state, 0) + count
        if state in _OPEN:
            by_severity[severity] = by_severity.get(severity, 0) + count
    return by_state, by_severity


def _top(connection: Connection, since: float, catalogue: Catalogue) -> tuple[TopService, ...]:
    rows = _any(connection.execute(_TOP, [since, since, TOP]).fetchall())
    named = {name: service.name for name, service in catalogue.services.items()}
    return tuple(TopService(service, named.get(service, service), *counts) for service, *counts in rows)


def _any(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Rows as the schema types them."""
    return rows
