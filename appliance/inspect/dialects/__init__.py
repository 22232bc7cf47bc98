"""What a dialect of LLM traffic must be able to do, so that the rest of the box need not know which one it speaks.

Rules: a dialect is pure and holds no state between bodies (`stream()` hands out the state of one answer); it reads
what is there and adds nothing; what it does not know it yields as text of role unknown, never drops. A further dialect
is one further file and one entry in registry.py.
"""

from typing import Protocol

from appliance.inspect.view import RequestView, ResponseView, StreamView
from appliance.model.event import Usage


class StreamReader(Protocol):
    """Follows one streamed answer while its bytes pass by; never holds them back, never raises on hostile bytes."""

    def feed(self, data: bytes) -> None:
        """The next decoded bytes, cut anywhere."""

    @property
    def at_boundary(self) -> bool:
        """True when the bytes fed so far end with a whole event, so that another may be appended."""

    def result(self) -> StreamView:
        """What was told so far; final once nothing more is fed."""


class Dialect(Protocol):
    """One wire format. `api` is what records call it, e.g. `openai.chat`."""

    @property
    def api(self) -> str:
        """The name in facts."""

    def matches(self, method: str, path: str) -> bool:
        """Whether a request with this method and path (without query) speaks this dialect."""

    def request(self, body: bytes) -> RequestView:
        """Read a decoded request body. MalformedBody when it is not this dialect's shape."""

    def response(self, body: bytes, content_type: str) -> ResponseView:
        """Read a decoded answer that is not a stream. MalformedBody when it is not this dialect's shape."""

    def told(self, body: bytes) -> tuple[str | None, Usage | None]:
        """Model and usage of an answer in one piece, its text left unread. Never raises."""

    def stream(self) -> StreamReader:
        """A reader for one streamed answer."""

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:
        """Content type and body of an error that the dialect's SDKs show to a person."""

    def stream_end(self, reason: str) -> bytes:
        """What ends a stream early in the dialect's own form; append it only at a boundary."""

    def add_include_usage(self, body: bytes) -> bytes:
        """The decoded body with one insertion that asks for usage in a stream, or unchanged where that cannot be."""
