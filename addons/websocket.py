"""WebSockets to AI services: every message of both sides is read before it goes on.

Theory of operation. An upgrade is governed like any request (`addons/exchange.py`); here it loses its offer of
extensions, for what is compressed inside cannot be seen, and gets relays. `addons/socket_calls.py` judges what the
client says, `addons/socket_answers.py` edits what the provider says. When the socket ends, for whatever reason, its
records are closed here. Rules: a fault of ours closes the socket in stage enforce, and passes and is counted in stage
observe; nothing of a message is kept or logged; what a peer writes into a ping or a close goes no further unread.
"""

import asyncio
from collections.abc import Awaitable

from mitmproxy import http

from addons.endings import ENDINGS, FAULT, RULE
from addons.failclosed import Guard
from addons.ongoing import Exchange, exchange_of
from addons.socket_answers import SocketAnswers, Wanted
from addons.socket_calls import SocketCalls, says_something
from addons.upstream import RELAYS, Close, Relays, Sent
from addons.worker import Worker
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspection
from appliance.inspect.stream.watching import of_answer
from appliance.model.names import Outcome, Stage

SOCKET = "gnomon.socket"  # flow.metadata: the Socket of an upgrade
IN_THREAD_BYTES = 64 * 1024  # larger messages are inspected beside the loop, and what follows waits
VIOLATION, INTERNAL = 1008, 1011
NORMAL = frozenset({1000, 1001, 1005})
ABNORMAL = 1006
TOO_BIG = 1009
NOT_TOLD = ""  # instead of a reason that may not be shown


class Socket:
    """One governed socket."""

    def __init__(self, worker: Worker, guard: Guard, flow: http.HTTPFlow, exchange: Exchange) -> None:
        self._worker, self._guard, self._flow, self._exchange = worker, guard, flow, exchange
        self._call = Call(flow.request.method, flow.request.path, "")
        self._bound = worker.config.egress.max_body_bytes
        self._begun: tuple[SocketAnswers, SocketCalls] | None = None

    def relays(self) -> Relays:
        """What the seam hands messages to; none of it raises."""
        guard = self._guard
        return Relays(
            guard.relay("Socket.client", self._client, self._unread),
            guard.relay("Socket.server", self._server, lambda _size: None, self._guards),  # it keeps its own account
            guard.telling("Socket.last", self._last, []),
            guard.telling("Socket.reason", self._reason, NOT_TOLD),
            self._bound,
        )

    def end(self) -> None:
        """The socket is over: close its records."""
        socket = self._flow.websocket
        assert socket  # noqa: S101 - the seam has set it
        code, cut = int(socket.close_code or ABNORMAL), self._exchange.cut
        if socket.closed_by_client is None:  # ended here
            ending = ENDINGS.get(cut) or ENDINGS[FAULT]
            outcome = Outcome.BLOCKED if code == TOO_BIG else ending.outcome
        elif code in NORMAL:
            outcome = Outcome.COMPLETED
        else:
            outcome = Outcome.CLIENT_ABORT if socket.closed_by_client else Outcome.UPSTREAM_ABORT
        detail = self._exchange.cut_detail
        reason = cut or ("" if outcome is Outcome.COMPLETED else f"closed with {code}")
        self._calls.end(outcome, f"{reason}: {detail}" if detail else reason)

    @property
    def _answers(self) -> SocketAnswers:
        return self._parts()[0]

    @property
    def _calls(self) -> SocketCalls:
        return self._parts()[1]

    def _guards(self) -> bool:
        """Something of the answers may have to be hidden: whatever stage the site is in by now."""
        return any(self._answers.wants)

    def _unread(self, size: int) -> None:
        self._calls.unread(size)

    def _parts(self) -> tuple[SocketAnswers, SocketCalls]:
        """Made at the first use: by then the upgrade has been judged."""
        if self._begun is None:
            worker, exchange = self._worker, self._exchange
            watcher = of_answer(worker.watcher, exchange.expected)
            answers = SocketAnswers(worker.inspector, watcher, exchange.dialect, self._call, self._bound)
            answers.expected = exchange.expected
            answers.want(Wanted(exchange.hides, exchange.ends))
            self._begun = answers, SocketCalls(worker, self._flow, exchange, answers)
        return self._begun

    def _client(self, message: bytes, _is_text: bool) -> Sent | Awaitable[Sent]:
        if len(message) > IN_THREAD_BYTES:
            return self._client_later(message)
        inspection = self._inspect(message)
        if self._calls.waits(inspection, len(message)) or self._asks(inspection):
            return self._client_later(message, inspection)
        return self._calls.take(message, inspection)

    async def _client_later(self, message: bytes, waiting: Inspection | None = None) -> Sent:
        """`waiting`: it has been inspected, and waits for what other processes read."""
        inspection = await asyncio.to_thread(self._inspect, message) if waiting is None else waiting
        naming, external = self._worker.naming, self._worker.external
        if naming and self._calls.waits(inspection, len(message)):
            inspection = await naming.named(inspection, self._calls.beside)
        if external and self._asks(inspection):
            acts = self._worker.stage is Stage.ENFORCE
            inspection = await external.judged(self._flow, inspection, acts=acts, method="POST")
        return self._calls.take(message, inspection)

    def _asks(self, inspection: Inspection) -> bool:
        """Whether an external system is to see a message: sound goes by unseen, and is counted as opaque."""
        return self._worker.external is not None and says_something(inspection)

    def _inspect(self, message: bytes) -> Inspection:
        return self._worker.inspector.request(self._call, None, message, self._exchange.service.dialect)

    def _server(self, message: bytes, is_text: bool) -> Sent | Awaitable[Sent]:
        if len(message) > IN_THREAD_BYTES and not self._answers.by_events:
            return self._server_later(message, is_text)
        return self._heard(self._answers.take(message, is_text))

    async def _server_later(self, message: bytes, is_text: bool) -> Sent:
        return self._heard(await asyncio.to_thread(self._answers.take, message, is_text))

    def _heard(self, out: list[bytes]) -> Sent:
        answers = self._answers
        if answers.ended is None:
            self._calls.heard()
            return out
        self._exchange.cut, self._exchange.cut_detail = answers.ended
        return Close(VIOLATION, ENDINGS[RULE].message, (*out, *answers.last(answers.ended[0])))

    def _last(self, why: str) -> list[bytes]:
        if why:
            self._exchange.cut = self._exchange.cut or why
        return self._answers.last(why)

    def _reason(self, text: str) -> str:
        """A close reason of the provider, as far as it may be shown."""
        hides, ends = self._answers.wants
        if not text or not (hides or ends):
            return text
        found = self._worker.inspector.response(None, self._call, "text/plain", None, text.encode())
        if found.ended_by(ends) is not None:
            return NOT_TOLD
        return found.edited(hides).body.decode()


class WebsocketAddon:
    """Hooks of upgrades; stands behind the exchange's in the chain."""

    def __init__(self, worker: Worker, guard: Guard) -> None:
        self._worker = worker
        self._guard = guard

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """An upgrade of an exchange gets relays."""
        exchange = exchange_of(flow)
        if exchange is None or flow.response or flow.error or not is_upgrade(flow.request):
            return
        flow.request.headers.pop("sec-websocket-extensions", None)
        socket = flow.metadata[SOCKET] = Socket(self._worker, self._guard, flow, exchange)
        flow.metadata[RELAYS] = socket.relays()

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """The last of a socket: nothing has been sent yet that says so."""
        socket = flow.metadata.get(SOCKET)
        if isinstance(socket, Socket):
            socket.end()


def is_upgrade(request: http.Request) -> bool:
    """A client asks for a WebSocket and for nothing else, in the one form that can be read (RFC 6455 4.1)."""
    headers = request.headers
    asked = headers.get("upgrade", "").strip().lower() == "websocket" and bool(headers.get("sec-websocket-key"))
    version = headers.get("sec-websocket-version", "").strip() == "13"
    return asked and version and request.method == "GET" and request.http_version == "HTTP/1.1"
