"""What policy saw about one exchange: stored with it, so that any verdict can be replayed over history.

Rules: facts, not conclusions. Persons appear only as salted digests (`p_...`, `a_...`); their clear names travel beside
the record, never inside it.
"""

import msgspec

from appliance.model.detection import Coverage, Label, Selector
from appliance.model.names import AccountKind, Assurance, Disposition, Layer, Stage, Surface


class Principal(msgspec.Struct, frozen=True):
    """Who asks. `name` and `address` are clear text and never leave the worker except as person fields."""

    name: str
    address: str
    method: str = "none"  # none | basic | address | key | jwt | mtls | ldap
    assurance: Assurance = Assurance.NONE
    groups: tuple[str, ...] = ()
    department: str | None = None
    key: str | None = None  # id of the virtual key that was shown; never the key
    key_services: tuple[str, ...] = ()  # what that key is limited to; empty: to nothing
    key_models: tuple[str, ...] = ()  # likewise, as patterns


class Upload(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file in a body: its media type as told, sha256 hex of its bytes, their number, and what it carries."""

    media_type: str
    digest: str
    size: int
    labels: tuple[Label, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Typed, versioned input of `policy.judge`. Sizes are bytes, scores 0-1."""

    v: int = 1
    principal: str  # "p_" + keyed digest of the name
    client: str  # "a_" + keyed digest of the address
    groups: tuple[str, ...] = ()
    department: str | None = None
    identity_method: str = "none"
    assurance: Assurance = Assurance.NONE
    service: str | None = None  # catalogue id; None: not an AI service
    category: str | None = None
    surface: Surface = Surface.API
    listener: str = "proxy"  # proxy | gateway
    route: str | None = None
    host: str
    port: int
    method: str
    path: str  # without the query
    api: str | None = None  # e.g. openai.chat
    model: str | None = None  # as asked for
    stream: bool = False
    request_bytes: int = 0
    labels: tuple[Label, ...] = ()
    coverage: Coverage | None = None
    detector_version: str = ""
    catalogue_version: str = ""
    policy_version: int = 0
    client_name: str | None = None
    client_version: str | None = None
    key_fingerprint: str | None = None  # keyed digest of the credential seen
    key_shape: str | None = None  # what form that credential has: appliance/route/accounts.py
    account: AccountKind | None = None  # whose account with the provider it is, as far as it is known by then
    account_id: str | None = None  # keyed digest of that account
    virtual_key: str | None = None  # id of the virtual key that the caller showed
    key_services: tuple[str, ...] = ()  # services that this key is limited to; empty: to none
    key_models: tuple[str, ...] = ()  # likewise models, as patterns
    conversation: str | None = None
    max_tokens: int | None = None
    tools_declared: tuple[str, ...] = ()  # names, at most 128
    hosted_mcp: tuple[str, ...] = ()  # hosts of tool servers that the provider is asked to call itself
    uploads: tuple[Upload, ...] = ()  # at most 64
    models_beside: tuple[str, ...] = ()  # models that the request lets answer instead of `model`, at most 32
    model_sent: str | None = None  # what a route's target is sent instead of `model`, while that target is judged


class RuleHit(msgspec.Struct, frozen=True):
    """One rule that matched. `acts` is False for observe-staged, percentage-missed or excepted hits."""

    rule: str
    layer: Layer
    disposition: Disposition
    acts: bool
    note: str = ""


class Obligations(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is done to a request beside hiding, in stage enforce. Names of headers and tools are in small letters."""

    rules: tuple[str, ...] = ()  # who asks for it
    strip_headers: tuple[str, ...] = ()
    strip_tools: tuple[str, ...] = ()  # `*` for any run of characters
    strip_logprobs: bool = False
    inject: tuple[tuple[str, str], ...] = ()  # headers that are set; no secrets
    max_tokens: int | None = None  # the most tokens of one answer


class Verdict(msgspec.Struct, frozen=True):
    """What policy says. `disposition` is what would hold in enforce stage; `effective` is what acts now."""

    disposition: Disposition
    effective: Disposition
    stage: Stage
    rule: str | None = None  # the deciding rule
    reason: str = ""
    entities: tuple[str, ...] = ()  # what to hide, by entity; with `kinds` empty too: nothing
    kinds: tuple[str, ...] = ()  # what to hide, by kind of detection
    route: str | None = None
    hits: tuple[RuleHit, ...] = ()
    answer_hides: tuple[Selector, ...] = ()  # what is hidden in the answer; acts in `stage` enforce only
    answer_ends: tuple[Selector, ...] = ()  # what ends the answer before it leaves; likewise
    named: tuple[str, ...] = ()  # of what is hidden, entities that get a name which the answer puts back
    hides: tuple[Selector, ...] = ()  # the same with scores: what is hidden in the request
    obliges: Obligations | None = None  # what else is done to the request
