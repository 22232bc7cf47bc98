"""Audit events: what a worker journals and the store keeps.

Rules: append-only; the tag `kind` tells the type; `ts` is epoch seconds; persons only as digests. `persons` maps such a
digest to the clear value and travels beside the hashed body, so that erasure never breaks the chain.
"""

import msgspec

from appliance.model.detection import Coverage
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Outcome, RefusalReason


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens as the provider told them (`estimated` False) or as counted here."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False


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


Event = ExchangeOpened | ExchangeClosed | Refused | Notice | Tunnelled
