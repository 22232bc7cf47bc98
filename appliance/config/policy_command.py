"""What `gnomon policy check` and `gnomon policy explain` do; the words on the command line belong to appliance/cli.

Rules: reads files, changes nothing. A check also tells what is allowed but surely not meant, such as a service that no
catalogue entry has.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.config.catalogue import load_catalogue
from appliance.config.conversion import nearest
from appliance.config.policy_file import load_policy
from appliance.model.catalogue import Catalogue
from appliance.model.detection import Coverage, Label
from appliance.model.errors import OperatorError
from appliance.model.facts import Facts, Verdict
from appliance.model.names import DetectionKind, Stage
from appliance.model.pseudonym import Pseudonyms
from appliance.net.hostname import canonical_host
from appliance.policy.engine import Policy, compile_policy
from appliance.policy.explain import explain
from appliance.policy.rules import Rule
from appliance.policy.snapshot import PolicySnapshot


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check. `warnings`: rules that can never match."""

    rules: int
    services: int
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


class Imagined(msgspec.Struct, frozen=True, kw_only=True):
    """A request to explain.

    `entities`: what its body carries, as ENTITY, KIND:ENTITY or either with =SCORE. `unscanned`: reasons for which some
    of it could not be read. `hosted_mcp`: tool servers that the provider is asked to call.
    """

    host: str
    user: str = "anonymous"
    groups: tuple[str, ...] = ()
    department: str | None = None
    model: str | None = None
    method: str = "POST"
    path: str = "/"
    entities: tuple[str, ...] = ()
    unscanned: tuple[str, ...] = ()
    hosted_mcp: tuple[str, ...] = ()


def check(path: Path | None, catalogue_override: Path | None = None) -> Report:
    """Check a policy file (None: the embedded one). OperatorError lists every fault at its line."""
    rules = load_policy(path)
    catalogue = load_catalogue(catalogue_override)
    compile_policy(PolicySnapshot(version=1, created=0.0, rules=rules), catalogue, b"check", person=str)
    return Report(
        rules=len(rules),
        services=len(catalogue.services),
        catalogue_version=catalogue.version,
        warnings=tuple(_warnings(rules, catalogue)),
    )


def _warnings(rules: tuple[Rule, ...], catalogue: Catalogue) -> Iterator[str]:
    categories = tuple({service.category for service in catalogue.services.values()})
    for rule in rules:
        for service in rule.match.services:
            if service not in catalogue.services:
                yield f"rule {rule.id}: no service {service!r}{_near(service, tuple(catalogue.services))}"
        for category in rule.match.categories:
            if category not in categories:
                yield f"rule {rule.id}: no category {category!r}{_near(category, categories)}"


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
) -> Explanation:
    """The verdict that `request` would get under a policy file, or under a `snapshot` in force, and why."""
    catalogue = load_catalogue(catalogue_override)
    used = snapshot or PolicySnapshot(version=1, created=now, stage=stage, rules=load_policy(path))
    pseudonyms = Pseudonyms(site_key)
    policy = compile_policy(used, catalogue, site_key, pseudonyms.person)
    facts = _facts(request, policy, pseudonyms)
    verdict = policy.decide(facts, catalogue.services.get(facts.service or ""), now)
    return Explanation(verdict=verdict, text=explain(verdict, policy))


def _facts(request: Imagined, policy: Policy, pseudonyms: Pseudonyms) -> Facts:
    host = canonical_host(request.host)
    if host is None:
        raise OperatorError(f"{request.host!r}: not a host; write the bare name, e.g. api.openai.com")
    service = policy.catalogue.match(host)
    opaque = dict.fromkeys(request.unscanned, 1)
    facts = Facts(
        principal=pseudonyms.person(request.user),
        client=pseudonyms.address("127.0.0.1"),
        groups=request.groups,
        department=request.department,
        service=service.id if service else None,
        category=service.category if service else None,
        api=service.dialect if service else None,
        host=host,
        port=443,
        method=request.method,
        path=request.path,
        model=request.model,
        labels=tuple(map(_label, request.entities)),
        coverage=Coverage(length=len(opaque), opaque=opaque),
        hosted_mcp=request.hosted_mcp,
    )
    return msgspec.structs.replace(facts, surface=service.surface) if service else facts


def _label(text: str) -> Label:
    name, _, score = text.partition("=")
    kind, colon, entity = name.rpartition(":")
    try:
        return Label(
            entity=entity, kind=DetectionKind(kind) if colon else DetectionKind.PII, count=1, score=_score(score or "1")
        )
    except ValueError as error:
        raise OperatorError(
            f"{text!r}: write ENTITY, KIND:ENTITY or ENTITY=SCORE, e.g. secret:OPENAI_KEY=0.9"
        ) from error


def _score(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text} is no score")
    return value
