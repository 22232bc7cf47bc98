"""Gemini's Live API: the WebSocket BidiGenerateContent at Google AI and Vertex AI.

Sources: ai.google.dev/api/live (v1beta), google-genai `types.py` (LiveClientMessage, LiveServerMessage).

Rules: see dialects/__init__.py. Each message of the client is a request (setup, clientContent, realtimeInput,
toolResponse); messages of the server are events. Sound is opaque; what it says is seen in transcriptions. Channels:
`0/content`, `0/reasoning`, `0/transcript` (what the model says), `0/heard` (what the user has said).
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.fields import objects, seed, table, within
from appliance.inspect.dialects.fields import top as top_of
from appliance.inspect.dialects.gemini import declared, hosted, model_of, most_tokens
from appliance.inspect.dialects.gemini_events import error_body, read_usage
from appliance.inspect.dialects.gemini_places import Carried, carried, member, place, roots
from appliance.inspect.dialects.gemini_words import NAMES
from appliance.inspect.dialects.json_events import JsonEvents, Spot, spread
from appliance.inspect.jsonspans import Document, StringSpan, parse
from appliance.inspect.media import is_base64
from appliance.inspect.nested import may_be_json
from appliance.inspect.segments import Place, gather
from appliance.inspect.stream.events import Event, EventView, Framing
from appliance.inspect.view import Part, RequestView, ResponseView

API: Final = "gemini.live"
_MEDIA: Final = {"audio": "audio", "video": "video", "image": "image"}
_HEARD: Final = {
    "/serverContent/outputTranscription/text": Spot("0/transcript"),
    "/serverContent/inputTranscription/text": Spot("0/heard", "content", "user"),
}


class GeminiLive:
    """The dialect `gemini.live`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """GET that begins the WebSocket."""
        return method == "GET" and path.rstrip("/").endswith(("BidiGenerateContent", "BidiGenerateContentConstrained"))

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read one message of the client. MalformedBody when it is not a JSON object."""
        document = parse(body, known=NAMES)
        top = top_of(document, "a message of the Live API")
        known = carried(roots(top))
        files: list[Part] = []
        segments, opaque = gather(body, document.strings, lambda span: _place(span, known, top), files)
        tools = [tool for _, root in roots(top) for tool in objects(root.get("tools"))]
        return RequestView(
            api=API,
            model=model_of(call, top),
            stream=True,
            max_tokens=most_tokens(top),
            segments=segments,
            opaque=opaque,
            tools_declared=declared(tools),
            hosted_mcp=hosted(tools),
            conversation_seed=seed(segments),
            parts=tuple(files),
            problem="duplicate_key" if document.duplicate_keys else None,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read what is answered instead of a WebSocket. MalformedBody when it is not a JSON object."""
        document = parse(body, known=NAMES)
        top = top_of(document, "a message of the Live API")
        known = carried(roots(top))
        segments, opaque = gather(body, document.strings, lambda span: place(span, known))
        return ResponseView(api=API, segments=segments, opaque=opaque, error="error" in top)

    def events(self, call: Call, content_type: str) -> "LiveEvents | None":  # noqa: ARG002 - the protocol's
        """Messages of the server."""
        return LiveEvents() if content_type == "websocket" else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """google.rpc.Status."""
        return "application/json", error_body(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: usage comes unasked."""
        return body


class LiveEvents(JsonEvents):
    """Reads the messages of one server."""

    framing = Framing.MESSAGE
    names: ClassVar[Mapping[bytes, str]] = NAMES

    def take(self, event: Event, document: Document) -> EventView:  # noqa: ARG002 - a message says all in its payload
        """What one message holds."""
        top = table(document.value)
        known = carried(roots(top))
        turned = self._take(top)
        texts, opaque = spread(document.strings, lambda span, path: _spot(span, path, known, top))
        return EventView(texts=texts, opaque=opaque, closes=("",) if turned else ())

    def ending(self, reason: str) -> bytes:
        """An error message; the connection is closed after it."""
        return framed(self.framing, error_body(499, reason, ended(reason)))

    def _take(self, top: dict[str, object]) -> bool:
        """What a message tells; whether a turn has ended with it."""
        told = self.telling
        told.usage = read_usage(member(top, "usageMetadata")) or told.usage
        told.error = told.error or "error" in top
        for call in objects(member(table(member(top, "toolCall")), "functionCalls")):
            told.called(call.get("name"))
        content = table(member(top, "serverContent"))
        for part in objects(within(member(content, "modelTurn"), "parts")):
            told.called(table(member(part, "functionCall")).get("name"))
        turned = member(content, "turnComplete") is True or content.get("interrupted") is True
        if turned:
            told.finished(member(content, "turnCompleteReason") or "turn_complete")
            told.done = True
        return turned or "toolCall" in top or "tool_call" in top


def _spot(span: StringSpan, path: list[str], known: Carried, top: dict[str, object]) -> Spot | None:
    heard = _HEARD.get(span.pointer)
    if heard is not None:
        return heard
    found = _place(span, known, top)
    if found is None:
        return None
    if found.blind:
        return Spot(blind=found.blind)
    if path[1:4] == ["serverContent", "modelTurn", "parts"] and path[-1] == "text" and len(path) <= 6:  # noqa: PLR2004
        return Spot(f"0/{found.channel}", found.channel, found.role)
    kind = "content" if found.channel == "arguments" and not may_be_json(span.text) else found.channel
    return Spot(None, kind, found.role)


def _place(span: StringSpan, known: Carried, top: dict[str, object]) -> Place | None:  # noqa: PLR0911 - by place
    """What a string of a message is, beside what stands in contents."""
    match span.pointer.split("/")[1:]:
        case ["realtimeInput", *steps, "data"]:
            return Place("user", "content", _media(top, steps) if is_base64(span.text) else None)
        case ["realtimeInput", "text"]:
            return Place("user", "content")
        case ["toolResponse", "functionResponses", _, "response", *_]:
            return Place("tool", "content")
        case ["toolCall", "functionCalls", _, "args", *_]:
            return Place("assistant", "arguments")
        case ["toolResponse" | "toolCall", _, _, "name"]:
            return Place("tool", "name")
        case ["sessionResumption" | "sessionResumptionUpdate" | "toolCallCancellation" | "goAway", *_]:
            return Place("unknown", "metadata")
    return place(span, known)


def _media(top: dict[str, object], steps: list[str]) -> str:
    """The kind of a blob of realtimeInput by its media type; steps lead to it."""
    blob: object = member(top, "realtimeInput")
    for step in steps:
        if isinstance(blob, dict):
            blob = member(blob, step) if step in {"mediaChunks", "audio", "video"} else None
        else:
            blob = within(blob, int(step)) if step.isdecimal() and len(step) < 7 else None  # noqa: PLR2004
    told = member(table(blob), "mimeType")
    return _MEDIA.get(told.partition("/")[0].lower(), "file") if isinstance(told, str) else "file"


LIVE: Final = GeminiLive()
