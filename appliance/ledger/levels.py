"""Which counters an exchange touches, and what history says they stand at. Pure.

Rules: a request counts when its exchange opens and stays counted unless its close says that nothing was used: refused,
failed closed, or lost with its worker, whose reservation is refunded in the same way.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from appliance.ledger.layout import LENGTH, Window
from appliance.ledger.table import CounterKey
from appliance.model.event import Event, ExchangeClosed, ExchangeOpened
from appliance.model.facts import Facts
from appliance.model.names import Outcome

type KeysFor = Callable[[Facts], Sequence[CounterKey]]

UNUSED = frozenset({Outcome.BLOCKED, Outcome.FAILED_CLOSED, Outcome.LOST})


def request_keys(facts: Facts) -> tuple[CounterKey, ...]:
    """Requests per day of the organisation, the department, the user and the service; counted, not limited."""
    levels = (
        ("organisation", ""),
        ("department", facts.department),
        ("user", facts.principal),
        ("service", facts.service),
    )
    return tuple(CounterKey(level, subject, Window.DAY) for level, subject in levels if subject is not None)


def tally(events: Iterable[Event], keys_for: KeysFor, now: float) -> dict[CounterKey, int]:
    """Requests per counter in the windows that run at `now`, from events in any order of producers."""
    totals: dict[CounterKey, int] = {}
    running: dict[str, list[CounterKey]] = {}
    for event in events:
        if isinstance(event, ExchangeOpened):
            running[event.exchange] = [
                msgspec.structs.replace(key, limit=None)
                for key in keys_for(event.facts)
                if event.ts // LENGTH[key.window] == now // LENGTH[key.window]
            ]
            _count(totals, running[event.exchange], 1)
        elif isinstance(event, ExchangeClosed):
            touched = running.pop(event.exchange, [])
            if event.outcome in UNUSED:
                _count(totals, touched, -1)
    return {key: count for key, count in totals.items() if count}


def _count(totals: dict[CounterKey, int], keys: list[CounterKey], amount: int) -> None:
    for key in keys:
        totals[key] = totals.get(key, 0) + amount
