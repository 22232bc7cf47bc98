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


class Verity(StrEnum):
    """What an analyst says of a detection."""

    RIGHT = "right"  # it is what it was taken for
    WRONG = "wrong"  # it is not
    UNSURE = "unsure"  # it cannot be told; somebody else may look


class Source(StrEnum):
    """Whose words a text is: what steers a model is judged by who may steer it."""

    USER = "user"  # what a person asks
    SYSTEM = "system"  # the application's own instructions
    ASSISTANT = "assistant"  # what the model said before, as the client sends it back; arguments of its calls
    TOOL = "tool"  # what a tool returned: a page, a mail, a row
    DOCUMENT = "document"  # a file that came with the request
    DEFINITION = "definition"  # names, descriptions and schemas of tools: instructions by their nature
    ANSWER = "answer"  # what the model says now
    UNKNOWN = "unknown"  # any other text: of a body that no dialect knows, metadata, `gnomon scan` without a role


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


class KeyState(StrEnum):
    """Where a key that the appliance holds is in its life."""

    NEW = "new"  # laid down, and not sent yet
    ACTIVE = "active"  # the one that is sent
    OVERLAP = "overlap"  # replaced, and not revoked yet
    RETIRED = "retired"  # gone from the appliance


class AccountKind(StrEnum):
    """Whose account with the provider a request uses."""

    CORPORATE = "corporate"  # one that the configuration names, or the appliance's own key
    PERSONAL = "personal"  # an account that the configuration does not name although it names others
    ANONYMOUS = "anonymous"  # nobody has signed in
    UNKNOWN = "unknown"  # there is an account, and nothing tells whose


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
    IDENTITY_FAILED = "identity_failed"  # wrong credentials, or too many attempts: 407, 401, 403 or 429
    IDENTITY_UNAVAILABLE = "identity_unavailable"  # who proves identities (issuer, directory) is not to be reached: 503
    CLIENT_NOT_ALLOWED = "client_not_allowed"  # the address is outside `listen.clients`: closed
    UNKNOWN_ROUTE = "unknown_route"  # no gateway route serves that path: 404, or 400
    CERTIFICATE_REJECTED = "certificate_rejected"  # the client rejects our certificate: closed, never passed
    JOURNAL_FULL = "journal_full"  # nothing more can be recorded (`journal.max_bytes`): 503
    OUTSIDE_INTERCEPT = "outside_intercept"  # to be opened, but we may not sign for that name: closed
    WEBSOCKET = "websocket"  # a WebSocket to an AI service in a form that cannot be inspected: 403
    REQUEST_STREAM = "request_stream"  # a call to an AI service that streams its messages: grpc-status 12, or 501
    QUOTA = "quota"  # the ledger grants no more: 429
    CREDENTIAL_MISSING = "credential_missing"  # the key that the route is to send is not there: 503
    INTERNAL_FAULT = "internal_fault"  # something of ours failed, so it was closed


class Transport(StrEnum):
    """What carried what was seen on the wire."""

    TCP = "tcp"  # a stream
    UDP = "udp"  # datagrams


class ObservationKind(StrEnum):
    """What the sensor read."""

    TLS = "tls"  # a ClientHello over TCP
    QUIC = "quic"  # a ClientHello inside QUIC Initial packets
    DNS = "dns"  # a question to a resolver
    MDNS = "mdns"  # a question in the local link's multicast DNS
    LLMNR = "llmnr"  # a question in Windows' local name resolution
    HTTP = "http"  # the head of a request in clear
    TLS_SERVER = "tls_server"  # a ServerHello, a certificate or an alert
    DNS_ANSWER = "dns_answer"  # what a name stands for
    HTTP_RESPONSE = "http_response"  # the head of an answer in clear
    FLOW = "flow"  # the sizes of a connection
    HOST = "host"  # what a host in the same network says of itself


class Leg(StrEnum):
    """Which part of a way through the network was seen."""

    DIRECT = "direct"  # from a client past the appliance
    PROXY = "proxy"  # from a client to one of the appliance's own listeners


class Cause(StrEnum):
    """Why a connection to an AI service was not governed: how it came past the appliance."""

    DIRECT_ADDRESS = "direct_address"  # straight to the service's own address
    PINNED = "pinned"  # the client rejects the appliance's certificate, or has before
    QUIC = "quic"  # over UDP, which no proxy setting reaches
    TUNNEL = "tunnel"  # through somebody else's proxy
    LAN_MODEL = "lan_model"  # to software that people run themselves in this network
    ECH = "ech"  # the name was encrypted; a resolver's answer gave it away


class FindingKind(StrEnum):
    """What a finding says. Each is one row per subject and surface, however often it is seen."""

    SERVICE_IN_USE = "service_in_use"  # an AI service is used here
    NAME_DISAGREEMENT = "name_disagreement"  # clients name one service and reach for another (domain fronting)
    CERTIFICATE_REJECTED = "certificate_rejected"  # clients of a service reject the appliance's certificate
    COMPROMISED = "compromised"  # an advisory says: made to steal, or receives what was stolen
    VULNERABLE = "vulnerable"  # an advisory says: the release that is used here has a grave hole
    OTHER_MODEL = "other_model"  # a router serves another model than is asked for
    EXTRACTION = "extraction"  # somebody draws answers out of a model as one does to copy it
    FLOODING = "flooding"  # somebody asks over and over, or fans out, far beyond what is usual here


class FindingState(StrEnum):
    """Where a finding stands. Decisions for everyone set the last five; `triaged` is an analyst's mark."""

    NEW = "new"  # nobody has looked at it
    TRIAGED = "triaged"  # somebody has, or it was decided for some people only
    APPROVED = "approved"  # a decision approves the service
    COACHED = "coached"  # a decision has callers taught before they go on
    REDIRECTED = "redirected"  # a decision sends its calls to another route
    BLOCKED = "blocked"  # a decision refuses its calls
    DISMISSED = "dismissed"  # closed; traffic is not touched


class Severity(StrEnum):
    """How urgent a finding is; lowest first (declaration order is the order)."""

    INFO = "info"  # for the record
    LOW = "low"  # a weak sign
    MEDIUM = "medium"  # unapproved, and the appliance sees it
    HIGH = "high"  # past the appliance, or meant to deceive
    CRITICAL = "critical"  # against a decision that is in force

    @property
    def rank(self) -> int:
        """0 for info, 4 for critical: what the store keeps and sorts by."""
        return _RANK[self]


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class Governance(StrEnum):
    """Whether traffic to a service passes the appliance."""

    GOVERNED = "governed"  # all that was seen of it passed the proxy or the gateway
    BYPASS = "bypass"  # some of it went past the appliance
    UNKNOWN = "unknown"  # only signs that tell no way, such as a name that was asked for
