"""What signals ask of the store: cells, habits, and what of them has been told already.

Owns: these statements. Rules: cells and habits are asked of the event tables alone. Only calls for answers that
were read count (a dialect's, sent with POST), and none that was refused. Who has no name is its address. Bounded in
callers; in time by the reader.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from appliance.findings.fold import Delta, Subject
from appliance.findings.signals import DAY_S, HOUR_S, SIGN, Cell, Habit
from appliance.store.connection import Connection

HISTORY_DAYS: Final = (28, 14, 7)  # that a baseline looks back; less where more takes too long to ask
MAX_CELLS: Final = 5_000  # the busiest of a look
MAX_HABITS: Final = 50_000
LOGPROBS: Final = "LOGPROBS_ASKED"  # the label that appliance/inspect/topics/uses.py gives

# Calls beside answers: a million texts to embed copy no model.
BESIDE: Final = "[.](embed|embeddings|rerank|moderations|guardrail|count_tokens|files|vector_stores)$"

# Identical requests are counted first, so that how often each was sent is known exactly.
_HOURS: Final = f"""
WITH asked AS (
  SELECT CASE WHEN identity_method = 'none' THEN client ELSE principal END AS who, service, surface,
         CAST(floor(ts / {HOUR_S}) AS BIGINT) * {HOUR_S} AS hour, n, principal, client, hash(body_digest) AS body,
         model, conversation, list_contains(entities, '{LOGPROBS}') AS probable
  FROM exchange_open
  WHERE ts >= ? AND ts < ? AND api IS NOT NULL AND service IS NOT NULL AND method = 'POST'
    AND NOT regexp_matches(api, '{BESIDE}')
    AND effective NOT IN ('block', 'coach', 'hold')
), same AS (
  SELECT who, service, surface, hour, body, count(*) AS sent, max(n) AS n, min(principal) AS principal,
         min(client) AS client, count(*) FILTER (WHERE probable) AS probable
  FROM asked GROUP BY who, service, surface, hour, body
), bodies AS (
  SELECT who, service, surface, hour, min(principal) AS principal, min(client) AS client, max(n) AS n,
         CAST(sum(sent) AS BIGINT) AS requests, count(*) AS prompts, CAST(sum(probable) AS BIGINT) AS logprobs,
         max(sent) AS repeats
  FROM same GROUP BY who, service, surface, hour
), fans AS (
  SELECT who, service, surface, hour, approx_count_distinct(model) AS models,
         approx_count_distinct(conversation) AS conversations
  FROM asked GROUP BY who, service, surface, hour
), cells AS (SELECT * FROM bodies JOIN fans USING (who, service, surface, hour))
"""  # noqa: S608 - numbers and words of this file
_CELLS: Final = f"""{_HOURS}
SELECT who, principal, client, service, surface, hour, n, requests, prompts, logprobs, repeats, models,
conversations FROM cells ORDER BY requests DESC, who, service, hour LIMIT ?"""  # noqa: S608 - the same
_HABITS: Final = f"""{_HOURS}
SELECT who, CAST(min(hour) AS DOUBLE), quantile_disc(prompts, $q), quantile_disc(logprobs, $q),
quantile_disc(repeats, $q), quantile_disc(models, $q), quantile_disc(conversations, $q)
FROM cells GROUP BY who ORDER BY sum(requests) DESC, who LIMIT ?"""  # noqa: S608 - the same
_TOLD: Final = """SELECT finding, client, ts, text FROM finding_evidence
WHERE kind = ? AND list_contains(?::VARCHAR[], finding) AND ts >= ?"""


def cells(connection: Connection, since: float, until: float) -> list[Cell]:
    """The busiest callers, services and hours, of exchanges from `since` up to `until` (epoch seconds)."""
    rows = connection.execute(_CELLS, [since, until, MAX_CELLS]).fetchall()
    return [msgspec.convert(dict(zip(Cell.__struct_fields__, row, strict=True)), Cell) for row in rows]


def habits(connection: Connection, now: float, percentile: float, days: int = HISTORY_DAYS[0]) -> list[Habit]:
    """What is usual for each caller, of the `days` before this hour."""
    until = now // HOUR_S * HOUR_S
    statement = _HABITS.replace("$q", f"{percentile / 100:.6f}")
    rows = connection.execute(statement, [until - days * DAY_S, until, MAX_HABITS]).fetchall()
    return [msgspec.convert(dict(zip(Habit.__struct_fields__, row, strict=True)), Habit) for row in rows]


def untold(connection: Connection, added: Mapping[Subject, Delta]) -> dict[Subject, Delta]:
    """Without what is evidence already. On the writer's thread, right before the rest is written."""
    since = min((delta.first_seen for delta in added.values()), default=0.0)
    values = [SIGN, [delta.id for delta in added.values()], since]
    rows = msgspec.convert(connection.execute(_TOLD, values).fetchall(), list[tuple[str, str, float, str]])
    known = {(finding, who, ts, _measure(text)) for finding, who, ts, text in rows}
    hours = {key[:3] for key in known}
    fresh: dict[Subject, Delta] = {}
    for subject, delta in added.items():
        signs = [one for one in delta.signs if (delta.id, one.client, one.ts, _measure(one.text)) not in known]
        if signs:
            if all((delta.id, one.client, one.ts) in hours for one in signs):
                delta.governed = 0  # another measure of hours whose requests count already
            delta.signs = signs
            fresh[subject] = delta
    return fresh


def _measure(text: str) -> str:
    return text.partition(":")[0]
