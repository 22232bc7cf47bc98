"""What addons and the seam tell each other about one flow: where it may go, what was tried, why it failed.

Owns: the metadata keys and the records behind them. Rules: no mitmproxy internals here; a failure's message is for the
client, so it names the target but no resolved address.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

import msgspec
from mitmproxy import connection, http

from appliance.model.event import Attempt

PLAN = "gnomon.plan"  # flow.metadata: a TargetPlan; without one the flow goes where its request says
CLEARED = "gnomon.cleared"  # flow.metadata: judged; without it nothing is dialled
DIAL_FIRST = "gnomon.dial_first"  # flow.metadata of a CONNECT: connect to its address before it is answered
LISTENER = "gnomon.listener"  # flow.metadata: "proxy", "gateway" or PEER, set before the first hook
PEER = "peer"  # the listener that takes exchanges of edges
HOP = "#"  # begins the host of a central appliance's place: no client can write it (strict.py), so none is dialled so
FAILURE = "gnomon.failure"  # flow.metadata: a Failure, set before the `error` hook
RELAYS = "gnomon.relays"  # flow.metadata of an upgrade: who answers for the WebSocket's messages (websocket.Relays)
UNREAD = "gnomon.unread"  # flow.metadata of an upgrade: what follows may pass as bytes that nobody reads
BROKEN_BY = "gnomon.broken_by"  # flow.metadata, set before the `error` hook: CLIENT or UPSTREAM, who broke it off
CLIENT, UPSTREAM = "client", "upstream"
LAST_WORDS = "gnomon.last_words"  # flow.metadata, set by the `error` hook: goes out before a stream is broken off
STREAM = "gnomon.stream"  # flow.metadata: weak reference to the stream, for cancel_stream


class FailureKind(StrEnum):
    """Why a flow got no answer from upstream. The value is the error code that the client reads."""

    CONNECT = "connect_failed"
    TIMEOUT = "connect_timeout"
    RESOLVE = "name_not_resolved"
    TLS = "tls_failed"
    PRIVATE_ADDRESS = "private_address"
    REFUSED = "dial_refused"
    NOT_CLEARED = "not_cleared"
    CANCELLED = "cancelled"

    @property
    def status(self) -> int:
        """The HTTP status that goes with it."""
        return _STATUS.get(self, 502)


_STATUS = {
    FailureKind.TIMEOUT: 504,
    FailureKind.PRIVATE_ADDRESS: 403,
    FailureKind.REFUSED: 403,
    FailureKind.NOT_CLEARED: 503,
    FailureKind.CANCELLED: 503,
}


class DialMessage(str):
    """An error text that passes through mitmproxy's layers as text and still knows its kind."""

    __slots__ = ("kind",)
    kind: FailureKind

    def __new__(cls, text: str, kind: FailureKind) -> Self:
        """`text` with its `kind`."""
        message = super().__new__(cls, text)
        message.kind = kind
        return message


class Failure(msgspec.Struct, frozen=True):
    """Why nothing came back."""

    kind: FailureKind
    message: str


class Target(msgspec.Struct, frozen=True):
    """One place that can answer: `scheme` https or http. `name`: where places tell too little."""

    host: str
    port: int
    scheme: str = "https"
    name: str = ""

    @property
    def authority(self) -> str:
        """What stands in Host: no port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def label(self) -> str:
        """host:port, as it is recorded."""
        return f"{self.host.removeprefix(HOP)}:{self.port}"


class Told(NamedTuple):
    """What the record of an attempt says of whom it went to. `model`: where it is not the one that was asked for."""

    service: str
    model: str | None = None


@dataclass(slots=True)
class TargetPlan:
    """Targets in the order in which they are tried, with repetitions; `attempts` is filled meanwhile.

    `retry_statuses`: with one of these and a target left, the answer is dropped and the next target tried. `resends`: a
    request that broke off, or waited for `head_s` seconds, before the head of an answer goes to the next target too.
    `follow_host`: Host (:authority) names the target. `prepare` is called before each attempt, to exchange credentials
    or the path: a key of one target must not reach another. An exception in it ends the flow. `ended` hears of each
    attempt: of `attempts` the last, and what it answered. `pause`: seconds to wait before the next target is tried;
    None: none is. Neither may raise. `admits` is asked before a target is dialled: why it may not be, in few words;
    an exception in it says the same.
    """

    targets: tuple[Target, ...]
    retry_statuses: frozenset[int] = frozenset()
    follow_host: bool = True
    prepare: Callable[[http.HTTPFlow, Target], Told | None] | None = None
    resends: bool = False
    head_s: float | None = None
    ended: Callable[[Target, Attempt, http.Headers | None], None] | None = None
    pause: Callable[[Target], float | None] | None = None
    attempts: list[Attempt] = field(default_factory=list)
    admits: Callable[[Target], str | None] | None = None


_LISTENERS: WeakKeyDictionary[connection.Client, str] = WeakKeyDictionary()


def comes_by(client: connection.Client, listener: str) -> None:
    """Note by which listener a connection came."""
    _LISTENERS[client] = listener


def listener_of(client: connection.Client) -> str:
    """By which listener a connection came, also before it has a flow."""
    return _LISTENERS.get(client, "proxy")


def attempts_of(flow: http.HTTPFlow) -> tuple[Attempt, ...]:
    """What was tried for a flow, in order; empty when nothing was dialled."""
    plan = flow.metadata.get(PLAN)
    return tuple(plan.attempts) if isinstance(plan, TargetPlan) else ()


def error_body(code: str, message: str) -> bytes:
    """The JSON error that SDKs of most providers can read."""
    return msgspec.json.encode({"error": {"message": message, "type": "gnomon_error", "code": code}})


def error_response(status: int, code: str, message: str) -> http.Response:
    """An answer of ours, never cached."""
    headers = {"content-type": "application/json", "cache-control": "no-store", "x-gnomon-refusal": code}
    return http.Response.make(status, error_body(code, message), headers)
