"""How the targets of routes are, as this worker has seen it: for whoever looks at the appliance.

Rules: read only; times are told as epoch seconds, whole ones, so that what has not changed is not told anew.
"""

from collections.abc import Callable, Iterable
from typing import Literal

from addons.routing import Leg, Routing
from appliance.bus.control import MAX_TARGETS, TargetHealth
from appliance.route.targets import Target as Place


def target_health(routing: Routing, routes: Iterable[str], clock: Callable[[], float]) -> tuple[TargetHealth, ...]:
    """Every target of `routes` in their order, at most `MAX_TARGETS`. `clock`: epoch seconds."""
    now, wall = routing.clock(), clock()
    found = [(route, leg) for route in routes for leg in routing.legs(route)]
    return tuple(_health(routing, route, leg, now, wall) for route, leg in found[:MAX_TARGETS])


def _health(routing: Routing, route: str, leg: Leg, now: float, wall: float) -> TargetHealth:
    breaker, target = routing.breakers[leg.name], leg.target
    wait = breaker.left_alone(now)
    scheme: Literal["https", "http"] = "https" if target.scheme == "https" else "http"
    return TargetHealth(
        route=route[:200],
        service=leg.service.id[:200],
        target=str(Place(scheme, target.host, target.port))[:300],
        provider=target.name[:200],
        state=breaker.state(now).value,
        faults=breaker.faults,
        until=round(wall + wait) if wait else 0,
        probed=breaker.probed,
        key=routing.sender.missing(leg.credential) is None,
    )
