"""Redirects: an exchange that policy sends to a route of the gateway instead of to where the client asked.

Rules: the route must be configured and its service must speak the dialect of the exchange, otherwise the request is
turned away: a redirect never becomes a pass. The client's credentials go along only where the route says `client` and
its service has the owner that the client asked; nothing else of the request changes but its destination. The answer
tells the route in a header of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mitmproxy import http

from addons.gateway import RETRY_STATUSES
from addons.upstream import PLAN, Target, TargetPlan
from appliance.config.schema import RouteEntry
from appliance.model.catalogue import Catalogue, Service
from appliance.model.names import CredentialMode
from appliance.route.credentials import strip_headers, strip_query
from appliance.route.targets import parse_target

ROUTE_HEADER = "x-gnomon-route"


@dataclass(frozen=True, slots=True)
class Move:
    """Where an exchange goes instead. `strip`: without the client's credentials."""

    route: str
    targets: tuple[Target, ...]
    strip: bool

    @property
    def edits(self) -> tuple[str, ...]:
        """The change in the words of the open record."""
        return (f"route:{self.route}", "credentials_stripped") if self.strip else (f"route:{self.route}",)

    def apply(self, flow: http.HTTPFlow) -> None:
        """Give the flow its new destination."""
        if self.strip:
            flow.request.headers = http.Headers(strip_headers(flow.request.headers.fields))
            flow.request.path = strip_query(flow.request.path)
        flow.metadata[PLAN] = TargetPlan(self.targets, RETRY_STATUSES)


class Redirects:
    """The routes that policy may send exchanges to."""

    def __init__(self, routes: Mapping[str, RouteEntry], catalogue: Catalogue) -> None:
        self._routes = routes
        self._catalogue = catalogue

    def move(self, route: str | None, asked: Service, api: str | None) -> Move | str:
        """The way to `route`, or why it cannot be taken. `asked`: the service of the request, `api`: its dialect."""
        entry = self._routes.get(route or "")
        if entry is None or route is None:
            return "the route of the redirect is not configured"
        service = self._catalogue.services.get(entry.service)
        dialect = api or asked.dialect
        if service is None or dialect is None or service.dialect != dialect:
            return f"route {route} does not speak the dialect of the request"
        parsed = (parse_target(text) for text in (entry.target, *entry.fallbacks))
        targets = tuple(Target(target.host, target.port, target.scheme) for target in parsed)
        keeps = entry.credential == CredentialMode.CLIENT.value and service.owner == asked.owner
        return Move(route, targets, strip=not keeps)
