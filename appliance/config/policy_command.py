"""What `gnomon policy check` and `gnomon policy explain` do; the words on the command line belong to appliance/cli.

Rules: reads files, changes nothing. A check also tells what is allowed but surely not meant, such as a service that no
catalogue entry has.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from appliance.config.catalogue import load_catalogue
from appliance.config.conversion import nearest
from appliance.config.policy_file import load_cases, load_policy
from appliance.config.policy_imagined import imagine, moment_of
from appliance.config.route_schema import RouteEntry
from appliance.inspect.dialects.registry import DIALECTS
from appliance.model.catalogue import Catalogue
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Disposition, Stage
from appliance.model.pseudonym import Pseudonyms
from appliance.policy.cases import Imagined
from appliance.policy.engine import compile_policy
from appliance.policy.explain import explain
from appliance.policy.rules import Rule
from appliance.policy.snapshot import PolicySnapshot
from appliance.route.redirection import carried_over

_APIS = tuple(dialect.api for dialect in DIALECTS)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check. `warnings`: rules that can never match."""

    rules: int
    services: int
    tests: int = 0
    catalogue_version: str
    warnings: tuple[str, ...] = ()

    def text(self) -> str:
        """For a person."""
        head = f"{self.rules} rules are sound (catalogue {self.catalogue_version}, {self.services} services)."
        return "\n".join((head, *(f"warning: {warning}" for warning in self.warnings)))


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on an imagined request, and its words."""

    verdict: Verdict
    text: str


def check(path: Path | None, catalogue_override: Path | None = None) -> Report:
    """Check a policy file (None: the embedded one). OperatorError lists every fault at its line."""
    rules, cases = load_policy(path), load_cases(path)
    catalogue = load_catalogue(catalogue_override)
    compile_policy(PolicySnapshot(version=1, created=0.0, rules=rules), catalogue, b"check", person=str)
    return Report(
        rules=len(rules),
        services=len(catalogue.services),
        tests=len(cases),
        catalogue_version=catalogue.version,
        warnings=tuple(_warnings(rules, catalogue)),
    )


def _warnings(rules: tuple[Rule, ...], catalogue: Catalogue) -> Iterator[str]:
    categories = tuple({service.category for service in catalogue.services.values()})
    for rule in rules:
        excepted = tuple(service for one in rule.exceptions for service in one.services)
        for service in (*rule.match.services, *excepted):
            if service not in catalogue.services:
                yield f"rule {rule.id}: no service {service!r}{_near(service, tuple(catalogue.services))}"
        for category in rule.match.categories:
            if category not in categories:
                yield f"rule {rule.id}: no category {category!r}{_near(category, categories)}"
        for api in (*rule.match.apis, *(api for one in rule.exceptions for api in one.apis)):
            if api not in _APIS:
                yield f"rule {rule.id}: no api {api!r}{_near(api, _APIS)}"


def _near(word: str, known: tuple[str, ...]) -> str:
    near = nearest(word, known)
    return near if "did you mean" in near else " in the catalogue"


def explain_request(
    request: Imagined,
    *,
    path: Path | None = None,
    stage: Stage = Stage.ENFORCE,
    catalogue_override: Path | None = None,
    snapshot: PolicySnapshot | None = None,
    site_key: bytes = b"explain",
    now: float = 0.0,
    timezone: str = "UTC",
    routes: Mapping[str, RouteEntry] = MappingProxyType({}),
) -> Explanation:
    """The verdict that `request` would get under a policy file, or under a `snapshot` in force, and why.

    `routes`: of the gateway, to say what a redirect does to the call.
    """
    catalogue = load_catalogue(catalogue_override)
    used = snapshot or PolicySnapshot(version=1, created=now, stage=stage, rules=load_policy(path), timezone=timezone)
    pseudonyms = Pseudonyms(site_key)
    policy = compile_policy(used, catalogue, site_key, pseudonyms.person)
    facts = imagine(request, policy, pseudonyms)
    moment = now if request.at is None else moment_of(request.at, used.timezone)
    verdict = policy.decide(facts, catalogue.services.get(facts.service or ""), moment)
    return Explanation(verdict=verdict, text=_with_way(explain(verdict, policy), verdict, facts, routes, catalogue))


def _with_way(text: str, verdict: Verdict, facts: Facts, routes: Mapping[str, RouteEntry], catalogue: Catalogue) -> str:
    """With what a redirect does to the call, where it is carried over to another dialect."""
    if Disposition.REDIRECT not in (verdict.disposition, verdict.effective) or not verdict.route:
        return text
    told = carried_over(facts.api, verdict.route, routes, catalogue)
    return f"{text}\nOn route {verdict.route} {told}." if told else text


def explain_facts(
    facts: Facts,
    now: float,
    snapshot: PolicySnapshot,
    *,
    catalogue: Catalogue,
    site_key: bytes,
    routes: Mapping[str, RouteEntry] = MappingProxyType({}),
) -> Explanation:
    """The verdict that a stored exchange would get under a snapshot, and why. `now`: when it was judged."""
    policy = compile_policy(snapshot, catalogue, site_key, Pseudonyms(site_key).person)
    verdict = policy.decide(facts, catalogue.services.get(facts.service or ""), now)
    return Explanation(verdict=verdict, text=_with_way(explain(verdict, policy), verdict, facts, routes, catalogue))
