"""Whether the appliance changes what a service is like: cached prompts and time to the first byte, by service.

Owns: the question to the store, and the word for its answer. What can be known: with the appliance, from the ends of
exchanges; without it, as the operator has measured it (`neutrality` in the configuration), because on the wire of a
connection that went past neither tokens nor the begin of an answer can be seen. Beside it stands what needs no other
measurement: how many requests went on bit by bit as they came (a provider's cache cannot tell them from those of a
client without the appliance), how much of those was cached, and how much of the time to the first byte was spent here.
Only calls that were read, went well, and whose tokens the provider told.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec

from appliance.store.connection import Connection
from appliance.store.pages import SpanRequest

LEAST_EXCHANGES: Final = 20  # below which no word is given
CACHED_POINTS: Final = 0.02  # of the share of cached tokens, that may be missing
SLOWER_MS: Final = 50.0  # or a tenth, whichever is more
SLOWER_PART: Final = 0.1
_FAR: Final = 1e15
_BY_SERVICE: Final = """
WITH told AS (
  SELECT o.service, o.body_digest = o.sent_digest AS same, o.inspect_ms, c.first_byte_ms, c.input_tokens,
         least(c.cached_tokens, c.input_tokens) AS cached_tokens
  FROM (SELECT * FROM exchange_open WHERE ts >= ? AND ts < ? AND api IS NOT NULL AND service IS NOT NULL) o
  JOIN (SELECT * FROM exchange_close WHERE ts >= ?
        QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1) c ON c.exchange = o.exchange
  WHERE c.outcome = 'completed' AND c.status < 400 AND c.input_tokens > 0 AND NOT c.usage_estimated
)
SELECT service, count(*), count(*) FILTER (WHERE same), sum(cached_tokens) / sum(input_tokens),
       sum(cached_tokens) FILTER (WHERE same) / sum(input_tokens) FILTER (WHERE same),
       quantile_cont(first_byte_ms, 0.5), quantile_cont(first_byte_ms, 0.95), quantile_cont(inspect_ms, 0.5),
       quantile_cont(inspect_ms, 0.95)
FROM told GROUP BY service ORDER BY count(*) DESC, service LIMIT ?"""


class NeutralityRow(msgspec.Struct, frozen=True):
    """One service.

    `cached`: share of the prompts' tokens that the provider had cached, 0-1; `cached_unchanged`: of those requests that
    went on as they came (None: none did). Times in milliseconds; `inspect_*`: spent here.
    """

    service: str
    exchanges: int
    unchanged: int
    cached: float
    cached_unchanged: float | None
    first_byte_p50: float | None
    first_byte_p95: float | None
    inspect_p50: float
    inspect_p95: float


class Word(StrEnum):
    """What with and without say of each other."""

    NEUTRAL = "neutral"  # as without the appliance, within tolerance
    LESS_CACHED = "less cached"  # the provider finds less of prompts in its cache
    SLOWER = "slower"  # the first byte takes longer
    UNKNOWN = "not known"  # too few exchanges, or nobody has measured without


def neutrality(connection: Connection, request: SpanRequest) -> list[NeutralityRow]:
    """By service, the busiest first."""
    until = _FAR if request.until is None else request.until
    values = [request.since, until, request.since, request.limit]
    rows: list[tuple[Any, ...]] = connection.execute(_BY_SERVICE, values).fetchall()
    return [NeutralityRow(*row) for row in rows]


def word(row: NeutralityRow, cached_share: float | None, first_byte_ms: float | None) -> Word:
    """The word for a service; what was measured without the appliance, None: it was not."""
    slow = None if first_byte_ms is None else first_byte_ms + max(SLOWER_MS, first_byte_ms * SLOWER_PART)
    first = row.first_byte_p50 if slow is not None else None
    if row.exchanges < LEAST_EXCHANGES or (cached_share is None and first is None):
        return Word.UNKNOWN
    if cached_share is not None and row.cached < cached_share - CACHED_POINTS:
        return Word.LESS_CACHED
    if slow is not None and first is not None and first > slow:
        return Word.SLOWER
    return Word.NEUTRAL
