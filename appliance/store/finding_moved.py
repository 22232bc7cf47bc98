"""Whether traffic has moved since a decision that was to move it.

Owns: the statement behind `FindingDetail.moved`. Rules: bound parameters only; told of findings that a decision has
coached, redirected or blocked; what sensors saw on the way in counts beside exchanges, so that the word rests on the
wire where a sensor sees that way. Sightings that began before the decision and went on after it count as after.
"""

from typing import Any, Final

import msgspec

from appliance.model.finding import Finding
from appliance.model.names import FindingState
from appliance.store.connection import Connection
from appliance.store.finding_pages import Moved

_MOVING: Final = frozenset({FindingState.COACHED, FindingState.REDIRECTED, FindingState.BLOCKED})
_SINCE: Final = "SELECT ts FROM decisions WHERE number = ?"
_COUNTS: Final = """SELECT CAST(coalesce(sum(exchanges), 0) AS BIGINT), CAST(coalesce(sum(via), 0) AS BIGINT),
CAST(coalesce(sum(past), 0) AS BIGINT), CAST(coalesce(sum(before), 0) AS BIGINT), max(last_past) FROM (
SELECT count(*) AS exchanges, 0 AS via, 0 AS past, 0 AS before, NULL::DOUBLE AS last_past FROM exchange_open
WHERE service = $service AND surface = $surface AND ts >= $since
UNION ALL SELECT 0, sum(count) FILTER (WHERE leg = 'proxy' AND cause IS NULL AND until >= $since),
sum(count) FILTER (WHERE leg = 'direct' AND until >= $since),
sum(count) FILTER (WHERE leg = 'direct' AND until < $since),
max(until) FILTER (WHERE leg = 'direct' AND until >= $since) FROM observations
WHERE service = $service AND surface = $surface AND seen IN ('tls', 'quic', 'http'))"""


def moved(connection: Connection, found: Finding) -> Moved | None:
    """What was seen since the decision; None where no decision was to move anything."""
    if found.state not in _MOVING or found.decision is None:
        return None
    decided: list[tuple[Any, ...]] = connection.execute(_SINCE, [found.decision]).fetchall()
    if not decided:
        return None
    since = msgspec.convert(decided[0][0], float)
    asked = {"service": found.subject, "surface": found.surface.value, "since": since}
    row: tuple[Any, ...] = connection.execute(_COUNTS, asked).fetchall()[0]
    return Moved(since, *row)
