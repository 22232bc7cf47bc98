"""Exchanges of which two records are here: an edge's, and this appliance's own of what the edge has handed over. Pure.

Rules: the edge's record stays, for it proves what was asked there and what the edge made of it, and both name one
exchange (`edge:` in this appliance's record); but sums, findings and counters go by this appliance's alone, so that
nothing is counted twice. Of what an edge has turned away itself there is one record, and it counts.
"""

from typing import Final

from appliance.model.event import Event, ExchangeOpened
from appliance.store.wire import peer_of_producer

CENTRAL: Final = "central:"  # begins the edit by which an edge tells whom it has handed an exchange to


def is_handed(event: Event) -> bool:
    """Whether another record here tells of the same exchange. The event under the names that it has in this store."""
    return (
        isinstance(event, ExchangeOpened)
        and peer_of_producer(event.worker) is not None
        and any(edit.startswith(CENTRAL) for edit in event.edits)
    )
