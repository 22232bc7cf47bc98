"""An edge's way out: what goes to an AI service goes to the central appliance, over mutual TLS, with who asks.

Theory of operation. The seam asks `Hop` of every flow that it is about to dial. What belongs to an AI service gets a
plan whose targets are the central appliances in order; before each attempt the signed header is made anew, since it
holds once. A request to a gateway route, or one that a redirect has sent to a route, goes to the central appliance's
route of that name; any other goes with the destination that its client named. What is no AI service is none of its
business and goes by `egress`. Rules: nothing of an AI service is ever dialled from here (`forbids` holds for sealed
tunnels too); whatever stands in the way of handing over refuses; who has failed is asked last for a while, and never
left out.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from mitmproxy import http

from addons.edges import without_hop_headers
from addons.ongoing import Exchange, exchange_of
from addons.routing import is_once
from addons.upstream import HOP, Failure, FailureKind, Target, TargetPlan
from addons.worker import ROUTE, Worker
from appliance.config.placement_schema import Central
from appliance.identity.asserted import HEADER, NONCE, Assertion, PrivateKey, encode, request_digest
from appliance.model.event import Attempt
from appliance.route.targets import parse_host_port

AVOID_S: Final = 15.0  # how long a central appliance that failed is asked last
_NOT_SENT: Final = "The request could not be prepared for the central appliance."


class Hop:
    """What the seam asks of each flow (`SeamSettings.hop`)."""

    def __init__(
        self,
        worker: Worker,
        central: Central,
        key: PrivateKey,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worker, self._name, self._key, self._clock = worker, central.name, key, clock
        places = [parse_host_port(text) for text in central.targets]
        self._targets = tuple(Target(f"{HOP}{place.host}", place.port) for place in places)
        self._avoided: dict[Target, float] = {}

    def __call__(self, flow: http.HTTPFlow) -> TargetPlan | Failure | None:
        """The plan by which a flow goes to the central appliance; None: it is no AI service's."""
        exchange = exchange_of(flow)
        if exchange is None:
            return Failure(FailureKind.REFUSED, _NOT_SENT) if self._worker.service_of(flow) else None
        said, target = self._said(flow, exchange)
        try:
            encode(said, self._key)
        except ValueError as error:
            return Failure(FailureKind.REFUSED, f"Not sent to the central appliance: {error}.")
        facts = exchange.facts
        return TargetPlan(
            self._order(),
            follow_host=False,
            prepare=partial(self._prepare, said, target),
            resends=not is_once(flow.request.method, facts.api if facts else None),
            ended=self._ended,
        )

    def forbids(self, name: str) -> bool:
        """Whether a name is reached by the central appliance only."""
        return self._worker.catalogue.match(name) is not None

    def _said(self, flow: http.HTTPFlow, exchange: Exchange) -> tuple[Assertion, str]:
        """What is signed of a request, but for what each attempt has of its own, and its target there."""
        request, who = flow.request, exchange.principal
        route = exchange.moved or flow.metadata.get(ROUTE)
        assertion = Assertion(
            edge=self._name,
            exchange=exchange.id,
            at=0,
            nonce=bytes(NONCE),
            way="gateway" if route else "proxy",
            scheme="http" if request.scheme == "http" and not route else "https",
            host="" if route else self._worker.named_host(flow),
            port=0 if route else request.port,
            digest=bytes(32),
            user=who.name,
            address=who.address,
            method=who.method,
            assurance=who.assurance,
            groups=who.groups,
            department=who.department,
            key=who.key,
        )
        return assertion, f"/{route}{request.path}" if route else request.path

    def _prepare(self, said: Assertion, target: str, flow: http.HTTPFlow, _: Target) -> None:
        request = flow.request
        request.path = target
        now = round(self._worker.telemetry.clock() * 1000)
        digest = request_digest(request.data.method, request.data.path)
        fresh = msgspec.structs.replace(said, at=now, nonce=os.urandom(NONCE), digest=digest)
        kept = without_hop_headers(request.headers.fields)
        request.headers = http.Headers((*kept, (HEADER, encode(fresh, self._key))))

    def _order(self) -> tuple[Target, ...]:
        now = self._clock()
        return tuple(sorted(self._targets, key=lambda target: self._avoided.get(target, 0.0) > now))

    def _ended(self, target: Target, attempt: Attempt, _: http.Headers | None) -> None:
        if attempt.status:
            self._avoided.pop(target, None)
        else:
            self._avoided[target] = self._clock() + AVOID_S


def handed_edit(central: Central) -> tuple[str, ...]:
    """What an edge writes into the open record of an exchange that it hands over."""
    return (f"central:{central.targets[0]}",)
