"""Whether a service's calls can be redirected to a route: one owner of the rule, for decisions and for requests.

Rules: pure; the answer is words for a person, or None where nothing stands in the way. A redirect leads to a route of
the gateway whose service speaks the same dialect, or one that calls can be carried over to; what cannot be followed is
refused and never passes. The client's credentials stay with the owner that it asked: `sends` tells whose key goes.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Protocol

from appliance.model.catalogue import Catalogue, Service
from appliance.model.names import CredentialMode, Surface
from appliance.route.carrying import alike, carries, takes
from appliance.route.held import held_name
from appliance.route.native import names_deployment, reads

PORTAL_ROUTE = "portal"  # where redirects of pages lead: the notice, and from there the site's own chat


class Route(Protocol):
    """A gateway route, as far as a redirect asks (appliance.config.schema.RouteEntry)."""

    @property
    def service(self) -> str:
        """Catalogue id of what is behind it."""

    @property
    def credential(self) -> str:
        """client, none, or held:NAME."""


class Sends(StrEnum):
    """Whose key goes along with a redirected request."""

    CLIENT = "client"  # the client's own: the owner stays the same
    HELD = "held"  # the route's
    NOTHING = "nothing"


def why_not(
    service: Service | None,
    route: str,
    routes: Mapping[str, Route],
    catalogue: Catalogue,
    held: Collection[str],
    *,
    portal: bool = False,
) -> str | None:
    """Why calls of `service` cannot be redirected to `route`; None: they can.

    `service` None: the catalogue does not know it. `held`: names of the held credentials that are there. `portal`:
    people are sent to an approved portal from pages.
    """
    if route == PORTAL_ROUTE and service is not None:
        return _portal_fault(service, portal=portal)
    entry = routes.get(route)
    if not route or entry is None:
        return f"route {route or '(none)'} is not configured; routes: {', '.join(sorted(routes)) or 'none'}"
    if service is None:
        return "the catalogue does not know this service: its calls are not governed and cannot be redirected"
    if service.surface not in (Surface.API, Surface.AGENT):
        way = f"{service.name} is used by way of {service.surface}"
        return f"{way}: pages cannot be redirected to a route; redirect to portal, coach or block it"
    if service.dialect is None:
        return f"the calls of {service.name} are in no dialect that can be redirected; coach or block it"
    return _route_fault(service, route, entry, catalogue) or key_missing(route, entry, held)


def _portal_fault(service: Service, *, portal: bool) -> str | None:
    if service.surface in (Surface.API, Surface.AGENT):
        return f"{service.name} is used by programs, which read no portal: name a route of the gateway"
    return None if portal else "there is no approved portal; set portal.approved, or coach or block"


def _route_fault(service: Service, route: str, entry: Route, catalogue: Catalogue) -> str | None:
    there = catalogue.services.get(entry.service)
    if there is None:
        return f"route {route} leads to {entry.service}, which the catalogue does not know"
    if not alike((service, there)):
        spoken = there.dialect or "no dialect that can be redirected to"
        told = f"route {route} speaks {spoken}, {service.name} speaks the dialect {service.dialect}"
        return f"{told}, and nothing is carried over between these"
    return None


def key_missing(route: str, entry: Route, held: Collection[str]) -> str | None:
    """Why the route's own key cannot be sent; None: it can, or the route has none."""
    if not entry.credential.startswith(CredentialMode.HELD.value):
        return None
    name = held_name(entry.credential)
    if name is not None and name in held:
        return None
    told = name or "(not a name)"
    mend = f"run: gnomon credential set {told}, then gnomon reload"
    return f"route {route} needs the held credential {told}, which is not there; {mend}"


def sends(service: Service, entry: Route, catalogue: Catalogue) -> Sends:
    """Whose key goes along when calls of `service` are redirected to `entry`."""
    if held_name(entry.credential) is not None:
        return Sends.HELD
    there = catalogue.services.get(entry.service)
    same_owner = there is not None and there.owner == service.owner
    return Sends.CLIENT if same_owner and entry.credential == CredentialMode.CLIENT.value else Sends.NOTHING


def caution(service: Service, route: str, routes: Mapping[str, Route], catalogue: Catalogue) -> str | None:
    """What an analyst should know of a redirect that is possible; None: nothing."""
    entry = routes.get(route)
    if entry is None or sends(service, entry, catalogue) is not Sends.NOTHING:
        return None
    return f"route {route} sends no key: the clients' own stay here; give it credential held:NAME where it needs one"


def why_not_request(
    service: Service, api: str | None, method: str, path: str, there: Service | None = None
) -> str | None:
    """Why one request cannot follow although its service can. `api`: the dialect that its body was read as.

    `there`: who is behind the route; None: somebody like `service`.
    """
    goal = there or service
    if goal.id != service.id and names_deployment(path):
        return (
            f"the model of this request stands in its path, which {goal.name} does not read; use paths below /openai/v1"
        )
    if goal.dialect is None or takes(goal, api) or (method == "POST" and carries(api, goal)):
        return None
    bare, same = path.partition("?")[0], goal.dialect == service.dialect
    if same and api is None and method in ("GET", "HEAD") and bare in reads(service):
        return None
    if same:
        return f"only calls in the dialect {goal.dialect} can be redirected, and this request is none"
    return f"{api or 'this request'} cannot be carried over to {goal.name}, which speaks the dialect {goal.dialect}"


def carried_over(api: str | None, route: str, routes: Mapping[str, Route], catalogue: Catalogue) -> str | None:
    """What a redirect does to a call that it carries over to another dialect, in words; None: it stays as it is."""
    entry = routes.get(route)
    there = catalogue.services.get(entry.service) if entry is not None else None
    if there is None or not carries(api, there):
        return None
    return f"the call is carried over from the dialect {api} to {there.dialect}, and its answer back ({there.name})"
