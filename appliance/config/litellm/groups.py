"""Model names and their targets: providers and routes of ours, and which of the routes the root paths lead to.

Theory of operation. Their program chooses by the model's name; ours has routes. Names whose targets are the same share
a route, in which each target knows the name that its provider has for the model. The route of most models is the
default one, behind `/v1`; a policy rule sends the names of the others to theirs, where a redirect can lead there
(`redirection.why_not` decides). Rules: pure; what cannot be reached by root paths is told, with the path that leads to
it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from appliance.config.litellm.account import Account
from appliance.config.litellm.budgets import label
from appliance.config.litellm.deployments import Deployment
from appliance.config.litellm.providers import private_place
from appliance.config.route_checks import MAX_TARGETS
from appliance.config.route_schema import RouteEntry
from appliance.config.yaml_source import Value
from appliance.model.catalogue import Catalogue
from appliance.route.carrying import alike, carries
from appliance.route.redirection import why_not
from appliance.route.routes import RESERVED

type Pairs = dict[str, Value]
CLIENTS = "openai.chat"  # what clients of their program speak
_FRACTION = 1000  # weights are whole numbers here


class Wish(NamedTuple):
    """A target of a name: where, as what, and which share; None: after those before it."""

    deployment: Deployment
    weight: int | None


class Routed(NamedTuple):
    """The routes. `redirects`: route to the names that policy sends there; `unreached`: names by native paths only."""

    providers: Pairs
    routes: Pairs
    default: str
    redirects: dict[str, tuple[str, ...]]
    unreached: dict[str, str]
    service: str  # of the default route
    private: tuple[Pairs, ...]


def chosen(deployments: Iterable[Deployment], fallbacks: dict[str, tuple[str, ...]]) -> dict[str, tuple[Wish, ...]]:
    """Per name its targets, then those of the names it falls back to."""
    by_name: dict[str, list[Deployment]] = {}
    for one in deployments:
        by_name.setdefault(one.asked, []).append(one)
    own = {name: _shared(found) for name, found in by_name.items()}
    return {name: (*wishes, *_after(name, fallbacks, own)) for name, wishes in own.items()}


def _shared(found: list[Deployment]) -> tuple[Wish, ...]:
    """Their shares, as their simple-shuffle draws: by weight, else rpm, else tpm, else evenly."""
    once = list({(one.target, one.credential, one.sent): one for one in found}.values())
    if any(one.order is not None for one in once):
        return tuple(Wish(one, None) for one in sorted(once, key=lambda one: one.order or 0.0))
    if len(once) == 1:
        return (Wish(once[0], None),)
    by = next((place for place in range(3) if any(one.shares[place] for one in once)), None)
    if by is None:
        return tuple(Wish(one, 1) for one in once)
    return tuple(Wish(one, _weight(one.shares[by], by)) for one in once)


def _weight(share: float | None, by: int) -> int:
    number = (share or 0.0) * (_FRACTION if by == 0 and share != int(share or 0) else 1)
    return min(1_000_000, round(number))


def _after(name: str, fallbacks: dict[str, tuple[str, ...]], own: dict[str, tuple[Wish, ...]]) -> list[Wish]:
    others = (wish for other in fallbacks.get(name, ()) for wish in own.get(other, ()))
    return [Wish(wish.deployment, None) for wish in others]


@dataclass(slots=True)
class _Providers:
    """Providers of ours, each place and key once, and again where one route needs it twice."""

    made: dict[tuple[str, str, str, int], str] = field(default_factory=dict)

    def name(self, one: Deployment, taken: set[str]) -> str:
        """Of a deployment, in a route that has those of `taken`."""
        for turn in range(1, MAX_TARGETS + 1):
            key = (one.service, one.target, one.credential, turn)
            if key not in self.made:
                self.made[key] = _free(label(one.service).replace(".", "-"), self.made.values())
            if self.made[key] not in taken:
                break
        return self.made[key]

    def entries(self) -> Pairs:
        """As the configuration has them."""
        return {
            name: {"service": service, "target": target, "credential": credential}
            for (service, target, credential, _), name in self.made.items()
        }


def _free(name: str, taken: Iterable[str]) -> str:
    names, base = set(taken), name[:50].rstrip("-_") or "imported"
    if base not in names and base not in RESERVED:
        return base
    return next(f"{base}-{number}" for number in range(2, len(names) + 3) if f"{base}-{number}" not in names)


def routed(wishes: dict[str, tuple[Wish, ...]], catalogue: Catalogue, account: Account) -> Routed:
    """Routes for every name."""
    providers = _Providers()
    routes: dict[str, Pairs] = {}
    names: dict[str, list[str]] = {}
    by_shape: dict[tuple[tuple[str, int | None], ...], str] = {}
    for asked, found in wishes.items():
        targets = _targets(found, providers, catalogue, account)
        shape = tuple((provider, wish.weight) for provider, wish in targets)
        if shape not in by_shape:
            by_shape[shape] = _free(label(asked).replace(".", "-"), by_shape.values())
            routes[by_shape[shape]] = {"targets": [_entry(provider, wish) for provider, wish in targets]}
        route = by_shape[shape]
        names.setdefault(route, []).append(asked)
        _alias(routes[route], asked, targets, catalogue)
    default = _default(wishes, names)
    entries = providers.entries()
    redirects, unreached = _led(routes, names, default, entries, catalogue)
    for name, why in unreached.items():
        for wish in wishes[name]:
            account.none((*wish.deployment.path, "model_name"), why)
    places = {private_place(wish.deployment.target): name for name, found in wishes.items() for wish in found}
    private: tuple[Pairs, ...] = tuple(
        {"network": place[0], "port": place[1], "purpose": f"serves {name[:60]}"}
        for place, name in places.items()
        if place
    )
    return Routed(
        entries,
        dict(routes),
        default,
        redirects,
        unreached,
        _service(routes[default], entries) if default else "",
        private,
    )


def _targets(
    found: tuple[Wish, ...], providers: _Providers, catalogue: Catalogue, account: Account
) -> list[tuple[str, Wish]]:
    """Providers of a name, all in the dialect of the first, or in one that its calls can be carried over to."""
    first = catalogue.services[found[0].deployment.service]
    targets: list[tuple[str, Wish]] = []
    seen: set[tuple[str, str, str]] = set()
    for wish in found[:MAX_TARGETS]:
        one = wish.deployment
        if (one.target, one.credential, one.sent) in seen:
            continue
        if not alike((first, catalogue.services[one.service])):
            told = f"speaks a dialect that nothing is carried over to from the other targets of {one.asked}"
            account.none((*one.path, "model_name"), told)
            continue
        seen.add((one.target, one.credential, one.sent))
        targets.append((providers.name(one, {provider for provider, _ in targets}), wish))
    return targets


def _entry(provider: str, wish: Wish) -> Value:
    return {"provider": provider} | ({"weight": wish.weight} if wish.weight is not None else {})


def _alias(route: Pairs, asked: str, targets: list[tuple[str, Wish]], catalogue: Catalogue) -> None:
    """What each target calls the model: where that is another word, or where calls are carried over to it."""
    entries = route["targets"]
    for (_, wish), entry in zip(targets, entries if isinstance(entries, list) else (), strict=True):
        same = wish.deployment.sent in (asked, "*")
        if isinstance(entry, dict) and (not same or carries(CLIENTS, catalogue.services[wish.deployment.service])):
            models = entry.setdefault("models", {})
            if isinstance(models, dict):
                models[asked] = wish.deployment.sent


def _default(wishes: dict[str, tuple[Wish, ...]], names: dict[str, list[str]]) -> str:
    """The route behind the root paths: that of `*`, else of most models, an OpenAI's before others."""

    def merit(route: str) -> tuple[bool, bool, int]:
        first = wishes[names[route][0]][0].deployment
        return "*" in names[route], first.service == "openai", len(names[route])

    return max(names, key=merit, default="")


def _led(
    routes: dict[str, Pairs], names: dict[str, list[str]], default: str, providers: Pairs, catalogue: Catalogue
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Routes that a redirect from the default one leads to, and names of the others with the reason."""
    entries = {name: RouteEntry(service=_service(route, providers)) for name, route in routes.items()}
    from_ = catalogue.services.get(entries[default].service) if default else None
    redirects: dict[str, tuple[str, ...]] = {}
    unreached: dict[str, str] = {}
    for route, asked in names.items():
        if route == default:
            continue
        why = why_not(from_, route, entries, catalogue, ())
        if why is None:
            redirects[route] = tuple(asked)
        else:
            told = f"not by root /v1 ({why}); its own calls are taken below /{route}/"
            unreached.update(dict.fromkeys(asked, told))
    return redirects, unreached


def _service(route: Pairs, providers: Pairs) -> str:
    targets = route["targets"]
    first = targets[0] if isinstance(targets, list) and targets else {}
    provider = providers.get(str(first["provider"])) if isinstance(first, dict) else None
    return str(provider["service"]) if isinstance(provider, dict) else ""
