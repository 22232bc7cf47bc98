"""ChatGPT's web application: `POST .../backend-api/conversation` and its kin, as browsers send them.

Nothing of this is documented: it is what open clients of the site have made out, and it changes without notice. So the
reading is heuristic, `VERSION` says as of when, and what is not known is text, never dropped.

Rules: see dialects/__init__.py. Messages have the role of their author. `conversation/prepare` carries what is being
typed before it is sent, so it is read as well.
"""

import msgspec

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.chatgpt_web_events import NAMES, WebEvents
from appliance.inspect.dialects.fields import seed, table, text, top
from appliance.inspect.dialects.openai_request import role_of
from appliance.inspect.jsonspans import StringSpan, parse
from appliance.inspect.media import data_url
from appliance.inspect.segments import Place, gather
from appliance.inspect.view import Part, RequestView, ResponseView

API = "chatgpt.web"
VERSION = "2026-11"
"""As of when the site was understood."""
_ENDS = ("/conversation", "/conversation/prepare", "/conversation/resume")
_HOMES = ("/backend-api/", "/backend-anon/", "/backend-alt/")


class ChatGPTWeb:
    """The dialect `chatgpt.web`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """POST to a conversation below one of the site's back ends."""
        return method == "POST" and path.startswith(_HOMES) and path.rstrip("/").endswith(_ENDS)

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read what the page sends. MalformedBody when it is not a JSON object."""
        document = parse(body, known=NAMES)
        asked = top(document, "a message of the page")
        messages = asked.get("messages")
        roles = [_author(message) for message in messages] if isinstance(messages, list) else []
        typed = _author(asked.get("partial_query"))
        files: list[Part] = []
        segments, opaque = gather(body, document.strings, lambda span: _request_place(span, roles, typed), files)
        return RequestView(
            api=API,
            model=text(asked.get("model")),
            stream=not call.bare.rstrip("/").endswith("/prepare"),
            segments=segments,
            opaque=opaque,
            conversation_seed=seed(segments),
            conversation=text(asked.get("conversation_id")),
            parts=tuple(files),
            problem="duplicate_key" if document.duplicate_keys else None,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece: an error, or what prepares a conversation."""
        document = parse(body, known=NAMES)
        answer = top(document, "an answer to the page")
        segments, opaque = gather(body, document.strings, _response_place)
        return ResponseView(api=API, segments=segments, opaque=opaque, error=bool(answer.keys() & {"detail", "error"}))

    def events(self, call: Call, content_type: str) -> WebEvents | None:  # noqa: ARG002 - the protocol's signature
        """A reader for one streamed answer."""
        return WebEvents() if media_type(content_type) == "text/event-stream" else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """`{"detail": {...}}`: the page shows the message."""
        return "application/json", msgspec.json.encode({"detail": {"message": message, "code": code}})

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: the site tells no usage."""
        return body


def _author(message: object) -> str:
    return role_of(table(table(message).get("author")).get("role"))


_METADATA = frozenset({"id", "model", "conversation_id", "parent_message_id", "create_time", "timezone", "mime_type"})


def _request_place(span: StringSpan, roles: list[str], typed: str) -> Place | None:
    path = span.pointer.split("/")
    channel = "metadata" if path[-1] in _METADATA or "metadata" in path else "content"
    blind = data_url(span.text)
    match path[1:]:
        case ["messages", place, *_] if place.isdecimal():
            number = int(place[:6])
            role = roles[number] if number < len(roles) else "unknown"
            if path[-2:] == ["author", "role"] and role != "unknown":
                return None
            return Place(role, channel, blind)
        case ["partial_query", *_]:
            return Place(typed, channel, blind)
    return Place("unknown", channel, blind)


def _response_place(span: StringSpan) -> Place:
    path = span.pointer.split("/")
    return Place("assistant" if path[1:2] in (["detail"], ["error"], ["message"]) else "unknown", "metadata")
