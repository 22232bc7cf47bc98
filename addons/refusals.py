"""What the seam turned away, and the sums of plain tunnels: from its hooks into the journal.

Rules: the record is written before the answer; a private address that was refused is a refusal, not only an error.
"""

from mitmproxy import connection, http

from addons.upstream import FAILURE, Failure, FailureKind, Refusal, TunnelClosed
from addons.worker import Worker
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason


class RefusalsAddon:
    """Hooks that belong to no exchange."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def refused(self, refusal: Refusal) -> None:
        """The seam is about to answer with an error, or to close."""
        self._worker.telemetry.refused(
            refusal.reason,
            stranger(refusal.client),
            refusal.host,
            refusal.port,
            detail=refusal.detail,
            listener=refusal.listener,
        )

    def tunnel_closed(self, tunnel: TunnelClosed) -> None:
        """A plain tunnel has ended: only its bytes are counted."""
        self._worker.telemetry.tunnelled(tunnel.bytes_up, tunnel.bytes_down)

    def error(self, flow: http.HTTPFlow) -> None:
        """A dial that was refused for its address."""
        failure = flow.metadata.get(FAILURE)
        if isinstance(failure, Failure) and failure.kind is FailureKind.PRIVATE_ADDRESS:
            self._worker.telemetry.refused(
                RefusalReason.PRIVATE_ADDRESS,
                self._worker.principal(flow),
                flow.request.host,
                flow.request.port,
                detail=failure.message,
                listener=self._worker.listener(flow),
            )


def stranger(client: connection.Client) -> Principal:
    """A peer of whom nothing but the address is known."""
    return Principal(name="anonymous", address=str(client.peername[0]))
