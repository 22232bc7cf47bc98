"""A central appliance's door for edges: who asks is what a configured edge has signed; and headers of one hop.

Rules: first of all addons that look at requests; the header is taken off every request on every listener, and believed
on the listener for edges only; a request there without one that holds is refused and recorded; what an edge sends is
judged like any other request, as its client asked it: by the proxy or by the gateway; what this appliance does not know
as an AI service is not passed on for an edge. No header `x-gnomon-...` goes on to anybody (`HopHeadersAddon`, behind
identity).
"""

from collections.abc import Sequence

from cryptography.hazmat.primitives.serialization import Encoding
from mitmproxy import http

from addons.answers import refuse
from addons.identity import PRINCIPAL
from addons.upstream import LISTENER, PEER
from addons.worker import Worker
from appliance.identity.asserted import HEADER
from appliance.identity.edges import Edges, NotSaid, Said
from appliance.identity.shown import without_ours
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason

EDGE = "gnomon.edge"  # flow.metadata: the words of the open record for whom it came from: edge:NAME:EXCHANGE
PREFIX = b"x-gnomon-"
REFUSED = "Not forwarded: this appliance does not accept what the edge says about the request."
UNKNOWN = "Not forwarded: the central appliance does not know an AI service there."

type Fields = Sequence[tuple[bytes, bytes]]


class EdgesAddon:
    """`edges`: whom to believe; None: nobody, as there is no such listener."""

    def __init__(self, worker: Worker, edges: Edges | None) -> None:
        self._worker = worker
        self._edges = edges

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Take the header off; on the listener for edges, give the flow its principal and its destination."""
        values = _taken(flow.request)
        if flow.metadata.get(LISTENER) != PEER or flow.response or flow.error:
            return
        request, clock = flow.request, self._worker.telemetry.clock
        found: Said | NotSaid = NotSaid("no edge is configured here")
        if self._edges is not None:
            found = self._edges.judge(_certificate(flow), values, request.data.method, request.data.path, clock())
        request.headers = http.Headers(without_ours(request.headers.fields))
        if isinstance(found, NotSaid):
            self._refuse(flow, RefusalReason.IDENTITY_FAILED, 403, REFUSED, found.why)
            return
        flow.metadata[EDGE] = f"edge:{found.edge}:{found.exchange}"
        flow.metadata[PRINCIPAL], flow.metadata[LISTENER] = found.principal, found.way
        if found.way == "gateway":
            return
        # Not by the properties: Host stays what the client wrote, so that it can be held against the destination.
        data = request.data
        data.scheme, data.host, data.port = found.scheme.encode(), found.host, found.port
        if self._worker.catalogue.match(found.host) is None:
            why = f"{found.edge}: {found.host} is no AI service by the catalogue here; bring both to one release"
            self._refuse(flow, RefusalReason.UNKNOWN_ROUTE, 421, UNKNOWN, why)

    def _refuse(self, flow: http.HTTPFlow, reason: RefusalReason, status: int, message: str, why: str) -> None:
        worker, request = self._worker, flow.request
        known = flow.metadata.get(PRINCIPAL)
        principal = known if isinstance(known, Principal) else Principal("anonymous", str(flow.client_conn.peername[0]))
        worker.telemetry.refused(reason, principal, request.host, request.port, detail=why, listener=PEER)
        refuse(flow, status, reason.value, message)


class HopHeadersAddon:
    """Behind identity, which reads some of them."""

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Take off what is meant for an appliance."""
        fields = flow.request.headers.fields
        if any(name[: len(PREFIX)].lower() == PREFIX for name, _ in fields):
            flow.request.headers = http.Headers(without_hop_headers(fields))


def without_hop_headers(fields: Fields) -> tuple[tuple[bytes, bytes], ...]:
    """The headers without those that are meant for an appliance."""
    return tuple(field for field in fields if field[0][: len(PREFIX)].lower() != PREFIX)


def edge_edit(flow: http.HTTPFlow) -> tuple[str, ...]:
    """In the words of the open record, from which edge it came and which exchange it is there."""
    edge = flow.metadata.get(EDGE)
    return (edge,) if isinstance(edge, str) else ()


def _taken(request: http.Request) -> tuple[bytes, ...]:
    fields = request.headers.fields
    values = tuple(value for name, value in fields if name.lower() == HEADER)
    if values:
        request.headers = http.Headers(field for field in fields if field[0].lower() != HEADER)
    return values


def _certificate(flow: http.HTTPFlow) -> bytes | None:
    """DER of what TLS has verified."""
    shown = flow.client_conn.certificate_list
    return shown[0].to_cryptography().public_bytes(Encoding.DER) if shown else None
