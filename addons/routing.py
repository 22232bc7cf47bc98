"""Over which targets a request goes: a route's targets in order, each with its own credential, path and model.

Theory of operation. `plan` puts the targets of a route in order (the conversation's own first, those that are not well
last), repeats them as often as retries are allowed, and gives the seam a `TargetPlan` that knows what to do before each
attempt. `Going` keeps the request as it was when the first target was tried, and makes of it what each target is to
get: with another model in its place, or carried over whole where the target speaks another dialect (carrying.py). The
caller's credentials go only to targets with `client` and the owner that was asked. What became of an attempt goes to
the target's breaker. Rules: a target whose key is not there is none; a model that has to be another one and
cannot be written in its place makes a target none; chance and time come from outside.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from mitmproxy import http

from addons.carrying import Carried, Carrying
from addons.keys import Sender
from addons.upstream import Target, TargetPlan, Told
from appliance.config.schema import Config, ProviderEntry, RouteEntry
from appliance.inspect.dialects.capping import respelt
from appliance.inspect.dialects.other_model import body_for, path_for, stands_in_path
from appliance.model.catalogue import Catalogue, Service
from appliance.model.event import Attempt
from appliance.model.names import CredentialMode
from appliance.route.bodyheaders import after_edit
from appliance.route.breaker import Breaker, Settings
from appliance.route.carrying import named
from appliance.route.native import native_path, placed
from appliance.route.order import ordered
from appliance.route.retrying import RetryBudget, backoff, retry_after
from appliance.route.targets import parse_target

FAULTS = frozenset({500, 502, 503, 504, 529})
TOO_MANY = 429
RETRY_STATUSES = FAULTS | {TOO_MANY}
NOT_DONE = frozenset({TOO_MANY, 503, 529})  # it says itself that it has done nothing
# What they make stays at the provider: sent twice, it is there and paid for twice.
MAKING = frozenset({
    *("openai.files", "openai.batches", "openai.fine_tuning", "openai.vector_stores", "anthropic.batches"),
    "bedrock.async_invoke",
})  # fmt: skip
CHANCE = secrets.SystemRandom()


class Leg(msgspec.Struct, frozen=True):
    """One target of a route, ready to use. `models`: as asked for (`*`: any other), to what is sent (`*`: the same)."""

    target: Target
    service: Service
    credential: str
    weight: int | None = None
    models: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """Its own within the appliance: the same place with another credential is another target."""
        scheme, host, port, name = msgspec.structs.astuple(self.target)
        return f"{name}|{scheme}://{host}:{port}|{self.credential}"

    def renames(self, asked: str | None) -> str | None:
        """The model that is sent instead of the one that was asked for; None: the same."""
        sent = named(self.models, asked)
        return sent if sent != asked else None


def legs_of(route: RouteEntry, providers: Mapping[str, ProviderEntry], catalogue: Catalogue) -> tuple[Leg, ...]:
    """The targets of a route; none where the catalogue does not know its service."""
    if not route.targets:
        service = catalogue.services.get(route.service)
        texts = (route.target, *route.fallbacks) if service else ()
        return tuple(Leg(_place(text), service, route.credential, None, route.models) for text in texts if service)
    made = []
    for entry in route.targets:
        there = providers[entry.provider]
        service = catalogue.services.get(there.service)
        if service is not None:
            target = _place(there.target, entry.provider)
            made.append(Leg(target, service, there.credential, entry.weight, {**route.models, **entry.models}))
    return tuple(made)


def _place(text: str, name: str = "") -> Target:
    target = parse_target(text)
    return Target(target.host, target.port, target.scheme, name)


class Renamed:
    """Bodies of one request with other models in them, each made once."""

    __slots__ = ("_body", "_made")

    def __init__(self) -> None:
        self._body = b""
        self._made: dict[str, bytes | None] = {}

    def of(self, body: bytes, model: str) -> bytes | None:
        """As `body_for`."""
        if body != self._body:
            self._body, self._made = body, {}
        if model not in self._made:
            self._made[model] = body_for(body, model)
        return self._made[model]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request is, for its plan.

    `first`: the service in whose words its path is. `owner`: whose the caller's credentials are that its headers still
    hold; empty: none. `sticky`: what its targets are chosen by. `asked`: the model that was asked for; `model`: the
    same, where it may be made another one. `once`: it goes to no second target once one may have acted on it.
    `carrying`: for targets of other dialects. `respell`: the most tokens were written in, in the words of the first.
    `admits`: why a target is not to be tried (its budgets have no room); None: it may be.
    """

    first: Service
    owner: str
    sticky: str
    api: str | None = None
    asked: str | None = None
    model: str | None = None
    renamed: Renamed = field(default_factory=Renamed)
    once: bool = False
    carrying: Carrying | None = None
    respell: bool = False
    admits: Callable[[Leg], str | None] | None = None

    def carried(self, leg: Leg) -> Carried | None:
        """The request as a target of another dialect takes it. ValueError: it does not; None: as it is."""
        if self.carrying is None or not self.carrying.concerns(leg.name):
            return None
        made = self.carrying.of(leg.service, leg.models, self.asked)
        if not isinstance(made, Carried):
            raise ValueError("the request cannot be carried over")  # noqa: TRY004 - a decision, not a type
        return made


def is_once(method: str, api: str | None) -> bool:
    """Whether a call may make something that stays: of those that no dialect reads, all but readings."""
    return api in MAKING or (api is None and method.upper() not in ("GET", "HEAD", "OPTIONS"))


class Routing:
    """The routes of one worker, and what it thinks of their targets."""

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        sender: Sender,
        key: bytes = b"",
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = CHANCE.random,
    ) -> None:
        gateway = config.gateway
        self._legs = {name: legs_of(route, config.providers, catalogue) for name, route in gateway.routes.items()}
        self.tries, self.sender, self.clock, self.draw, self._key = gateway.tries, sender, clock, draw, key
        health = gateway.health
        settings = Settings(health.failures, health.open_s, health.max_open_s)
        self.breakers = {leg.name: Breaker(settings) for legs in self._legs.values() for leg in legs}
        share = gateway.tries.budget_percent / 100
        self._budgets = {name: RetryBudget(share) for name in self._legs}

    @property
    def targets(self) -> tuple[Leg, ...]:
        """Every target of every route, each once."""
        return tuple({leg.name: leg for legs in self._legs.values() for leg in legs}.values())

    def legs(self, route: str) -> tuple[Leg, ...]:
        """All targets of a route, in the order of the configuration."""
        return self._legs[route]

    def usable(self, route: str) -> tuple[Leg, ...]:
        """Those whose key is there."""
        return tuple(leg for leg in self._legs[route] if self.sender.missing(leg.credential) is None)

    def wants_callers_key(self, route: str) -> bool:
        """Some target is sent the caller's own credentials."""
        return any(leg.credential == CredentialMode.CLIENT.value for leg in self._legs[route])

    def plain(self, legs: Sequence[Leg]) -> bool:
        """Nothing has to be planned: one target, one try, no other model."""
        return len(legs) == 1 and not legs[0].models and not self.tries.retries and self.tries.head_s is None

    def in_order(self, legs: Sequence[Leg], sticky: str) -> Sequence[Leg]:
        """As they are tried."""
        now = self.clock()
        return ordered(legs, sticky, self._key, lambda leg: self.breakers[leg.name].takes(now)) if legs[1:] else legs

    def plan(self, route: str, legs: Sequence[Leg], wanted: Wanted) -> tuple[TargetPlan, Leg]:
        """How the request goes over `legs`, and which it tries first."""
        now = self.clock()
        order = ordered(legs, wanted.sticky, self._key, lambda leg: self.breakers[leg.name].takes(now))
        going = Going(self, order, wanted, self._budgets[route], now)
        plan = TargetPlan(
            going.targets,
            NOT_DONE if wanted.once else RETRY_STATUSES,
            prepare=going.prepare,
            resends=not wanted.once,
            head_s=self.tries.head_s,
            ended=going.ended,
            pause=going.pause,
            admits=going.admits if wanted.admits is not None else None,
        )
        return plan, order[0]


@dataclass(slots=True)
class Going:
    """One request on its way over targets: a plan's callables."""

    routing: Routing
    order: Sequence[Leg]
    wanted: Wanted
    budget: RetryBudget
    began: float
    targets: tuple[Target, ...] = ()
    _by_target: dict[Target, Leg] = field(default_factory=dict)
    _base: "tuple[http.Headers, str, bytes | None] | None" = None
    _tried: int = 0
    _waits: list[float] = field(default_factory=list)  # what targets of this round have asked for

    def __post_init__(self) -> None:
        """Repeat the targets once for each retry."""
        once = tuple(leg.target for leg in self.order)
        self.targets = once * (1 + self.routing.tries.retries)
        self._by_target = {leg.target: leg for leg in self.order}

    def admits(self, target: Target) -> str | None:
        """Why a target is none this time; None: it may be tried."""
        denied = self.wanted.admits(self._by_target[target]) if self.wanted.admits is not None else None
        if denied is not None:
            self._tried += 1
            self._waits.append(0.0)
        return denied

    def prepare(self, flow: http.HTTPFlow, target: Target) -> Told:
        """Make of the request what `target` is to get."""
        request, leg = flow.request, self._by_target[target]
        if self._base is None:
            self.budget.request()
            self._base = (request.headers.copy(), request.path, request.raw_content)
        headers, path, body = self._base
        request.headers = http.Headers(headers.fields)
        carried = self.wanted.carried(leg)
        if self.wanted.carrying is not None:
            self.wanted.carrying.answering = carried
        request.path = native_path(self.wanted.first, leg.service, path)
        if leg.credential != CredentialMode.CLIENT.value or leg.service.owner != self.wanted.owner:
            self.routing.sender.send(request, leg.service, leg.credential)
        elif carried is not None:
            self.routing.sender.readdress(request, leg.service)
        model = self._carry(request, carried) if carried is not None else self._as_it_is(request, leg, body)
        self.routing.breakers[leg.name].began(self.routing.clock())
        return Told(leg.service.id, model)

    def _as_it_is(self, request: http.Request, leg: Leg, body: bytes | None) -> str | None:
        """What a target gets that takes the call in its caller's words. The model, where it is another one."""
        if self.wanted.respell and body is not None:
            body = respelt(self.wanted.api, leg.service.id, body)
        model = leg.renames(self.wanted.model)
        if model is not None:
            self._rename(request, model, body)
        elif request.raw_content is not body:
            _put(request, body)
        return model

    def _carry(self, request: http.Request, carried: Carried) -> str | None:
        """What a target of another dialect gets. The model, where it is another one."""
        asked = carried.asked
        request.path = placed(carried.service, asked.path)
        made = [(name.encode(), value.encode()) for name, value in asked.set_headers]
        gone = {*(name.encode() for name in asked.drop_headers), b"content-encoding", *(name for name, _ in made)}
        kept = (field for field in request.headers.fields if field[0].lower() not in gone)
        request.headers = http.Headers((*kept, *made))
        _put(request, asked.body)
        return carried.model if carried.model != self.wanted.asked else None

    def _rename(self, request: http.Request, model: str, body: bytes | None) -> None:
        if stands_in_path(self.wanted.api):
            path = path_for(self.wanted.api, request.path, model)
            if path is None:
                raise ValueError("the path names no model")
            request.path = path
            return
        edited = self.wanted.renamed.of(body or b"", model)
        if edited is None:
            raise ValueError("the body names no model that can be edited")
        _put(request, edited)

    def ended(self, target: Target, attempt: Attempt, headers: http.Headers | None) -> None:
        """Think anew of the target."""
        now, breaker = self.routing.clock(), self.routing.breakers[self._by_target[target].name]
        self._tried += 1
        asked = retry_after(headers["retry-after"], time.time()) if headers and "retry-after" in headers else None
        if attempt.status == TOO_MANY and asked is not None:
            breaker.asked_to_wait(now, asked)
        elif attempt.status == 0 or attempt.status in RETRY_STATUSES:
            breaker.failed(now)
        else:
            breaker.succeeded()
        self._waits.append(asked or 0.0)

    def pause(self, _last: Target) -> float | None:
        """Seconds until the next try; None: there is none."""
        routing, count = self.routing, len(self.order)
        tries = routing.tries
        over = routing.clock() - self.began
        if over >= tries.total_s:
            return None
        if self._tried % count:
            return 0.0
        asked, self._waits = min(self._waits, default=0.0), []
        wait = max(asked, backoff(self._tried // count, tries.wait_s, tries.max_wait_s, routing.draw))
        if wait > tries.max_wait_s or over + wait >= tries.total_s or not self.budget.take():
            return None
        return wait


def _put(request: http.Request, body: bytes | None) -> None:
    request.headers = http.Headers(after_edit(request.headers.fields, body or b""))
    request.raw_content = body
    if "transfer-encoding" not in request.headers and body is not None:
        request.headers["content-length"] = str(len(body))
