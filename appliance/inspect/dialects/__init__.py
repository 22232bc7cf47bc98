"""What a dialect of LLM traffic must be able to do, so that the rest of the box need not know which one it speaks.

Rules: a dialect is pure and holds no state between bodies (`events()` hands out the state of one answer); it reads what
is there and adds nothing; what it does not know it yields as text of role unknown, never drops. A further dialect is
one further file and one entry in registry.py.
"""

from typing import Protocol

import msgspec

from appliance.inspect.stream.events import Event, EventView, Framing, Told
from appliance.inspect.view import RequestView, ResponseView


class Call(msgspec.Struct, frozen=True):
    """A request's line and the type of its body: where some dialects keep the model. `path` with its query."""

    method: str
    path: str
    content_type: str = ""

    @property
    def bare(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]


class EventReader(Protocol):
    """Reads the events of one streamed answer, in their order; never raises on hostile bytes."""

    framing: Framing

    def read(self, event: Event) -> EventView:
        """What one event holds; remembers what it tells."""

    def told(self) -> Told:
        """What was told so far."""

    def ending(self, reason: str) -> bytes:
        """What ends the stream early in the dialect's own form, framed; put only where a whole event has ended."""


class Dialect(Protocol):
    """One wire format. `api` is what records call it, e.g. `openai.chat`."""

    @property
    def api(self) -> str:
        """The name in facts."""

    def matches(self, method: str, path: str) -> bool:
        """Whether a request with this method and path (without query) speaks this dialect."""

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a decoded request body. MalformedBody when it is not this dialect's shape."""

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:
        """Read a decoded answer that is not a stream; `call` is its request's. MalformedBody: not this shape."""

    def events(self, call: Call, content_type: str) -> EventReader | None:
        """A reader for one streamed answer of this content type; None: it is no stream, `response` reads it.

        For a WebSocket `content_type` is `websocket`: None where the dialect has none; messages of the client are read
        by `request`.
        """

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:
        """Content type and body of an error that the dialect's SDKs show to a person."""

    def ask_usage(self, body: bytes) -> bytes:
        """The decoded body with one insertion that asks for usage in a stream, or unchanged where that cannot be."""
