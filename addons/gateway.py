"""The gateway listener: a path chooses a route, a route chooses the upstream; the client never chooses a host.

Rules: what comes in on the gateway leaves for the route's target or is answered here; host, port and scheme of the
client's request line play no part; reserved paths never reach an upstream; with `credential: none` and `held:NAME` the
client's keys are stripped, and a held key that is not there refuses the request.
"""

from collections.abc import Callable

from mitmproxy import http

from addons.answers import answer, refuse
from addons.keys import Sender
from addons.routing import Leg, Routing, Wanted
from addons.upstream import PLAN
from addons.worker import LISTENER, ROUTE, Worker
from appliance.config.route_schema import credentials_of
from appliance.config.schema import Config
from appliance.model.names import CredentialMode, RefusalReason
from appliance.route.native import at_home
from appliance.route.routes import PORTAL, Mapped, PathKind, map_path


def keeps_callers_keys(config: Config) -> Callable[[str], bool]:
    """Whether the route behind a request target has a key of its own, or none, so that the caller's goes no further."""
    gateway, client = config.gateway, CredentialMode.CLIENT.value
    asking = {name for name, route in gateway.routes.items() if client in credentials_of(route, config.providers)}

    def keeps(target: str) -> bool:
        mapped = map_path(target, gateway.routes, gateway.default_route)
        return mapped.kind is PathKind.ROUTE and mapped.route not in asking

    return keeps


class GatewayAddon:
    """First in the chain for gateway flows: gives them a destination."""

    def __init__(self, worker: Worker, sender: Sender, routing: Routing) -> None:
        self._worker = worker
        self._sender = sender
        self._routing = routing
        self._routes = worker.config.gateway.routes
        self._default = worker.config.gateway.default_route

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Map the path; answer what is reserved, unknown or malformed."""
        if flow.response or flow.error or flow.metadata.get(LISTENER) != "gateway":
            return
        mapped = map_path(flow.request.path, self._routes, self._default)
        if mapped.kind is PathKind.ROUTE:
            self._send(flow, mapped)
        elif mapped.kind is PathKind.OWN and mapped.path.startswith(PORTAL):
            return  # addons/portal.py answers
        elif mapped.kind is PathKind.OWN and mapped.route == "healthz":
            answer(flow, 200, b'{"status":"ok"}\n', {"content-type": "application/json"})
        else:
            self._unknown(flow, mapped.kind)

    def _send(self, flow: http.HTTPFlow, mapped: Mapped) -> None:
        routing, route = self._routing, mapped.route
        legs = routing.usable(route)
        first = legs[0] if legs else routing.legs(route)[0]
        flow.metadata[ROUTE] = route
        request, target = flow.request, first.target
        request.scheme, request.host, request.port = target.scheme, target.host, target.port
        request.path = at_home(first.service, mapped.path)
        request.host_header = target.authority
        if (reason := self._sender.missing(first.credential)) is not None:
            self._without_key(flow, first, reason)
            return
        if not routing.plain(legs) or len(routing.legs(route)) > 1:
            # Leading plans anew once it is known what is asked; this holds for what passes without that.
            wanted = Wanted(first.service, first.service.owner, flow.id)
            flow.metadata[PLAN] = routing.plan(route, legs, wanted)[0]
        if not routing.wants_callers_key(route):
            self._sender.send(request, first.service, first.credential)

    def _without_key(self, flow: http.HTTPFlow, leg: Leg, reason: str) -> None:
        worker, target = self._worker, leg.target
        code = RefusalReason.CREDENTIAL_MISSING
        detail = f"route {flow.metadata[ROUTE]}: {leg.credential}"
        worker.telemetry.refused(
            code, worker.principal(flow), target.host, target.port, detail=detail, listener="gateway"
        )
        refuse(flow, 503, code.value, f"Not sent: {reason}.")

    def _unknown(self, flow: http.HTTPFlow, kind: PathKind) -> None:
        status = 400 if kind is PathKind.MALFORMED else 404
        refuse(flow, status, "unknown_route", f"No route serves that path. Routes: {', '.join(sorted(self._routes))}.")
        worker = self._worker
        worker.telemetry.refused(
            RefusalReason.UNKNOWN_ROUTE,
            worker.principal(flow),
            "",
            0,
            detail=worker.inspector.heads.path(flow.request.path)[:100],
            listener="gateway",
        )
