"""Which counters an exchange touches, and what history says they stand at. Pure.

Rules: a request counts when its exchange opens and stays counted unless its close says that nothing was used: refused,
failed closed, or lost with its worker, whose reservation is refunded in the same way.
"""

from collections.abc import Iterable

import msgspec

from appliance.ledger.booking import Need
from appliance.ledger.budgets import Budgets
from appliance.ledger.table import CounterKey
from appliance.ledger.windows import Window
from appliance.model.facts import Facts
from appliance.model.names import Outcome

UNUSED = frozenset({Outcome.BLOCKED, Outcome.FAILED_CLOSED, Outcome.LOST})


class Used(msgspec.Struct, frozen=True):
    """Requests that count, of one kind, and what they took since a window began."""

    department: str | None
    principal: str
    service: str | None
    requests: int
    model: str | None = None
    key: str | None = None
    groups: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    micros: int = 0

    @property
    def facts(self) -> Facts:
        """As budgets see them."""
        return Facts(
            principal=self.principal,
            client="",
            department=self.department,
            service=self.service,
            model=self.model,
            virtual_key=self.key,
            groups=self.groups,
            tools_declared=self.tools,
            host="",
            port=0,
            method="",
            path="",
        )

    @property
    def need(self) -> Need:
        """What they took; nothing of it runs any more."""
        return Need(self.requests, self.input_tokens, self.output_tokens, self.micros)


def request_keys(facts: Facts) -> tuple[CounterKey, ...]:
    """Requests per day of the organisation, the department, the user and the service; counted, not limited."""
    return _keys(facts.department, facts.principal, facts.service)


def tally(history: Iterable[Used], window: Window, budgets: Budgets | None = None) -> dict[CounterKey, int]:
    """What the counters of one window stand at, as they would have been counted."""
    totals: dict[CounterKey, int] = {}
    for used in history:
        told = [(key, used.requests) for key in _keys(used.department, used.principal, used.service)]
        claims = budgets.claims(used.facts) if budgets is not None else []
        told += [(claim.key, used.need.of(claim.budget.what)) for claim in claims]
        for key, amount in told:
            if key.window is window and amount:
                totals[key] = totals.get(key, 0) + amount
    return totals


def _keys(department: str | None, principal: str, service: str | None) -> tuple[CounterKey, ...]:
    levels = (("organisation", ""), ("department", department), ("user", principal), ("service", service))
    return tuple(CounterKey(level, subject, Window.DAY) for level, subject in levels if subject is not None)
