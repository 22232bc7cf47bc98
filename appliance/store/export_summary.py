"""The figures for the page for people, read from a finished export: what it shows is what the page tells.

Rules: fixed statements over the views; every list is bounded; nothing is read from the evidence file itself.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from appliance.store.export_wire import (
    AccountLine,
    BudgetLine,
    CountLine,
    CoverageLine,
    DecisionLine,
    ExportInfo,
    ExportSummary,
    FindingLine,
    KeyLine,
    MovedLine,
    ReasonLine,
    SensorLine,
    SpendLine,
    UsageLine,
)

MAX_LINES: Final = 50

type Ask = Callable[[str], list[tuple[Any, ...]]]

_FINDINGS: Final = f"""SELECT {", ".join(FindingLine.__struct_fields__)} FROM v_findings
  ORDER BY list_position(['critical', 'high', 'medium', 'low', 'info'], severity), last_seen DESC, id"""  # noqa: S608 - names of our record
_DECISIONS: Final = """
  SELECT number, ts, author, role, decision, service, surface, route, reason, expires, undoes, undone,
  coalesce(json_array_length(body, '$.scope.principals'), 0), coalesce(json_array_length(body, '$.scope.groups'), 0),
  coalesce(json_array_length(body, '$.scope.clients'), 0) FROM v_decisions ORDER BY number DESC"""
_HOSTS: Final = """(SELECT count(DISTINCT w.client) FROM v_observations w WHERE w.service = d.service
  AND (d.surface IS NULL OR w.surface = d.surface) AND w.leg = 'direct' AND w.seen IN ('tls', 'quic', 'http')
  AND w.until >= d.ts)"""
_MOVED: Final = """SELECT d.number, any_value(d.decision), any_value(d.service), any_value(d.route), any_value(d.ts),
  count(DISTINCT principal) FILTER (WHERE effective = 'redirect'),
  count(DISTINCT principal) FILTER (WHERE effective IN ('coach', 'hold', 'block')),
  count(DISTINCT principal) FILTER (WHERE effective NOT IN ('redirect', 'coach', 'hold', 'block')), any_value({hosts})
  FROM v_decisions d LEFT JOIN v_exchanges e
    ON e.service = d.service AND (d.surface IS NULL OR e.surface = d.surface) AND e.ts >= d.ts
  WHERE NOT d.undone AND d.decision IN ('coach', 'redirect', 'block') AND (d.expires IS NULL OR d.expires > {now})
  GROUP BY d.number ORDER BY d.number DESC"""
_USAGE: Final = """SELECT service, count(*), count(DISTINCT principal), CAST(sum(request_bytes) AS BIGINT),
  CAST(coalesce(sum(response_bytes), 0) AS BIGINT), CAST(coalesce(sum(input_tokens), 0) AS BIGINT),
  CAST(coalesce(sum(output_tokens), 0) AS BIGINT)
  FROM v_exchanges GROUP BY service ORDER BY count(*) DESC, service"""
_COVERAGE: Final = """SELECT service, exchanges, incomplete, CAST(bytes AS BIGINT), CAST(structure AS BIGINT),
  CAST(scanned AS BIGINT), CAST(unscanned AS BIGINT), CAST(opaque AS BIGINT)
  FROM v_coverage ORDER BY exchanges DESC, service"""
_REASONS: Final = """SELECT kind, entry.key, count(*), CAST(sum(CAST(entry.value AS BIGINT)) AS BIGINT) AS bytes, part
  FROM (
  SELECT part, kind, unnest(map_entries(CAST(json_extract(whole, place) AS MAP(VARCHAR, BIGINT)))) AS entry
    FROM (SELECT 'request' AS part, coverage AS whole FROM v_exchanges
          UNION ALL SELECT 'answer', response_coverage FROM v_exchanges),
         (VALUES ('unscanned', '$.text_unscanned'), ('opaque', '$.opaque')) AS kinds(kind, place))
  GROUP BY part, kind, entry.key ORDER BY bytes DESC, 1, 2, part"""
_STAGES: Final = "SELECT stage, NULL, count(*) FROM v_exchanges GROUP BY 1 ORDER BY 3 DESC, 1"
_OUTCOMES: Final = "SELECT effective, outcome, count(*) FROM v_exchanges GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
_STATES: Final = "SELECT state, severity, count(*) FROM v_findings GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
_REFUSALS: Final = "SELECT reason, NULL, count(*) FROM v_refusals GROUP BY 1 ORDER BY 3 DESC, 1"
_NOTICES: Final = """SELECT note, severity, count(*) FROM v_notices GROUP BY 1, 2
  ORDER BY list_position(['alarm', 'warning', 'info'], severity), 3 DESC, 1"""
_SENSORS: Final = """SELECT sensor, source, min(ts), max(greatest(ts, until)), CAST(sum("count") AS BIGINT),
  CAST(coalesce(sum("count") FILTER (WHERE leg = 'direct'), 0) AS BIGINT)
  FROM v_observations GROUP BY 1, 2 ORDER BY 5 DESC, 1, 2"""
_TUNNELS: Final = """SELECT CAST(coalesce(sum(tunnels), 0) AS BIGINT),
  CAST(coalesce(least(sum(bytes_up) + sum(bytes_down), 9223372036854775807), 0) AS BIGINT) FROM tunnels"""

_FIRST: Final = """(SELECT * FROM exchange_close QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1)"""
_SPENT: Final = f"""count(*), count(DISTINCT o.principal), CAST(coalesce(sum(c.input_tokens), 0) AS BIGINT),
  CAST(coalesce(sum(c.output_tokens), 0) AS BIGINT), CAST(coalesce(sum(c.cost_micros), 0) AS BIGINT),
  CAST(coalesce(sum(c.overrun_micros), 0) AS BIGINT), count(*) FILTER (WHERE NOT c.cost_priced),
  count(*) FILTER (WHERE c.usage_estimated), count(*) FILTER (WHERE c.outcome = 'blocked' AND c.status = 429)
  FROM exchange_open o LEFT JOIN {_FIRST} c ON c.exchange = o.exchange WHERE o.handed IS NOT TRUE
  GROUP BY 1, 2 ORDER BY 7 DESC, 3 DESC, 1, 2"""
_SPEND: Final = f"SELECT o.service, coalesce(c.model_served, o.model), {_SPENT}"
_DEPARTMENTS: Final = f"SELECT o.department, NULL, {_SPENT}"
_BUDGETS: Final = """SELECT nullif(regexp_extract(detail, '^budget ([a-z0-9_.-]+)', 1), ''), note, count(*), max(ts)
  FROM notices WHERE starts_with(note, 'budget_') GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""
_KEYS: Final = """SELECT key_fingerprint, any_value(key_shape), any_value(held), count(DISTINCT principal),
  count(DISTINCT client), array_to_string(list_sort(list(DISTINCT coalesce(client_name, '?')))[:8], ', '),
  array_to_string(list_sort(list(DISTINCT service))[:8], ', '),
  coalesce(array_to_string(list_sort(list(DISTINCT account) FILTER (account IS NOT NULL)), ', '), ''),
  CAST(sum(exchanges) AS BIGINT), min(first_seen), max(last_seen)
  FROM v_key_uses GROUP BY key_fingerprint ORDER BY 11 DESC, 1"""
_ACCOUNTS: Final = """SELECT o.service, coalesce(c.account, o.account), count(*), count(DISTINCT o.principal)
  FROM exchange_open o LEFT JOIN (SELECT exchange, arg_min(account, n) AS account FROM exchange_close
                                  WHERE account IS NOT NULL GROUP BY exchange) c ON c.exchange = o.exchange
  WHERE o.service IS NOT NULL AND o.handed IS NOT TRUE GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""


def summarise(ask: Ask, info: ExportInfo, keyless: int = 0) -> ExportSummary:
    """The figures; `ask` runs one statement on the connection that uses the export."""

    def lines[T: msgspec.Struct](kind: type[T], statement: str) -> tuple[T, ...]:
        return tuple(kind(*row) for row in ask(f"{statement} LIMIT {MAX_LINES}"))

    has_findings, has_observations = "v_findings" in info.rows, "v_observations" in info.rows
    tunnels, tunnel_bytes = ask(_TUNNELS)[0]
    return ExportSummary(
        info=info,
        stages=lines(CountLine, _STAGES),
        findings=lines(FindingLine, _FINDINGS) if has_findings else (),
        findings_by_state=lines(CountLine, _STATES) if has_findings else (),
        decisions=lines(DecisionLine, _DECISIONS),
        moved=lines(MovedLine, _MOVED.format(hosts=_HOSTS if has_observations else 0, now=float(info.made))),
        outcomes=lines(CountLine, _OUTCOMES),
        usage=lines(UsageLine, _USAGE),
        coverage=lines(CoverageLine, _COVERAGE),
        reasons=lines(ReasonLine, _REASONS),
        refusals=lines(CountLine, _REFUSALS),
        notices=lines(CountLine, _NOTICES),
        sensors=lines(SensorLine, _SENSORS) if has_observations else (),
        tunnels=tunnels,
        tunnel_bytes=tunnel_bytes,
        spend=lines(SpendLine, _SPEND),
        departments=lines(SpendLine, _DEPARTMENTS),
        budgets=lines(BudgetLine, _BUDGETS),
        keys=lines(KeyLine, _KEYS),
        accounts=lines(AccountLine, _ACCOUNTS),
        keyless=keyless,
    )
