"""What a decision would have done to what is stored.

Owns: the statements of verb `preview`. Rules: bound parameters only; stored facts are counted, not judged anew. What
the decision would make of an exchange is told as policy ranks dispositions: a block changes all that was not blocked, a
redirect and a lesson (in this order) all that was not treated more strictly. Approval lifts `unapproved` and nothing
else: it changes what a rule with `unapproved` decided (the deciding rule is stored, further ones that would then decide
are not looked at). An undo changes what the undone decision decided; undoing an approval what passed in its reach, if
any rule turns unapproved services away.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from appliance.model.decision import Decision, Proposal, Scope
from appliance.model.names import DecisionKind, Disposition
from appliance.policy.engine import DENYING
from appliance.policy.snapshot import PolicySnapshot
from appliance.store.connection import Connection
from appliance.store.finding_pages import Preview, PreviewRequest

LONGEST_S: Final = 86_400.0  # an exchange that began earlier is not running any more
_FOUND: Final = "SELECT body FROM decisions WHERE number = ?"
_PASSED: Final = (Disposition.ALLOW.value, Disposition.OBSERVE.value)
# What each decision leaves as it was: what policy ranks higher, and what it would have done itself.
_KEPT: Final = {
    DecisionKind.BLOCK: (Disposition.BLOCK,),
    DecisionKind.REDIRECT: (Disposition.REDIRECT, Disposition.HOLD, Disposition.BLOCK),
    DecisionKind.COACH: (Disposition.COACH, Disposition.REDIRECT, Disposition.HOLD, Disposition.BLOCK),
}

type _Where = tuple[str, list[object]]


def preview(
    connection: Connection, request: PreviewRequest, policy: PolicySnapshot | None, refusal: str | None, now: float
) -> Preview:
    """Counts for the proposal. `policy`: the snapshot in force. `refusal`: why `decide` would not take it."""
    proposal = request.proposal
    undone = _undone(connection, proposal)
    reach = undone or proposal
    where, values = _exchanges(reach, request.since)
    change, changing = _change(proposal, undone, policy)
    rows = connection.execute(
        f"SELECT effective, count(*), count(*) FILTER (WHERE {change}) FROM exchange_open WHERE {where} GROUP BY 1",  # noqa: S608
        [*changing, *values],
    ).fetchall()
    met = connection.execute(
        f"SELECT count(DISTINCT principal), count(DISTINCT client) FROM exchange_open WHERE {where}",  # noqa: S608
        values,
    ).fetchall()[0]
    past = _past(connection, reach, request.since)
    return Preview(
        refusal=refusal,
        exchanges=sum(row[1] for row in _any(rows)),
        changed=sum(row[2] for row in _any(rows)),
        people=_int(met[0]),
        hosts=_int(met[1]),
        past=past[0],
        past_hosts=past[1],
        running=_running(connection, reach, now) if _ends(proposal, undone) else 0,
        by_effect={str(row[0]): row[1] for row in _any(rows)},
    )


def _undone(connection: Connection, proposal: Proposal) -> Decision | None:
    """The decision that the proposal does nothing but undo."""
    if proposal.undoes is None or proposal.decision is not DecisionKind.DISMISS:
        return None
    rows = connection.execute(_FOUND, [proposal.undoes]).fetchall()
    return msgspec.json.decode(str(rows[0][0]), type=Decision) if rows else None


def _exchanges(reach: Proposal | Decision, since: float) -> _Where:
    tests, values = ["service = ?", "ts >= ?"], [reach.service, since]
    if reach.surface is not None:
        tests.append("surface = ?")
        values.append(reach.surface.value)
    scope, scoped = _scope(reach.scope)
    return " AND ".join([*tests, *scope]), [*values, *scoped]


def _scope(scope: Scope) -> tuple[list[str], list[object]]:
    if scope.everyone:
        return [], []
    test = (
        "(list_contains(?::VARCHAR[], principal) OR list_contains(?::VARCHAR[], client) "
        "OR list_has_any(string_split(groups, chr(10)), ?::VARCHAR[]))"
    )
    return [test], [list(scope.principals), list(scope.clients), list(scope.groups)]


def _change(proposal: Proposal, undone: Decision | None, policy: PolicySnapshot | None) -> _Where:
    """The test that tells which exchanges would have been treated otherwise."""
    if undone is not None:
        if undone.decision is not DecisionKind.APPROVE:
            return "rule = ? AND NOT list_contains(?::VARCHAR[], effective)", [_name(undone), list(_PASSED)]
        return ("list_contains(?::VARCHAR[], effective)", [list(_PASSED)]) if _rules(policy) else ("false", [])
    if proposal.decision is DecisionKind.APPROVE:
        test = "list_contains(?::VARCHAR[], rule) AND NOT list_contains(?::VARCHAR[], effective)"
        return test, [sorted(_rules(policy)), list(_PASSED)]
    kept = _KEPT.get(proposal.decision)
    if kept is None:
        return "false", []
    return "NOT list_contains(?::VARCHAR[], effective)", [[word.value for word in kept]]


def _name(decision: Decision) -> str:
    return f"decision:{decision.number}"


def _rules(policy: PolicySnapshot | None) -> Collection[str]:
    """Rules that turn away what nobody approved."""
    rules = policy.rules if policy else ()
    return {rule.id for rule in rules if rule.match.unapproved and rule.then.disposition in DENYING}


def _past(connection: Connection, reach: Proposal | Decision, since: float) -> tuple[int, int]:
    """Sightings past the appliance and the hosts they came from. Who sat there is not known: only addresses count."""
    scope = reach.scope
    if not scope.everyone and not scope.clients:
        return 0, 0
    row = connection.execute(
        """SELECT CAST(coalesce(sum(count), 0) AS BIGINT), count(DISTINCT client) FROM observations
        WHERE service = ? AND until >= ? AND leg = 'direct' AND seen IN ('tls', 'quic', 'http')
        AND (? IS NULL OR surface = ?) AND (len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], client))""",
        [reach.service, since, *[reach.surface.value if reach.surface else None] * 2, *[list(scope.clients)] * 2],
    ).fetchall()[0]
    return _int(row[0]), _int(row[1])


def _ends(proposal: Proposal, undone: Decision | None) -> bool:
    """The proposal ends exchanges that are under way: a block does, all else holds from the next one on."""
    return undone is None and proposal.decision is DecisionKind.BLOCK


def _running(connection: Connection, reach: Proposal | Decision, now: float) -> int:
    where, values = _exchanges(reach, now - LONGEST_S)
    row = connection.execute(
        f"SELECT count(*) FROM exchange_open WHERE {where} "  # noqa: S608 - names of ours
        "AND exchange NOT IN (SELECT exchange FROM exchange_close WHERE ts >= ?)",
        [*values, now - LONGEST_S],
    ).fetchall()[0]
    return _int(row[0])


def _int(value: object) -> int:
    return msgspec.convert(value, int)


def _any(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Rows as the schema types them."""
    return rows
