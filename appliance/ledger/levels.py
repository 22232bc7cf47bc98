"""Which counters an exchange touches, and what history says they stand at. Pure.

Rules: a request counts when its exchange opens and stays counted unless its close says that nothing was used: refused,
failed closed, or lost with its worker, whose reservation is refunded in the same way.
"""

from collections.abc import Iterable

import msgspec

from appliance.ledger.layout import Window
from appliance.ledger.table import CounterKey
from appliance.model.facts import Facts
from appliance.model.names import Outcome

UNUSED = frozenset({Outcome.BLOCKED, Outcome.FAILED_CLOSED, Outcome.LOST})


class Used(msgspec.Struct, frozen=True):
    """Requests that count, of one person, department and service, since the windows began."""

    department: str | None
    principal: str
    service: str | None
    requests: int


def request_keys(facts: Facts) -> tuple[CounterKey, ...]:
    """Requests per day of the organisation, the department, the user and the service; counted, not limited."""
    return _keys(facts.department, facts.principal, facts.service)


def tally(history: Iterable[Used]) -> dict[CounterKey, int]:
    """Requests per counter, as `request_keys` would have counted them."""
    totals: dict[CounterKey, int] = {}
    for used in history:
        for key in _keys(used.department, used.principal, used.service):
            totals[key] = totals.get(key, 0) + used.requests
    return totals


def _keys(department: str | None, principal: str, service: str | None) -> tuple[CounterKey, ...]:
    levels = (("organisation", ""), ("department", department), ("user", principal), ("service", service))
    return tuple(CounterKey(level, subject, Window.DAY) for level, subject in levels if subject is not None)
