"""Records of the verbs that hand evidence out as files, shared by clients and the store.

Rules: an export is asked for (`export`), read in pieces on the same connection (`export_read`) and let go of
(`export_done`); it is also deleted when that connection ends or after `KEEP_S`. The store makes one at a time. Times
are epoch seconds, sizes bytes. The summary travels as the file `SUMMARY_FILE`, one JSON object (`ExportSummary`).
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.store.wire import Count, Name, Request

CHUNK_BYTES: Final = 4 << 20
KEEP_S: Final = 600.0
DATABASE_FILE: Final = "gnomon-export.duckdb"
SUMMARY_FILE: Final = "summary.json"


class ExportFormat(StrEnum):
    """What evidence is handed out as."""

    DUCKDB = "duckdb"  # one database file with the documented views
    CSV = "csv"  # one file per view
    HTML = "html"  # one page for people


class ExportRequest(Request, frozen=True):
    """Verb `export`. Rows with `since` <= time < `until` (None: up to now); answered with `Exported`."""

    formats: Annotated[tuple[ExportFormat, ...], Meta(min_length=1, max_length=len(ExportFormat))]
    since: float = 0.0
    until: float | None = None
    pseudonymise: bool = False


class ExportFile(msgspec.Struct, frozen=True):
    """One finished file. `sha256` in hexadecimal."""

    name: str
    bytes: int
    sha256: str


class Exported(msgspec.Struct, frozen=True):
    """An export that lies ready. `rows` by view."""

    id: str
    made: float
    files: tuple[ExportFile, ...]
    rows: dict[str, int]


class ExportRead(Request, frozen=True):
    """Verb `export_read`: the piece of a file from `offset`. The body holds at most `CHUNK_BYTES`; empty: the end."""

    id: Name
    file: Name
    offset: Count


class ExportPiece(msgspec.Struct, frozen=True):
    """Head of the answer to `export_read`."""

    bytes: int


class ExportDone(Request, frozen=True):
    """Verb `export_done`: the files may go. Answered with `Done`, also when they have gone already."""

    id: Name


class ChainHead(msgspec.Struct, frozen=True):
    """Where one producer's chain of records stood when the export was made."""

    producer: str
    epoch: int
    seq: int
    digest: str


class ExportInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an export says of itself: table `export_info`, one row. `since` 0: from the beginning."""

    gnomon_version: str
    schema_version: int
    made: float
    since: float
    until: float
    pseudonymised: bool
    author: str
    role: str
    rows: dict[str, int] = {}
    chain_heads: tuple[ChainHead, ...] = ()


class FindingLine(msgspec.Struct, frozen=True):
    """A finding in the summary."""

    id: str
    kind: str
    subject: str
    name: str
    owner: str
    category: str
    surface: str
    severity: str
    state: str
    governance: str
    confidence: float
    first_seen: float
    last_seen: float
    governed: int
    bypass: int
    hints: int
    people: int
    hosts: int


class DecisionLine(msgspec.Struct, frozen=True):
    """A decision in the summary. The last three: how many it is narrowed to; all 0: it binds everyone."""

    number: int
    ts: float
    author: str
    role: str
    decision: str
    service: str
    surface: str | None
    route: str | None
    reason: str | None
    expires: float | None
    undoes: int | None
    undone: bool
    people: int
    groups: int
    hosts: int


class MovedLine(msgspec.Struct, frozen=True):
    """What became of a decision within the span: people sent on, turned away, let through; hosts that went past."""

    number: int
    decision: str
    service: str
    route: str | None
    ts: float
    moved: int
    stopped: int
    still: int
    hosts: int


class UsageLine(msgspec.Struct, frozen=True):
    """Use of one service: exchanges, people, bytes and tokens."""

    service: str | None
    exchanges: int
    people: int
    request_bytes: int
    response_bytes: int
    input_tokens: int
    output_tokens: int


class CoverageLine(msgspec.Struct, frozen=True):
    """Where the bytes of one service's request bodies went."""

    service: str | None
    exchanges: int
    incomplete: int
    bytes: int
    structure: int
    scanned: int
    unscanned: int
    opaque: int


class ReasonLine(msgspec.Struct, frozen=True):
    """Why bytes were not scanned. `kind`: unscanned (text) or opaque (no text)."""

    kind: str
    reason: str
    exchanges: int
    bytes: int
    part: str = "request"  # or answer


class CountLine(msgspec.Struct, frozen=True):
    """How often something happened. `what`, and `more` of it."""

    what: str
    more: str | None
    count: int


class SensorLine(msgspec.Struct, frozen=True):
    """What one sensor saw from one source. `past`: sightings past the appliance."""

    sensor: str
    source: str | None
    first: float
    last: float
    sightings: int
    past: int


class SpendLine(msgspec.Struct, frozen=True):
    """What was used of one service and model, or by one department (`what`, and `more` of it).

    `overrun_micros`: of the cost, what lies beyond what budgets had granted. `unpriced`: exchanges that are in no sum.
    `limited`: exchanges whose answer was ended at a limit; what was turned away before is a refusal, in no line here.
    """

    what: str | None
    more: str | None
    exchanges: int
    people: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    overrun_micros: int
    unpriced: int
    estimated: int
    limited: int


class BudgetLine(msgspec.Struct, frozen=True):
    """How often the operator was told of a budget. `budget` None: pseudonymised, or told of none by name."""

    budget: str | None
    note: str
    count: int
    last: float


class KeyLine(msgspec.Struct, frozen=True):
    """A key with a provider that was used; `held`: the appliance's own of that name. Lists are joined by commas."""

    fingerprint: str
    shape: str | None
    held: str | None
    people: int
    hosts: int
    programs: str
    services: str
    accounts: str
    exchanges: int
    first: float
    last: float


class AccountLine(msgspec.Struct, frozen=True):
    """By whose accounts a service was used. `account` None: nothing tells."""

    service: str | None
    account: str | None
    exchanges: int
    people: int


class ExportSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the page for people is made of; lists are bounded, `rows` in `info` tell how many there are in all."""

    info: ExportInfo
    stages: tuple[CountLine, ...] = ()  # exchanges by stage
    findings: tuple[FindingLine, ...] = ()
    findings_by_state: tuple[CountLine, ...] = ()
    decisions: tuple[DecisionLine, ...] = ()
    moved: tuple[MovedLine, ...] = ()  # of decisions in force that coach, redirect or block
    outcomes: tuple[CountLine, ...] = ()  # exchanges by effective disposition and outcome
    usage: tuple[UsageLine, ...] = ()
    coverage: tuple[CoverageLine, ...] = ()
    reasons: tuple[ReasonLine, ...] = ()
    refusals: tuple[CountLine, ...] = ()
    notices: tuple[CountLine, ...] = ()  # by note and severity
    sensors: tuple[SensorLine, ...] = ()
    tunnels: int = 0  # connections passed sealed or unread, to names that are no AI service or by rule
    tunnel_bytes: int = 0
    spend: tuple[SpendLine, ...] = ()  # by service and model, the dearest first
    departments: tuple[SpendLine, ...] = ()
    budgets: tuple[BudgetLine, ...] = ()  # what the operator was told of them
    keys: tuple[KeyLine, ...] = ()  # the latest used first
    accounts: tuple[AccountLine, ...] = ()
    keyless: int = 0  # exchanges of before keys and accounts had columns: in neither list
