"""AWS Bedrock Converse: `POST /model/MODEL/converse` and `/converse-stream`.

Sources: botocore 1.43, `data/bedrock-runtime/2023-09-30/service-2.json`.

Rules: see dialects/__init__.py. What tools returned has role tool; reasoning that carries a signature may not be
changed by anybody, so its texts are `fixed` (see anthropic_messages.py).
"""

from typing import Final

import msgspec

from appliance.inspect.dialects import Call, EventReader, fields
from appliance.inspect.dialects.bedrock_calls import is_stream, read_usage, refusal, target
from appliance.inspect.dialects.bedrock_events import ConverseEvents
from appliance.inspect.dialects.bedrock_words import NAMES, blind, channel_of, is_word
from appliance.inspect.dialects.telling import called_tools
from appliance.inspect.jsonspans import Document, StringSpan, parse
from appliance.inspect.segments import Place, Reader, gather
from appliance.inspect.view import Part, RequestView, ResponseView
from appliance.model.detection import Segment

API: Final = "bedrock.converse"
_OPERATIONS = frozenset({"converse", "converse-stream"})
_ROLES = frozenset({"system", "user", "assistant", "tool", "developer"})
_OTHER_ROLES = {"function": "tool", "USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}
_TOOL_RESULTS = frozenset({"toolResult", "tool_result", "tool_results"})
_PLACES = {
    "system": "system",
    "preamble": "system",
    "toolConfig": "developer",
    "tools": "developer",
    "outputConfig": "developer",
    "response_format": "developer",
    "promptVariables": "user",
    "requestMetadata": "user",
    "prompt": "user",
    "inputText": "user",
    "message": "user",
    "texts": "user",
    "query": "user",
    "documents": "user",
    "textToImageParams": "user",
}
"""The role of what stands under a member of a request's top."""
_DECLARED = frozenset({"toolConfig", "tools", "outputConfig", "response_format"})
_METADATA = frozenset({"model", "modelId", "requestMetadata", "guardrailConfig", "anthropic_version", "serviceTier"})
_BLOCK_PARTS = 5  # "", "messages", N, "content", M


class BedrockConverse:
    """The dialect `bedrock.converse`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """POST to a model's converse or converse-stream."""
        found = target(path)
        return method == "POST" and found is not None and found.operation in _OPERATIONS

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a request. MalformedBody when it is not a JSON object."""
        asked = target(call.bare)
        view = read_request(API, body, parse(body, known=NAMES))
        if asked is None:
            return view
        return msgspec.structs.replace(view, model=asked.model, stream=asked.operation == "converse-stream")

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece, an error body included. MalformedBody when it is not a JSON object."""
        return read_response(API, body, parse(body, known=NAMES))

    def events(self, call: Call, content_type: str) -> EventReader | None:  # noqa: ARG002 - the protocol's signature
        """A reader of AWS's event stream."""
        return ConverseEvents() if is_stream(content_type) else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """An error as AWS's SDKs raise it."""
        return refusal(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: usage is always told."""
        return body


def read_request(api: str, body: bytes, document: Document) -> RequestView:
    """A request of Converse, or of a model whose own format is like it; model and stream are told by the path."""
    asked = fields.top(document, "a request to a model")
    roles = [_role(fields.within(message, "role")) for message in _list(asked.get("messages"))]
    past = [_role(fields.within(message, "role")) for message in _list(asked.get("chat_history"))]
    parts: list[Part] = []
    segments, opaque = gather(
        body, document.strings, request_places(document, {"messages": roles, "chat_history": past}), parts
    )
    segments = _fix_signed(segments, asked)
    config = fields.table(asked.get("inferenceConfig"))
    beside = fields.table(asked.get("additionalModelRequestFields"))
    servers = fields.objects(asked.get("mcp_servers")) + fields.objects(beside.get("mcp_servers"))
    return RequestView(
        api=api,
        max_tokens=_limit(asked, config),
        segments=segments,
        opaque=opaque,
        tools_declared=declared(asked),
        hosted_mcp=fields.hosts(server.get("url") for server in servers),
        conversation_seed=fields.seed(segments),
        parts=fields.files(parts, opaque),
        problem="duplicate_key" if document.duplicate_keys else None,
    )


def request_places(document: Document, roles: dict[str, list[str]], skip: int = 0) -> Reader:
    """What each string of a request is; `roles`: of the messages below a member, by place; `skip`: parts before it."""

    def place(span: StringSpan) -> Place | None:
        path = span.pointer.split("/")
        inner = path[skip:] or path
        if is_word(inner, span.text):
            return None
        top = inner[1] if len(inner) > 1 else ""
        reason = blind(document.value, path, span.text)
        if top in roles:
            number = inner[2] if len(inner) > 2 else ""  # noqa: PLR2004 - /messages/N
            known = number.isdecimal() and len(number) < 7 and int(number) < len(roles[top])  # noqa: PLR2004 - an index
            role = roles[top][int(number)] if known else "unknown"
            return Place("tool" if not _TOOL_RESULTS.isdisjoint(inner) else role, channel_of(inner), reason)
        channel = "metadata" if top in _METADATA else channel_of(inner)
        if top in _DECLARED:
            channel = "name" if inner[-1] == "name" else "description"
        return Place(_PLACES.get(top, "unknown"), channel, reason)

    return place


def read_response(api: str, body: bytes, document: Document) -> ResponseView:
    """An answer of Converse in one piece, or of a model whose own format is like it."""
    told = fields.top(document, "an answer of a model")
    message = fields.table(fields.within(told, "output", "message"))
    segments, opaque = gather(body, document.strings, lambda span: _response_place(document, span))
    reason = fields.text(told.get("stopReason"))
    calls = [fields.within(block, "toolUse", "name") for block in fields.objects(message.get("content"))]
    return ResponseView(
        api=api,
        model=fields.text(fields.within(told, "trace", "promptRouter", "invokedModelId")),
        usage=read_usage(fields.table(told.get("usage"))),
        finish=(reason,) if reason else (),
        segments=segments,
        opaque=opaque,
        error="output" not in told and ("message" in told or "Message" in told),
        tools_called=called_tools(calls),
    )


def _response_place(document: Document, span: StringSpan) -> Place | None:
    path = span.pointer.split("/")
    if is_word(path, span.text):
        return None
    reason = blind(document.value, path, span.text)
    if path[1:3] != ["output", "message"]:
        return Place("unknown", "metadata", reason)
    return Place("tool" if "toolResult" in path else "assistant", channel_of(path), reason)


def roles_of(messages: object) -> list[str]:
    """The role of each message by its place."""
    return [_role(fields.within(message, "role")) for message in _list(messages)]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _role(given: object) -> str:
    if not isinstance(given, str):
        return "unknown"
    return given if given in _ROLES else _OTHER_ROLES.get(given, "unknown")


def _limit(asked: dict[str, object], config: dict[str, object]) -> int | None:
    """Under whichever name a model has it."""
    named = [config.get(name) for name in ("maxTokens", "max_new_tokens")]
    named += [asked.get(name) for name in ("max_tokens", "max_completion_tokens", "max_gen_len", "maxTokens")]
    named.append(fields.within(asked, "textGenerationConfig", "maxTokenCount"))
    return next((limit for value in named if (limit := fields.count(value)) is not None), None)


def declared(asked: dict[str, object]) -> tuple[str, ...]:
    """Names of the tools that a request declares."""
    beside = fields.table(asked.get("additionalModelRequestFields"))
    names: list[object] = []
    for tool in fields.objects(fields.within(asked, "toolConfig", "tools")):
        names += (fields.within(tool, kind, "name") for kind in ("toolSpec", "systemTool"))
    for tool in fields.objects(asked.get("tools")) + fields.objects(beside.get("tools")):
        names += (tool.get("name"), fields.within(tool, "function", "name"))
    return fields.texts(names)


def _fix_signed(segments: tuple[Segment, ...], asked: dict[str, object]) -> tuple[Segment, ...]:
    """Texts of reasoning that carries a signature are fixed."""
    signed = {
        f"/messages/{number}/content/{place}"
        for number, message in enumerate(_list(asked.get("messages")))
        for place, block in enumerate(_list(fields.within(message, "content")))
        if fields.text(fields.within(block, "reasoningContent", "reasoningText", "signature"))
    }
    if not signed:
        return segments
    return tuple(
        msgspec.structs.replace(segment, fixed=True)
        if "/".join(segment.pointer.split("/", _BLOCK_PARTS)[:_BLOCK_PARTS]) in signed
        else segment
        for segment in segments
    )
