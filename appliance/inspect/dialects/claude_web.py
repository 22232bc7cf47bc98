"""Claude's web application: `POST .../api/organizations/ORG/chat_conversations/ID/completion`.

Sources: public clients of the application; nothing of it is documented, so this is a heuristic of the date in
`VERSION`. Events are those of the Messages API, and older ones of type `completion` with a piece of text each.

Rules: see dialects/__init__.py. What is not known is scanned all the same, so that a changed application costs names
and channels, never coverage.
"""

import re
from collections.abc import Mapping
from typing import ClassVar, Final

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call, EventReader, fields
from appliance.inspect.dialects.anthropic_events import MessagesEvents, error_body
from appliance.inspect.dialects.anthropic_messages import JSON, read_response
from appliance.inspect.dialects.anthropic_words import NAMES, VALUES, blind
from appliance.inspect.dialects.json_events import Spot, spread
from appliance.inspect.jsonspans import Document, StringSpan, parse
from appliance.inspect.segments import Place, gather, known_names
from appliance.inspect.stream.events import Event, EventView
from appliance.inspect.view import Part, RequestView, ResponseView

API: Final = "claude.web"
VERSION: Final = "2026-11"
"""When the shapes below were last compared with public clients."""
_PATH = re.compile(r"/chat_conversations/([A-Za-z0-9._~%-]{1,128})/(?:completion|retry_completion|title)/?")
_NAMES = {
    **NAMES,
    **known_names("""
        prompt timezone locale rendering_mode parent_message_uuid attachments files extracted_content file_name
        file_size file_type sync_sources personalized_styles summary is_default completion log_id stop
        message_content recent_titles uuid
    """),
}
_PLACES = {
    "prompt": Place("user", "content"),
    "message_content": Place("user", "content"),
    "attachments": Place("user", "content"),
    "files": Place("user", "metadata"),
    "sync_sources": Place("user", "content"),
    "personalized_styles": Place("system", "content"),
    "tools": Place("developer", "description"),
    "model": Place("unknown", "metadata"),
    "timezone": Place("user", "metadata"),
    "locale": Place("user", "metadata"),
    "parent_message_uuid": Place("unknown", "metadata"),
    "organization_uuid": Place("unknown", "metadata"),
    "conversation_uuid": Place("unknown", "metadata"),
}
_NAMED = {"file_name": "name", "name": "name"}
_FORMAT = {"rendering_mode": frozenset({"messages", "raw"}), "type": VALUES["type"]}


class ClaudeWeb:
    """The dialect `claude.web`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """POST of a prompt, of a second try, or of a text to find a title for."""
        found = _PATH.search(path)
        return method == "POST" and found is not None and found.end() == len(path)

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a prompt. MalformedBody when it is not a JSON object."""
        document = parse(body, known=_NAMES)
        asked = fields.top(document, "a prompt of the web application")
        parts: list[Part] = []
        segments, opaque = gather(body, document.strings, _request_place, parts)
        found = _PATH.search(call.bare)
        return RequestView(
            api=API,
            model=fields.text(asked.get("model")),
            stream="prompt" in asked,
            segments=segments,
            opaque=opaque,
            tools_declared=fields.texts(tool.get("name") for tool in fields.objects(asked.get("tools"))),
            conversation=found[1] if found else None,
            conversation_seed=fields.seed(segments),
            parts=fields.files(parts, opaque),
            problem="duplicate_key" if document.duplicate_keys else None,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece: an error, a title."""
        return read_response(API, body, parse(body, known=_NAMES))

    def events(self, call: Call, content_type: str) -> EventReader | None:  # noqa: ARG002 - the protocol's signature
        """A reader of server-sent events."""
        return WebEvents() if media_type(content_type) == "text/event-stream" else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """As the Messages API refuses; the application shows the message."""
        return JSON, error_body(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: the application is told no usage."""
        return body


class WebEvents(MessagesEvents):
    """Reads one streamed answer."""

    names: ClassVar[Mapping[bytes, str]] = _NAMES

    def take(self, event: Event, document: Document) -> EventView:
        """As the Messages API, and the older `completion`."""
        payload = fields.table(document.value)
        if not isinstance(payload.get("completion"), str):
            return super().take(event, document)
        self.telling.served(payload.get("model"))
        reason = payload.get("stop_reason")
        self.telling.finished(reason)
        self.telling.done = self.telling.done or isinstance(reason, str)
        texts, opaque = spread(document.strings, _completion_spot)
        ended = isinstance(reason, str)
        view = EventView(texts=texts, opaque=opaque, closes=("",) if ended else (), numbered=ended)
        if not ended:
            self.learn(event, document, view)
        return view


def _completion_spot(span: StringSpan, path: list[str]) -> Spot | None:
    if path[1:] == ["completion"]:
        return Spot("0/content")
    known = span.text in VALUES.get(path[-1], ()) or (path[-1] == "type" and span.text == "completion")
    return None if known else Spot(None, "metadata", "unknown")


def _request_place(span: StringSpan) -> Place | None:
    path = span.pointer.split("/")
    last = path[-1]
    if span.text in _FORMAT.get(last, ()):
        return None
    place = _PLACES.get(path[1] if len(path) > 1 else "", Place())
    channel = place.channel if place.channel == "metadata" else _NAMED.get(last, place.channel)
    return Place(place.role, channel, blind(None, path, span.text))
