"""Bounds that every layer of a connection must know, found at the top of its stack.

Rules: set once per listener; never changed while a connection lives.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mitmproxy import http
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import modes

from addons.upstream.plan import Failure, TargetPlan

if TYPE_CHECKING:
    from addons.upstream.handler import GovernedHandler

DEFAULT_HEAD_BYTES = 64 * 1024
DEFAULT_BODY_BYTES = 32 * 1024 * 1024
CALL_SILENCE_S = 1.0  # after which a call whose client waits in its request is asked about; see conversing.py


@dataclass(frozen=True, slots=True)
class SeamSettings:
    """`listener`: proxy, gateway or peer. `guarded`: a flow needs CLEARED to be dialled. Times are seconds.

    `hop`: asked of each flow before it is dialled: the plan by which it goes to a central appliance, None: it goes its
    own way, or why it goes nowhere.
    """

    listener: str = "proxy"
    max_head_bytes: int = DEFAULT_HEAD_BYTES
    max_body_bytes: int = DEFAULT_BODY_BYTES
    max_upstream_connections: int = 1000
    idle_timeout_s: float = 600.0
    guarded: bool = True
    call_silence_s: float = field(default_factory=lambda: CALL_SILENCE_S)
    tls: bool = False  # clients speak TLS to the listener itself
    hop: Callable[[http.HTTPFlow], TargetPlan | Failure | None] | None = None


class GovernedProxy(modes.HttpProxy):
    """The top layer: mitmproxy's explicit proxy, with a way back to its handler."""

    def __init__(self, context: Context, handler: "GovernedHandler", settings: SeamSettings) -> None:
        super().__init__(context)
        self.handler = handler
        self.settings = settings


def top_of(context: Context) -> GovernedProxy:
    """The top layer of a connection that the seam accepted."""
    top = context.layers[0]
    assert isinstance(top, GovernedProxy)  # noqa: S101 - a stack without it was not built by the seam
    return top


def settings_of(context: Context) -> SeamSettings:
    """The bounds of a connection."""
    return top_of(context).settings
