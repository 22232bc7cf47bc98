"""Hooks that the seam adds to mitmproxy's own, for what never becomes a flow.

Rules: an addon implements `refused(refusal)` and `tunnel_closed(tunnel)`; the refusal is told before the answer is
sent, so that it can be recorded first; texts from the network are cut to a bounded length.
"""

from dataclasses import dataclass

from mitmproxy import connection
from mitmproxy.proxy import commands

from appliance.model.names import RefusalReason

DETAIL_CHARS = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request or connection that the seam turned away. `host` is empty where none was told."""

    reason: RefusalReason
    client: connection.Client
    listener: str
    host: str = ""
    port: int = 0
    detail: str = ""


@dataclass
class RefusedHook(commands.StartHook):
    """`refused`: the seam is about to answer with an error, or to close."""

    refusal: Refusal


@dataclass
class PauseHook(commands.StartHook):
    """Holds a stream for some seconds between two targets. No addon hears of it: the handler waits."""

    seconds: float


@dataclass(frozen=True, slots=True)
class TunnelClosed:
    """A connection that carried no request of ours. Bytes are counted on the client's side."""

    client: connection.Client
    bytes_up: int
    bytes_down: int


@dataclass
class TunnelClosedHook(commands.StartHook):
    """`tunnel_closed`: a plain tunnel has ended."""

    tunnel: TunnelClosed
