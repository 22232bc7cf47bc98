"""Streams that no dialect knows: each event is read by itself.

Rules: every string of an event is a text of its own, for nobody says which of them grow together; so what stands across
two events is not seen, and the caller counts these texts as `unknown_stream`, never as scanned. Events that are no JSON
are pieces of one text while they follow each other.
"""

import msgspec

from appliance.inspect.content import media_type
from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.json_events import Spot, spread
from appliance.inspect.jsonspans import MalformedBody, StringSpan, parse
from appliance.inspect.media import data_url
from appliance.inspect.nested import may_be_json
from appliance.inspect.stream.events import Event, EventView, Framing, Text, Told
from appliance.inspect.view import Opaque

UNKNOWN_STREAM = "unknown_stream"
_FRAMINGS = {
    "text/event-stream": Framing.SSE,
    "application/x-ndjson": Framing.NDJSON,
    "application/ndjson": Framing.NDJSON,
    "application/jsonl": Framing.NDJSON,
    "application/jsonlines": Framing.NDJSON,
    "application/stream+json": Framing.NDJSON,
    "application/vnd.amazon.eventstream": Framing.AWS,
}
_CONNECT = ("application/connect+", "application/grpc")


def framing_of(content_type: str) -> Framing | None:
    """How an answer of this type is cut into events; None: it is no stream."""
    kind = media_type(content_type)
    if kind.startswith(_CONNECT):
        return Framing.CONNECT
    return _FRAMINGS.get(kind)


class UnknownEvents:
    """Reads the events of one answer."""

    def __init__(self, framing: Framing) -> None:
        self.framing = framing
        self._turns = 0
        self._speaks = False  # the last event was plain text

    def read(self, event: Event) -> EventView:
        """Its strings, each by itself; what is no JSON is text, or binary."""
        try:
            document = parse(event.payload)
        except MalformedBody:
            return self._unlike_json(event.payload)
        texts, opaque = spread(document.strings, _spot)
        closes = (f"text/{self._turns}",) if self._speaks else ()
        self._turns += self._speaks
        self._speaks = False
        return EventView(texts=texts, opaque=opaque, closes=closes)

    def _unlike_json(self, payload: bytes) -> EventView:
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            return EventView(opaque=(Opaque(0, len(payload), "binary"),))
        self._speaks = True
        channel = f"text/{self._turns}"
        said = Text(0, len(payload), text, escaped=False, channel=channel, role="unknown", spoken=False)
        return EventView(texts=(said,))

    def told(self) -> Told:
        """Nothing: nobody knows where it would stand."""
        return Told()

    def ending(self, reason: str) -> bytes:
        """An error in the form that most readers of such streams take."""
        error = msgspec.json.encode({"error": {"message": ended(reason), "code": reason}})
        return framed(self.framing, error, "error") if self.framing in (Framing.SSE, Framing.NDJSON) else b""


def _spot(span: StringSpan, path: list[str]) -> Spot:  # noqa: ARG001 - as `spread` calls it
    return Spot(None, "arguments" if may_be_json(span.text) else "content", "unknown", data_url(span.text))
