"""One policy rule: whom and what it matches, and what then holds.

Rules that hold inside: fields of a match are joined by AND, the values of one field by OR, an empty field matches
everything; a rule is a frozen record and carries no code. The YAML form is these records, key for key; `json_schema`
renders it for editors. Sources of the words: appliance/model/names.py.
"""

from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from appliance.model.names import Assurance, DetectionKind, Direction, Disposition, Layer, Stage, Surface

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
RuleId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]

EVERYONE = 100
# What can still be done about an answer: it is hidden or ended, or only recorded.
ANSWERABLE = frozenset(
    {Disposition.ALLOW, Disposition.OBSERVE, Disposition.PSEUDONYMISE, Disposition.REDACT, Disposition.BLOCK}
)

# Layers that a policy file may use; the two others are made of analysts' decisions.
FILE_LAYERS = (Layer.SAFETY, Layer.ORGANISATION, Layer.DEPARTMENT, Layer.USER)


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a rule."""


class LabelMatch(Part, frozen=True):
    """What the body carries: at least one label that fits all three. Of an answer: each finding that fits."""

    kinds: tuple[DetectionKind, ...] = ()  # pii, secret, injection ...
    entities: tuple[str, ...] = ()  # e.g. EMAIL_ADDRESS
    min_score: Score = 0.0  # lowest score that counts


class Match(Part, frozen=True):
    """When a rule applies."""

    services: tuple[str, ...] = ()  # catalogue ids
    categories: tuple[str, ...] = ()  # catalogue categories, e.g. coding
    surfaces: tuple[Surface, ...] = ()  # api, web, agent, mcp, assets
    hosts: tuple[str, ...] = ()  # host names, `*` for any run of characters
    apis: tuple[str, ...] = ()  # e.g. openai.chat
    models: tuple[str, ...] = ()  # models as asked for, `*` for any run of characters
    methods: tuple[str, ...] = ()  # HTTP methods
    listeners: tuple[str, ...] = ()  # proxy, gateway
    principals: tuple[str, ...] = ()  # digests as the store shows them (p_...)
    users: tuple[str, ...] = ()  # clear names
    groups: tuple[str, ...] = ()  # groups of the identity method
    departments: tuple[str, ...] = ()  # departments of the identity method
    assurances: tuple[Assurance, ...] = ()  # none, low, high
    labels: LabelMatch | None = None  # what the body carries
    ai: bool | None = None  # the host is (not) in the catalogue
    unapproved: bool | None = None  # an AI service that no approve decision covers (or one covers)
    unscanned: bool | None = None  # some of the body could not be scanned (or all was)
    unscanned_reasons: tuple[str, ...] = ()  # some was not scanned for one of these reasons, e.g. image, out_of_time
    hosted_mcp: tuple[str, ...] = ()  # hosts of tool servers that the provider is asked to call, `*` as above
    directions: tuple[Direction, ...] = (Direction.REQUEST,)  # which way it looks: request, response

    @property
    def needs_body(self) -> bool:
        """It cannot be judged before the request has been read."""
        told = self.labels or self.models or self.apis or self.methods or self.unscanned_reasons or self.hosted_mcp
        return bool(told) or self.unscanned is not None

    @property
    def by_class_alone(self) -> bool:
        """It rests on what kind of service a host is, without naming the service or seeing a model call."""
        says_kind = bool(self.ai or self.categories) or self.unapproved is not None
        seen = self.services or self.hosts or self.apis or self.models or self.labels or self.hosted_mcp
        return says_kind and not seen

    @property
    def of_caller(self) -> "Match":
        """The same without what an answer alone can tell: what is known of it before it comes."""
        return msgspec.structs.replace(self, labels=None, unscanned=None, unscanned_reasons=())


class Redact(Part, frozen=True):
    """What is hidden. Both empty: the labels that matched, or every pii and secret finding if none was asked for."""

    entities: tuple[str, ...] = ()  # e.g. EMAIL_ADDRESS
    kinds: tuple[DetectionKind, ...] = ()  # e.g. secret
    min_score: Score = 0.0  # lowest score that is hidden of those named here


class Then(Part, frozen=True, kw_only=True):
    """What holds when the rule applies."""

    disposition: Disposition  # allow, observe, coach, pseudonymise, redact, redirect, hold, block
    redact: Redact = Redact()  # what is hidden with redact and pseudonymise
    route: str | None = None  # where redirect goes
    names: Literal["wait", "late"] | None = None  # requests it may concern: wait for names to be read, or not


class Exemption(Part, frozen=True, kw_only=True):
    """Who is excepted, why, and until when: never for ever."""

    principals: tuple[str, ...] = ()  # digests (p_...)
    users: tuple[str, ...] = ()  # clear names
    groups: tuple[str, ...] = ()  # groups of the identity method
    reason: Annotated[str, msgspec.Meta(min_length=1)]  # why; shown in reports
    expires: date  # the last day on which it holds, in UTC


class Rule(Part, frozen=True, kw_only=True):
    """One rule. Within a layer all matching rules count; the strictest disposition holds."""

    id: RuleId  # unique in the policy
    layer: Layer = Layer.ORGANISATION  # safety, organisation, department, user
    match: Match = Match()  # when it applies; empty: always
    then: Then  # what holds
    stage: Stage | None = None  # observe: recorded, never acts; otherwise as the site's stage
    percent: Percent = EVERYONE  # share of principals for whom it acts, by keyed hash
    exceptions: tuple[Exemption, ...] = ()  # who is excepted
    reason: str = ""  # told to the user and the analyst


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy file."""

    rules: tuple[Rule, ...] = ()  # the rules; their order decides only the route


def problems(rule: Rule) -> tuple[str, ...]:
    """What is wrong with a rule although every field is well-formed; empty when it is sound."""
    found: list[str] = []
    match = rule.match
    if rule.layer not in FILE_LAYERS:
        found.append(f"layer: {rule.layer} is made of analysts' decisions; use one of {', '.join(FILE_LAYERS)}")
    if rule.layer is Layer.DEPARTMENT and not match.departments:
        found.append("match.departments: a rule of layer department must name one")
    if rule.layer is Layer.USER and not (match.users or match.principals or match.groups):
        found.append("match.users: a rule of layer user must name users, principals or groups")
    if rule.layer is Layer.SAFETY and (rule.exceptions or rule.percent < EVERYONE or rule.stage is Stage.OBSERVE):
        found.append("layer: a safety rule has no exceptions, no percent and no stage observe; use layer organisation")
    if rule.then.disposition is Disposition.REDIRECT and not rule.then.route:
        found.append("then.route: redirect needs a route")
    found += _about_answers(rule)
    if rule.then.names and Direction.REQUEST not in match.directions:
        found.append("then.names: names are read in requests only; give the rule direction request")
    for number, exemption in enumerate(rule.exceptions):
        if not (exemption.principals or exemption.users or exemption.groups):
            found.append(f"exceptions.{number}: name principals, users or groups")
    return tuple(found)


def _about_answers(rule: Rule) -> list[str]:
    """What is wrong with `match.directions`: an answer leaves while it is read, so less can be done about it."""
    match, what = rule.match, rule.then.disposition
    if not match.directions:
        return ["match.directions: name request, response or both"]
    if Direction.RESPONSE not in match.directions:
        return []
    found: list[str] = []
    if what not in ANSWERABLE:
        allowed = ", ".join(one for one in Disposition if one in ANSWERABLE)
        found.append(f"match.directions: nothing can {what} an answer; use one of {allowed}, or leave out response")
    if what is Disposition.BLOCK and not match.labels:
        found.append("match.labels: a rule that ends answers must say on what; or leave out direction response")
    return found


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a policy file."""
    return msgspec.json.schema(PolicyFile)
