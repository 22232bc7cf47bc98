"""Ollama's own API: /api/chat, /api/generate, /api/embed and /api/embeddings.

Sources: ollama `docs/api.md`, `api/types.go` (0.12); ollama-python `_types.py` (0.6.3).

Rules: see dialects/__init__.py. An answer is a stream of lines unless the request says `stream: false`; these paths are
short, so a body without a model is not taken for Ollama's: the generic walker reads it.
"""

import re
from typing import Final

import msgspec

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.fields import asks_logprobs, count, objects, seed, table, text, texts, top, within
from appliance.inspect.dialects.ollama_events import OllamaEvents, is_repeat, read_usage
from appliance.inspect.dialects.ollama_words import NAMES, ROLES, VALUES
from appliance.inspect.dialects.repeats import blanked, without_repeats
from appliance.inspect.dialects.spelling import Spelling
from appliance.inspect.dialects.telling import called_tools
from appliance.inspect.dialects.vectors import Vectors, without_vectors
from appliance.inspect.jsonspans import StringSpan, parse
from appliance.inspect.media import is_base64
from appliance.inspect.segments import Place, gather
from appliance.inspect.stream.events import Framing
from appliance.inspect.view import Part, RequestView, ResponseView
from appliance.inspect.walker import walk

_JSON: Final = "application/json"
_SPELLING: Final = Spelling(NAMES)
_STREAMS: Final = {"application/x-ndjson": Framing.NDJSON, "text/event-stream": Framing.SSE}
_CHANNELS: Final = {"thinking": "reasoning", "name": "name", "tool_name": "name"}
_LEAST_ROW: Final = 16
"""Numbers in the shortest array that is taken for token ids (`context`) where other arrays of numbers may stand."""
_TOP: Final = {
    "prompt": Place("user", "content"),
    "suffix": Place("user", "content"),
    "input": Place("user", "content"),
    "system": Place("system", "content"),
    "template": Place("developer", "content"),
    "response": Place("assistant", "content"),
    "thinking": Place("assistant", "reasoning"),
    "model": Place("unknown", "metadata"),
    "remote_model": Place("unknown", "metadata"),
    "created_at": Place("unknown", "metadata"),
    "keep_alive": Place("unknown", "metadata"),
}
_ELSEWHERE: Final = Place("unknown", "content")


class Ollama:
    """One of the dialects `ollama.chat`, `ollama.generate` and `ollama.embed`."""

    def __init__(self, api: str, paths: tuple[str, ...], *, streams: bool = True) -> None:
        self.api = api
        self._embeds = not streams
        self._path = re.compile(rf"/api/(?:{'|'.join(paths)})/?\Z")
        self._streams = streams

    def matches(self, method: str, path: str) -> bool:
        """POST to a path that ends in one of this dialect's."""
        return method == "POST" and self._path.search(path) is not None

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a request; one that names no model by the generic walker, with its MalformedBody."""
        vectors = without_vectors(body, 1 if self._embeds else _LEAST_ROW)
        document, data, problem = _SPELLING.parse(vectors.data)
        if not text(table(document.value).get("model")):
            return walk(body, call.content_type)
        asked = table(document.value)
        roles = [_role(message.get("role")) for message in objects(asked.get("messages"))]
        files: list[Part] = []
        segments, opaque = gather(data, document.strings, lambda span: _place(span, roles), files)
        return RequestView(
            api=self.api,
            model=text(asked.get("model")),
            stream=self._streams and asked.get("stream") is not False,
            max_tokens=count(within(asked, "options", "num_predict")),
            logprobs=asks_logprobs(asked),
            segments=segments,
            opaque=vectors.among(opaque, "token_ids"),
            tools_declared=texts(within(tool, "function", "name") for tool in objects(asked.get("tools"))),
            conversation_seed=seed(segments),
            parts=tuple(files),
            problem=problem,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece, an error included. MalformedBody when it is not a JSON object."""
        vectors = without_vectors(body, 1) if self._embeds else Vectors(body)
        document = parse(vectors.data, known=NAMES)
        told = top(document, "an answer of Ollama")
        once = without_repeats(vectors.data, document.strings, is_repeat)
        data = blanked(vectors.data, once.spans)
        segments, opaque = gather(data, once.strings, lambda span: _place(span, ["assistant"]))
        calls = objects(within(told, "message", "tool_calls"))
        return ResponseView(
            api=self.api,
            model=text(told.get("model")),
            usage=read_usage(told),
            finish=texts([told.get("done_reason")]),
            segments=segments,
            opaque=vectors.among(opaque, "embedding"),
            error="error" in told,
            tools_called=called_tools([within(each, "function", "name") for each in calls]),
            repeats=once.spans,
        )

    def events(self, call: Call, content_type: str) -> OllamaEvents | None:  # noqa: ARG002 - the protocol's
        """Lines of JSON; server-sent events are read alike, for servers that speak so on these paths."""
        framing = _STREAMS.get(media_type(content_type))
        return OllamaEvents(framing) if framing and self._streams else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """`{"error": message}`, which its clients raise with the status."""
        return _JSON, msgspec.json.encode({"error": f"{message} ({code})"})

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: every answer tells usage."""
        return body


CHAT: Final = Ollama("ollama.chat", ("chat",))
GENERATE: Final = Ollama("ollama.generate", ("generate",))
EMBED: Final = Ollama("ollama.embed", ("embed", "embeddings"), streams=False)


def _role(given: object) -> str:
    return given if isinstance(given, str) and given in ROLES else "unknown"


def _place(span: StringSpan, roles: list[str]) -> Place | None:
    path = span.pointer.split("/")
    head = path[1] if len(path) > 1 else ""
    key = path[-1]
    if span.text in VALUES.get(key, ()):
        return None
    if head == "messages" and len(path) > 2:  # noqa: PLR2004 - /messages/N
        number = int(path[2]) if path[2].isdecimal() and len(path[2]) < 7 else len(roles)  # noqa: PLR2004
        return _message_place(path[3:], span.text, roles[number] if number < len(roles) else "unknown")
    if head == "message":
        return _message_place(path[2:], span.text, "assistant")
    if head == "images":
        return Place("user", "content", "image" if is_base64(span.text) else None)
    if head in {"tools", "format"}:
        return Place("developer", "name" if key == "name" else "description")
    return _TOP.get(head, _ELSEWHERE)


def _message_place(rest: list[str], value: str, role: str) -> Place:
    match rest:
        case ["images", _]:
            return Place(role, "content", "image" if is_base64(value) else None)
        case ["tool_calls", _, "function", "arguments", *_]:
            return Place(role, "arguments")
        case ["tool_calls", _, "id"] | ["tool_call_id"]:
            return Place(role, "metadata")
    return Place(role, _CHANNELS.get(rest[-1] if rest else "", "content"))
