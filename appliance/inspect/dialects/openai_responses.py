"""OpenAI Responses: `POST .../responses`, `/responses/compact`, `/responses/input_tokens`, and its WebSocket.

What is kept of them is read as well: `GET .../responses/ID` and `GET .../conversations/ID/items`.

Also Azure's `/openai/responses` and `/openai/v1/responses`, GitHub Copilot's `/responses` and Codex's
`/backend-api/codex/responses`. Sources: openai-python `types/responses/*` (openai 3.x).

Rules: see dialects/__init__.py. On a WebSocket each message of the client (`response.create`, `response.steer`) is a
request of the same members. What the provider is asked to call itself (hosted MCP) is told by the host it would call.
"""

import re

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.fields import asks_logprobs, count, files, objects, seed, table, text, top
from appliance.inspect.dialects.openai_errors import refused
from appliance.inspect.dialects.openai_items import (
    NAMES,
    VALUES,
    Voices,
    blind_in,
    called_in,
    declared,
    finish_of,
)
from appliance.inspect.dialects.openai_request import deployment, hosted_mcp, tool_names
from appliance.inspect.dialects.openai_responses_events import ResponsesEvents
from appliance.inspect.dialects.openai_usage import read_usage
from appliance.inspect.dialects.openai_words import is_repeat
from appliance.inspect.dialects.repeats import blanked, without_repeats
from appliance.inspect.dialects.spelling import Spelling
from appliance.inspect.jsonspans import StringSpan, parse
from appliance.inspect.segments import Place, gather, words
from appliance.inspect.stream.events import Framing
from appliance.inspect.view import Part, RequestView, ResponseView

API = "openai.responses"
_SPELLING = Spelling(NAMES)
_KEPT = re.compile(r"/(?:responses/(?!compact|input_tokens)[^/]+|conversations/[^/]+/items(?:/[^/]+)?)\Z")
_ENDS = ("/responses", "/responses/compact", "/responses/input_tokens")


class OpenAIResponses:
    """The dialect `openai.responses`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """POST to a path that ends as the API's do; GET of one, or of the collection, which can only be a WebSocket."""
        bare = path.rstrip("/")
        if method == "POST":
            return bare.endswith(_ENDS)
        return method == "GET" and (bare.endswith("/responses") or _KEPT.search(bare) is not None)

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a request or a message of the client. MalformedBody when it is not a JSON object."""
        document, body, problem = _SPELLING.parse(body)
        asked = top(document, "a request for a response")
        items = asked.get("input")
        voices = Voices(items)
        parts: list[Part] = []
        segments, opaque = gather(body, document.strings, lambda span: _request_place(span, voices), parts)
        tools = (asked.get("tools"), *(item.get("tools") for item in objects(items)))
        return RequestView(
            api=API,
            model=text(asked.get("model")) or deployment(call.bare),
            stream=asked.get("stream") is True or asked.get("type") == "response.create",
            max_tokens=count(asked.get("max_output_tokens")),
            logprobs=asks_logprobs(asked),
            segments=segments,
            opaque=opaque,
            tools_declared=tool_names(*tools),
            conversation_seed=seed(segments),
            conversation=_conversation(asked),
            hosted_mcp=hosted_mcp(*tools),
            parts=files(parts, opaque),
            problem=problem,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece, an error body included. MalformedBody when it is not a JSON object.

        What a response has used was told when it was made, not when it is read again.
        """
        document = parse(body, known=NAMES)
        answer = top(document, "a response")
        member, kept = _member(call), call.method == "GET"
        voices = Voices(answer.get(member))
        once = without_repeats(body, document.strings, is_repeat)
        blank = blanked(body, once.spans)
        segments, opaque = gather(blank, once.strings, lambda span: _response_place(span, voices, member))
        return ResponseView(
            api=API,
            model=text(answer.get("model")),
            usage=None if kept else read_usage(answer.get("usage")),
            finish=() if kept else finish_of(answer),
            segments=segments,
            opaque=opaque,
            error=bool(answer.get("error")),
            tools_called=() if kept else called_in(answer.get("output")),
            repeats=once.spans,
        )

    def events(self, call: Call, content_type: str) -> ResponsesEvents | None:  # noqa: ARG002 - the protocol's
        """A reader for one streamed answer, or for all that the server says on a WebSocket."""
        if content_type == "websocket":
            return ResponsesEvents(Framing.MESSAGE)
        return ResponsesEvents(Framing.SSE) if media_type(content_type) == "text/event-stream" else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """`{"error": {...}}`; a stream that is refused before it began is answered the same way."""
        return refused(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: usage comes unasked."""
        return body


def _conversation(asked: dict[str, object]) -> str | None:
    """The conversation, named by itself or by the response that this one follows."""
    named = asked.get("conversation")
    return text(table(named).get("id")) or text(named) or text(asked.get("previous_response_id"))


_PLACES = {
    "instructions": Place("system", "content"),
    "user": Place("user", "metadata"),
    "safety_identifier": Place("user", "metadata"),
    **dict.fromkeys(
        words("metadata model prompt_cache_key previous_response_id conversation include stream_id type"),
        Place("unknown", "metadata"),
    ),
}
_DECLARED = frozenset({"tools", "text", "response_format"})
_CLIENT = frozenset({"response.create", "response.steer"})


def _request_place(span: StringSpan, voices: Voices) -> Place | None:
    path = span.pointer.split("/")
    member = path[1] if len(path) > 1 else ""
    if member == "input":
        return Place("user", "content") if len(path) == 2 else voices.place(path, 2, span)  # noqa: PLR2004 - /input/N
    if span.text in VALUES.get(path[-1], ()) or (path == ["", "type"] and span.text in _CLIENT):
        return None
    if member in _DECLARED:
        return declared(path)
    blind = blind_in(path, span.text)
    if member == "prompt":  # a stored prompt and its variables
        return Place("user" if "variables" in path else "unknown", "content", blind)
    return _PLACES.get(member, Place("unknown", "content", blind))


def _member(call: Call) -> str:
    """Where the items of an answer stand."""
    return "data" if call.bare.rstrip("/").endswith("/items") and "/conversations/" in call.bare else "output"


def _response_place(span: StringSpan, voices: Voices, member: str) -> Place | None:
    path = span.pointer.split("/")
    if path[1:2] == [member]:
        return voices.place(path, 2, span)
    if span.text in VALUES.get(path[-1], ()):
        return None
    if path[1:2] == ["instructions"]:
        return Place("system", "content", blind_in(path, span.text))
    if path[1:2] == ["tools"]:
        return declared(path)
    return Place("unknown", "metadata", blind_in(path, span.text))
