"""Anthropic Messages: `POST .../v1/messages` and `.../count_tokens`, also at Vertex AI and Azure.

Sources: anthropic-sdk-python 2.12, `types/message_create_params.py`, `types/beta/*`, `lib/vertex/_client.py`
(`publishers/anthropic/models/MODEL:rawPredict`).

Rules: see dialects/__init__.py. What tools returned has role tool, whoever's message it stands in; base64 media and
what only the provider can read is opaque by kind. A block that carries a signature may not be changed by anybody, or
the provider refuses it: its texts are `fixed`, so that policy can block them and nobody can edit them.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import unquote

import msgspec

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call, EventReader, fields
from appliance.inspect.dialects.anthropic_events import MessagesEvents, error_body, read_usage
from appliance.inspect.dialects.anthropic_words import NAMES, ROLES, VALUES, blind, channel_of
from appliance.inspect.dialects.spelling import Spelling
from appliance.inspect.dialects.telling import called_tools
from appliance.inspect.jsonspans import Document, StringSpan, parse
from appliance.inspect.segments import Place, gather
from appliance.inspect.stream.events import Framing
from appliance.inspect.view import Part, RequestView, ResponseView
from appliance.model.detection import Segment

API: Final = "anthropic.messages"
_SPELLING: Final = Spelling(NAMES, data=("input",))
JSON: Final = "application/json"
_ENDS = ("/v1/messages", "/anthropic/messages")
_VERTEX = re.compile(r"/publishers/anthropic/models/([^/]+):(rawPredict|streamRawPredict)")
_COUNTING = "count-tokens"  # the model's place in Vertex's path where tokens are counted
_MESSAGE_PARTS = 3  # "", "messages", N
_BLOCK_PARTS = 5  # "", "messages", N, "content", M


class AnthropicMessages:
    """The dialects `anthropic.messages` and `anthropic.count_tokens`: one body, of which the second makes no answer."""

    def __init__(self, api: str = API) -> None:
        self.api = api
        self._counts = api != API

    def matches(self, method: str, path: str) -> bool:
        """POST to a path that ends in /v1/messages (or with /count_tokens), or a model of Anthropic at Vertex."""
        path = path.rstrip("/")
        if method != "POST":
            return False
        vertex = _VERTEX.search(path)
        if vertex is not None:
            return vertex.end() == len(path) and (vertex[1] == _COUNTING) is self._counts
        if self._counts:
            return path.endswith("/count_tokens") and path.removesuffix("/count_tokens").endswith(_ENDS)
        return path.endswith(_ENDS)

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a request. MalformedBody when it is not a JSON object."""
        document, body, problem = _SPELLING.parse(body)
        view = msgspec.structs.replace(read_request(self.api, body, document), problem=problem)
        vertex = _VERTEX.search(call.bare)
        if vertex is None:
            return view
        model = view.model if vertex[1] == _COUNTING else view.model or unquote(vertex[1])
        return msgspec.structs.replace(view, model=model, stream=view.stream or vertex[2] == "streamRawPredict")

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece, an error body included. MalformedBody when it is not a JSON object."""
        return read_response(self.api, body, parse(body, known=NAMES))

    def events(self, call: Call, content_type: str) -> EventReader | None:  # noqa: ARG002 - the protocol's signature
        """A reader of server-sent events."""
        if self._counts or media_type(content_type) != "text/event-stream":
            return None
        return MessagesEvents(Framing.SSE)

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """`{"type": "error", "error": {...}}`; a stream that is refused before it began is answered the same way."""
        return JSON, error_body(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: usage is always told."""
        return body


class _Message(NamedTuple):
    role: str
    types: tuple[str, ...]  # of its blocks
    signed: tuple[bool, ...]


_NOBODY = _Message("unknown", (), ())


def read_request(api: str, body: bytes, document: Document) -> RequestView:
    """The request that is `document`. MalformedBody when it is not an object."""
    asked = fields.top(document, "a request of the Messages API")
    parts: list[Part] = []
    segments, opaque = gather(body, document.strings, request_places(document, asked), parts)
    segments = fix_signed(segments, signed_blocks(asked, ()))
    return RequestView(
        api=api,
        model=fields.text(asked.get("model")),
        stream=asked.get("stream") is True,
        max_tokens=fields.count(asked.get("max_tokens")),
        segments=segments,
        opaque=opaque,
        tools_declared=declared(asked),
        hosted_mcp=hosted(asked),
        conversation_seed=fields.seed(segments),
        parts=fields.files(parts, opaque),
        problem="duplicate_key" if document.duplicate_keys else None,
    )


def declared(asked: dict[str, object]) -> tuple[str, ...]:
    """Names of the tools that a request declares."""
    return fields.texts(tool.get("name") for tool in fields.objects(asked.get("tools")))


def hosted(asked: dict[str, object]) -> tuple[str, ...]:
    """Hosts of the tool servers that the provider is asked to call."""
    return fields.hosts(server.get("url") for server in fields.objects(asked.get("mcp_servers")))


Placer = Callable[[StringSpan], Place | None]


def request_places(document: Document, asked: dict[str, object], prefix: tuple[str, ...] = ()) -> Placer:
    """What each string of the request `asked` is, which stands in `document` at `prefix` (a batch has many)."""
    messages = _messages(asked.get("messages"))
    skip = len(prefix)

    def place(span: StringSpan) -> Place | None:
        path = span.pointer.split("/")
        if span.text in VALUES.get(path[-1], ()) and "input" not in path:
            return None
        reason = blind(document.value, path, span.text)
        role, channel = _request_spot(path[skip:], messages)
        return Place(role, channel, reason)

    return place


def _messages(value: object) -> list[_Message]:
    if not isinstance(value, list):
        return []
    return [_message(item) if isinstance(item, dict) else _NOBODY for item in value]


def _message(item: dict[str, object]) -> _Message:
    role = item.get("role")
    content = item.get("content")
    blocks = [fields.table(block) for block in content] if isinstance(content, list) else []
    return _Message(
        role if isinstance(role, str) and role in ROLES else "unknown",
        tuple(fields.text(block.get("type")) or "" for block in blocks),
        tuple(bool(fields.text(block.get("signature"))) for block in blocks),
    )


def _request_spot(path: list[str], messages: list[_Message]) -> tuple[str, str]:
    """Role and channel of a string, by its path from the request's own top."""
    match path[1] if len(path) > 1 else "":
        case "messages":
            return _message_spot(path, messages)
        case "system":
            return "system", channel_of(path, 2)
        case "tools" | "output_format" | "output_config":
            return "developer", "name" if path[-1] == "name" else "description"
        case "metadata":
            return "user", "metadata"
        case "model" | "mcp_servers" | "container" | "service_tier" | "anthropic_version" | "tool_choice":
            return "unknown", "metadata"
    return "unknown", "content"


def _message_spot(path: list[str], messages: list[_Message]) -> tuple[str, str]:
    message = _nth(messages, path, 2) or _NOBODY
    kind = _nth(message.types, path, 4) or ""
    return ("tool" if kind.endswith("tool_result") else message.role), channel_of(path, _BLOCK_PARTS)


def _nth[Item](items: list[Item] | tuple[Item, ...], path: list[str], place: int) -> Item | None:
    number = path[place] if place < len(path) else ""
    return items[int(number)] if number.isdecimal() and len(number) < 7 and int(number) < len(items) else None  # noqa: PLR2004 - an index


def signed_blocks(asked: dict[str, object], prefix: tuple[str, ...]) -> set[str]:
    """Pointers of the blocks that carry a signature."""
    before = "".join(f"/{part}" for part in prefix)
    return {
        f"{before}/messages/{number}/content/{block}"
        for number, message in enumerate(_messages(asked.get("messages")))
        for block, is_signed in enumerate(message.signed)
        if is_signed
    }


def fix_signed(segments: tuple[Segment, ...], signed: set[str], prefix_parts: int = 0) -> tuple[Segment, ...]:
    """`segments` with those in `signed` blocks marked as fixed; `prefix_parts`: of the pointer, before the request."""
    if not signed:
        return segments
    parts = prefix_parts + _BLOCK_PARTS
    return tuple(
        msgspec.structs.replace(segment, fixed=True)
        if "/".join(segment.pointer.split("/", parts)[:parts]) in signed
        else segment
        for segment in segments
    )


def read_response(api: str, body: bytes, document: Document) -> ResponseView:
    """A message, an error, or what else the services of this format answer with in one piece."""
    told = fields.top(document, "an answer of the Messages API")
    blocks = fields.objects(told.get("content"))
    segments, opaque = gather(body, document.strings, response_places(document, told))
    reason = fields.text(told.get("stop_reason"))
    return ResponseView(
        api=api,
        model=fields.text(told.get("model")),
        usage=read_usage(told.get("usage")),
        finish=(reason,) if reason else (),
        segments=segments,
        opaque=opaque,
        error=told.get("type") == "error" or isinstance(told.get("error"), dict),
        tools_called=called_tools([block.get("name") for block in blocks if is_call(block)]),
    )


def is_call(block: dict[str, object]) -> bool:
    """Whether a block calls a tool: the client's, the provider's or one of a tool server."""
    return str(block.get("type")).endswith("tool_use")


def response_places(document: Document, message: dict[str, object], prefix: tuple[str, ...] = ()) -> Placer:
    """What each string of an answer is: of the message's blocks what they say, of all else metadata."""
    content = message.get("content")
    blocks = [fields.table(block) for block in content] if isinstance(content, list) else []
    types = tuple(fields.text(block.get("type")) or "" for block in blocks)
    skip = len(prefix)

    def place(span: StringSpan) -> Place | None:
        path = span.pointer.split("/")
        if span.text in VALUES.get(path[-1], ()) and "input" not in path:
            return None
        reason = blind(document.value, path, span.text)
        inner = path[skip:]
        if len(inner) < _MESSAGE_PARTS or inner[1] != "content" or path[1 : skip + 1] != list(prefix):
            return Place("unknown", "metadata", reason)
        kind = _nth(types, inner, 2) or ""
        return Place("tool" if kind.endswith("tool_result") else "assistant", channel_of(inner, 3), reason)

    return place
