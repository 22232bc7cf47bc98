"""What becomes of a stream whose protocol was switched (101): a WebSocket that relays answer for, or bytes unread.

Rules: which of the two it is an addon has said before the request left, with `RELAYS` or `UNREAD`; without either
nothing is switched; a WebSocket that somebody answers for is one whose every message can be read: version 13 and no
extension.
"""

from itertools import pairwise
from typing import Any

import wsproto.handshake
from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import tcp
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import RequestProtocolError, ResponseEndOfMessage, ResponseProtocolError

from addons.upstream.plan import RELAYS, UNREAD
from addons.upstream.websocket import EndSocket, GovernedWebsocket

SWITCHING = 101


class CancelTicket(commands.RequestWakeup):
    """A pending command whose completion ends its stream."""

    def __init__(self, final: bytes, reason: str) -> None:
        super().__init__(0)
        self.final = final
        self.reason = reason


class SwitchingStream(HttpStream):
    """A stream that knows what may follow a 101."""

    def ticket(self, final: bytes, reason: str) -> CancelTicket:
        """A ticket that every layer above this stream will route to it."""
        ticket = CancelTicket(final, reason)
        stack = self.context.layers
        for parent, child in pairwise(stack):
            if isinstance(parent, HttpLayer):
                parent.command_sources[ticket] = child
        return ticket

    def flow_done(self) -> layer.CommandGenerator[None]:
        """As mitmproxy, with our layers behind a 101."""
        assert self.flow.response  # noqa: S101 - it has been sent
        if self.flow.response.status_code != SWITCHING:
            yield from super().flow_done()
            return
        relays = self.flow.metadata.get(RELAYS)
        if relays is not None:
            self.child_layer = GovernedWebsocket(self.context, self.flow, relays)
        else:
            self.flow.live = False
            self.child_layer = tcp.TCPLayer(self.context, ignore=True)
        self._handle_event = self.passthrough
        yield from self.child_layer.handle_event(events.Start())
        # Afterwards, because it lets go of bytes that have come ahead.
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def passthrough(self, event: events.Event) -> layer.CommandGenerator[None]:
        """As mitmproxy; an end that comes from elsewhere is told to what is carried in its own words."""
        told: Any = event
        if isinstance(event, events.Wakeup) and isinstance(event.command, CancelTicket):
            if not isinstance(self.child_layer, GovernedWebsocket):
                return
            told = EndSocket(event.command.reason)
        elif isinstance(event, RequestProtocolError):
            told = events.ConnectionClosed(self.context.client)
        elif isinstance(event, ResponseProtocolError):
            told = events.ConnectionClosed(self.context.server)
        yield from super().passthrough(told)


def objection_to_switch(flow: http.HTTPFlow) -> str:
    """Why the protocol may not be switched as the provider's 101 says; empty: it may."""
    assert flow.response  # noqa: S101 - its head has come
    asked, answered = flow.request.headers, flow.response.headers
    if "upgrade" not in asked:
        return "The provider changed the protocol without being asked."
    if RELAYS not in flow.metadata:
        return "" if flow.metadata.get(UNREAD) else "What follows could not be read."
    version = asked.get("sec-websocket-version", "").encode()
    if answered.get("upgrade", "").lower() != "websocket" or version != wsproto.handshake.WEBSOCKET_VERSION:
        return "The provider changed to another protocol than the one asked for."
    if "sec-websocket-extensions" in answered:
        return "The provider uses a WebSocket extension without being asked."
    return ""
