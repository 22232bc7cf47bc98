"""Requests and rows of the named queries, shared by clients and the store.

Rules: every request is bounded by `limit`; pages are keyed by the store's row number `n`, newest first: ask again with
`before` = the page's `next` for older rows, or with `after` = the highest `n` seen for newer ones. Empty filters do not
filter. Rows travel as a JSON array in the message's body, in the order of the fields here.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.store.wire import Count, Name, Request

MAX_LIMIT: Final = 500

Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT)]
Filter = Annotated[str, Meta(min_length=1, max_length=512)] | None


class PageHead(msgspec.Struct, frozen=True):
    """Head of every answer with rows. `next`: pass it as `before` for the next page; None: there is none."""

    rows: int
    next: int | None = None


class PageRequest(Request, frozen=True):
    """Fields of every paged request; `since` and `until` are epoch seconds, half-open."""

    limit: Limit = 100
    before: Count | None = None
    after: Count | None = None
    since: float | None = None
    until: float | None = None


class ExchangesRequest(PageRequest, frozen=True):
    """Verb `exchanges`. `outcome`: a word of appliance.model.names.Outcome, or `running`."""

    principal: Filter = None
    client: Filter = None
    service: Filter = None
    surface: Filter = None
    listener: Filter = None
    host: Filter = None
    api: Filter = None
    model: Filter = None
    disposition: Filter = None
    effective: Filter = None
    rule: Filter = None
    worker: Filter = None
    outcome: Filter = None


class ExchangeSummary(msgspec.Struct, frozen=True):
    """One exchange in a list. `outcome` None: still running."""

    n: int
    ts: float
    exchange: str
    worker: str
    principal: str
    client: str
    service: str | None
    surface: str
    listener: str
    host: str
    port: int
    method: str
    path: str
    api: str | None
    model: str | None
    stream: bool
    request_bytes: int
    entities: tuple[str, ...]
    findings: int
    disposition: str
    effective: str
    rule: str | None
    redactions: int
    policy_version: int
    outcome: str | None = None
    status: int | None = None
    response_bytes: int | None = None
    duration_ms: float | None = None
    model_served: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    answer_entities: tuple[str, ...] = ()
    answer_findings: int | None = None
    answer_redactions: int | None = None
    late_entities: tuple[str, ...] | None = None


class ExchangeRequest(Request, frozen=True):
    """Verb `exchange`: everything about one."""

    exchange: Name


class ExchangeRecord(msgspec.Struct, frozen=True):
    """One stored record of an exchange: `body` is the exact JSON that `digest` was taken over."""

    n: int
    kind: str  # open | close
    digest: str
    body: msgspec.Raw


class RefusalsRequest(PageRequest, frozen=True):
    """Verb `refusals`."""

    reason: Filter = None
    client: Filter = None
    principal: Filter = None
    host: Filter = None
    worker: Filter = None


class RefusalSummary(msgspec.Struct, frozen=True):
    """One refused connection or request."""

    n: int
    ts: float
    worker: str
    reason: str
    client: str
    principal: str
    host: str
    port: int
    detail: str
    listener: str


class NoticesRequest(PageRequest, frozen=True):
    """Verb `notices`."""

    severity: Filter = None
    note: Filter = None
    worker: Filter = None


class NoticeSummary(msgspec.Struct, frozen=True):
    """One notice."""

    n: int
    ts: float
    worker: str
    severity: str
    note: str
    detail: str


class TunnelsRequest(PageRequest, frozen=True):
    """Verb `tunnels`."""

    worker: Filter = None


class TunnelSummary(msgspec.Struct, frozen=True):
    """One worker's hour of plain tunnels."""

    n: int
    ts: float
    worker: str
    tunnels: int
    bytes_up: int
    bytes_down: int


class LossesRequest(PageRequest, frozen=True):
    """Verb `losses`."""

    sensor: Filter = None
    source: Filter = None


class LossesSummary(msgspec.Struct, frozen=True):
    """Seconds in which a sensor lost packets; the lists run in step: epoch second, packets lost, packets read."""

    n: int
    ts: float
    sensor: str
    source: str
    seconds: tuple[int, ...]
    dropped: tuple[int, ...]
    passed: tuple[int, ...]


class DecisionsRequest(Request, frozen=True):
    """Verb `decisions`, newest first; `before` is a decision's number."""

    limit: Limit = 100
    before: Count | None = None
    service: Filter = None


class DecisionSummary(msgspec.Struct, frozen=True):
    """One decision; `body` is the whole record (appliance.model.decision.Decision)."""

    number: int
    body: msgspec.Raw
    snapshot: int
    undone: bool


class PersonsRequest(Request, frozen=True):
    """Verb `persons`: clear values behind digests that a page showed. Erased or unknown ones are left out."""

    digests: Annotated[tuple[Name, ...], Meta(max_length=MAX_LIMIT)]


class Person(msgspec.Struct, frozen=True):
    """A digest and what it stands for."""

    digest: str
    value: str
    first_seen: float
    last_seen: float


class SpanRequest(Request, frozen=True):
    """Verbs `counts` and `usage`: from `since` up to `until` (epoch seconds)."""

    since: float = 0.0
    until: float | None = None
    limit: Limit = MAX_LIMIT


class HistoryRequest(Request, frozen=True):
    """Verb `history`: requests that count, since `since` (epoch seconds). `unused`: outcomes that take one back."""

    since: float = 0.0
    unused: Annotated[tuple[Name, ...], Meta(max_length=32)] = ()
    limit: Limit = MAX_LIMIT
    before: Count | None = None


class HistoryRow(msgspec.Struct, frozen=True):
    """Verb `history`: requests of one kind, and what they took. `n`: tells groups apart, less for what began earlier.

    `groups`: one a line; `tools`: names as a JSON list. `micros`: millionths of a dollar.
    """

    n: int
    department: str | None
    principal: str
    service: str | None
    requests: int
    model: str | None = None
    key: str | None = None
    groups: str = ""
    tools: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    micros: int = 0


class CountRow(msgspec.Struct, frozen=True):
    """Verb `counts`: exchanges by service, effective disposition and outcome (None: running)."""

    service: str | None
    effective: str
    outcome: str | None
    exchanges: int
    findings: int


class UsageRow(msgspec.Struct, frozen=True):
    """Verb `usage`: sums by service and model; sizes in bytes."""

    service: str | None
    model: str | None
    exchanges: int
    principals: int
    request_bytes: int
    response_bytes: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int


class CoverageRow(msgspec.Struct, frozen=True):
    """Verb `coverage`: where the bytes of request bodies went, by service."""

    service: str | None
    exchanges: int
    incomplete: int
    length: int
    structure: int
    scanned: int
    unscanned: int
    opaque: int


class HealthRequest(Request, frozen=True):
    """Verb `health`."""


class MarkState(msgspec.Struct, frozen=True):
    """One producer's life and how far it has been taken in. `updated`: epoch seconds."""

    producer: str
    epoch: int
    seq: int
    updated: float


class Health(msgspec.Struct, frozen=True):
    """State of the store. Sizes in bytes, times in milliseconds; counters since the store's start."""

    pid: int
    rows: dict[str, int]
    marks: tuple[MarkState, ...]
    position: int
    file_bytes: int
    wal_bytes: int
    frames: int
    records: int
    repeats: int
    refused: int
    unplaced: int
    transactions: int
    waiting: int
    last_commit_ms: float
