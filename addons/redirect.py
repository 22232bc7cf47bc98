"""Redirects: an exchange that policy sends to a route of the gateway instead of to where the client asked.

Rules: what appliance/route/redirection.py refuses is turned away with its reason: a redirect never becomes a pass. The
client's credentials go along only where the route says `client` and its service has the owner that the client asked;
with `held:NAME` the route's own key goes instead; nothing else of the request changes but its destination, and what its
path begins with where the other service has its calls elsewhere. The answer tells the route in a header of ours.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec
from mitmproxy import http

from addons.keys import Sender
from addons.routing import RETRY_STATUSES, Leg, legs_of
from addons.upstream import PLAN, TargetPlan
from appliance.config.schema import ProviderEntry, RouteEntry
from appliance.model.catalogue import Catalogue, Service
from appliance.model.facts import Facts, Obligations, Verdict
from appliance.model.names import CredentialMode, Disposition
from appliance.policy.engine import Policy
from appliance.route.carrying import carries
from appliance.route.held import PREFIX
from appliance.route.native import native_path
from appliance.route.redirection import PORTAL_ROUTE, Sends, key_missing, sends, why_not, why_not_request

ROUTE_HEADER = "x-gnomon-route"
NOT_ALLOWED = 403
NOT_NOW = 503
# Nobody is sent to what they would have to read a lesson of first: where it is read, they were not.
_STOPS = frozenset({Disposition.BLOCK, Disposition.HOLD, Disposition.COACH})
_HIDING = frozenset({Disposition.REDACT, Disposition.PSEUDONYMISE})


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why an exchange cannot be moved, and the status that says so."""

    reason: str
    status: int = NOT_ALLOWED
    portal: str = ""  # where a person is sent instead
    code: str = ""  # for programs; empty: that of the verdict


@dataclass(frozen=True, slots=True)
class Move:
    """Where an exchange goes instead. `strip`: without the client's credentials. `credential`: the route's.

    `path`: the request target there, where it is another one.
    """

    route: str
    service: Service
    legs: tuple[Leg, ...]
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
        flow.metadata[PLAN] = TargetPlan(tuple(leg.target for leg in self.legs), RETRY_STATUSES)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is to be moved. `api`: the dialect that its body was read as."""

    service: Service
    api: str | None
    method: str
    path: str


class Redirects:
    """The routes that policy may send exchanges to."""

    def __init__(
        self,
        routes: Mapping[str, RouteEntry],
        catalogue: Catalogue,
        sender: Sender,
        providers: Mapping[str, ProviderEntry] = MappingProxyType({}),
        portal: str | None = None,
    ) -> None:
        self._portal = portal
        self._routes = routes
        self._legs = {name: legs_of(route, providers, catalogue) for name, route in routes.items()}
        self._catalogue = catalogue
        self._sender = sender

    def move(self, route: str | None, asked: Asked) -> Move | Stuck:
        """The way to `route`, or why it cannot be taken."""
        name, service, held = route or "", asked.service, self._sender.held
        reason = why_not(service, name, self._routes, self._catalogue, held, portal=bool(self._portal))
        if reason is None and name == PORTAL_ROUTE:
            return Stuck("", portal=self._portal or "")
        legs = tuple(leg for leg in self._legs.get(name, ()) if self._sender.missing(leg.credential) is None)
        faults = [why_not_request(service, asked.api, asked.method, asked.path, leg.service) for leg in legs]
        if reason is None and faults and None not in faults:
            reason = faults[0]
        if reason is not None:
            entry = self._routes.get(name)
            lacks_key = entry is not None and reason == key_missing(name, entry, held)
            return Stuck(reason, NOT_NOW if lacks_key else NOT_ALLOWED)
        entry = self._routes[name]
        legs = tuple(leg for leg, fault in zip(legs, faults, strict=True) if fault is None)
        strip = sends(service, entry, self._catalogue) is not Sends.CLIENT
        there = self._catalogue.services[entry.service]
        path = native_path(service, there, asked.path)
        return Move(name, there, legs, strip, entry.credential, path if path != asked.path else None)


def by_both_services(
    policy: Policy,
    move: Move,
    facts: Facts,
    verdict: Verdict,
    now: float,
    acknowledged: Callable[[Facts], bool],
) -> tuple[Move | Stuck, Verdict]:
    """The move or why it cannot be taken, and the verdict with all that is to be hidden.

    A redirect is no way round the rules for where it leads: what may not go to that service does not go there, and what
    is hidden from it is hidden.
    """
    legs, verdict, why = through(policy, move.legs, move.route, facts, verdict, now, acknowledged)
    if not legs:
        return Stuck(why or f"no target of route {move.route} can be used"), verdict
    return replace(move, legs=legs), verdict


def through(
    policy: Policy,
    legs: Sequence[Leg],
    route: str,
    facts: Facts,
    verdict: Verdict,
    now: float,
    acknowledged: Callable[[Facts], bool],
    *,
    forwards: bool = False,
) -> tuple[tuple[Leg, ...], Verdict, str]:
    """The targets that policy allows, the verdict with what is hidden from any of them, and why another is not allowed.

    `verdict`: for the service that was asked for. A target is judged by the model that was asked for, and by the one
    that it is sent: no name is a way round a rule. `forwards`: a target that would be sent elsewhere is none.
    """
    stops = _STOPS | {Disposition.REDIRECT} if forwards else _STOPS
    judged: dict[tuple[str | None, ...], Verdict] = {}
    kept, why = [], ""
    for leg in legs:
        verdicts = []
        for asked in _as_asked_of(leg, route, facts):
            key = asked.service, asked.api, asked.model_sent
            there = judged.get(key) or _judged(policy, leg, asked, now, acknowledged)
            judged[key] = there
            verdicts.append((key, there))
        stopped = next((there for _, there in verdicts if there.effective in stops), None)
        if stopped is None:
            kept.append((leg, verdicts))
        why = why or (_stopped(route, leg, stopped) if stopped else "")
    for there in {key: there for _, verdicts in kept for key, there in verdicts}.values():
        verdict = _both(verdict, there)
    return tuple(leg for leg, _ in kept), verdict, why


def _judged(policy: Policy, leg: Leg, facts: Facts, now: float, acknowledged: Callable[[Facts], bool]) -> Verdict:
    return policy.decide(facts, leg.service, now, lambda: acknowledged(facts))


def _stopped(route: str, leg: Leg, verdict: Verdict) -> str:
    lesson = verdict.effective is Disposition.COACH
    what = "for which something has to be read first" if lesson else "which is not allowed here"
    return f"route {route} leads to {leg.service.name}, {what}: {verdict.reason or "by your organisation's policy"}"


def _both(verdict: Verdict, there: Verdict) -> Verdict:
    """The first, with all that the second wants hidden or done as well."""
    names = ("entities", "kinds", "hides", "answer_hides", "answer_ends")
    both: dict[str, object] = {
        name: tuple(dict.fromkeys((*getattr(verdict, name), *getattr(there, name)))) for name in names
    }
    both["obliges"] = _obliged_by_both(verdict.obliges, there.obliges)
    if there.effective in _HIDING and there.effective.strictness > verdict.effective.strictness:
        strict = max(verdict.disposition, there.disposition, key=lambda one: one.strictness)
        both |= {"disposition": strict, "effective": there.effective, "rule": there.rule, "reason": there.reason}
        both["named"] = there.named
    return msgspec.structs.replace(verdict, **both)


def _obliged_by_both(one: Obligations | None, other: Obligations | None) -> Obligations | None:
    if one is None or other is None:
        return one or other
    most = [number for number in (one.max_tokens, other.max_tokens) if number is not None]
    return Obligations(
        rules=tuple(dict.fromkeys((*one.rules, *other.rules))),
        strip_headers=tuple(dict.fromkeys((*one.strip_headers, *other.strip_headers))),
        strip_tools=tuple(dict.fromkeys((*one.strip_tools, *other.strip_tools))),
        strip_logprobs=one.strip_logprobs or other.strip_logprobs,
        inject=tuple(dict([*other.inject, *one.inject]).items()),
        max_tokens=min(most, default=None),
    )


def _as_asked_of(leg: Leg, route: str, facts: Facts) -> tuple[Facts, ...]:
    """The same call as if its caller had made it by that route, with each name of its model; none: it is the same."""
    service, first = leg.service, leg.target
    there, made = facts, []
    if service.id != facts.service:
        other = {"service": service.id, "category": service.category, "surface": service.surface}
        there = msgspec.structs.replace(
            facts, **other, listener="gateway", route=route, host=first.host, port=first.port
        )
        made.append(there)
    api = service.dialect if carries(facts.api, service) else facts.api
    model = leg.renames(facts.model) or facts.model
    if (api, model) != (facts.api, facts.model):
        made.append(msgspec.structs.replace(there, api=api, model_sent=model if model != facts.model else None))
    return tuple(made)
