"""What the seam or a fault turned away, and the sums of plain tunnels: from the hooks into the journal.

Rules: the record is written before the answer; each refusal is told once, by the seam, whatever asked for the dial.
"""

from collections.abc import Callable

from mitmproxy import connection, http

from addons.ongoing import exchange_of
from addons.upstream import Refusal, TunnelClosed
from addons.worker import Worker
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason


class RefusalsAddon:
    """Hooks that belong to no exchange. `who`: whom a connection belongs to, as far as it is known."""

    def __init__(self, worker: Worker, who: Callable[[connection.Client], Principal]) -> None:
        self._worker = worker
        self._who = who

    def refused(self, refusal: Refusal) -> None:
        """The seam is about to answer with an error, or to close."""
        self._worker.telemetry.refused(
            refusal.reason,
            self._who(refusal.client),
            refusal.host,
            refusal.port,
            detail=refusal.detail,
            listener=refusal.listener,
        )

    def tunnel_closed(self, tunnel: TunnelClosed) -> None:
        """A plain tunnel has ended: only its bytes are counted."""
        self._worker.telemetry.tunnelled(tunnel.bytes_up, tunnel.bytes_down)


def turned_away(worker: Worker, flow: http.HTTPFlow) -> None:
    """A fault of ours has closed a request. One that is on record already gets its end there."""
    exchange = exchange_of(flow)
    if exchange is not None and exchange.opened:
        return
    worker.telemetry.refused(
        RefusalReason.INTERNAL_FAULT,
        worker.principal(flow),
        worker.named_host(flow),
        flow.request.port,
        detail="not inspected",
        listener=worker.listener(flow),
    )


def stranger(client: connection.Client) -> Principal:
    """A peer of whom nothing but the address is known."""
    return Principal(name="anonymous", address=str(client.peername[0]))
