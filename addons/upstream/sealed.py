"""The TLS ends of a connection: mitmproxy's, without what an open one spends on every event.

Theory of operation. mitmproxy hands an event through eight generators per TLS layer, learns that OpenSSL has no more
from an exception each time, and makes a TLS record of every piece that is sent. Here an open end reads until OpenSSL's
memory is empty, which it is asked for, hands events straight to its child, and seals what the child has sent for one
event at once. Over HTTP/2 each piece stays a record: a widely used client (httpcore) that reads several streams may
wait for ever for one whose last data and end came in one read.
Rules: handshakes, closing and errors are mitmproxy's own; what a child commands for another connection passes
untouched; what it has sent is sealed in its order, before anything else is done to the connection, and at the latest
with the end of the event.
"""

from typing import TYPE_CHECKING, Any

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import tls
from mitmproxy.proxy.tunnel import TunnelState
from OpenSSL import SSL

_lib: Any = SSL._lib  # type: ignore[attr-defined]  # noqa: SLF001 - the same access as mitmproxy's own
_PLACE = SSL._ffi.new("char **")  # type: ignore[attr-defined]  # noqa: SLF001 - where the bytes lie: nobody looks
RECORD = 16 * 1024  # bytes of plain text in a TLS record, at most (RFC 8446 5.1); one is read at a time

if TYPE_CHECKING:
    _Base = tls.TLSLayer
else:
    _Base = object


def waiting(bio: Any) -> int:
    """Bytes that lie in a memory of OpenSSL's."""
    return int(_lib.BIO_get_mem_data(bio, _PLACE))


class Sealed(_Base):
    """What both ends share. Put before mitmproxy's class."""

    def __init__(self, context: Context, *more: Any) -> None:
        super().__init__(context, *more)
        self._unsent: list[bytes] = []

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """As mitmproxy, which waits for nothing once the connection is open."""
        if self.tunnel_state is not TunnelState.OPEN or self._paused or self.debug is not None:
            return super().handle_event(event)
        if isinstance(event, events.ConnectionEvent) and event.connection is self.conn:
            if type(event) is events.DataReceived:
                return self.receive_data(event.data)
            return super().handle_event(event)
        return self.event_to_child(event)

    def event_to_child(self, event: events.Event) -> layer.CommandGenerator[None]:
        """As mitmproxy; what is sent for one event is one piece."""
        if self.tunnel_state is not TunnelState.OPEN:
            yield from super().event_to_child(event)
            return
        for command in self.child_layer.handle_event(event):
            if not isinstance(command, commands.ConnectionCommand) or command.connection is not self.conn:
                yield command
            elif type(command) is commands.SendData:
                self._unsent.append(command.data)
                if self.conn.alpn == b"h2":
                    yield from self._seal()
            else:
                yield from self._seal()
                yield from self._handle_command(command)
        if self._unsent:
            yield from self._seal()

    def receive_data(self, data: bytes) -> layer.CommandGenerator[None]:
        """As mitmproxy."""
        if data:
            self.tls.bio_write(data)
        plain, closes = self._opened()
        yield from self.tls_interact()
        if plain:
            yield from self.event_to_child(events.DataReceived(self.conn, plain))
        if closes:
            self.conn.state &= ~ConnectionState.CAN_READ
            yield from self.event_to_child(events.ConnectionClosed(self.conn))

    def _opened(self) -> tuple[bytes, bool]:
        """What has come, and whether it was the last."""
        pieces: list[bytes] = []
        ends, source = self.tls, self.tls._into_ssl  # noqa: SLF001 - no public accessor
        try:
            while True:
                pieces.append(ends.recv(RECORD))
                if not waiting(source) and not ends.pending():
                    break
        except SSL.ZeroReturnError:
            return b"".join(pieces), True
        except SSL.Error:  # nothing more as yet; or an alert, whose text quotes the peer and is not logged
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), False

    def tls_interact(self) -> layer.CommandGenerator[None]:
        """As mitmproxy."""
        if size := waiting(self.tls._from_ssl):  # noqa: SLF001 - no public accessor
            yield commands.SendData(self.conn, self.tls.bio_read(size))

    def _seal(self) -> layer.CommandGenerator[None]:
        unsent, self._unsent = self._unsent, []
        if unsent:
            yield from self.send_data(unsent[0] if len(unsent) == 1 else b"".join(unsent))


class SealedServer(Sealed, tls.ServerTLSLayer):
    """Towards an upstream."""


class SealedClient(Sealed, tls.ClientTLSLayer):
    """Towards a client."""
