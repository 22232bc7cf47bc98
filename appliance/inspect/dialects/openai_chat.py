"""OpenAI Chat Completions: `POST .../chat/completions`, as OpenAI, Azure and a long row of others speak it.

Sources: openai-python `types/chat/*`, `types/completion_usage.py` (openai 3.x); openai/openai-openapi.

Rules: see dialects/__init__.py. Every text carrier of a request gets the role of its message; names and values that are
the format's own words are structure; base64 media is opaque by kind; all else is text of role unknown.
"""

import hashlib
import re

from appliance.inspect.dialects.openai_stream import ChatStream, error_event, read_told, read_usage
from appliance.inspect.dialects.openai_words import CHANNELS, NAMES, ROLES, VALUES
from appliance.inspect.jsonspans import Document, MalformedBody, StringSpan, parse
from appliance.inspect.media import data_url, is_base64
from appliance.inspect.redact import apply
from appliance.inspect.segments import Place, gather
from appliance.inspect.view import RequestView, ResponseView
from appliance.model.detection import Segment
from appliance.model.event import Usage

API = "openai.chat"
_JSON = "application/json"
_OPTIONS_VALUE = re.compile(rb'"[ \t\r\n]*:[ \t\r\n]*(null|\{[ \t\r\n]*(\}?))')
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class OpenAIChat:
    """The dialect `openai.chat`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """POST to a path that ends in /chat/completions."""
        return method == "POST" and path.rstrip("/").endswith("/chat/completions")

    def request(self, body: bytes) -> RequestView:
        """Read a request. MalformedBody when it is not a JSON object."""
        document = parse(body, known=NAMES)
        top = _object(document)
        roles = _roles(top.get("messages"))
        segments, opaque = gather(body, document.strings, lambda span: _request_place(span, roles))
        options = top.get("stream_options")
        return RequestView(
            api=API,
            model=_text(top.get("model")),
            stream=top.get("stream") is True,
            max_tokens=_count(top.get("max_completion_tokens"), _count(top.get("max_tokens"), None)),
            segments=segments,
            opaque=opaque,
            tools_declared=_tool_names(top),
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
            conversation_seed=_seed(segments),
            problem="duplicate_key" if document.duplicate_keys else None,
        )

    def response(self, body: bytes, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's signature
        """Read an answer in one piece, an error body included. MalformedBody when it is not a JSON object."""
        document = parse(body, known=NAMES)
        top = _object(document)
        segments, opaque = gather(body, document.strings, _response_place)
        choices = top.get("choices")
        finish = [_text(choice.get("finish_reason")) for choice in _objects(choices)]
        return ResponseView(
            api=API,
            model=_text(top.get("model")),
            usage=read_usage(top.get("usage")),
            finish=tuple(word for word in finish if word),
            segments=segments,
            opaque=opaque,
            error="error" in top,
        )

    def told(self, body: bytes) -> tuple[str | None, Usage | None]:
        """Model and usage of an answer in one piece; None for what it does not tell."""
        return read_told(body)

    def stream(self) -> ChatStream:
        """A reader for one streamed answer."""
        return ChatStream(API)

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """`{"error": {...}}`; a stream that is refused before it began is answered the same way."""
        kind = _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004
        return _JSON, error_event(message, kind, code)

    def stream_end(self, reason: str) -> bytes:
        """An error event and the end mark; SDKs raise the error to their caller."""
        error = error_event(f"The stream was ended: {reason}", "server_error", reason)
        return b"data: " + error + b"\n\ndata: [DONE]\n\n"

    def add_include_usage(self, body: bytes) -> bytes:
        """Insert `stream_options.include_usage`; unchanged where the client chose, or the body is ambiguous."""
        document = parse(body)
        top = document.value
        if document.duplicate_keys or not isinstance(top, dict) or top.get("stream") is not True:
            return body
        if "stream_options" not in top:
            at = body.index(b"{") + 1
            return apply(body, [(at, at, b'"stream_options":{"include_usage":true},')])
        options = top["stream_options"]
        if options is not None and (not isinstance(options, dict) or "include_usage" in options):
            return body
        key = next(span for span in document.strings if span.is_key and span.pointer == "/stream_options")
        return _insert_into_options(body, key)


def _insert_into_options(body: bytes, key: StringSpan) -> bytes:
    found = _OPTIONS_VALUE.match(body, key.end)
    if found is None:
        return body
    if found[1] == b"null":
        return apply(body, [(found.start(1), found.end(1), b'{"include_usage":true}')])
    at = found.start(1) + 1
    return apply(body, [(at, at, b'"include_usage":true' + (b"" if found[2] else b","))])


def _object(document: Document) -> dict[str, object]:
    if not isinstance(document.value, dict):
        raise MalformedBody("wrong_shape", "a chat completion is a JSON object")
    return document.value


def _objects(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object, otherwise: int | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _roles(messages: object) -> list[str]:
    """The role of each message by its place; unknown for what is no message."""
    if not isinstance(messages, list):
        return []
    return [_role(message.get("role") if isinstance(message, dict) else None) for message in messages]


def _role(given: object) -> str:
    if given == "function":
        return "tool"
    return given if isinstance(given, str) and given in ROLES else "unknown"


def _tool_names(top: dict[str, object]) -> tuple[str, ...]:
    declared = _objects(top.get("functions"))
    for tool in _objects(top.get("tools")):
        declared += _objects([tool.get("function"), tool.get("custom")])
    names = (tool.get("name") for tool in declared)
    return tuple(name for name in names if isinstance(name, str))


def _seed(segments: tuple[Segment, ...]) -> str | None:
    """Digest of the first system (or developer) and the first user text; the texts themselves stay here."""
    first: dict[str, str] = {}
    for segment in segments:
        if segment.channel == "content" and segment.role in ROLES:
            first.setdefault("system" if segment.role == "developer" else segment.role, segment.text)
            if "user" in first:
                break
    if "user" not in first and "system" not in first:
        return None
    opening = f"{first.get('system', '')}\0{first.get('user', '')}"
    return hashlib.blake2b(opening.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


_PLACES = {
    "prediction": Place("assistant", "content"),
    "user": Place("user", "metadata"),
    "safety_identifier": Place("user", "metadata"),
    "metadata": Place("unknown", "metadata"),
    "model": Place("unknown", "metadata"),
    "prompt_cache_key": Place("unknown", "metadata"),
}
_ELSEWHERE = Place("unknown", "content")
_DECLARED = frozenset({"tools", "functions", "response_format"})


def _request_place(span: StringSpan, roles: list[str]) -> Place | None:
    path = span.pointer.split("/")
    if span.text in VALUES.get(path[-1], ()):
        return None
    top = path[1] if len(path) > 1 else ""
    if top == "messages":
        number = int(path[2]) if len(path) > 2 and path[2].isdecimal() else len(roles)  # noqa: PLR2004 - /messages/N
        return _message_place(path, span, roles[number] if number < len(roles) else "unknown")
    if top in _DECLARED:
        return Place("developer", "name" if path[-1] == "name" else "description")
    return _PLACES.get(top, _ELSEWHERE)


def _message_place(path: list[str], span: StringSpan, role: str) -> Place:
    return Place(role, CHANNELS.get(path[-1], "content"), _blind(path, span.text))


def _blind(path: list[str], text: str) -> str | None:
    """Why a string inside a message cannot be read, by the field it stands in; None: it is text."""
    match path[-2:]:
        case ["image_url", "url"] | [_, "image_url"]:
            return data_url(text)
        case ["input_audio" | "audio", "data"]:
            return "audio" if is_base64(text) else None
        case ["file", "file_data"]:
            return data_url(text) or ("file" if is_base64(text) else None)
    return None


def _response_place(span: StringSpan) -> Place | None:
    path = span.pointer.split("/")
    if span.text in VALUES.get(path[-1], ()):
        return None
    if len(path) > 1 and path[1] == "choices":
        return _message_place(path, span, "assistant")
    return Place("unknown", "metadata")
