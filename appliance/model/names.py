"""The closed vocabularies of the product: one word per idea, the same in code, store, policy files and reports.

Rules: values are what is stored and shown; order matters only where it is stated. Sources: OTel GenAI, Zeek, OWASP.
"""

from enum import StrEnum


class Disposition(StrEnum):
    """What happens to an exchange; strictest last (declaration order is the strictness order)."""

    ALLOW = "allow"  # passes; the hit is recorded
    OBSERVE = "observe"  # passes; marked for a person to look at
    COACH = "coach"  # refused with an explanation, until the caller has acknowledged it
    PSEUDONYMISE = "pseudonymise"  # findings are replaced by names that stay the same, then it passes
    REDACT = "redact"  # findings are replaced by placeholders, then it passes
    REDIRECT = "redirect"  # goes to another route
    HOLD = "hold"  # waits for a person
    BLOCK = "block"  # refused

    @property
    def strictness(self) -> int:
        """0 for allow, 7 for block."""
        return _STRICTNESS[self]


_STRICTNESS = {disposition: rank for rank, disposition in enumerate(Disposition)}


class DecisionKind(StrEnum):
    """What an analyst may decide about a service and surface."""

    APPROVE = "approve"  # the service counts as approved for rules with `unapproved`; lifts nothing else
    COACH = "coach"  # callers are taught before they may go on
    REDIRECT = "redirect"  # calls go to another route
    BLOCK = "block"  # calls are refused
    DISMISS = "dismiss"  # the finding is closed; traffic is not touched


class Stage(StrEnum):
    """observe: would-be verdicts are recorded and bytes pass unchanged; enforce: verdicts act."""

    OBSERVE = "observe"  # verdicts are recorded and no byte is changed
    ENFORCE = "enforce"  # verdicts act, and faults close


class Layer(StrEnum):
    """Where a rule stands; highest first. A lower layer may only tighten."""

    SAFETY = "safety"  # the floor: no exceptions, no percent, no stage of its own
    BLOCK_DECISION = "block_decision"  # analysts' decisions to block, coach or redirect
    ORGANISATION = "organisation"  # rules for everybody
    DEPARTMENT = "department"  # rules for a department
    USER = "user"  # rules for single users
    APPROVE_DECISION = "approve_decision"  # analysts' decisions to approve: they lift `unapproved` only


class Surface(StrEnum):
    """By which door a service is used."""

    API = "api"  # called by programs
    WEB = "web"  # used in a browser
    AGENT = "agent"  # an agent or coding assistant
    MCP = "mcp"  # a tool server
    ASSETS = "assets"  # scripts, pictures and the like of a service


class Assurance(StrEnum):
    """How far an identity can be trusted: none (anonymous), low (an address), high (a proven secret)."""

    NONE = "none"  # anonymous
    LOW = "low"  # an address says so
    HIGH = "high"  # a secret was proven


class DetectionKind(StrEnum):
    """Classes of detection, as `gnomon scan` prints them."""

    PII = "pii"  # personal data
    SECRET = "secret"  # keys, tokens, private keys  # noqa: S105 - the name of a class of finding
    INJECTION = "injection"  # an attempt to steer a model
    HIDDEN_TEXT = "hidden_text"  # characters that people do not see
    OUTPUT = "output"  # something a model must not send back
    TOPIC = "topic"  # a subject that a policy names


class Direction(StrEnum):
    """request: towards the provider; response: back to the client."""

    REQUEST = "request"  # towards the provider
    RESPONSE = "response"  # back to the client


class Outcome(StrEnum):
    """How an exchange ended. `lost` is written by recovery for an open without a close."""

    COMPLETED = "completed"  # the answer went through whole
    BLOCKED = "blocked"  # refused by policy, or ended by it in mid-stream
    CLIENT_ABORT = "client_abort"  # the client left before the end
    UPSTREAM_ABORT = "upstream_abort"  # the provider ended the connection in mid-answer
    UPSTREAM_ERROR = "upstream_error"  # no answer: no target could be reached
    DRAINED = "drained"  # ended because the worker stopped
    FAILED_CLOSED = "failed_closed"  # refused because something of ours failed
    LOST = "lost"  # the worker died; recovery closed the record


class CredentialMode(StrEnum):
    """Whose key goes upstream: the client's own, one that the appliance holds, or none."""

    CLIENT = "client"  # the client's own key
    HELD = "held"  # a key that the appliance holds
    NONE = "none"  # no key


class RefusalReason(StrEnum):
    """Why a connection or request was refused before it became an exchange."""

    MALFORMED_REQUEST = "malformed_request"  # the request or its body cannot be read: 400
    HEAD_TOO_LARGE = "head_too_large"  # the head is larger than `egress.max_head_bytes`: 431
    BODY_TOO_LARGE = "body_too_large"  # the body is larger than `egress.max_body_bytes`: 413
    SMUGGLING = "smuggling"  # the head can be read in two ways: 400
    NAME_DISAGREEMENT = "name_disagreement"  # CONNECT, SNI and Host do not name one service (domain fronting): 421
    NOT_TLS_IN_TUNNEL = "not_tls_in_tunnel"  # a tunnel to an AI service carries neither TLS nor HTTP: closed
    PRIVATE_ADDRESS = "private_address"  # the name leads to a private, local or metadata address: 403, not dialled
    IDENTITY_REQUIRED = "identity_required"  # nobody knows who asks, and `identity.required` is set: 407 or 403
    IDENTITY_FAILED = "identity_failed"  # wrong credentials, or too many attempts: 407 or 429
    CLIENT_NOT_ALLOWED = "client_not_allowed"  # the address is outside `listen.clients`: closed
    UNKNOWN_ROUTE = "unknown_route"  # no gateway route serves that path: 404, or 400
    CERTIFICATE_REJECTED = "certificate_rejected"  # the client rejects our certificate: closed, never passed
    JOURNAL_FULL = "journal_full"  # nothing more can be recorded (`journal.max_bytes`): 503
    OUTSIDE_INTERCEPT = "outside_intercept"  # to be opened, but we may not sign for that name: closed
    WEBSOCKET = "websocket"  # WebSocket to an AI service, which cannot be inspected yet: 403
    QUOTA = "quota"  # the ledger grants no more: 429
    INTERNAL_FAULT = "internal_fault"  # something of ours failed, so it was closed
