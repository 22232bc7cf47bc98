"""One policy rule: whom and what it matches, and what then holds.

Rules that hold inside: fields of a match are joined by AND, the values of one field by OR, an empty field matches
everything; a rule is a frozen record and carries no code. The YAML form is these records, key for key; `document`
renders it for editors, `soundness` tells what a well-formed rule cannot mean. The comment after a field is its line
there, so it is written for the operator. Sources of the words: appliance/model/names.py.
"""

from datetime import date
from typing import Annotated, Literal

import msgspec

from appliance.model.names import AccountKind, Assurance, DetectionKind, Direction, Disposition, Layer, Stage, Surface

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
Bytes = Annotated[int, msgspec.Meta(ge=0)]
Tokens = Annotated[int, msgspec.Meta(ge=1)]
Country = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2}|unknown)$")]
Hours = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
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


class Size(Part, frozen=True):
    """Bytes of the request's body, both ends included."""

    min: Bytes = 0  # so many and more
    max: Bytes | None = None  # so many and fewer; none: any number


class Moments(Part, frozen=True):
    """When a rule looks, in the site's time zone. Hours over midnight belong to the day on which they begin."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()  # empty: every day
    hours: tuple[Hours, ...] = ()  # e.g. 08:00-18:00, the end excluded; 22:00-06:00 goes over midnight
    outside: bool = False  # at all other times instead


class Match(Part, frozen=True):
    """When a rule applies."""

    services: tuple[str, ...] = ()  # catalogue ids
    categories: tuple[str, ...] = ()  # catalogue categories, e.g. coding
    surfaces: tuple[Surface, ...] = ()  # api, web, agent, mcp, assets
    hosts: tuple[str, ...] = ()  # host names, `*` for any run of characters
    apis: tuple[str, ...] = ()  # e.g. openai.chat
    models: tuple[str, ...] = ()  # models as asked for, `*` for any run of characters
    models_except: tuple[str, ...] = ()  # all but these, and calls that name none (GET without a body may)
    methods: tuple[str, ...] = ()  # HTTP methods
    paths: tuple[str, ...] = ()  # paths without their query, `*` for any run of characters, also of /
    tools: tuple[str, ...] = ()  # names of tools that the request declares, `*` as above
    tools_called: tuple[str, ...] = ()  # names of tools that the answer calls, `*` as above; only told, it has gone
    request_bytes: Size | None = None  # how large the request's body is
    time: Moments | None = None  # days and hours
    countries: tuple[Country, ...] = ()  # seat of the service's owner as the catalogue has it (ISO 3166), or unknown
    listeners: tuple[str, ...] = ()  # proxy, gateway
    principals: tuple[str, ...] = ()  # digests as the store shows them (p_...)
    users: tuple[str, ...] = ()  # clear names
    groups: tuple[str, ...] = ()  # groups of the identity method
    departments: tuple[str, ...] = ()  # departments of the identity method
    virtual_keys: tuple[str, ...] = ()  # ids of the virtual keys that callers show
    assurances: tuple[Assurance, ...] = ()  # none, low, high
    accounts: tuple[AccountKind, ...] = ()  # whose account with the provider: corporate, personal, anonymous, unknown
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
        of_request = self.paths or self.tools or self.request_bytes or self.virtual_keys or self.accounts
        return bool(told or of_request or self.models_except) or self.unscanned is not None

    @property
    def by_class_alone(self) -> bool:
        """It rests on what kind of service a host is, without naming the service or seeing a model call."""
        says_kind = bool(self.ai or self.categories or self.countries) or self.unapproved is not None
        seen = self.services or self.hosts or self.apis or self.models or self.labels or self.hosted_mcp or self.tools
        seen = seen or self.paths or self.models_except
        return says_kind and not seen

    @property
    def of_caller(self) -> "Match":
        """The same without what an answer alone can tell: what is known of it before it comes."""
        return msgspec.structs.replace(self, labels=None, unscanned=None, unscanned_reasons=(), tools_called=())


class Redact(Part, frozen=True):
    """What is hidden. Both empty: the labels that matched, or every pii and secret finding if none was asked for."""

    entities: tuple[str, ...] = ()  # e.g. EMAIL_ADDRESS
    kinds: tuple[DetectionKind, ...] = ()  # e.g. secret
    min_score: Score = 0.0  # lowest score that is hidden of those named here


class Strip(Part, frozen=True):
    """What is taken out of a request before it goes."""

    headers: tuple[str, ...] = ()  # names of headers
    tools: tuple[str, ...] = ()  # names of declared tools, `*` for any run of characters
    logprobs: bool = False  # the wish for log probabilities, which tell more of a model than its words


class Limit(Part, frozen=True):
    """How much one request may ask for."""

    max_tokens: Tokens | None = None  # of the answer: a request that asks for more, or names no most, is lowered to it
    request_bytes: Bytes | None = None  # a larger request is blocked


class Then(Part, frozen=True, kw_only=True):
    """What holds when the rule applies."""

    disposition: Disposition  # allow, observe, coach, pseudonymise, redact, redirect, hold, block
    redact: Redact = Redact()  # what is hidden with redact and pseudonymise
    route: str | None = None  # where redirect goes
    names: Literal["wait", "late"] | None = None  # requests it may concern: wait for names to be read, or not
    strip: Strip | None = None  # what is taken out of the request
    inject: dict[str, str] = {}  # headers that are set: name to value; never a credential
    limit: Limit | None = None  # how much one request may ask for

    @property
    def obliges(self) -> bool:
        """Something beside hiding is done to the request."""
        return bool(self.strip or self.inject or (self.limit and self.limit.max_tokens))


class Step(Part, frozen=True, kw_only=True):
    """One step of a rollout. Who is outside its percentage stays at the step before."""

    begins: date = msgspec.field(name="from")  # the day on which it begins, in UTC
    disposition: Disposition  # what holds from then on
    percent: Percent = EVERYONE  # share of principals for whom it does, by keyed hash; who is in stays in


class Exemption(Part, frozen=True, kw_only=True):
    """Who is excepted for what, why, and until when: never for ever. Who fits any of the first four, and the rest."""

    principals: tuple[str, ...] = ()  # digests (p_...)
    users: tuple[str, ...] = ()  # clear names
    groups: tuple[str, ...] = ()  # groups of the identity method
    virtual_keys: tuple[str, ...] = ()  # ids of virtual keys
    services: tuple[str, ...] = ()  # only for these services; without anybody named: for everybody there
    apis: tuple[str, ...] = ()  # only for these calls, e.g. openai.embeddings; likewise
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
    rollout: tuple[Step, ...] = ()  # how it comes into force, day by day; the last step is then.disposition
    reason: str = ""  # told to the user and the analyst
