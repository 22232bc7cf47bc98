"""The closed vocabularies of the product: one word per idea, the same in code, store, policy files and reports.

Rules: values are what is stored and shown; order matters only where it is stated. Sources: OTel GenAI, Zeek, OWASP.
"""

from enum import StrEnum


class Disposition(StrEnum):
    """What happens to an exchange; strictest last (declaration order is the strictness order)."""

    ALLOW = "allow"
    OBSERVE = "observe"
    COACH = "coach"
    PSEUDONYMISE = "pseudonymise"
    REDACT = "redact"
    REDIRECT = "redirect"
    HOLD = "hold"
    BLOCK = "block"

    @property
    def strictness(self) -> int:
        """0 for allow, 7 for block."""
        return _STRICTNESS[self]


_STRICTNESS = {disposition: rank for rank, disposition in enumerate(Disposition)}


class DecisionKind(StrEnum):
    """What an analyst may decide about a service and surface."""

    APPROVE = "approve"
    COACH = "coach"
    REDIRECT = "redirect"
    BLOCK = "block"
    DISMISS = "dismiss"


class Stage(StrEnum):
    """observe: would-be verdicts are recorded and bytes pass unchanged; enforce: verdicts act."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


class Layer(StrEnum):
    """Where a rule stands; highest first. A lower layer may only tighten."""

    SAFETY = "safety"
    BLOCK_DECISION = "block_decision"
    ORGANISATION = "organisation"
    DEPARTMENT = "department"
    USER = "user"
    APPROVE_DECISION = "approve_decision"


class Surface(StrEnum):
    """By which door a service is used."""

    API = "api"
    WEB = "web"
    AGENT = "agent"
    MCP = "mcp"
    ASSETS = "assets"


class Assurance(StrEnum):
    """How far an identity can be trusted: none (anonymous), low (an address), high (a proven secret)."""

    NONE = "none"
    LOW = "low"
    HIGH = "high"


class DetectionKind(StrEnum):
    """Classes of detection, as `gnomon scan` prints them."""

    PII = "pii"
    SECRET = "secret"  # noqa: S105 - the name of a class of finding
    INJECTION = "injection"
    HIDDEN_TEXT = "hidden_text"
    OUTPUT = "output"
    TOPIC = "topic"


class Direction(StrEnum):
    """request: towards the provider; response: back to the client."""

    REQUEST = "request"
    RESPONSE = "response"


class Outcome(StrEnum):
    """How an exchange ended. `lost` is written by recovery for an open without a close."""

    COMPLETED = "completed"
    BLOCKED = "blocked"
    CLIENT_ABORT = "client_abort"
    UPSTREAM_ABORT = "upstream_abort"
    UPSTREAM_ERROR = "upstream_error"
    DRAINED = "drained"
    FAILED_CLOSED = "failed_closed"
    LOST = "lost"


class CredentialMode(StrEnum):
    """Whose key goes upstream: the client's own, one that the appliance holds, or none."""

    CLIENT = "client"
    HELD = "held"
    NONE = "none"


class RefusalReason(StrEnum):
    """Why a connection or request was refused before it became an exchange."""

    MALFORMED_REQUEST = "malformed_request"
    HEAD_TOO_LARGE = "head_too_large"
    BODY_TOO_LARGE = "body_too_large"
    SMUGGLING = "smuggling"
    NAME_DISAGREEMENT = "name_disagreement"
    NOT_TLS_IN_TUNNEL = "not_tls_in_tunnel"
    PRIVATE_ADDRESS = "private_address"
    IDENTITY_REQUIRED = "identity_required"
    IDENTITY_FAILED = "identity_failed"
    CLIENT_NOT_ALLOWED = "client_not_allowed"
    UNKNOWN_ROUTE = "unknown_route"
    CERTIFICATE_REJECTED = "certificate_rejected"
    JOURNAL_FULL = "journal_full"
    OUTSIDE_INTERCEPT = "outside_intercept"
    WEBSOCKET = "websocket"
    QUOTA = "quota"
    INTERNAL_FAULT = "internal_fault"
