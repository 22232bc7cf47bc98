"""What a caller may use instead of a service that policy turns away.

Rules: pure; only services of the same category that are approved for this caller or stand behind a route of the
gateway, and that policy does not deny the same caller; bounded, in the order of their names.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from appliance.model.catalogue import Service
from appliance.model.facts import Facts
from appliance.policy.engine import DENYING, Policy

MOST = 5


class Alternative(NamedTuple):
    """A service that may be used. `route`: the gateway's route to it, empty: as it is."""

    name: str
    route: str


def alternatives(policy: Policy, facts: Facts, routes: Mapping[str, str], now: float) -> tuple[Alternative, ...]:
    """Up to five. `facts`: of the request that was turned away; `routes`: the gateway's, name to service id."""
    behind = {service_id: route for route, service_id in sorted(routes.items(), reverse=True)}
    found = [
        Alternative(service.name, behind.get(service.id, ""))
        for service in policy.catalogue.services.values()
        if service.category == facts.category and service.id != facts.service
        if _allowed(policy, _as_of(facts, service), service, now, routed=service.id in behind)
    ]
    return tuple(sorted(found)[:MOST])


def _as_of(facts: Facts, service: Service) -> Facts:
    """The same caller at another service."""
    host = service.domains[0].removeprefix(".") if service.domains else ""
    changed = {"service": service.id, "category": service.category, "surface": service.surface, "host": host}
    return msgspec.structs.replace(facts, **changed, api=None, model=None, labels=(), coverage=None)


def _allowed(policy: Policy, facts: Facts, service: Service, now: float, *, routed: bool) -> bool:
    if not (routed or policy.approved(facts, now)):
        return False
    verdict = policy.destination(
        service,
        principal=facts.principal,
        client=facts.client,
        now=now,
        host=facts.host,
        groups=facts.groups,
        department=facts.department,
        assurance=facts.assurance,
        listener="gateway" if routed else facts.listener,
    )
    return verdict.disposition not in DENYING
