"""The named queries over findings.

Rules: as in appliance/store/queries.py: no text from a caller ever becomes SQL. Lists are read from the table of
findings alone; how often a person or host was seen is asked of the event tables, so it tells of what is still kept.
"""

from typing import Any, Final

import msgspec

from appliance.findings.fold import FROM_REFUSALS, refused_service
from appliance.model.catalogue import Catalogue
from appliance.model.errors import PeerError
from appliance.model.finding import Finding, FindingKey
from appliance.model.names import FindingKind, FindingState
from appliance.store.connection import Connection
from appliance.store.feedback import of_finding
from appliance.store.finding_moved import moved
from appliance.store.finding_pages import (
    MAX_EVIDENCE,
    MAX_PARTIES,
    Evidence,
    FindingDetail,
    FindingRequest,
    FindingsHead,
    FindingsRequest,
    Party,
    StateChange,
)
from appliance.store.finding_rows import SHOWN
from appliance.store.people import accounts, signals

HOUR_S: Final = 3600
HOURS: Final = 48
ACCOUNTS_S: Final = 7 * 86_400.0  # by whose accounts it was used since then
_WHOSE: Final = "service = $service AND surface = $surface"
MAX_REFUSALS: Final = 5_000  # different hosts and callers that are looked through
_ROW: Final = ", ".join(SHOWN)

type _Where = tuple[list[str], list[object]]

# Who, how often and when, by what is still in the event tables.
_USED: Final = """SELECT {party} AS digest, min(ts) AS first, max(ts) AS last, count(*) AS governed, 0 AS bypass,
0 AS hints FROM exchange_open WHERE service = ? AND surface = ? GROUP BY 1"""
_SEEN: Final = """SELECT client AS digest, min(ts) AS first, max(until) AS last, 0 AS governed,
sum(count) FILTER (WHERE past) AS bypass, sum(count) FILTER (WHERE NOT past) AS hints
FROM (SELECT *, leg = 'direct' AND seen IN ('tls', 'quic', 'http') AS past FROM observations
WHERE service = ? AND surface = ?) GROUP BY 1"""
_PARTIES: Final = """SELECT p.digest, p.kind, least(p.first_seen, min(e.first)), coalesce(max(e.last), p.first_seen),
CAST(coalesce(sum(e.governed), 0) AS BIGINT), CAST(coalesce(sum(e.bypass), 0) AS BIGINT),
CAST(coalesce(sum(e.hints), 0) AS BIGINT)
FROM (SELECT digest, kind, min(first_seen) AS first_seen FROM finding_parties WHERE finding = ? AND kind = ?
GROUP BY ALL) p LEFT JOIN ({events}) e ON e.digest = p.digest
GROUP BY p.digest, p.kind, p.first_seen ORDER BY 4 DESC, 1 LIMIT ?"""
_SERIES: Final = """SELECT CAST(floor((? - ts) / 3600) AS BIGINT) AS hour, CAST(sum(count) AS BIGINT) FROM (
SELECT ts, 1 AS count FROM exchange_open WHERE service = ? AND surface = ? AND ts > ? AND ts <= ?
UNION ALL SELECT ts, count FROM observations WHERE service = ? AND surface = ? AND ts > ? AND ts <= ?) GROUP BY 1"""
_REFUSED: Final = """SELECT host, detail, principal, client, count(*), min(ts), max(ts) FROM refusals WHERE reason = ?
GROUP BY ALL ORDER BY max(ts) DESC LIMIT ?"""
_DISAGREED: Final = """SELECT client, CAST(sum(count) AS BIGINT), min(ts), max(until) FROM observations
WHERE contradicts IS NOT NULL AND service = ? AND surface = ? GROUP BY 1 ORDER BY 4 DESC LIMIT ?"""
_REFUSED_AT: Final = """SELECT host, detail, CAST(floor((? - ts) / 3600) AS BIGINT), count(*) FROM refusals
WHERE reason = ? AND ts > ? AND ts <= ? GROUP BY ALL LIMIT ?"""


def findings(connection: Connection, request: FindingsRequest) -> tuple[FindingsHead, list[Finding]]:
    """A page of findings, the most severe and newest first, and how many there are."""
    conditions, values = _conditions(request)
    tests = " AND ".join(conditions) or "true"
    total = connection.execute(f"SELECT count(*) FROM findings WHERE {tests}", values).fetchall()[0][0]  # noqa: S608
    if (key := request.before) is not None:
        tests += " AND (rank < ? OR (rank = ? AND (last_seen < ? OR (last_seen = ? AND id < ?))))"
        values += [key.rank, key.rank, key.last_seen, key.last_seen, key.id]
    statement = f"SELECT {_ROW} FROM findings WHERE {tests} ORDER BY rank DESC, last_seen DESC, id DESC LIMIT ?"  # noqa: S608
    rows = [_finding(row) for row in connection.execute(statement, [*values, request.limit]).fetchall()]
    last = rows[-1] if len(rows) == request.limit else None
    following = FindingKey(last.severity.rank, last.last_seen, last.id) if last else None
    return FindingsHead(len(rows), msgspec.convert(total, int), following), rows


def finding(connection: Connection, request: FindingRequest, catalogue: Catalogue, now: float) -> FindingDetail:
    """Everything about one finding; PeerError (404) when there is none."""
    statement = f"SELECT {_ROW} FROM findings WHERE id = ?"  # noqa: S608 - names of ours
    rows = connection.execute(statement, [request.finding]).fetchall()
    if not rows:
        raise PeerError(f"finding: there is no finding {request.finding}", 404)
    found = _finding(rows[0])
    read = _refused if found.kind in FROM_REFUSALS else _in_use
    people, hosts, series = read(connection, found, catalogue, now)
    evidence, history = _evidence(connection, found.id), _history(connection, found.id)
    return FindingDetail(
        found,
        people,
        hosts,
        evidence,
        history,
        series,
        of_finding(connection, found),
        moved(connection, found),
        () if found.kind in FROM_REFUSALS else accounts(connection, _WHOSE, _of(found, now)),
        signals(connection, found),
    )


def _of(found: Finding, now: float) -> dict[str, object]:
    return {"since": now - ACCOUNTS_S, "service": found.subject, "surface": found.surface.value}


def _finding(row: tuple[object, ...]) -> Finding:
    return msgspec.convert(dict(zip(SHOWN, row, strict=True)), Finding)


def _conditions(request: FindingsRequest) -> _Where:
    conditions: list[str] = []
    values: list[object] = []
    for test, value in (
        ("list_contains(?::VARCHAR[], state)", [state.value for state in request.states] or None),
        ("list_contains(?::VARCHAR[], kind)", [kind.value for kind in request.kinds] or None),
        ("governance = ?", request.governance.value if request.governance else None),
        ("rank >= ?", request.severity.rank if request.severity else None),
        ("surface = ?", request.surface.value if request.surface else None),
        ("last_seen >= ?", request.since),
    ):
        if value is not None:
            conditions.append(test)
            values.append(value)
    if request.text:
        conditions.append("contains(words, ?)")
        values.append(request.text.lower())
    return conditions, values


type _Parts = tuple[tuple[Party, ...], tuple[Party, ...], tuple[int, ...]]


def _in_use(connection: Connection, found: Finding, _catalogue: Catalogue, now: float) -> _Parts:
    what = [found.subject, found.surface.value]

    def parties(kind: str, events: str, values: list[str]) -> tuple[Party, ...]:
        statement = _PARTIES.replace("{events}", events)
        rows = connection.execute(statement, [found.id, kind, *values, MAX_PARTIES]).fetchall()
        return tuple(Party(*row) for row in _any(rows))

    people = parties("person", _USED.replace("{party}", "principal"), what)
    hosts = parties("host", f"{_USED.replace('{party}', 'client')} UNION ALL {_SEEN}", [*what, *what])
    span = [*what, now - HOURS * HOUR_S, now]
    rows = connection.execute(_SERIES, [now, *span, *span]).fetchall()
    return people, hosts, _series(_any(rows))


def _refused(connection: Connection, found: Finding, catalogue: Catalogue, now: float) -> _Parts:
    def ours(host: str, detail: str) -> bool:
        service = refused_service(host, detail, catalogue)
        return (service.id if service else host.lower().removesuffix(".")) == found.subject

    people: dict[str, Party] = {}
    hosts: dict[str, Party] = {}
    for host, detail, principal, client, *counted in _any(
        connection.execute(_REFUSED, [found.kind.value, MAX_REFUSALS]).fetchall()
    ):
        if ours(host, detail):
            _count(people, principal, "person", *counted)
            _count(hosts, client, "host", *counted)
    if found.kind is FindingKind.NAME_DISAGREEMENT:
        for client, count, first, last in _any(
            connection.execute(_DISAGREED, [found.subject, found.surface.value, MAX_PARTIES]).fetchall()
        ):
            known = hosts.get(client, Party(client, "host", first, last, 0, 0, 0))
            span = (min(first, known.first_seen), max(last, known.last_seen))
            hosts[client] = Party(client, "host", *span, known.governed, count, 0)
    hours = connection.execute(_REFUSED_AT, [now, found.kind.value, now - HOURS * HOUR_S, now, MAX_REFUSALS]).fetchall()
    series = _series([(hour, count) for host, detail, hour, count in _any(hours) if ours(host, detail)])
    return _newest(people), _newest(hosts), series


def _count(parties: dict[str, Party], digest: str, kind: str, count: int, first: float, last: float) -> None:
    known = parties.get(digest)
    if known is None:
        parties[digest] = Party(digest, kind, first, last, count, 0, 0)
    else:
        span = (min(first, known.first_seen), max(last, known.last_seen))
        parties[digest] = Party(digest, kind, *span, known.governed + count, 0, 0)


def _newest(parties: dict[str, Party]) -> tuple[Party, ...]:
    return tuple(sorted(parties.values(), key=lambda party: (-party.last_seen, party.digest))[:MAX_PARTIES])


def _series(hours: list[tuple[Any, ...]]) -> tuple[int, ...]:
    """Sums by hour, the last 60 minutes at the end. `hours`: how many hours ago, and how often."""
    series = [0] * HOURS
    for ago, count in hours:
        if 0 <= ago < HOURS:
            series[HOURS - 1 - ago] += count
    return tuple(series)


def _evidence(connection: Connection, name: str) -> tuple[Evidence, ...]:
    rows = connection.execute(
        "SELECT n, ts, source, kind, client, text FROM finding_evidence WHERE finding = ? ORDER BY n DESC LIMIT ?",
        [name, MAX_EVIDENCE],
    ).fetchall()
    return tuple(Evidence(*row) for row in _any(rows))


def _history(connection: Connection, name: str) -> tuple[StateChange, ...]:
    rows = connection.execute(
        "SELECT ts, author, before, after, decision, reason FROM finding_states WHERE finding = ? "
        "ORDER BY ts DESC, rowid DESC LIMIT ?",
        [name, MAX_EVIDENCE],
    ).fetchall()
    return tuple(
        StateChange(ts, author, FindingState(before), FindingState(after), decision, reason)
        for ts, author, before, after, decision, reason in _any(rows)
    )


def _any(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Rows as the schema types them."""
    return rows
