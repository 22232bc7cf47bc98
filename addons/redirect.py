"""Redirects: an exchange that policy sends to a route of the gateway instead of to where the client asked.

Rules: what appliance/route/redirection.py refuses is turned away with its reason: a redirect never becomes a pass. The
client's credentials go along only where the route says `client` and its service has the owner that the client asked;
with `held:NAME` the route's own key goes instead; nothing else of the request changes but its destination, and what its
path begins with where the other service has its calls elsewhere. The answer tells the route in a header of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from mitmproxy import http

from addons.gateway import RETRY_STATUSES
from addons.keys import Sender
from addons.upstream import PLAN, Target, TargetPlan
from appliance.config.schema import RouteEntry
from appliance.model.catalogue import Catalogue, Service
from appliance.model.facts import Facts, Verdict
from appliance.model.names import CredentialMode, Disposition
from appliance.policy.engine import Policy
from appliance.route.held import PREFIX
from appliance.route.native import native_path
from appliance.route.redirection import Sends, key_missing, sends, why_not, why_not_request
from appliance.route.targets import parse_target

ROUTE_HEADER = "x-gnomon-route"
NOT_ALLOWED = 403
NOT_NOW = 503


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why an exchange cannot be moved, and the status that says so."""

    reason: str
    status: int = NOT_ALLOWED


@dataclass(frozen=True, slots=True)
class Move:
    """Where an exchange goes instead. `strip`: without the client's credentials. `credential`: the route's.

    `path`: the request target there, where it is another one.
    """

    route: str
    service: Service
    targets: tuple[Target, ...]
    strip: bool
    credential: str = CredentialMode.CLIENT.value
    path: str | None = None

    @property
    def edits(self) -> tuple[str, ...]:
        """The change in the words of the open record."""
        moved = (f"route:{self.route}", *(("path",) if self.path is not None else ()))
        if not self.strip:
            return moved
        held = (self.credential,) if self.credential.startswith(PREFIX) else ()
        return (*moved, "credentials_stripped", *held)

    def apply(self, flow: http.HTTPFlow, sender: Sender) -> None:
        """Give the flow its new destination, and its new key."""
        if self.path is not None:
            flow.request.path = self.path
        if self.strip:
            sender.send(flow.request, self.service, self.credential)
        flow.metadata[PLAN] = TargetPlan(self.targets, RETRY_STATUSES)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is to be moved. `api`: the dialect that its body was read as."""

    service: Service
    api: str | None
    method: str
    path: str


class Redirects:
    """The routes that policy may send exchanges to."""

    def __init__(self, routes: Mapping[str, RouteEntry], catalogue: Catalogue, sender: Sender) -> None:
        self._routes = routes
        self._catalogue = catalogue
        self._sender = sender

    def move(self, route: str | None, asked: Asked) -> Move | Stuck:
        """The way to `route`, or why it cannot be taken."""
        name, service, held = route or "", asked.service, self._sender.held
        reason = why_not(service, name, self._routes, self._catalogue, held)
        reason = reason or why_not_request(service, asked.api, asked.method, asked.path)
        if reason is not None:
            entry = self._routes.get(name)
            lacks_key = entry is not None and reason == key_missing(name, entry, held)
            return Stuck(reason, NOT_NOW if lacks_key else NOT_ALLOWED)
        entry = self._routes[name]
        parsed = (parse_target(text) for text in (entry.target, *entry.fallbacks))
        targets = tuple(Target(target.host, target.port, target.scheme) for target in parsed)
        strip = sends(service, entry, self._catalogue) is not Sends.CLIENT
        there = self._catalogue.services[entry.service]
        path = native_path(service, there, asked.path)
        return Move(name, there, targets, strip, entry.credential, path if path != asked.path else None)


def by_both_services(
    policy: Policy, move: Move, facts: Facts, verdict: Verdict, now: float
) -> tuple[Move | Stuck, Verdict]:
    """The move or why it cannot be taken, and the verdict with all that is to be hidden.

    A redirect is no way round the rules for where it leads: what may not go to that service does not go there, and what
    is hidden from it is hidden.
    """
    service = move.service
    if service.id == facts.service:
        return move, verdict
    there = policy.judge(_as_asked_of(service, move, facts), now)
    if there.effective in (Disposition.BLOCK, Disposition.HOLD):
        why = there.reason or "by your organisation's policy"
        return Stuck(f"route {move.route} leads to {service.name}, which is not allowed here: {why}"), verdict
    entities = tuple(dict.fromkeys((*verdict.entities, *there.entities)))
    kinds = tuple(dict.fromkeys((*verdict.kinds, *there.kinds)))
    here = tuple(dict.fromkeys((*verdict.hides, *there.hides)))
    hides = tuple(dict.fromkeys((*verdict.answer_hides, *there.answer_hides)))
    ends = tuple(dict.fromkeys((*verdict.answer_ends, *there.answer_ends)))
    both = msgspec.structs.replace(verdict, entities=entities, kinds=kinds, hides=here)
    return move, msgspec.structs.replace(both, answer_hides=hides, answer_ends=ends)


def _as_asked_of(service: Service, move: Move, facts: Facts) -> Facts:
    """The same call as if its caller had made it by that route."""
    first = move.targets[0]
    other = {"service": service.id, "category": service.category, "surface": service.surface}
    return msgspec.structs.replace(
        facts, **other, listener="gateway", route=move.route, host=first.host, port=first.port
    )
