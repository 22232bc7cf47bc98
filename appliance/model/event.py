"""Audit events: what a worker journals and the store keeps.

Rules: append-only; the tag `kind` tells the type; `ts` is epoch seconds; persons only as digests. `persons` maps such a
digest to the clear value and travels beside the hashed body, so that erasure never breaks the chain.
"""

import msgspec

from appliance.model.detection import Coverage, DetectorCount, Label
from appliance.model.facts import Facts, Verdict
from appliance.model.names import (
    AccountKind,
    Cause,
    FindingKind,
    Leg,
    ObservationKind,
    Outcome,
    RefusalReason,
    Surface,
    Transport,
)


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens as the provider told them (`estimated` False) or as counted here."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    cache_write_1h_tokens: int = 0  # of cache_write_tokens, those that are kept for an hour and cost more
    audio_input_tokens: int = 0  # of input_tokens
    audio_output_tokens: int = 0  # of output_tokens


class Cost(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one attempt cost, in millionths of a US dollar. `priced` False: no price is known, and 0 means nothing."""

    micros: int = 0
    priced: bool = True
    prices: str = ""  # version of the price table
    overrun_micros: int = 0  # of `micros`, what lies beyond what was granted


class ExchangeOpened(msgspec.Struct, frozen=True, tag="open", tag_field="kind"):
    """Written before the first upstream byte. `sent_digest`: sha256 hex of the body as it goes upstream."""

    exchange: str
    ts: float
    worker: str
    facts: Facts
    verdict: Verdict
    body_digest: str
    sent_digest: str
    edits: tuple[str, ...] = ()  # declared edits beside redaction, e.g. include_usage
    redactions: int = 0
    inspect_ms: float = 0.0


class Attempt(msgspec.Struct, frozen=True):
    """One dial or request to one target. `status` 0: no response head arrived."""

    target: str
    status: int
    error: str | None = None
    service: str | None = None  # who is there, where a route has targets of several services
    model: str | None = None  # what was sent, where it is not what was asked for
    ms: float | None = None  # until the head of the answer, or the failure
    provider: str | None = None  # its name in the configuration
    sent: bool | None = None  # whether the request went out; None: a record of before
    denied: bool = False  # a budget had no room for it, so it was not dialled
    usage: Usage | None = None  # of several attempts each: what it used, or may have been billed for (`estimated`)
    cost: Cost | None = None  # likewise


class ExchangeClosed(msgspec.Struct, frozen=True, tag="close", tag_field="kind"):
    """Written after the last byte, or by recovery (`outcome` lost)."""

    exchange: str
    ts: float
    outcome: Outcome
    status: int = 0
    response_bytes: int = 0
    first_byte_ms: float | None = None
    duration_ms: float = 0.0
    model_served: str | None = None
    usage: Usage | None = None
    coverage: Coverage | None = None
    attempts: tuple[Attempt, ...] = ()
    reason: str = ""
    labels: tuple[Label, ...] = ()  # what the answer carried
    redactions: int = 0  # places hidden in the answer
    edits: tuple[str, ...] = ()  # declared edits of the answer, e.g. usage_dropped
    tools_called: tuple[str, ...] = ()  # names, at most 128
    finish: tuple[str, ...] = ()
    gone_bytes: int | None = None  # bytes that had gone to the client when a late detector spoke
    late_labels: tuple[Label, ...] | None = None  # found in the request after it had gone; None: not read, or nothing
    sent: Coverage | None = None  # what the client sent after the opening, e.g. sound on a WebSocket
    cost: Cost | None = None  # of all attempts (`usage`: of the last); None: no tokens were used, or nobody counted
    account: AccountKind | None = None  # whose account the provider's answer names; None: it names none
    account_id: str | None = None  # keyed digest of that account


class Refused(msgspec.Struct, frozen=True, tag="refusal", tag_field="kind"):
    """A connection or request that never became an exchange."""

    ts: float
    worker: str
    reason: RefusalReason
    client: str
    principal: str
    host: str
    port: int
    detail: str = ""
    listener: str = "proxy"


class Notice(msgspec.Struct, frozen=True, tag="notice", tag_field="kind"):
    """Something the operator must know: journal filling, a guard failed. `severity` info|warning|alarm."""

    ts: float
    worker: str
    severity: str
    note: str
    detail: str = ""


class Tunnelled(msgspec.Struct, frozen=True, tag="tunnel", tag_field="kind"):
    """Hourly sum of plain tunnels of one worker: no names, no browsing history."""

    ts: float
    worker: str
    tunnels: int
    bytes_up: int
    bytes_down: int


class DetectorsCounted(msgspec.Struct, frozen=True, tag="detectors", tag_field="kind"):
    """What the detectors of one worker have cost and found from `since` to `ts`: about once an hour, and at its end."""

    ts: float
    worker: str
    since: float
    counts: tuple[DetectorCount, ...]  # at most 64


class LostSecond(msgspec.Struct, frozen=True):
    """One epoch second of a capture: packets that found no room, and packets that were read."""

    second: int
    dropped: int
    passed: int


class PacketsLost(msgspec.Struct, frozen=True, tag="packets_lost", tag_field="kind"):
    """Seconds in which the kernel had to drop packets of a live capture; told at most every ten seconds."""

    ts: float
    sensor: str
    source: str  # interface
    seconds: tuple[LostSecond, ...]  # at most 60, each with a loss


class Observed(msgspec.Struct, frozen=True, tag="observation", tag_field="kind", kw_only=True, omit_defaults=True):
    """A sensor saw a sign of an AI service; repeats within the suppression interval come as one more record.

    `ts` is the first and `until` the last sighting that the record stands for, `count` how many. `client` is an
    `a_` digest; `server` the address that was spoken to (a resolver's for a question). Texts are cut by the sensor.
    `seen` is `flow` where only the sizes of a connection are told, whose hello is in an earlier record.
    """

    ts: float
    sensor: str
    source: str  # interface, or the file's own name
    seen: ObservationKind
    transport: Transport
    leg: Leg
    client: str
    server: str
    port: int
    service: str  # catalogue id
    category: str
    surface: Surface
    confidence: float
    name: str  # the name that told the service
    alpn: tuple[str, ...] = ()
    ja3: str | None = None
    ja4: str | None = None
    host: str | None = None
    path: str | None = None
    user_agent: str | None = None
    evidence: tuple[str, ...] = ()
    count: int = 1
    until: float = 0.0
    kinds: tuple[FindingKind, ...] = ()  # what it is a sign of beside use
    cause: Cause | None = None  # None: to the appliance, or a sign that tells no way
    contradicts: str | None = None  # what the same connections point to as well: a service, or `another`
    bytes_up: int | None = None  # of the connections whose sizes are known, together
    bytes_down: int | None = None
    at_least: bool = False  # not all ends were seen: the bytes are no more than a lower bound


class HostSeen(msgspec.Struct, frozen=True, tag="host", tag_field="kind", kw_only=True, omit_defaults=True):
    """A sensor met a host of the local network: everything that it knows of it, from `ts` to `until`.

    `address`, `mac` and `names` are digests (`a_`, `d_`, `n_`). `vendor`: who made it, by the hardware address: a name
    of the registry, `random`, or its first three bytes.
    """

    ts: float
    until: float
    sensor: str
    source: str  # interface, or the file's own name
    address: str
    mac: str | None = None
    vendor: str = ""
    names: tuple[str, ...] = ()  # at most 8, the newest last
    told_by: tuple[str, ...] = ()  # what told each name: dhcp, dhcp6, mdns, llmnr, netbios, tls
    system: str = ""  # what software it says it has
    router: bool = False  # what stands in its packets is a router's hardware address, so `mac` is not told


Event = (
    ExchangeOpened
    | ExchangeClosed
    | Refused
    | Notice
    | Tunnelled
    | DetectorsCounted
    | PacketsLost
    | Observed
    | HostSeen
)
