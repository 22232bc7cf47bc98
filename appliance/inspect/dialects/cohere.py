"""Cohere: `POST /v2/chat` and `/v1/chat`, `/embed`, `/rerank` of both versions.

Sources: cohere-python 7.3, `v2/raw_client.py`, `raw_base_client.py`, `types/*`.

Rules: see dialects/__init__.py. Documents that are handed over with a question are the user's; what tools returned has
role tool.
"""

import re
from typing import Final

import msgspec

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call, EventReader, fields
from appliance.inspect.dialects.cohere_events import ChatEvents, is_repeat, read_usage
from appliance.inspect.dialects.cohere_words import ANSWER_NAMES, NAMES, OLD_ROLES, ROLES, channel_of, is_word
from appliance.inspect.dialects.repeats import blanked, without_repeats
from appliance.inspect.dialects.telling import called_tools
from appliance.inspect.jsonspans import StringSpan, parse
from appliance.inspect.media import data_url
from appliance.inspect.segments import Place, gather
from appliance.inspect.stream.events import Framing
from appliance.inspect.view import Part, RequestView, ResponseView

CHAT: Final = "cohere.chat"
EMBED: Final = "cohere.embed"
RERANK: Final = "cohere.rerank"
_JSON = "application/json"
_PATHS = {
    CHAT: re.compile(r"/v[12]/chat/?"),
    EMBED: re.compile(r"/v[12]/embed/?"),
    RERANK: re.compile(r"/v[12]/rerank/?"),
}
_LINES = ("application/stream+json", "application/x-ndjson", "application/jsonl")
_TOPS = {
    "preamble": Place("system", "content"),
    "tools": Place("developer", "description"),
    "response_format": Place("developer", "description"),
    "documents": Place("user", "content"),
    "message": Place("user", "content"),
    "texts": Place("user", "content"),
    "inputs": Place("user", "content"),
    "images": Place("user", "content"),
    "query": Place("user", "content"),
    "tool_results": Place("tool", "content"),
    "model": Place("unknown", "metadata"),
    "conversation_id": Place("unknown", "metadata"),
    "connectors": Place("unknown", "metadata"),
}
_DECLARED = frozenset({"tools", "response_format"})


class Cohere:
    """The dialects `cohere.chat`, `cohere.embed` and `cohere.rerank`."""

    def __init__(self, api: str) -> None:
        self.api = api
        self._path = _PATHS[api]

    def matches(self, method: str, path: str) -> bool:
        """POST to a path that ends in the call of this dialect."""
        at = path.rstrip("/").rfind("/v")
        return method == "POST" and at >= 0 and self._path.fullmatch(path, at) is not None

    def request(self, body: bytes, call: Call) -> RequestView:  # noqa: ARG002 - the protocol's signature
        """Read a request. MalformedBody when it is not a JSON object."""
        document = parse(body, known=NAMES)
        asked = fields.top(document, "a request to Cohere")
        roles = {name: _roles(asked.get(name)) for name in ("messages", "chat_history")}
        parts: list[Part] = []
        segments, opaque = gather(body, document.strings, lambda span: _request_place(span, roles), parts)
        return RequestView(
            api=self.api,
            model=fields.text(asked.get("model")),
            stream=asked.get("stream") is True,
            max_tokens=fields.count(asked.get("max_tokens")),
            logprobs=fields.asks_logprobs(asked),
            segments=segments,
            opaque=opaque,
            tools_declared=_declared(asked),
            conversation=fields.text(asked.get("conversation_id")),
            conversation_seed=fields.seed(segments),
            parts=fields.files(parts, opaque),
            problem="duplicate_key" if document.duplicate_keys else None,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece, an error body included. MalformedBody when it is not a JSON object."""
        document = parse(body, known=ANSWER_NAMES)
        told = fields.top(document, "an answer of Cohere")
        once = without_repeats(body, document.strings, is_repeat)
        segments, opaque = gather(blanked(body, once.spans), once.strings, _response_place)
        reason = fields.text(told.get("finish_reason"))
        calls = fields.objects(fields.within(told, "message", "tool_calls"))
        names = [fields.within(item, "function", "name") for item in calls]
        names += [item.get("name") for item in fields.objects(told.get("tool_calls"))]
        return ResponseView(
            api=self.api,
            model=fields.text(told.get("model")),
            usage=read_usage(told.get("usage")) or read_usage(told.get("meta")),
            finish=(reason,) if reason else (),
            segments=segments,
            opaque=opaque,
            error=isinstance(told.get("message"), str),
            tools_called=called_tools(names),
            repeats=once.spans,
        )

    def events(self, call: Call, content_type: str) -> EventReader | None:
        """A reader of server-sent events, or of the lines in which v1 streams."""
        kind = media_type(content_type)
        if self.api != CHAT:
            return None
        if kind == "text/event-stream":
            return ChatEvents(Framing.SSE)
        return ChatEvents(Framing.NDJSON) if kind in _LINES and "/v1/" in call.bare else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """`{"message": ...}`; SDKs raise by the status."""
        return _JSON, msgspec.json.encode({"message": message, "code": code})

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: usage is always told."""
        return body


def _roles(messages: object) -> list[str]:
    """The role of each message by its place."""
    given = [fields.within(message, "role") for message in messages] if isinstance(messages, list) else []
    named = (role if isinstance(role, str) else "" for role in given)
    return [role if role in ROLES else OLD_ROLES.get(role, "unknown") for role in named]


def _declared(asked: dict[str, object]) -> tuple[str, ...]:
    names: list[object] = []
    for tool in fields.objects(asked.get("tools")):
        names += (fields.within(tool, "function", "name"), tool.get("name"))
    return fields.texts(names)


def _request_place(span: StringSpan, roles: dict[str, list[str]]) -> Place | None:
    path = span.pointer.split("/")
    if is_word(path, span.text):
        return None
    top = path[1] if len(path) > 1 else ""
    reason = data_url(span.text)
    if top in roles:
        number = path[2] if len(path) > 2 else ""  # noqa: PLR2004 - /messages/N
        known = number.isdecimal() and len(number) < 7 and int(number) < len(roles[top])  # noqa: PLR2004 - an index
        return Place(roles[top][int(number)] if known else "unknown", channel_of(path), reason)
    place = _TOPS.get(top, Place())
    channel = "name" if top in _DECLARED and path[-1] == "name" else place.channel
    return Place(place.role, channel, reason)


def _response_place(span: StringSpan) -> Place | None:
    path = span.pointer.split("/")
    if is_word(path, span.text):
        return None
    if len(path) > 2 and path[1] == "message":  # noqa: PLR2004 - a member of the message
        return Place("assistant", channel_of(path))
    if path[1:] == ["text"] or path[1] in {"citations", "tool_calls"}:
        return Place("assistant", channel_of(path))
    return Place("unknown", "metadata", data_url(span.text))
