"""Where budgets stand, for analysts: counters of the ledger beside what records tell of who took what.

Theory of operation. A counter is known by its budget and its subject, and the ledger cannot list subjects; so those are
asked of the records: everybody seen within a budget's window is looked up, and who has nothing used is left out.

Rules: reads and changes nothing; bound parameters only; at most `MAX_LOOKS` counters are looked at for one answer, and
an answer that left some out says so; a ledger that cannot be read is told in words, and then nothing stands at 0.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from appliance.ledger.budgets import NOBODY, Budget, Budgets, Claim
from appliance.ledger.levels import UNUSED, Used
from appliance.ledger.standing import Standing as Counter
from appliance.ledger.windows import LENGTH, RATE_CODE, Calendar, Window
from appliance.model.errors import PeerError
from appliance.store.budget_pages import (
    MOST_SPENT,
    MOST_STANDINGS,
    MOST_UNPRICED,
    BudgetDetail,
    BudgetsHead,
    BudgetsRequest,
    BudgetState,
    Spent,
    Standing,
    Unpriced,
)
from appliance.store.connection import Connection

MAX_LOOKS: Final = 20_000
MAX_GROUPS: Final = 20_000  # of exchanges that are alike, of one budget's window
DAY_S: Final = 86_400.0
UNPRICED_S: Final = 30 * DAY_S
_SUBJECTS: Final = {
    "user": "principal",
    "department": "department",
    "key": "virtual_key",
    "service": "service",
    "group": "unnest(string_split(groups, chr(10)))",
}
_SEEN: Final = """SELECT DISTINCT subject FROM (SELECT {column} AS subject FROM exchange_open WHERE ts >= ?)
WHERE subject <> '' LIMIT ?"""
_FIRST: Final = """SELECT exchange, outcome, attempts, model_served, input_tokens, output_tokens, cost_micros,
cost_priced, overrun_micros, usage_estimated FROM exchange_close WHERE ts >= $since
QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1"""
_SPENT: Final = f"""SELECT o.principal, o.department, o.virtual_key, o.service, o.model, o.groups, {{tools}} AS tools,
coalesce(c.model_served, o.model) AS served, count(*), CAST(coalesce(sum(c.input_tokens), 0) AS BIGINT),
CAST(coalesce(sum(c.output_tokens), 0) AS BIGINT), CAST(coalesce(sum(c.cost_micros), 0) AS BIGINT),
CAST(coalesce(sum(c.overrun_micros), 0) AS BIGINT), count(*) FILTER (WHERE NOT c.cost_priced),
count(*) FILTER (WHERE c.usage_estimated)
FROM exchange_open o LEFT JOIN ({_FIRST}) c ON c.exchange = o.exchange
WHERE o.ts >= $since AND NOT starts_with(o.producer, 'peer.') AND {{tests}}
GROUP BY ALL ORDER BY count(*) DESC LIMIT $most"""  # noqa: S608 - texts of this file
_TAKEN: Final = """NOT coalesce(list_contains($unused::VARCHAR[], c.outcome)
AND NOT (c.outcome = 'blocked' AND c.attempts > 0), false)"""
_RUNS: Final = "c.exchange IS NULL"
_TOOLS: Final = "CAST(json_extract(o.body, '$.event.facts.tools_declared') AS VARCHAR)"
_COLUMNS: Final = {"user": "principal", "department": "department", "key": "virtual_key", "service": "service"}
_UNPRICED: Final = """SELECT coalesce(o.service, ''), coalesce(c.model_served, o.model, ''), count(*),
count(DISTINCT o.principal), CAST(coalesce(sum(c.input_tokens), 0) AS BIGINT),
CAST(coalesce(sum(c.output_tokens), 0) AS BIGINT), max(c.ts)
FROM (SELECT * FROM exchange_close WHERE NOT cost_priced AND ts >= ?
      QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1) c
JOIN exchange_open o ON o.exchange = c.exchange WHERE o.handed IS NOT TRUE
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT ?"""

type Read = Callable[[list[Claim], float], list[Counter]]  # where counters stand; OperatorError: they cannot be read


class Site(NamedTuple):
    """What a site has: its budgets, its time zone, and a way to read counters. `fault`: why there is none, in words."""

    budgets: Budgets
    zone: dt.tzinfo
    read: Read | None
    fault: str = ""


class _Looked(NamedTuple):
    counters: dict[str, list[Standing]]
    resets: dict[str, float | None]
    partial: bool


def budgets(
    connection: Connection, request: BudgetsRequest, site: Site, now: float
) -> tuple[BudgetsHead, list[BudgetState]]:
    """Every budget, the fullest first."""
    looked = _look(connection, site.budgets.all, site, now)
    states = [_state(budget, looked, site, now) for budget in site.budgets.all]
    states.sort(key=lambda state: (-_fill(state), state.name))
    head = BudgetsHead(
        rows=min(len(states), request.limit),
        total=len(states),
        asked=now,
        problem=site.fault,
        partial=looked.partial,
        unpriced=unpriced(connection, now),
    )
    return head, states[: request.limit]


def budget(connection: Connection, name: str, site: Site, now: float) -> BudgetDetail:
    """Everything about one; PeerError (404) when there is none of that name."""
    one = next((each for each in site.budgets.all if each.name == name), None)
    if one is None:
        raise PeerError(f"budget: there is no budget {name[:64]}", 404)
    looked, since = _look(connection, [one], site, now), begins(one.window, site.zone, now)
    people, keys, models, overrun, partial = _spent(connection, one, since)
    return BudgetDetail(
        state=_state(one, looked, site, now),
        asked=now,
        since=since,
        standings=tuple(looked.counters.get(one.name, ())[:MOST_STANDINGS]),
        people=people,
        keys=keys,
        models=models,
        overrun_micros=overrun,
        problem=site.fault,
        partial=looked.partial or partial,
    )


def unpriced(connection: Connection, now: float) -> tuple[Unpriced, ...]:
    """Models of the last 30 days that have no known price, the most used first."""
    rows = connection.execute(_UNPRICED, [now - UNPRICED_S, MOST_UNPRICED]).fetchall()
    return tuple(msgspec.convert(dict(zip(Unpriced.__struct_fields__, row, strict=True)), Unpriced) for row in rows)


def begins(window: Window, zone: dt.tzinfo, now: float) -> float:
    """Since when what was used counts, epoch seconds; of what runs, since when something may have begun."""
    if window is Window.RUNNING:
        return now - DAY_S
    return now - LENGTH[window] if window in RATE_CODE else float(Calendar(zone).bounds(window, now)[0])


def _look(connection: Connection, chosen: Sequence[Budget], site: Site, now: float) -> _Looked:
    """Where the counters of these budgets stand; those with nothing used are left out."""
    claims, seen = list[Claim](), dict[tuple[str, float], list[str]]()
    partial = False
    for one in sorted(chosen, key=lambda each: each.per != "organisation"):  # of these there is one each
        found = [Claim(one, one.counter(subject)) for subject in _subjects(connection, one, site, now, seen)]
        partial |= len(claims) + len(found) > MAX_LOOKS
        claims += found[: MAX_LOOKS - len(claims)]
    if site.read is None:
        return _Looked({}, {}, partial)
    counters: dict[str, list[Standing]] = {}
    resets: dict[str, float | None] = {}
    for told in site.read(claims, now):
        resets[told.budget] = told.resets
        if told.used or told.reserved or told.per == "organisation":
            counters.setdefault(told.budget, []).append(_standing(told))
    for standings in counters.values():
        standings.sort(key=lambda each: (-each.used, each.subject))
    return _Looked(counters, resets, partial)


def _subjects(
    connection: Connection, one: Budget, site: Site, now: float, seen: dict[tuple[str, float], list[str]]
) -> Iterable[str]:
    """Who may have a counter of it: whom it names, else who was seen within its window."""
    if one.per == "organisation":
        return ("",)
    named = one.models if one.per == "model" else dict(one.values).get(one.per)
    if named is not None:
        return sorted(named)
    since = begins(one.window, site.zone, now)
    if (one.per, since) not in seen:
        statement = _SEEN.replace("{column}", _SUBJECTS[one.per])
        rows = connection.execute(statement, [since, MAX_LOOKS]).fetchall()
        seen[one.per, since] = [NOBODY, *sorted(str(row[0]) for row in rows)]
    return seen[one.per, since]


def _standing(told: Counter) -> Standing:
    over = max(0, told.used - told.limit)
    return Standing(told.subject, told.used, told.reserved, told.used >= told.limit, told.warns, over)


def _state(one: Budget, looked: _Looked, site: Site, now: float) -> BudgetState:
    standings = looked.counters.get(one.name, [])
    used = [each for each in standings if each.used]
    resets = looked.resets.get(one.name)
    if resets is None and one.window not in RATE_CODE and one.window is not Window.RUNNING:
        resets = float(Calendar(site.zone).bounds(one.window, now)[1])
    matches = tuple(_matching(key, values) for key, values in one.values)
    return BudgetState(
        name=one.name,
        what=one.what,
        window="" if one.window is Window.RUNNING else one.window.value,
        per=one.per,
        limit=one.limit,
        warn=one.warn,
        matches=(*matches, *((f"model: {', '.join(one.models)}"[:500],) if one.models else ())),
        refuses_unpriced=one.refuses_unpriced,
        resets=resets,
        fullest=standings[0] if standings else None,
        counters=len(used),
        near=sum(each.warns and not each.full for each in used),
        full=sum(each.full for each in used),
    )


def _matching(key: str, values: frozenset[str]) -> str:
    """In words; people by their number, since they are digests here."""
    return f"{key}: {len(values)} named" if key == "user" else f"{key}: {', '.join(sorted(values))}"[:500]


def _fill(state: BudgetState) -> float:
    return 0.0 if state.fullest is None else state.fullest.used / max(1, state.limit)


type _Taken = tuple[tuple[Spent, ...], tuple[Spent, ...], tuple[Spent, ...], int, bool]


def _spent(connection: Connection, one: Budget, since: float) -> _Taken:
    """What people, keys and models have taken of a budget's window; its overrun; whether something was left out."""
    told: tuple[dict[str, list[int]], ...] = ({}, {}, {})
    rows, overrun = _alike(connection, one, since), 0
    for principal, department, key, service, model, groups, tools, served, *numbers in rows:
        named = tuple(groups.split("\n")) if groups else ()
        declared = msgspec.json.decode(tools or "[]", type=tuple[str, ...])
        if one.fits(Used(department, principal, service, 1, model, key, named, declared).facts):
            overrun += numbers[4]
            for sums, what in zip(told, (principal, key or "", served or ""), strict=True):
                sums[what] = [have + more for have, more in zip(sums.get(what, [0] * 7), numbers, strict=True)]
    people, keys, models = (_most(sums, one.what) for sums in told)
    return people, keys, models, overrun, len(rows) == MAX_GROUPS


def _alike(connection: Connection, one: Budget, since: float) -> list[tuple[Any, ...]]:
    """Exchanges that may count in it, alike ones together."""
    tests = [_RUNS if one.window is Window.RUNNING else _TAKEN]
    values: dict[str, object] = {"since": since, "most": MAX_GROUPS}
    if one.window is not Window.RUNNING:
        values["unused"] = sorted(UNUSED)
    for key, wanted in one.values:
        if key in _COLUMNS:
            tests.append(f"list_contains(${key}::VARCHAR[], o.{_COLUMNS[key]})")
            values[key] = sorted(wanted)
    tools = _TOOLS if any(key == "tool" for key, _ in one.values) else "NULL"
    statement = _SPENT.replace("{tools}", tools).replace("{tests}", " AND ".join(tests))
    return connection.execute(statement, values).fetchall()


def _most(sums: dict[str, list[int]], what: str) -> tuple[Spent, ...]:
    """The largest of what the budget counts, as a list for people."""
    order = {"cost": (3, 0), "input_tokens": (1, 0), "output_tokens": (2, 0)}.get(what, (0, 0))

    def rank(item: tuple[str, list[int]]) -> tuple[int, int, str]:
        name, numbers = item
        first = numbers[1] + numbers[2] if what == "tokens" else numbers[order[0]]
        return -first, -numbers[order[1]], name

    return tuple(Spent(name, *numbers) for name, numbers in _first(sorted(sums.items(), key=rank)))


def _first(items: list[tuple[str, list[int]]]) -> Iterator[tuple[str, list[int]]]:
    return iter(items[:MOST_SPENT])
