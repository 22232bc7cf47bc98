"""Requests and rows of the queries over findings and observations, shared by clients and the store.

Rules: as in appliance/store/pages.py. Findings are ordered by severity, then by last sighting, newest first, and paged
by that key; a `text` filter is a plain substring, never a pattern.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.model.decision import Proposal
from appliance.model.finding import Finding, FindingKey
from appliance.model.names import FindingKind, FindingState, Governance, Severity, Surface
from appliance.store.feedback_pages import EntityFeedback
from appliance.store.pages import Filter, Limit, PageRequest
from appliance.store.people_pages import AccountUse, SignalSeen
from appliance.store.wire import Name, Request

FINDINGS: Final = "findings"  # push topic on analyst.sock: findings have changed; at most one push each 50 ms
APPLIANCE: Final = "appliance"  # push topic on analyst.sock: state of the appliance (ApplianceState)
MAX_EVIDENCE: Final = 50  # per finding
MAX_PARTIES: Final = 100  # of each kind in one answer


class FindingsRequest(Request, frozen=True):
    """Verb `findings`. `text` is looked for in name, subject, owner and category, without case."""

    limit: Limit = 100
    before: FindingKey | None = None
    states: tuple[FindingState, ...] = ()
    kinds: tuple[FindingKind, ...] = ()
    governance: Governance | None = None
    severity: Severity | None = None  # at least
    surface: Surface | None = None
    text: Filter = None
    since: float | None = None  # last seen at or after


class FindingsHead(msgspec.Struct, frozen=True):
    """Head of the answer to `findings`; the body is a JSON array of `Finding`. `total`: of all that fit the filters."""

    rows: int
    total: int
    next: FindingKey | None = None


class FindingRequest(Request, frozen=True):
    """Verb `finding`. Answered with `FindingDetail` as head, no body; 404 when there is none."""

    finding: Name


class Party(msgspec.Struct, frozen=True):
    """A person or a host that a finding affects. `digest`: p_ or a_; clear values by verb `persons`."""

    digest: str
    kind: str  # person | host
    first_seen: float
    last_seen: float
    governed: int
    bypass: int
    hints: int


class Evidence(msgspec.Struct, frozen=True):
    """One reason for a finding, kept once per suppression interval. `n`: the event's row number."""

    n: int
    ts: float
    source: str  # observation source, or the worker
    kind: str  # tls, dns, http, ..., exchange, refusal
    client: str
    text: str


class StateChange(msgspec.Struct, frozen=True):
    """One step of a finding's state machine. `decision` None: an analyst's mark, or time."""

    ts: float
    author: str
    before: FindingState
    after: FindingState
    decision: int | None
    reason: str


class Moved(msgspec.Struct, frozen=True):
    """What was seen of a service since the decision that was to move it. `before`: sightings past the appliance."""

    since: float
    exchanges: int
    via: int  # sightings on the way to the appliance
    past: int  # sightings past it
    before: int
    last_past: float | None = None

    @property
    def word(self) -> str:
        """`moved`, `not moved`, or `not seen since`."""
        if self.past:
            return "not moved"
        return "moved" if self.exchanges or self.via else "not seen since"


class FindingDetail(msgspec.Struct, frozen=True):
    """Everything about one finding. Lists are newest first and bounded; `series`: sightings per hour, last 48 hours.

    `moved`: what became of it since a decision that was to move its traffic.
    `accounts`: by whose accounts it was used in the last 7 days; `signals`: who stands out, by which numbers.
    `detections`: what was detected in its exchanges, the most frequent first, and what analysts said of it.
    """

    finding: Finding
    people: tuple[Party, ...]
    hosts: tuple[Party, ...]
    evidence: tuple[Evidence, ...]
    history: tuple[StateChange, ...]
    series: tuple[int, ...]
    detections: tuple[EntityFeedback, ...] = ()
    moved: Moved | None = None
    accounts: tuple[AccountUse, ...] = ()
    signals: tuple[SignalSeen, ...] = ()


class TriageRequest(Request, frozen=True):
    """Verb `triage`: mark a finding as looked at. `expected`: the state that the analyst saw (409 otherwise)."""

    finding: Name
    expected: FindingState
    reason: Annotated[str, Meta(max_length=2000)] = ""


class ObservationsRequest(PageRequest, frozen=True):
    """Verb `observations`: pages keyed by `n`."""

    service: Filter = None
    client: Filter = None
    seen: Filter = None
    source: Filter = None
    leg: Filter = None


class ObservationSummary(msgspec.Struct, frozen=True):
    """One stored observation. `count` sightings from `ts` to `until`."""

    n: int
    ts: float
    until: float
    count: int
    sensor: str
    source: str
    seen: str
    transport: str
    leg: str
    client: str
    server: str
    port: int
    service: str
    category: str
    surface: str
    confidence: float
    name: str
    ja4: str | None
    user_agent: str | None
    cause: str | None = None
    contradicts: str | None = None
    bytes_up: int | None = None
    bytes_down: int | None = None
    at_least: bool | None = False
    alpn: tuple[str, ...] = ()
    host: str | None = None
    evidence: tuple[str, ...] = ()


class PreviewRequest(Request, frozen=True):
    """Verb `preview`: what `proposal` would have done to what is stored since `since` (epoch seconds)."""

    proposal: Proposal
    since: float = 0.0


class Preview(msgspec.Struct, frozen=True):
    """Answer to `preview`. `refusal`: why `decide` would refuse the proposal; the counts stand all the same.

    `exchanges` are those in the proposal's reach, `changed` those that would have been treated otherwise than they were
    (in stage enforce), `past` the sightings in its reach that went past the appliance: no decision at the proxy can
    touch them. `running`: exchanges under way now that would be ended.
    """

    refusal: str | None
    exchanges: int
    changed: int
    people: int
    hosts: int
    past: int
    past_hosts: int
    running: int
    by_effect: dict[str, int] = {}  # effective disposition then: exchanges


class OverviewRequest(Request, frozen=True):
    """Verb `overview`. `since`: epoch seconds."""

    since: float = 0.0


class TopService(msgspec.Struct, frozen=True):
    """A service by use."""

    service: str
    name: str
    exchanges: int
    bypass: int
    people: int


class PlausibilityRequest(Request, frozen=True):
    """Verb `plausibility`. Hours are judged that lie with both neighbours between two moments (epoch seconds)."""

    since: float = 0.0
    until: float = 1e12
    limit: Limit = 100


class Implausible(msgspec.Struct, frozen=True):
    """One hour (epoch seconds of its begin) of one client and service. `why`: more_bytes or more_tokens."""

    hour: int
    client: str
    service: str
    why: str
    requests: int
    input_tokens: int
    bytes_up: int


class Overview(msgspec.Struct, frozen=True):
    """Answer to `overview`: findings by state and severity now; exchanges and sightings since `since`.

    `governed`: the part of all use that passed the appliance, 0-1; None: there was none. `causes`: how the rest came
    past it. `implausible`: hours of the day before in which tokens and bytes do not fit each other, newest first.
    """

    by_state: dict[str, int]
    by_severity: dict[str, int]  # of those that are new or triaged
    exchanges: int
    refused: int
    redacted: int
    observations: int
    bypass: int
    people: int
    hosts: int
    top: tuple[TopService, ...]
    alarms: int  # notices of severity alarm
    governed: float | None = None
    causes: dict[str, int] = {}
    implausible: tuple[Implausible, ...] = ()


class WorkerState(msgspec.Struct, frozen=True):
    """A proxy worker. `applied`: the policy snapshot that it judges by."""

    name: str
    ready: bool
    applied: int = 0


class SensorState(msgspec.Struct, frozen=True):
    """A sensor. `state`: starting | capturing | finished | failed; `problem`: one line for people, with what to do.

    `means`: by what it captures, in how many processes, as it told last; `lost_last_minute`: packets; `worst_at`: the
    epoch second of that minute that lost most, `worst_lost` of them; `lost_seconds`: (epoch second, packets lost).
    """

    name: str
    source: str
    state: str
    problem: str = ""
    means: str = ""
    lost_last_minute: int = 0
    worst_at: int = 0
    worst_lost: int = 0
    lost_seconds: tuple[tuple[int, int], ...] = ()


class ApplianceRequest(Request, frozen=True):
    """Verb `appliance` on analyst.sock. Answered with `ApplianceState`."""


class TargetState(msgspec.Struct, frozen=True):
    """What a worker thinks of one target of a route; the rest as in `appliance.bus.control.TargetHealth`."""

    worker: str
    route: str
    service: str
    target: str
    provider: str = ""
    state: str = "closed"  # closed: well | open: comes last | half_open: one request tries it
    faults: int = 0
    until: int = 0
    probed: bool | None = None
    key: bool = True


class ApplianceState(Request, frozen=True):
    """The appliance as its supervisor tells it (verb `appliance` on ingest.sock), relayed to analysts.

    `version`: the snapshot that is current; a decision is applied when every ready worker's `applied` reached it.
    """

    phase: str = "unknown"
    stage: str = "unknown"
    version: int = 0
    proxy: str = ""
    gateway: str = ""
    workers: tuple[WorkerState, ...] = ()
    sensors: tuple[SensorState, ...] = ()
    problems: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()  # names of the gateway's routes, for a redirect
    targets: tuple[TargetState, ...] = ()  # of every route, as each worker thinks of them
