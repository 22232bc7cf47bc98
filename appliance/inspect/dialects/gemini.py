"""Gemini: generateContent and its kin at Google AI, Vertex AI and Code Assist, and embeddings there.

Sources: ai.google.dev/api (v1, v1alpha, v1beta), Vertex AI REST reference, google-genai `types.py` (2.x).

Rules: see dialects/__init__.py. The model stands in the path, and in the body only where the path has none; a stream is
asked for by the method's name; without `alt=sse` it comes as one JSON array whose elements arrive one by one.
"""

import re
from typing import Final
from urllib.parse import unquote

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.fields import (
    asks_logprobs,
    count,
    files,
    hosts,
    objects,
    seed,
    table,
    text,
    texts,
    top,
    within,
)
from appliance.inspect.dialects.gemini_events import GeminiEvents, error_body, is_repeat, tell
from appliance.inspect.dialects.gemini_places import Carried, carried, member, place, roots
from appliance.inspect.dialects.gemini_words import NAMES
from appliance.inspect.dialects.repeats import blanked, without_repeats
from appliance.inspect.dialects.spelling import Spelling
from appliance.inspect.dialects.telling import Telling
from appliance.inspect.jsonspans import parse
from appliance.inspect.segments import gather
from appliance.inspect.stream.events import Framing
from appliance.inspect.view import Part, RequestView, ResponseView

_WHAT: Final = "a body of the Gemini API"
_JSON: Final = "application/json"
_SPELLING: Final = Spelling(NAMES)
_METHOD = re.compile(r":(\w+)\Z")
_MODEL = re.compile(r"/(?:models|tunedModels|endpoints)/([^/:]+)(?=:\w+\Z)")
_GENERATE: Final = frozenset(
    {"generateContent", "streamGenerateContent", "countTokens", "batchGenerateContent", "asyncBatchGenerateContent"}
)
_EMBED: Final = frozenset({"embedContent", "batchEmbedContents", "asyncBatchEmbedContent"})


class Gemini:
    """One of the dialects `gemini.generate` and `gemini.embed`: they differ in the methods that they know."""

    def __init__(self, api: str, methods: frozenset[str], suffix: str | None = None) -> None:
        self.api = api
        self._methods = methods
        self._suffix = suffix

    def matches(self, method: str, path: str) -> bool:
        """POST to a path that ends in one of the methods, e.g. `:generateContent`."""
        if method != "POST":
            return False
        found = _METHOD.search(path)
        return bool(found and found[1] in self._methods) or bool(self._suffix and path.endswith(self._suffix))

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a request. MalformedBody when it is not a JSON object."""
        document, body, problem = _SPELLING.parse(body)
        asked = top(document, _WHAT)
        known: Carried = carried(roots(asked))
        parts: list[Part] = []
        segments, opaque = gather(body, document.strings, lambda span: place(span, known), parts)
        tools = [tool for _, root in roots(asked) for tool in objects(root.get("tools"))]
        return RequestView(
            api=self.api,
            model=model_of(call, asked),
            stream=":streamGenerateContent" in call.bare,
            max_tokens=most_tokens(asked),
            logprobs=any(asks_logprobs(table(member(root, "generationConfig"))) for _, root in roots(asked)),
            segments=segments,
            opaque=opaque,
            tools_declared=declared(tools),
            hosted_mcp=hosted(tools),
            conversation_seed=seed(segments),
            parts=files(parts, opaque),
            problem=problem,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece, an error included. MalformedBody: no JSON object, nor a list of them."""
        document = parse(body, known=NAMES)
        if not isinstance(document.value, list):
            top(document, _WHAT)
        known = carried(roots(document.value))
        once = without_repeats(body, document.strings, is_repeat)
        segments, opaque = gather(blanked(body, once.spans), once.strings, lambda span: place(span, known))
        telling = Telling()
        tell(telling, roots(document.value))
        told = telling.told()
        return ResponseView(
            api=self.api,
            model=told.model,
            usage=told.usage,
            finish=told.finish,
            segments=segments,
            opaque=opaque,
            error=told.error,
            tools_called=told.tools_called,
            repeats=once.spans,
        )

    def events(self, call: Call, content_type: str) -> GeminiEvents | None:
        """Server-sent events whatever was asked; a JSON array only where a stream was."""
        kind = media_type(content_type)
        if kind == "text/event-stream":
            return GeminiEvents(Framing.SSE)
        if kind == _JSON and ":streamGenerateContent" in call.bare:
            return GeminiEvents(Framing.JSON_ARRAY)
        return None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """google.rpc.Status; a stream that is refused before it began is answered the same way."""
        return _JSON, error_body(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: every answer tells usage."""
        return body


GENERATE: Final = Gemini("gemini.generate", _GENERATE, "/cachedContents")
EMBED: Final = Gemini("gemini.embed", _EMBED)


def model_of(call: Call, body: dict[str, object]) -> str | None:
    """The model by the path, else by the body."""
    found = _MODEL.search(call.bare)
    if found:
        return unquote(found[1])
    for _, root in roots(body):
        given = text(root.get("model"))
        if given:
            return given.rpartition("models/")[2]
    return None


def most_tokens(body: dict[str, object]) -> int | None:
    """The limit that generationConfig asks for."""
    for _, root in roots(body):
        most = count(member(table(member(root, "generationConfig")), "maxOutputTokens"))
        if most is not None:
            return most
    return None


def declared(tools: list[dict[str, object]]) -> tuple[str, ...]:
    """Names of functions."""
    return texts(each.get("name") for tool in tools for each in objects(member(tool, "functionDeclarations")))


def hosted(tools: list[dict[str, object]]) -> tuple[str, ...]:
    """Hosts of tool servers that the service is asked to call."""
    servers = [server for tool in tools for server in objects(member(tool, "mcpServers"))]
    return hosts(within(member(server, "streamableHttpTransport"), "url") for server in servers)
