"""What may stand in the configuration about providers, routes and the way out.

Rules: as in schema.py. A route has either one target of its own, with fallbacks, or a list of targets at providers; of
the latter the first fills `service`, `target` and `credential`, so that who asks for these gets the first choice.
"""

import msgspec

from appliance.config.section import Section
from appliance.model.names import CredentialMode


class ProviderEntry(Section, frozen=True):
    """A place that answers, with the credential that is used there."""

    service: str  # catalogue id, e.g. azure_openai
    target: str  # where it is: scheme://host[:port]
    credential: str = CredentialMode.CLIENT.value  # client (only to the owner that was asked), none, or held:NAME


class TargetEntry(Section, frozen=True):
    """One target of a route."""

    provider: str  # a name under `providers`
    weight: int | None = None  # share of the requests among neighbours that have one; without: after those before it
    models: dict[str, str] = {}  # model as asked for: model at this provider ('*': any other; as the model: the same)


class RouteEntry(Section, frozen=True):
    """One gateway route: the client names it, never a host."""

    service: str = ""  # catalogue id, e.g. openai; left out where there are targets
    target: str = ""  # where it goes: scheme://host[:port]; left out where there are targets
    credential: str = CredentialMode.CLIENT.value  # client, none, or held:NAME: whose key goes upstream
    fallbacks: tuple[str, ...] = ()  # further targets of the same service, tried in order before the first byte
    targets: tuple[TargetEntry, ...] = ()  # instead: targets at providers, in order; dialects may differ
    models: dict[str, str] = {}  # model as asked for: model that is sent, at every target ('*' as there)
    output_tokens: int | None = None  # reserved for an answer where a request names no most; None: as in metering


class Tries(Section, frozen=True):
    """How often and how long the targets of a route are tried before the first byte of an answer."""

    retries: int = 0  # how often all targets are tried again when each has failed; most SDKs retry by themselves
    wait_s: float = 0.25  # longest wait before the first retry; doubles with each, drawn at random below that
    max_wait_s: float = 5  # longest wait; where a provider asks for more (Retry-After), its answer goes to the client
    budget_percent: float = 20  # retries in percent of a route's requests; the next target is no retry
    head_s: float | None = None  # a target that has not begun to answer by then is given up; None: never
    total_s: float = 120  # no further try begins after this


class Health(Section, frozen=True):
    """When a target counts as not well, and comes after all others of its route. Each worker judges for itself."""

    failures: int = 5  # faults in a row (no answer, 500, 502, 503, 504, 529) after which it does
    open_s: float = 10  # how long, until one request tries it; doubles while that fails
    max_open_s: float = 300  # at most; bounds Retry-After too
    probe_s: float | None = None  # dial each target so often, TLS included; None: never


class ViaEntry(Section, frozen=True):
    """A parent proxy. It resolves names itself; private addresses and local names never go by it."""

    proxy: str  # http://host:port or https://host:port
    hosts: tuple[str, ...] = ()  # which destinations: exact, or .suffix for a whole domain; none: all that are left
    credential: str | None = None  # held:NAME, whose value is user:password (Basic)


def filled(route: RouteEntry, providers: dict[str, ProviderEntry]) -> RouteEntry:
    """The route with what its first target says, where it says nothing itself."""
    first = providers.get(route.targets[0].provider) if route.targets else None
    if first is None or route.service or route.target or route.credential != CredentialMode.CLIENT.value:
        return route
    return msgspec.structs.replace(route, service=first.service, target=first.target, credential=first.credential)


def credentials_of(route: RouteEntry, providers: dict[str, ProviderEntry]) -> tuple[str, ...]:
    """Whose keys a route may send, each once."""
    told = (providers[one.provider].credential for one in route.targets if one.provider in providers)
    return tuple(dict.fromkeys((route.credential, *told)))
