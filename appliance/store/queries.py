"""The named queries: fixed statements, bound parameters, bounded pages.

Owns: every SELECT that a client can cause. Rules: no text from a caller ever becomes SQL; a filter is a field name of a
request record and a bound value; a query that runs too long is interrupted (see reader.py). Exchanges are paged over
their opens alone and joined with their closes afterwards: a join over everything for a page of 100 would read the whole
history.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from appliance.store.connection import Connection
from appliance.store.finding_pages import ObservationsRequest, ObservationSummary, PlausibilityRequest
from appliance.store.judged import judged, judged_count, said
from appliance.store.judged_pages import JudgedCountRequest, JudgedRequest, SaidRequest
from appliance.store.moving import MigrationRequest, migration
from appliance.store.neutrality import neutrality
from appliance.store.pages import (
    CountRow,
    CoverageRow,
    DecisionsRequest,
    DecisionSummary,
    ExchangeRecord,
    ExchangeRequest,
    ExchangesRequest,
    ExchangeSummary,
    HistoryRequest,
    HistoryRow,
    LossesRequest,
    LossesSummary,
    MarkState,
    NoticesRequest,
    NoticeSummary,
    PageRequest,
    Person,
    PersonsRequest,
    RefusalsRequest,
    RefusalSummary,
    SpanRequest,
    TunnelsRequest,
    TunnelSummary,
    UsageRow,
)
from appliance.store.plausibility import plausibility
from appliance.store.shares import SharesRequest, shares

RUNNING: Final = "running"
type _Where = tuple[list[str], list[object]]

FAR: Final = 1e15  # later than any time
_NOT_FILTERS: Final = frozenset({"limit", "before", "after", "since", "until", "outcome"})
_CLOSE_COLUMNS: Final = (
    "outcome", "status", "response_bytes", "duration_ms", "model_served", "input_tokens", "output_tokens",
    "answer_entities", "answer_findings", "answer_redactions", "late_entities",
)  # fmt: skip
_OPEN_COLUMNS: Final = tuple(name for name in ExchangeSummary.__struct_fields__ if name not in _CLOSE_COLUMNS)
COUNTED: Final = (
    "exchange_open", "exchange_close", "refusals", "notices", "tunnels", "detector_sums", "observations", "unplaced",
    "packet_losses", "host_records", "hosts",
    "persons", "decisions", "snapshots", "findings", "feedback",
)  # fmt: skip
MAX_RECORDS: Final = 16  # of one exchange: an open and a close, or doubles of a journal taken in twice
MAX_MARKS: Final = 200


def exchanges(connection: Connection, request: ExchangesRequest) -> list[ExchangeSummary]:
    """A page of exchanges, newest first."""
    conditions, values = _conditions(request)
    if request.outcome == RUNNING:
        conditions.append("exchange NOT IN (SELECT exchange FROM exchange_close)")
    elif request.outcome is not None:
        conditions.append("exchange IN (SELECT exchange FROM exchange_close WHERE outcome = ?)")
        values.append(request.outcome)
    rows = _page(connection, "exchange_open", _OPEN_COLUMNS, (conditions, values), request.limit)
    at = _OPEN_COLUMNS.index("exchange")
    closes = _closes(connection, [row[at] for row in rows], rows[-1][0] if rows else 0)
    return [ExchangeSummary(*row, *closes.get(row[at], ())) for row in rows]


def exchange(connection: Connection, request: ExchangeRequest) -> list[ExchangeRecord]:
    """Every record of one exchange, in the order of taking in."""
    rows = connection.execute(
        """SELECT n, 'open', digest, body FROM exchange_open WHERE exchange = ?
        UNION ALL SELECT n, 'close', digest, body FROM exchange_close WHERE exchange = ? ORDER BY n LIMIT ?""",
        [request.exchange, request.exchange, MAX_RECORDS],
    ).fetchall()
    return [ExchangeRecord(n, kind, digest, msgspec.Raw(body.encode())) for n, kind, digest, body in _any(rows)]


def refusals(connection: Connection, request: RefusalsRequest) -> list[RefusalSummary]:
    """A page of refusals, newest first."""
    return simple_page(connection, "refusals", RefusalSummary, request)


def notices(connection: Connection, request: NoticesRequest) -> list[NoticeSummary]:
    """A page of notices, newest first."""
    return simple_page(connection, "notices", NoticeSummary, request)


def tunnels(connection: Connection, request: TunnelsRequest) -> list[TunnelSummary]:
    """A page of tunnel sums, newest first."""
    return simple_page(connection, "tunnels", TunnelSummary, request)


def losses(connection: Connection, request: LossesRequest) -> list[LossesSummary]:
    """A page of seconds with losses, newest record first."""
    return simple_page(connection, "packet_losses", LossesSummary, request)


def observations(connection: Connection, request: ObservationsRequest) -> list[ObservationSummary]:
    """A page of observations, newest first."""
    return simple_page(connection, "observations", ObservationSummary, request)


def decisions(connection: Connection, request: DecisionsRequest) -> list[DecisionSummary]:
    """A page of decisions, newest first."""
    rows = connection.execute(
        """SELECT number, body, snapshot, undone FROM v_decisions
        WHERE number < coalesce(?, 9223372036854775807) AND (? IS NULL OR service = ?) ORDER BY number DESC LIMIT ?""",
        [request.before, request.service, request.service, request.limit],
    ).fetchall()
    return [DecisionSummary(number, msgspec.Raw(body.encode()), *rest) for number, body, *rest in _any(rows)]


def persons(connection: Connection, request: PersonsRequest) -> list[Person]:
    """Clear values behind digests."""
    rows = connection.execute(
        "SELECT digest, value, first_seen, last_seen FROM persons WHERE list_contains(?::VARCHAR[], digest)",
        [list(request.digests)],
    ).fetchall()
    return [Person(*row) for row in _any(rows)]


def counts(connection: Connection, request: SpanRequest) -> list[CountRow]:
    """Exchanges by service, disposition and outcome, the largest groups first."""
    rows = connection.execute(
        """SELECT o.service, o.effective, c.outcome, count(*), CAST(sum(o.findings) AS BIGINT)
        FROM (SELECT * FROM exchange_open WHERE ts >= ? AND ts < ?) o
        LEFT JOIN (SELECT exchange, arg_min(outcome, n) AS outcome FROM exchange_close WHERE ts >= ?
                   GROUP BY exchange) c ON c.exchange = o.exchange
        GROUP BY ALL ORDER BY count(*) DESC, 1, 2, 3 LIMIT ?""",
        [*_span(request), request.since, request.limit],
    ).fetchall()
    return [CountRow(*row) for row in _any(rows)]


# Places in `tried` tell groups of one exchange apart, so that each has a number of its own to go on from.
_HISTORY = """WITH ended AS (
  SELECT exchange, arg_min(outcome, n) AS outcome, arg_min(attempts, n) AS attempts,
         arg_min(input_tokens, n) AS received, arg_min(output_tokens, n) AS made, arg_min(cost_micros, n) AS micros,
         arg_min(served, n) AS served,
         arg_min(CASE WHEN attempts > 1 THEN json_extract(body, '$.event.attempts') END, n) AS tried
  FROM exchange_close WHERE ts >= ? GROUP BY exchange
), listed AS (
  SELECT exchange, list_filter(from_json(tried, '[{"service":"VARCHAR","denied":"BOOLEAN",
           "usage":{"input_tokens":"BIGINT","output_tokens":"BIGINT"},"cost":{"micros":"BIGINT"}}]'),
           lambda one: NOT coalesce(one.denied, false)) AS list
  FROM ended WHERE tried IS NOT NULL
), apart AS (
  SELECT exchange, place, one.service AS service, one.usage.input_tokens AS received, one.usage.output_tokens AS made,
         coalesce(one.cost.micros, 0) AS micros
  FROM (SELECT exchange, len(list) AS size, unnest(list) AS one, generate_subscripts(list, 1) AS place FROM listed)
  WHERE place < size AND one.usage IS NOT NULL
), used AS (
  SELECT o.n * 64 AS n, o.exchange, coalesce(c.served, o.service) AS service, 1 AS requests, c.received, c.made,
         c.micros - coalesce(a.micros, 0) AS micros
  FROM exchange_open o LEFT JOIN ended c ON c.exchange = o.exchange
  LEFT JOIN (SELECT exchange, sum(micros) AS micros FROM apart GROUP BY exchange) a ON a.exchange = o.exchange
  WHERE o.ts >= ? AND NOT starts_with(o.producer, 'peer.')
        AND NOT coalesce(list_contains(?::VARCHAR[], c.outcome)
                         AND NOT (c.outcome = 'blocked' AND c.attempts > 0), false)
  UNION ALL
  SELECT o.n * 64 + least(a.place, 63), o.exchange, coalesce(a.service, o.service), 0, a.received, a.made, a.micros
  FROM apart a JOIN exchange_open o ON o.exchange = a.exchange
  WHERE o.ts >= ? AND NOT starts_with(o.producer, 'peer.')
)
SELECT min(u.n), o.department, o.principal, u.service, CAST(sum(u.requests) AS BIGINT), o.model, o.virtual_key,
       o.groups, CAST(json_extract(o.body, '$.event.facts.tools_declared') AS VARCHAR) AS tools,
       CAST(coalesce(sum(u.received), 0) AS BIGINT), CAST(coalesce(sum(u.made), 0) AS BIGINT),
       CAST(coalesce(sum(u.micros), 0) AS BIGINT)
FROM used u JOIN exchange_open o ON o.exchange = u.exchange
GROUP BY o.department, o.principal, u.service, o.model, o.virtual_key, o.groups, tools
HAVING min(u.n) < coalesce(?, 9223372036854775807)
ORDER BY 1 DESC LIMIT ?"""


def history(connection: Connection, request: HistoryRequest) -> list[HistoryRow]:
    """Requests by all that budgets ask for, for rebuilding counters; the group that began last comes first.

    What policy ended in mid-answer has been used: it had been sent. What peers recorded they count themselves. A
    request counts for the service that it went to last; what earlier attempts may have been billed for counts for
    theirs, as tokens and cost and as no request.
    """
    rows = connection.execute(
        _HISTORY,
        [request.since, request.since, list(request.unused), request.since, request.before, request.limit],
    ).fetchall()
    return [HistoryRow(*row) for row in _any(rows)]


def usage(connection: Connection, request: SpanRequest) -> list[UsageRow]:
    """Tokens and bytes by service and model, the busiest first."""
    rows = connection.execute(
        """SELECT o.service, coalesce(c.model_served, o.model) AS model, count(*), count(DISTINCT o.principal),
        CAST(sum(o.request_bytes) AS BIGINT), CAST(coalesce(sum(c.response_bytes), 0) AS BIGINT),
        CAST(coalesce(sum(c.input_tokens), 0) AS BIGINT), CAST(coalesce(sum(c.output_tokens), 0) AS BIGINT),
        CAST(coalesce(sum(c.cached_tokens), 0) AS BIGINT)
        FROM (SELECT * FROM exchange_open WHERE ts >= ? AND ts < ?) o
        LEFT JOIN (SELECT * FROM exchange_close WHERE ts >= ?
                   QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1) c ON c.exchange = o.exchange
        GROUP BY o.service, coalesce(c.model_served, o.model) ORDER BY count(*) DESC, 1, 2 LIMIT ?""",
        [*_span(request), request.since, request.limit],
    ).fetchall()
    return [UsageRow(*row) for row in _any(rows)]


def coverage(connection: Connection, request: SpanRequest) -> list[CoverageRow]:
    """Where the bytes of request bodies went, by service."""
    rows = connection.execute(
        """SELECT service, count(*), count(*) FILTER (WHERE coverage_unscanned + coverage_opaque > 0),
        CAST(sum(coverage_length) AS BIGINT), CAST(sum(coverage_structure) AS BIGINT),
        CAST(sum(coverage_scanned) AS BIGINT), CAST(sum(coverage_unscanned) AS BIGINT),
        CAST(sum(coverage_opaque) AS BIGINT)
        FROM exchange_open WHERE coverage_length IS NOT NULL AND ts >= ? AND ts < ?
        GROUP BY service ORDER BY count(*) DESC, 1 LIMIT ?""",
        [*_span(request), request.limit],
    ).fetchall()
    return [CoverageRow(*row) for row in _any(rows)]


def table_sizes(connection: Connection) -> dict[str, int]:
    """Rows of every table."""
    parts = (f"SELECT '{name}', count(*) FROM {name}" for name in COUNTED)  # noqa: S608 - names from this file only
    return dict(_any(connection.execute(" UNION ALL ".join(parts)).fetchall()))


def marks(connection: Connection) -> tuple[MarkState, ...]:
    """How far each producer's life has been taken in, the latest first."""
    rows = connection.execute(
        "SELECT producer, epoch, seq, updated FROM marks ORDER BY updated DESC, producer, epoch LIMIT ?", [MAX_MARKS]
    ).fetchall()
    return tuple(MarkState(*row) for row in _any(rows))


def _any(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Rows as the schema types them: the columns are ours and NOT NULL where the record says so."""
    return rows


def _span(request: SpanRequest) -> tuple[float, float]:
    return request.since, FAR if request.until is None else request.until


def _conditions(request: PageRequest) -> _Where:
    values: list[object] = [0 if request.after is None else request.after]
    conditions = ["n > ?"]
    if request.before is not None:
        conditions.append("n < ?")
        values.append(request.before)
    if request.since is not None:
        conditions.append("ts >= ?")
        values.append(request.since)
    if request.until is not None:
        conditions.append("ts < ?")
        values.append(request.until)
    for name in request.__struct_fields__:
        if name not in _NOT_FILTERS and (value := getattr(request, name)) is not None:
            conditions.append(f"{name} = ?")
            values.append(value)
    return conditions, values


def _page(
    connection: Connection, table: str, columns: Sequence[str], where: _Where, limit: int
) -> list[tuple[Any, ...]]:
    conditions, values = where
    names, tests = ", ".join(columns), " AND ".join(conditions)
    statement = f"SELECT {names} FROM {table} WHERE {tests} ORDER BY n DESC LIMIT ?"  # noqa: S608 - names of ours
    return _any(connection.execute(statement, [*values, limit]).fetchall())


def simple_page[T: msgspec.Struct](connection: Connection, table: str, row: type[T], request: PageRequest) -> list[T]:
    """A page of a table whose columns carry the names of the row's fields, newest first."""
    found = _page(connection, table, row.__struct_fields__, _conditions(request), request.limit)
    return [row(*values) for values in found]


def _closes(connection: Connection, exchanges: list[str], oldest: int) -> dict[str, tuple[Any, ...]]:
    """The first close of each of these exchanges. A close is always younger than its open, so `oldest` prunes."""
    names = ", ".join(_CLOSE_COLUMNS)
    statement = (
        f"SELECT exchange, {names} FROM exchange_close "  # noqa: S608 - names from this file only
        "WHERE n > ? AND list_contains(?::VARCHAR[], exchange) ORDER BY n DESC"
    )
    return {row[0]: row[1:] for row in _any(connection.execute(statement, [oldest, exchanges]).fetchall())}


class Query(msgspec.Struct, frozen=True):
    """A verb's request, its rows' key for the next page, and the function that answers it."""

    request: type[msgspec.Struct]
    run: Callable[[Connection, Any], Sequence[msgspec.Struct]]
    key: str | None = None


QUERIES: Final[dict[str, Query]] = {
    "exchanges": Query(ExchangesRequest, exchanges, "n"),
    "exchange": Query(ExchangeRequest, exchange),
    "refusals": Query(RefusalsRequest, refusals, "n"),
    "notices": Query(NoticesRequest, notices, "n"),
    "tunnels": Query(TunnelsRequest, tunnels, "n"),
    "losses": Query(LossesRequest, losses, "n"),
    "observations": Query(ObservationsRequest, observations, "n"),
    "decisions": Query(DecisionsRequest, decisions, "number"),
    "persons": Query(PersonsRequest, persons),
    "counts": Query(SpanRequest, counts),
    "history": Query(HistoryRequest, history, "n"),
    "usage": Query(SpanRequest, usage),
    "coverage": Query(SpanRequest, coverage),
    "shares": Query(SharesRequest, shares),
    "judged": Query(JudgedRequest, judged, "n"),
    "judged_count": Query(JudgedCountRequest, judged_count),
    "said": Query(SaidRequest, said, "number"),
    "plausibility": Query(PlausibilityRequest, plausibility),
    "neutrality": Query(SpanRequest, neutrality),
    "migration": Query(MigrationRequest, migration),
}
