"""A WebSocket whose messages somebody answers for: each is handed to a relay, which says what goes on instead of it.

Theory of operation. mitmproxy's layer tells addons of each message and forwards one for one; a stream editor holds
messages back and sends several for one. Here a direction has a `Relay`: whole message in, any number of messages out,
or `Close`. A relay that needs time returns an awaitable: the layer waits, and so does the reading of both connections
(see `GovernedHandler.drain_writers`), so nothing piles up. Rules: one message is reassembled at a time and bounded
(1009); nothing is kept; no byte passes that no relay has seen: a ping goes on under a payload of ours and the pong that
answers it comes back under the client's, the reason of a close is handed to `reason`; messages go on in one frame each
(RFC 6455 5.4 lets an intermediary coalesce; cutting text elsewhere could cut a character); extensions are never in use,
for the layer above lets none be negotiated; the end is told to `websocket_end` before anybody reads of it, once.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import wsproto.events
from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.websocket import WebsocketConnection, WebsocketEndHook, WebsocketLayer
from wsproto.connection import ConnectionState
from wsproto.frame_protocol import CloseReason

from addons.faults import fault_of

ABNORMAL = int(CloseReason.ABNORMAL_CLOSURE)
GOING_AWAY = int(CloseReason.GOING_AWAY)
POLICY_VIOLATION = int(CloseReason.POLICY_VIOLATION)
TOO_BIG = int(CloseReason.MESSAGE_TOO_BIG)
INTERNAL_ERROR = int(CloseReason.INTERNAL_ERROR)
CODES = {"drain": GOING_AWAY, "policy": POLICY_VIOLATION}  # by the reason of a cancel; others are faults of ours
REASON_CHARS = 120
LINGER_S = 2.0  # for the client to read the close and answer it; a reset might overtake it
MAX_PINGS = 16  # under way and not answered, per direction


@dataclass(frozen=True, slots=True)
class Close:
    """The socket ends. `code`: RFC 6455 7.4; `reason`: for people, cut to 120 characters; `last` leaves before it."""

    code: int
    reason: str = ""
    last: tuple[bytes, ...] = ()


Piece = wsproto.events.TextMessage | wsproto.events.BytesMessage
Sent = list[bytes] | Close
Relay = Callable[[bytes, bool], Sent | Awaitable[Sent]]


@dataclass(frozen=True, slots=True)
class Relays:
    """Who answers for a socket's messages. None of them may raise.

    `client`, `server`: called with each whole message of that side and whether it is text. `last`: what is still owed
    to the client when the socket ends; its argument is empty where a peer ended it, else why we do. `reason`: what the
    client may read of the reason that the server gave for its close. `max_message`: bytes.
    """

    client: Relay
    server: Relay
    last: Callable[[str], list[bytes]]
    reason: Callable[[str], str]
    max_message: int


@dataclass
class RelayHook(commands.StartHook):
    """Holds the layer until a relay has answered. No addon hears of it: the handler runs `run`."""

    waiting: Awaitable[Sent]
    result: Sent | None = None

    async def run(self) -> None:
        """Wait. A relay that raises closes the socket."""
        try:
            self.result = await self.waiting
        except BaseException as error:  # noqa: BLE001 - relays are guarded and do not raise; if one does, it closes
            fault_of(error)
            self.result = Close(INTERNAL_ERROR)


@dataclass
class EndSocket(events.Event):
    """From inside the process: end the socket. `why`: as in `Relays.last`."""

    why: str


class GovernedWebsocket(WebsocketLayer):
    """One WebSocket, from the 101 to its end."""

    def __init__(self, context: Context, flow: http.HTTPFlow, relays: Relays) -> None:
        super().__init__(context, flow)
        self._relays = relays
        self._held: dict[WebsocketConnection, bytearray] = {}
        self._server_text = True
        self._pings: dict[WebsocketConnection, OrderedDict[bytes, bytes]] = {}
        self._ping_number = 0

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Bytes of either side, the end of either, or an end of ours."""
        if isinstance(event, EndSocket):
            last = tuple(self._relays.last(event.why))
            yield from self._end_by_us(Close(CODES.get(event.why, INTERNAL_ERROR), event.why, last))
            return
        if not isinstance(event, (events.DataReceived, events.ConnectionClosed)):
            return
        source = self.client_ws if event.connection is self.context.client else self.server_ws
        source.receive_data(event.data if isinstance(event, events.DataReceived) else None)
        for told in source.events():
            yield from self._told(source, told)
            if self._handle_event != self.relay_messages:
                return

    def _told(self, source: WebsocketConnection, told: wsproto.events.Event) -> layer.CommandGenerator[None]:
        if isinstance(told, (wsproto.events.TextMessage, wsproto.events.BytesMessage)):
            yield from self._piece(source, told)
        elif isinstance(told, wsproto.events.Ping):
            yield from self._ping(source, bytes(told.payload))
        elif isinstance(told, wsproto.events.Pong):
            yield from self._pong(source, bytes(told.payload))
        elif isinstance(told, wsproto.events.CloseConnection):
            yield from self._ended_by_peer(source, told)

    def _piece(self, source: WebsocketConnection, piece: Piece) -> layer.CommandGenerator[None]:
        is_text = isinstance(piece.data, str)
        held = self._held.setdefault(source, bytearray())
        held += piece.data.encode() if isinstance(piece.data, str) else bytes(piece.data)
        limit = self._relays.max_message
        if len(held) > limit:
            held.clear()
            yield from self._end_by_us(Close(TOO_BIG, f"message above {limit} bytes", self._owed("too_big")))
        elif piece.message_finished:
            message = bytes(held)
            held.clear()
            yield from self._relay(source, message, is_text=is_text)

    def _relay(self, source: WebsocketConnection, message: bytes, *, is_text: bool) -> layer.CommandGenerator[None]:
        from_client = source is self.client_ws
        if not from_client:
            self._server_text = is_text
        answer: Any = (self._relays.client if from_client else self._relays.server)(message, is_text)
        if not isinstance(answer, (list, Close)):
            hook = RelayHook(answer)
            yield hook
            answer = hook.result or []
        if isinstance(answer, Close):
            yield from self._end_by_us(answer)
            return
        to = self.server_ws if from_client else self.client_ws
        for going in answer:
            yield to.send2(_message(going, is_text=is_text))

    def _ping(self, source: WebsocketConnection, payload: bytes) -> layer.CommandGenerator[None]:
        """Goes on under a number of ours: what a payload holds nobody reads, so it does not pass."""
        to = self._other(source)
        self._ping_number += 1
        token = self._ping_number.to_bytes(8, "big")
        under_way = self._pings.setdefault(to, OrderedDict())
        under_way[token] = payload
        while len(under_way) > MAX_PINGS:
            under_way.popitem(last=False)
        yield to.send2(wsproto.events.Ping(payload=token))

    def _pong(self, source: WebsocketConnection, payload: bytes) -> layer.CommandGenerator[None]:
        """The answer to a ping that went this way; unasked ones are a sign of life and stop here."""
        asked = self._pings.get(source)
        if asked and payload in asked:
            yield self._other(source).send2(wsproto.events.Pong(payload=asked.pop(payload)))

    def _other(self, source: WebsocketConnection) -> WebsocketConnection:
        return self.server_ws if source is self.client_ws else self.client_ws

    def _owed(self, why: str) -> tuple[bytes, ...]:
        return tuple(self._relays.last(why))

    def _ended_by_peer(
        self, source: WebsocketConnection, told: wsproto.events.CloseConnection
    ) -> layer.CommandGenerator[None]:
        from_client = source is self.client_ws
        last = self._owed("")
        yield from self._tell(told.code, told.reason or "", by_client=from_client)
        to_client = "" if from_client else self._relays.reason(told.reason or "")
        yield from self._send_last(last)
        yield from self._send_close(self.server_ws, GOING_AWAY if told.code == ABNORMAL else told.code, "")
        yield commands.CloseConnection(self.context.server)
        yield from self._send_close(self.client_ws, INTERNAL_ERROR if told.code == ABNORMAL else told.code, to_client)
        yield from self._leave_client()

    def _end_by_us(self, close: Close) -> layer.CommandGenerator[None]:
        yield from self._tell(close.code, close.reason, by_client=None)
        yield from self._send_last(close.last)
        yield from self._send_close(self.server_ws, GOING_AWAY, "")  # why is not for the provider
        yield commands.CloseConnection(self.context.server)
        yield from self._send_close(self.client_ws, close.code, close.reason[:REASON_CHARS])
        yield from self._leave_client()

    def _tell(self, code: int, reason: str, *, by_client: bool | None) -> layer.CommandGenerator[None]:
        socket = self.flow.websocket
        assert socket  # noqa: S101 - set by the stream with the 101
        socket.timestamp_end, socket.closed_by_client = time.time(), by_client
        socket.close_code, socket.close_reason = int(code), reason
        yield WebsocketEndHook(self.flow)
        self.flow.live = False

    def _send_last(self, messages: tuple[bytes, ...]) -> layer.CommandGenerator[None]:
        if self.client_ws.state is ConnectionState.OPEN:
            for message in messages:
                yield self.client_ws.send2(_message(message, is_text=self._server_text))

    @staticmethod
    def _send_close(end: WebsocketConnection, code: int, reason: str) -> layer.CommandGenerator[None]:
        if end.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            told = reason if reason and code != CloseReason.NO_STATUS_RCVD else None
            yield end.send2(wsproto.events.CloseConnection(code=code, reason=told))

    def _leave_client(self) -> layer.CommandGenerator[None]:
        at_once = self.client_ws.state is ConnectionState.CLOSED
        self._handle_event = self.done if at_once else self._lingering
        if at_once:
            yield commands.CloseConnection(self.context.client)
        else:
            yield commands.RequestWakeup(LINGER_S)

    def _lingering(self, event: events.Event) -> layer.CommandGenerator[None]:
        """What the client still says is not heard; its close, its end or time ends the connection."""
        over = isinstance(event, (events.Wakeup, events.ConnectionClosed))
        if isinstance(event, events.DataReceived) and event.connection is self.context.client:
            self.client_ws.receive_data(event.data)
            over = any(isinstance(told, wsproto.events.CloseConnection) for told in self.client_ws.events())
        elif isinstance(event, events.ConnectionClosed):
            over = event.connection is self.context.client
        if over:
            self._handle_event = self.done
            yield commands.CloseConnection(self.context.client)

    def done(self, _event: events.Event) -> layer.CommandGenerator[None]:
        """Deaf."""
        yield from ()


def _message(data: bytes, *, is_text: bool) -> Piece:
    if is_text:
        return wsproto.events.TextMessage(data=data.decode("utf-8", "replace"))
    return wsproto.events.BytesMessage(data=data)
