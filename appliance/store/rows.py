"""The rows of the event tables and the statement that inserts them.

Rules: a row record's fields are its table's columns, name for name and in the same order (a test compares them with the
schema).
"""

from typing import Final

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The columns that every event table begins with. `body` is empty in a batch, where it travels beside the row."""

    n: int
    producer: str
    epoch: int
    seq: int
    digest: str
    body: str
    ts: float


class OpenRow(Row, frozen=True, kw_only=True):
    """Table exchange_open."""

    exchange: str
    worker: str
    principal: str
    client: str
    department: str | None
    identity_method: str
    service: str | None
    category: str | None
    surface: str
    listener: str
    route: str | None
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
    stage: str
    rule: str | None
    body_digest: str
    sent_digest: str
    redactions: int
    inspect_ms: float
    coverage_length: int
    coverage_structure: int
    coverage_scanned: int
    coverage_unscanned: int
    coverage_opaque: int
    policy_version: int
    conversation: str | None
    groups: str
    virtual_key: str | None
    key_fingerprint: str | None
    key_shape: str | None
    held: str | None
    account: str | None
    account_id: str | None
    client_name: str | None
    client_version: str | None
    handed: bool | None


class CloseRow(Row, frozen=True, kw_only=True):
    """Table exchange_close."""

    exchange: str
    outcome: str
    status: int
    response_bytes: int
    first_byte_ms: float | None
    duration_ms: float
    model_served: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    usage_estimated: bool | None
    coverage_length: int | None
    coverage_structure: int | None
    coverage_scanned: int | None
    coverage_unscanned: int | None
    coverage_opaque: int | None
    attempts: int
    reason: str
    answer_entities: tuple[str, ...]
    answer_findings: int
    answer_redactions: int
    tools_called: tuple[str, ...]
    gone_bytes: int | None
    sent_bytes: int
    sent_unscanned: int
    late_entities: tuple[str, ...] | None
    cost_micros: int | None
    cost_priced: bool | None
    overrun_micros: int | None
    account: str | None
    account_id: str | None
    served: str | None


class RefusalRow(Row, frozen=True, kw_only=True):
    """Table refusals."""

    worker: str
    reason: str
    client: str
    principal: str
    host: str
    port: int
    detail: str
    listener: str


class NoticeRow(Row, frozen=True, kw_only=True):
    """Table notices."""

    worker: str
    severity: str
    note: str
    detail: str


class TunnelRow(Row, frozen=True, kw_only=True):
    """Table tunnels."""

    worker: str
    tunnels: int
    bytes_up: int
    bytes_down: int


class DetectorsRow(Row, frozen=True, kw_only=True):
    """Table detector_sums. The lists run in step."""

    worker: str
    since: float
    names: tuple[str, ...]
    texts: tuple[int, ...]
    found: tuple[int, ...]
    seconds: tuple[float, ...]
    failed: tuple[int, ...]
    late: tuple[int, ...]


class LossesRow(Row, frozen=True, kw_only=True):
    """Table packet_losses. The lists run in step."""

    sensor: str
    source: str
    seconds: tuple[int, ...]
    dropped: tuple[int, ...]
    passed: tuple[int, ...]


class ObservationRow(Row, frozen=True, kw_only=True):
    """Table observations. `taken`: when the store took it in, which is what its age is told from."""

    until: float
    taken: float
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
    alpn: tuple[str, ...]
    ja3: str | None
    ja4: str | None
    host: str | None
    path: str | None
    user_agent: str | None
    evidence: tuple[str, ...]
    cause: str | None
    contradicts: str | None
    bytes_up: int | None
    bytes_down: int | None
    at_least: bool | None


class HostRow(Row, frozen=True, kw_only=True):
    """Table host_records. `taken`: when the store took it in. `names` and `told_by` run in step."""

    until: float
    taken: float
    sensor: str
    source: str
    address: str
    mac: str | None
    vendor: str
    names: tuple[str, ...]
    told_by: tuple[str, ...]
    system: str
    router: bool


TABLES: Final[dict[type[Row], str]] = {
    OpenRow: "exchange_open",
    CloseRow: "exchange_close",
    RefusalRow: "refusals",
    NoticeRow: "notices",
    TunnelRow: "tunnels",
    DetectorsRow: "detector_sums",
    LossesRow: "packet_losses",
    ObservationRow: "observations",
    HostRow: "host_records",
}

_TYPES: Final[dict[object, str | list[str]]] = {  # as DuckDB's from_json takes them
    int: "BIGINT",
    float: "DOUBLE",
    str: "VARCHAR",
    bool: "BOOLEAN",
    bool | None: "BOOLEAN",
    int | None: "BIGINT",
    float | None: "DOUBLE",
    str | None: "VARCHAR",
    bool | None: "BOOLEAN",
    tuple[str, ...]: ["VARCHAR"],
    tuple[str, ...] | None: ["VARCHAR"],
    tuple[int, ...]: ["BIGINT"],
    tuple[float, ...]: ["DOUBLE"],
}


def insert_statement(row: type[Row]) -> str:
    """One statement for any number of rows; its parameters are a list of their JSON texts and one of their bodies.

    Some hundred times faster than row by row. Fields are taken out of one parsed struct; `unnest(recursive := true)`
    would parse the text once per column. A body, which is JSON itself, would be quoted and unquoted again inside of
    another: beside the row it takes a tenth less.
    """
    fields = msgspec.structs.fields(row)
    typed = {field.name: _TYPES[field.type] for field in fields if field.name != "body"}
    structure = msgspec.json.encode(typed).decode()
    columns = ", ".join(field.name for field in fields)
    values = ", ".join("b" if field.name == "body" else f"r.{field.name}" for field in fields)
    return (
        f"INSERT INTO {TABLES[row]} ({columns}) SELECT {values} "  # noqa: S608 - names from this file only
        f"FROM (SELECT from_json(x, '{structure}') AS r, b "
        "FROM (SELECT unnest(?::VARCHAR[]) AS x, unnest(?::VARCHAR[]) AS b))"
    )
