"""The gateway listener: a path chooses a route, a route chooses the upstream; the client never chooses a host.

Rules: what comes in on the gateway leaves for the route's target or is answered here; host, port and scheme of the
client's request line play no part; reserved paths never reach an upstream; with `credential: none` and `held:NAME` the
client's keys are stripped, and a held key that is not there refuses the request.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mitmproxy import http

from addons.answers import answer, refuse
from addons.keys import Sender
from addons.upstream import PLAN, Target, TargetPlan
from addons.worker import LISTENER, ROUTE, Worker
from appliance.config.schema import RouteEntry
from appliance.model.catalogue import Catalogue, Service
from appliance.model.names import CredentialMode, RefusalReason
from appliance.route.routes import PORTAL, Mapped, PathKind, map_path
from appliance.route.targets import parse_target

RETRY_STATUSES = frozenset({500, 502, 503, 504, 529})
DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Way:
    """A route, ready to use."""

    targets: tuple[Target, ...]
    service: Service
    credential: str


def ways(routes: Mapping[str, RouteEntry], catalogue: Catalogue) -> dict[str, Way]:
    """The configured routes with parsed targets."""
    made = {}
    for name, entry in routes.items():
        parsed = (parse_target(text) for text in (entry.target, *entry.fallbacks))
        targets = tuple(Target(target.host, target.port, target.scheme) for target in parsed)
        made[name] = Way(targets, catalogue.services[entry.service], entry.credential)
    return made


class GatewayAddon:
    """First in the chain for gateway flows: gives them a destination."""

    def __init__(self, worker: Worker, sender: Sender) -> None:
        self._worker = worker
        self._sender = sender
        self._ways = ways(worker.config.gateway.routes, worker.catalogue)
        self._default = worker.config.gateway.default_route

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Map the path; answer what is reserved, unknown or malformed."""
        if flow.response or flow.error or flow.metadata.get(LISTENER) != "gateway":
            return
        mapped = map_path(flow.request.path, self._ways, self._default)
        if mapped.kind is PathKind.ROUTE:
            self._send(flow, mapped)
        elif mapped.kind is PathKind.OWN and mapped.path.startswith(PORTAL):
            return  # addons/portal.py answers
        elif mapped.kind is PathKind.OWN and mapped.route == "healthz":
            answer(flow, 200, b'{"status":"ok"}\n', {"content-type": "application/json"})
        else:
            self._unknown(flow, mapped.kind)

    def _send(self, flow: http.HTTPFlow, mapped: Mapped) -> None:
        way = self._ways[mapped.route]
        target = way.targets[0]
        flow.metadata[ROUTE] = mapped.route
        request = flow.request
        request.scheme, request.host, request.port, request.path = target.scheme, target.host, target.port, mapped.path
        default = DEFAULT_PORTS.get(target.scheme) == target.port
        request.host_header = target.host if default else f"{target.host}:{target.port}"
        if len(way.targets) > 1:
            flow.metadata[PLAN] = TargetPlan(way.targets, RETRY_STATUSES)
        if (reason := self._sender.missing(way.credential)) is not None:
            self._without_key(flow, way, reason)
        elif way.credential != CredentialMode.CLIENT.value:
            self._sender.send(request, way.service, way.credential)

    def _without_key(self, flow: http.HTTPFlow, way: Way, reason: str) -> None:
        worker, target = self._worker, way.targets[0]
        code = RefusalReason.CREDENTIAL_MISSING
        detail = f"route {flow.metadata[ROUTE]}: {way.credential}"
        worker.telemetry.refused(
            code, worker.principal(flow), target.host, target.port, detail=detail, listener="gateway"
        )
        refuse(flow, 503, code.value, f"Not sent: {reason}.")

    def _unknown(self, flow: http.HTTPFlow, kind: PathKind) -> None:
        status = 400 if kind is PathKind.MALFORMED else 404
        refuse(flow, status, "unknown_route", f"No route serves that path. Routes: {', '.join(sorted(self._ways))}.")
        worker = self._worker
        worker.telemetry.refused(
            RefusalReason.UNKNOWN_ROUTE,
            worker.principal(flow),
            "",
            0,
            detail=worker.inspector.heads.path(flow.request.path)[:100],
            listener="gateway",
        )
