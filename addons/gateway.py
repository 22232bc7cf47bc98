"""The gateway listener: a path chooses a route, a route chooses the upstream; the client never chooses a host.

Rules: what comes in on the gateway leaves for the route's target or is answered here; host, port and scheme of the
client's request line play no part; reserved paths never reach an upstream; with `credential: none` the client's keys
are stripped.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mitmproxy import http

from addons.answers import refuse
from addons.upstream import PLAN, Target, TargetPlan
from addons.worker import LISTENER, ROUTE, Worker
from appliance.config.schema import RouteEntry
from appliance.model.names import CredentialMode, RefusalReason
from appliance.route.credentials import strip_headers, strip_query
from appliance.route.routes import Mapped, PathKind, map_path
from appliance.route.targets import parse_target

RETRY_STATUSES = frozenset({500, 502, 503, 504, 529})
DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Way:
    """A route, ready to use."""

    targets: tuple[Target, ...]
    strip: bool


def ways(routes: Mapping[str, RouteEntry]) -> dict[str, Way]:
    """The configured routes with parsed targets."""
    made = {}
    for name, entry in routes.items():
        parsed = (parse_target(text) for text in (entry.target, *entry.fallbacks))
        targets = tuple(Target(target.host, target.port, target.scheme) for target in parsed)
        made[name] = Way(targets, strip=entry.credential != CredentialMode.CLIENT.value)
    return made


class GatewayAddon:
    """First in the chain for gateway flows: gives them a destination."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._ways = ways(worker.config.gateway.routes)
        self._default = worker.config.gateway.default_route

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Map the path; answer what is reserved, unknown or malformed."""
        if flow.response or flow.error or flow.metadata.get(LISTENER) != "gateway":
            return
        mapped = map_path(flow.request.path, self._ways, self._default)
        if mapped.kind is PathKind.ROUTE:
            self._send(flow, mapped)
        elif mapped.kind is PathKind.OWN and mapped.route == "healthz":
            flow.response = http.Response.make(200, b'{"status":"ok"}\n', {"content-type": "application/json"})
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
        if way.strip:
            request.headers = http.Headers(strip_headers(request.headers.fields))
            request.path = strip_query(request.path)
        if len(way.targets) > 1:
            flow.metadata[PLAN] = TargetPlan(way.targets, RETRY_STATUSES)

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
