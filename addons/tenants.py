"""Tenant restrictions on their way: headers by which a provider keeps other accounts out.

Rules: they go to a host of the provider that the catalogue or the restriction names, over TLS, in stage enforce, and
nowhere else; what the client sent under these names never goes along; the open record names the restriction.
"""

from mitmproxy import http

from addons.worker import ROUTE, Worker
from appliance.model.catalogue import Service
from appliance.model.names import Stage
from appliance.route.tenants import restricted

type Fields = list[tuple[bytes, bytes]]


def restriction(worker: Worker, flow: http.HTTPFlow, service: Service | None) -> tuple[str, Fields] | None:
    """The word and the headers for where a flow goes; None: there are none. `service`: by which it is governed."""
    if not worker.tenants or worker.stage is not Stage.ENFORCE or flow.request.scheme != "https":
        return None
    host = flow.request.host if ROUTE in flow.metadata else worker.named_host(flow)
    own = service is not None and worker.catalogue.match(host) is service
    return worker.tenants.headers(service.id if own and service else None, host)


def edit_of(worker: Worker, flow: http.HTTPFlow, service: Service) -> tuple[str, ...]:
    """The same in the words of the open record."""
    found = restriction(worker, flow, service)
    return (f"tenant:{found[0]}",) if found else ()


def restrict(worker: Worker, flow: http.HTTPFlow, service: Service | None) -> None:
    """Set the headers."""
    if found := restriction(worker, flow, service):
        flow.request.headers = http.Headers(restricted(flow.request.headers.fields, found[1]))
