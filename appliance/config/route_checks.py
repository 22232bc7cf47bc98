"""What is wrong with providers, routes and parent proxies, beyond their form. Pure.

Rules: the text of a credential is never shown, because it may be a key; what needs the catalogue is checked where there
is one (`command.check_routes`).
"""

import ipaddress
import math
import re
from collections.abc import Iterable, Iterator

from appliance.config.conversion import nearest
from appliance.config.route_schema import Health, ProviderEntry, RouteEntry, Tries, ViaEntry
from appliance.config.schema import Config
from appliance.config.yaml_source import Path_
from appliance.model.names import CredentialMode
from appliance.net.hostname import address_literal
from appliance.route.held import held_name
from appliance.route.redirection import PORTAL_ROUTE
from appliance.route.routes import RESERVED
from appliance.route.targets import is_address, is_host, parse_target

type Fault = tuple[Path_, str]

MAX_TARGETS = 16
MAX_ALIASES = 1000
_MAX_WEIGHT = 1_000_000
_MAX_MODEL = 128
_MAX_RETRIES = 5
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_SHAPE = "lower-case letters, digits, - and _"


def faults(config: Config) -> Iterator[Fault]:
    """Key and words of each."""
    gateway = config.gateway
    if gateway.default_route not in gateway.routes:
        yield ("gateway", "default_route"), f"no such route{nearest(gateway.default_route, tuple(gateway.routes))}"
    for name, provider in config.providers.items():
        yield from _provider(name, provider)
    for name, route in gateway.routes.items():
        place: Path_ = ("gateway", "routes", name)
        if not _NAME.match(name) or name in RESERVED or name == PORTAL_ROUTE:
            yield place, f"a route is {_SHAPE}, and none of {', '.join(sorted({*RESERVED, PORTAL_ROUTE}))}"
        yield from _targets(place, route, config.providers) if route.targets else _single(place, route)
        yield from _models((*place, "models"), route.models)
    yield from ((("gateway", "tries", key), what) for key, what in _tries(gateway.tries))
    yield from ((("gateway", "health", key), what) for key, what in _health(gateway.health))
    for number, entry in enumerate(config.egress.via):
        yield from _via(("egress", "via", number), entry)


def _provider(name: str, provider: ProviderEntry) -> Iterator[Fault]:
    place: Path_ = ("providers", name)
    if not _NAME.match(name):
        yield place, f"a provider is {_SHAPE}"
    yield from _places((*place,), (("target", provider.target),))
    if what := credential_fault(provider.credential, (provider.target,)):
        yield (*place, "credential"), what


def _single(place: Path_, route: RouteEntry) -> Iterator[Fault]:
    for key in ("service", "target"):
        if not getattr(route, key):
            yield (*place, key), "is missing"
    if route.target:
        yield from _places(place, (("target", route.target), *(("fallbacks", text) for text in route.fallbacks)))
    if what := credential_fault(route.credential, (route.target, *route.fallbacks)):
        yield (*place, "credential"), what


def _places(place: Path_, targets: Iterable[tuple[str, str]]) -> Iterator[Fault]:
    for key, target in targets:
        try:
            parse_target(target)
        except ValueError as error:
            yield (*place, key), str(error)


def _targets(place: Path_, route: RouteEntry, providers: dict[str, ProviderEntry]) -> Iterator[Fault]:
    if route.fallbacks:
        yield (*place, "fallbacks"), "not beside targets; add them to the list of targets"
    if len(route.targets) > MAX_TARGETS:
        yield (*place, "targets"), f"more than {MAX_TARGETS}"
    first = providers.get(route.targets[0].provider)
    for key in ("service", "target", "credential"):
        if first is not None and getattr(route, key) != getattr(first, key):
            yield (*place, key), "the first of the targets decides this; leave it out"
    seen: set[str] = set()
    for number, entry in enumerate(route.targets):
        here: Path_ = (*place, "targets", number)
        if entry.provider not in providers:
            yield (*here, "provider"), f"no such provider{nearest(entry.provider, tuple(providers))}"
        elif entry.provider in seen:
            yield (*here, "provider"), "stands twice in this route"
        seen.add(entry.provider)
        if entry.weight is not None and not 0 <= entry.weight <= _MAX_WEIGHT:
            yield (*here, "weight"), f"must lie between 0 and {_MAX_WEIGHT}"
        yield from _models((*here, "models"), entry.models)


def _models(place: Path_, models: dict[str, str]) -> Iterator[Fault]:
    if len(models) > MAX_ALIASES:
        yield place, f"more than {MAX_ALIASES}"
    for asked, sent in models.items():
        for name in (asked, sent):
            if not name or len(name) > _MAX_MODEL or not name.isprintable():
                yield (*place, asked), f"a model is a name of 1 to {_MAX_MODEL} visible characters"


def credential_fault(credential: str, targets: Iterable[str]) -> str:
    """What is wrong with whose key is sent there; empty when nothing is."""
    if credential in (CredentialMode.CLIENT.value, CredentialMode.NONE.value):
        return ""
    if held_name(credential) is None:
        return "not one of client, none, held:NAME (NAME: a-z, 0-9, - and _, at most 64); never write a key here"
    if any(_travels_open(target) for target in targets):
        return "a held key must not travel in clear: use https:// targets (http:// only to this machine)"
    return ""


def _travels_open(text: str) -> bool:
    try:
        target = parse_target(text)
    except ValueError:
        return False  # told already
    return target.scheme == "http" and not (is_address(target.host) and ipaddress.ip_address(target.host).is_loopback)


def _tries(tries: Tries) -> Iterator[tuple[str, str]]:
    if not 0 <= tries.retries <= _MAX_RETRIES:
        yield "retries", f"must lie between 0 and {_MAX_RETRIES}"
    if not 0 <= tries.budget_percent <= 100:  # noqa: PLR2004 - percent
        yield "budget_percent", "must lie between 0 and 100"
    yield from _seconds(tries, ("wait_s", 0, 60), ("max_wait_s", 0, 300), ("head_s", 0.1, 3600), ("total_s", 0.1, 3600))


def _health(health: Health) -> Iterator[tuple[str, str]]:
    if not 1 <= health.failures <= 1000:  # noqa: PLR2004 - more is never
        yield "failures", "must lie between 1 and 1000"
    yield from _seconds(health, ("open_s", 0.1, 3600), ("max_open_s", 0.1, 86400), ("probe_s", 1, 86400))


def _seconds(section: Tries | Health, *bounds: tuple[str, float, float]) -> Iterator[tuple[str, str]]:
    for key, low, high in bounds:
        value = getattr(section, key)
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            yield key, f"must lie between {low} and {high}"


def _via(place: Path_, entry: ViaEntry) -> Iterator[Fault]:
    yield from _places(place, (("proxy", entry.proxy),))
    for number, name in enumerate(entry.hosts):
        if not is_host(name.removeprefix(".")) or address_literal(name) is not None:
            yield (*place, "hosts", number), "not a host name; write name.example or .example for a whole domain"
    if entry.credential is not None and held_name(entry.credential) is None:
        yield (*place, "credential"), "write held:NAME (NAME: a-z, 0-9, - and _, at most 64); never write a key here"
    elif entry.credential is not None and _travels_open(entry.proxy):
        yield (*place, "credential"), "a password must not travel in clear: use https:// for this proxy"
