"""The seam to mitmproxy: the only package that subclasses its internals; everything else uses the names exported here.

Theory of operation. mitmproxy's core is sans-io: layers take events and yield commands, a connection handler carries
the commands out. Its hooks can judge a flow but cannot try a second upstream, end one stream of many, or decide what a
name resolves to. So small families of subclasses stand here, bound to mitmproxy 12.2.3 (a test hashes the source of
every class that is overridden or relied on, and fails loudly after an upgrade):

    dial.py     resolve once, judge every address, connect to a judged one: below `server.address`, so that SNI, Host
                and connection reuse stay as they were. Knows nothing of mitmproxy
    handler.py  the connection handler: dials through dial.py, runs hooks that nobody implements for free, closes a
                connection whose layer crashed instead of leaving it to hang, lets a drain finish
    wire.py     HTTP/1 and HTTP/2 ends: bounded heads and buffers, trailers, one upstream stream can be abandoned
    switched.py what a stream becomes after a 101
    websocket.py  a WebSocket whose messages somebody answers for
    conversing.py, grpc.py  a streamed request whose client waits, and how gRPC is told of an end
    stream.py   one request and its answer: the dial lock, cancelling
    trying.py   the targets of a request in turn; via.py  a tunnel through a parent proxy
    layers.py   the layer that owns the streams of a connection, and what `next_layer` may put on a connection
    master.py   a master with the few addons needed and a hook table instead of a search through every addon

Rules that hold inside: nothing of mitmproxy is patched in place; a flow is dialled only when it carries `CLEARED`; an
exception in a hook closes what the hook was about; nothing that came from the network is written to a log.
"""

from addons.upstream.dial import DialError, Dialler, PrivateAddressRefused
from addons.upstream.handler import GovernedHandler
from addons.upstream.hooks import Refusal, RefusedHook, TunnelClosed, TunnelClosedHook
from addons.upstream.layers import Layering, in_client_tls
from addons.upstream.master import LeanMaster
from addons.upstream.plan import (
    BROKEN_BY,
    CLEARED,
    DIAL_FIRST,
    FAILURE,
    HOP,
    LAST_WORDS,
    LISTENER,
    PEER,
    PLAN,
    RELAYS,
    UNREAD,
    UPSTREAM,
    Failure,
    FailureKind,
    Target,
    TargetPlan,
    Told,
    attempts_of,
    listener_of,
)
from addons.upstream.stream import cancel_stream, leave
from addons.upstream.strict import unquoted
from addons.upstream.via import Parent
from addons.upstream.websocket import Close, Relay, Relays, Sent

__all__ = [
    "BROKEN_BY",
    "CLEARED",
    "DIAL_FIRST",
    "FAILURE",
    "HOP",
    "LAST_WORDS",
    "LISTENER",
    "PEER",
    "PLAN",
    "RELAYS",
    "UNREAD",
    "UPSTREAM",
    "Close",
    "DialError",
    "Dialler",
    "Failure",
    "FailureKind",
    "GovernedHandler",
    "Layering",
    "LeanMaster",
    "Parent",
    "PrivateAddressRefused",
    "Refusal",
    "RefusedHook",
    "Relay",
    "Relays",
    "Sent",
    "Target",
    "TargetPlan",
    "Told",
    "TunnelClosed",
    "TunnelClosedHook",
    "attempts_of",
    "cancel_stream",
    "in_client_tls",
    "leave",
    "listener_of",
    "unquoted",
]
