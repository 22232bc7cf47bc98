"""What has been judged, page by page, oldest first; and what analysts said of it.

Owns: the statements of verbs `judged`, `judged_count` and `said`. Rules: bound parameters only; a page joins with the
closes of its own exchanges alone, so that a replay over a year never holds more than one page.
"""

from typing import Any, Final

import msgspec

from appliance.store.connection import Connection
from appliance.store.judged_pages import Judged, JudgedCount, JudgedCountRequest, JudgedRequest, Said, SaidRequest

FAR: Final = 1e15  # later than any time
# Its last number is found first: DuckDB takes the facts out of every row that is left before it keeps the first ones.
_PAGE: Final = """WITH ends_at AS (
  SELECT max(n) AS n FROM (
    SELECT n FROM exchange_open WHERE n > $after AND ts >= $since AND ts < $until ORDER BY n LIMIT $most)),
 page AS MATERIALIZED (
  SELECT n, ts, exchange, json_extract(body, '$.event.facts') AS facts, disposition, effective, rule, policy_version
  FROM exchange_open WHERE n > $after AND n <= (SELECT n FROM ends_at) AND ts >= $since AND ts < $until),
 ends AS (
  SELECT exchange, arg_min(cost_micros, n) AS cost FROM exchange_close
  WHERE n > $after AND exchange IN (SELECT exchange FROM page) GROUP BY exchange)
SELECT p.n, p.ts, p.exchange, p.facts, p.disposition, p.effective, p.rule, p.policy_version, e.cost
FROM page p LEFT JOIN ends e ON e.exchange = p.exchange ORDER BY p.n"""
_COUNT: Final = "SELECT count(*) FROM exchange_open WHERE ts >= ? AND ts < ?"
_SAID: Final = """SELECT f.number, f.entity, f.kind, f.verdict, coalesce(o.service, g.subject),
 json_extract(o.body, '$.event.facts.labels')
FROM v_feedback f
LEFT JOIN exchange_open o ON o.exchange = f.exchange
LEFT JOIN findings g ON g.id = f.finding
WHERE f.standing AND f.number > ? ORDER BY f.number LIMIT ?"""


class _Scored(msgspec.Struct):
    """Of a label, what is asked for here."""

    entity: str
    score: float = 1.0


def judged(connection: Connection, request: JudgedRequest) -> list[Judged]:
    """One page."""
    values = {"after": request.after, "since": request.since, "until": _until(request.until), "most": request.limit}
    rows: list[tuple[Any, ...]] = connection.execute(_PAGE, values).fetchall()
    return [_judged(*row) for row in rows]


def _judged(n: int, ts: float, exchange: str, facts: str, *more: Any) -> Judged:
    return Judged(n, ts, exchange, msgspec.Raw(facts.encode()), *more)


def judged_count(connection: Connection, request: JudgedCountRequest) -> list[JudgedCount]:
    """One row."""
    rows: list[tuple[Any, ...]] = connection.execute(_COUNT, [request.since, _until(request.until)]).fetchall()
    return [JudgedCount(row[0]) for row in rows]


def said(connection: Connection, request: SaidRequest) -> list[Said]:
    """One page of words that stand."""
    rows: list[tuple[Any, ...]] = connection.execute(_SAID, [request.after, request.limit]).fetchall()
    return [_said(*row) for row in rows]


def _said(number: int, entity: str, kind: str, verdict: str, service: str | None, labels: str | None) -> Said:
    return Said(number, entity, kind, verdict, service, _score(entity, labels))


def _score(entity: str, labels: str | None) -> float | None:
    found = msgspec.json.decode(labels, type=list[_Scored]) if labels else []
    return max((one.score for one in found if one.entity == entity), default=None)


def _until(until: float | None) -> float:
    return FAR if until is None else until
