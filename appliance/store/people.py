"""The named queries over people: who asked, by whose account, at what cost, and what stands out about them.

Rules: as in appliance/store/queries.py: no text from a caller ever becomes SQL. A text is looked for in clear names, so
who asks learns which people fit, and the clear names themselves by verb `persons` alone. What no price is known of is
counted beside the sum and never in it.
"""

from typing import Any, Final

import msgspec

from appliance.findings.signals import SIGN
from appliance.model.errors import PeerError
from appliance.model.finding import Finding
from appliance.store.connection import Connection
from appliance.store.exposure import exposure
from appliance.store.exposure_pages import ExposureRequest
from appliance.store.finding_rows import SHOWN
from appliance.store.people_pages import (
    MOST_LISTED,
    AccountUse,
    PeopleHead,
    PeopleOrder,
    PeopleRequest,
    PersonDetail,
    PersonRequest,
    PersonService,
    PersonUse,
    SignalSeen,
)

MAX_SERVICES: Final = 32  # named in a list
_STOPPED: Final = "effective IN ('coach', 'hold', 'block')"
_CLOSED: Final = """SELECT exchange, arg_min(account, n) AS said, arg_min(cost_micros, n) AS cost,
arg_min(cost_priced, n) AS priced, arg_min(input_tokens, n) AS received, arg_min(output_tokens, n) AS made,
arg_min(model_served, n) AS served FROM exchange_close WHERE ts >= $since {only} GROUP BY exchange"""
_USES: Final = f"""SELECT principal AS person, arg_max(department, ts) AS department, count(*) AS exchanges,
count(*) FILTER (WHERE {_STOPPED}) AS stopped,
coalesce(list_sort(list(DISTINCT service) FILTER (service IS NOT NULL))[:{MAX_SERVICES}], []) AS services,
count(*) FILTER (WHERE coalesce(c.said, o.account) = 'personal') AS personal,
count(*) FILTER (WHERE coalesce(c.said, o.account) = 'anonymous') AS anonymous,
count(*) FILTER (WHERE coalesce(c.said, o.account) = 'corporate') AS corporate,
CAST(sum(c.cost) AS BIGINT) AS cost_micros, count(*) FILTER (WHERE NOT c.priced) AS unpriced,
coalesce(any_value(g.signals), 0) AS signals, min(ts) AS first_seen, max(ts) AS last_seen
FROM exchange_open o LEFT JOIN ({_CLOSED}) c USING (exchange) LEFT JOIN (
SELECT client AS who, count(*) AS signals FROM finding_evidence WHERE kind = '{SIGN}' AND ts >= $since GROUP BY client
) g ON g.who = o.principal WHERE o.ts >= $since AND o.handed IS NOT TRUE AND {{tests}} GROUP BY principal"""  # noqa: S608 - texts of this file
_TEXT: Final = """(person IN (SELECT digest FROM persons WHERE contains(lower(value), $text))
OR contains(lower(coalesce(department, '')), $text)
OR len(list_filter(services, lambda s: contains(lower(s), $text))) > 0)"""
_ORDERS: Final = {
    PeopleOrder.LAST_SEEN: "last_seen",
    PeopleOrder.EXCHANGES: "exchanges",
    PeopleOrder.COST: "coalesce(cost_micros, 0)",
    PeopleOrder.SIGNALS: "signals",
}
_OF_PERSON: Final = "AND exchange IN (SELECT exchange FROM exchange_open WHERE principal = $person AND ts >= $since)"
_SERVICES: Final = f"""SELECT service, surface, count(*), count(*) FILTER (WHERE {_STOPPED}),
coalesce(list_sort(list(DISTINCT coalesce(c.served, o.model)) FILTER (coalesce(c.served, o.model) IS NOT NULL))[:16],
[]), CAST(coalesce(sum(c.received), 0) AS BIGINT), CAST(coalesce(sum(c.made), 0) AS BIGINT),
CAST(sum(c.cost) AS BIGINT), count(*) FILTER (WHERE NOT c.priced), max(ts)
FROM exchange_open o LEFT JOIN ({_CLOSED}) c USING (exchange)
WHERE o.ts >= $since AND o.handed IS NOT TRUE AND principal = $person AND service IS NOT NULL
GROUP BY service, surface ORDER BY max(ts) DESC, 1, 2 LIMIT $most"""  # noqa: S608 - texts of this file
_SAID: Final = """SELECT exchange, arg_min(account, n) AS said FROM exchange_close
WHERE ts >= $since AND account IS NOT NULL {only} GROUP BY exchange"""
_ACCOUNTS: Final = f"""SELECT service, surface, coalesce(c.said, o.account, '') AS whose, count(*),
count(DISTINCT principal), max(ts)
FROM exchange_open o LEFT JOIN ({_SAID}) c USING (exchange)
WHERE o.ts >= $since AND o.handed IS NOT TRUE AND {{tests}} AND service IS NOT NULL
GROUP BY service, surface, whose ORDER BY count(*) DESC, 1, 2, 3 LIMIT $most"""  # noqa: S608 - texts of this file
_METHODS: Final = """SELECT DISTINCT identity_method FROM exchange_open WHERE principal = ? AND ts >= ? ORDER BY 1
LIMIT 16"""
_SIGNALS: Final = f"""SELECT e.ts, e.finding, f.kind, f.subject, e.text, e.client FROM finding_evidence e
JOIN findings f ON f.id = e.finding WHERE e.kind = '{SIGN}' AND e.client = ? ORDER BY e.ts DESC, e.n DESC
LIMIT ?"""  # noqa: S608 - texts of this file
_SIGNALS_OF: Final = _SIGNALS.replace("e.client = ?", "e.finding = ?")
_FINDINGS: Final = (
    f"SELECT {', '.join(SHOWN)} FROM findings WHERE id IN "  # noqa: S608 - names of ours
    "(SELECT finding FROM finding_parties WHERE digest = ?) ORDER BY rank DESC, last_seen DESC, id LIMIT ?"
)


def people(connection: Connection, request: PeopleRequest) -> tuple[PeopleHead, list[PersonUse]]:
    """Who asked, in the order that was asked for, and how many fit."""
    tests, values = ["true"], dict[str, object]({"since": request.since, "limit": request.limit})
    if request.text:
        tests.append(_TEXT)
        values["text"] = request.text.lower()
    if request.own:
        tests.append("personal + anonymous > 0")
    uses = _USES.replace("{only}", "").replace("{tests}", "true")
    statement = f"""WITH uses AS ({uses}) SELECT *, count(*) OVER () FROM uses WHERE {" AND ".join(tests)}
ORDER BY {_ORDERS[request.order]} DESC, person LIMIT $limit"""  # noqa: S608 - texts of this file; values are bound
    rows: list[tuple[Any, ...]] = connection.execute(statement, values).fetchall()
    found = [_record(PersonUse, row[:-1]) for row in rows]
    return PeopleHead(len(found), int(rows[0][-1]) if rows else 0), found


def person(connection: Connection, request: PersonRequest) -> PersonDetail:
    """Everything about one; PeerError (404) when nothing of that person is stored since then."""
    bound: dict[str, object] = {"person": request.person, "since": request.since}
    uses = _USES.replace("{only}", _OF_PERSON).replace("{tests}", "principal = $person")
    rows = connection.execute(uses, bound).fetchall()
    if not rows:
        raise PeerError(f"person: nothing of {request.person[:64]} is stored of that time", 404)
    services = connection.execute(_SERVICES.replace("{only}", _OF_PERSON), bound | {"most": MOST_LISTED}).fetchall()
    methods = connection.execute(_METHODS, [request.person, request.since]).fetchall()
    signals = connection.execute(_SIGNALS, [request.person, MOST_LISTED]).fetchall()
    findings = connection.execute(_FINDINGS, [request.person, MOST_LISTED]).fetchall()
    asked = ExposureRequest(since=request.since, principal=request.person, limit=MOST_LISTED)
    return PersonDetail(
        use=_record(PersonUse, rows[0]),
        identity=tuple(str(method) for (method,) in methods),
        services=tuple(_record(PersonService, row) for row in services),
        accounts=accounts(connection, "principal = $person", bound, _OF_PERSON),
        keys=tuple(exposure(connection, asked)[1]),
        signals=tuple(_record(SignalSeen, row) for row in signals),
        findings=tuple(msgspec.convert(dict(zip(SHOWN, row, strict=True)), Finding) for row in findings),
    )


def accounts(connection: Connection, tests: str, bound: dict[str, object], only: str = "") -> tuple[AccountUse, ...]:
    """By whose accounts services were used, of exchanges that fit `tests` (words of ours) since `bound["since"]`."""
    statement = _ACCOUNTS.replace("{only}", only).replace("{tests}", tests)
    rows = connection.execute(statement, bound | {"most": MOST_LISTED}).fetchall()
    return tuple(_record(AccountUse, row) for row in rows)


def signals(connection: Connection, found: Finding) -> tuple[SignalSeen, ...]:
    """Who stands out in a finding, and by which numbers, the newest first."""
    rows = connection.execute(_SIGNALS_OF, [found.id, MOST_LISTED]).fetchall()
    return tuple(_record(SignalSeen, row) for row in rows)


def _record[T: msgspec.Struct](kind: type[T], row: tuple[object, ...]) -> T:
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind)
