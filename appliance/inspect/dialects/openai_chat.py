"""OpenAI Chat Completions: `POST .../chat/completions`, as OpenAI, Azure and a long row of others speak it.

The older `.../completions` are read here too, Mistral's fim and agents among them.

Sources: openai-python `types/chat/*`, `types/completion*.py`, `types/completion_usage.py` (openai 3.x);
openai/openai-openapi; the API references of the services named in openai_words.py.

Rules: see dialects/__init__.py. Every text carrier of a request gets the role of its message; names and values that are
the format's own words are structure; base64 media is opaque by kind; all else is text of role unknown.
"""

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.asking_usage import with_usage
from appliance.inspect.dialects.fields import asks_logprobs, count, files, objects, seed, table, text, texts, top
from appliance.inspect.dialects.openai_errors import refused
from appliance.inspect.dialects.openai_request import deployment, hosted_mcp, role_of, token_ids, tool_names
from appliance.inspect.dialects.openai_stream import ChatEvents, blind_in
from appliance.inspect.dialects.openai_usage import read_timings, read_usage
from appliance.inspect.dialects.openai_words import CHANNELS, NAMES, VALUES, is_repeat
from appliance.inspect.dialects.repeats import blanked, without_repeats
from appliance.inspect.dialects.spelling import Spelling
from appliance.inspect.jsonspans import StringSpan, parse
from appliance.inspect.segments import Place, gather
from appliance.inspect.view import Part, RequestView, ResponseView

API = "openai.chat"
_SPELLING = Spelling(NAMES)


class OpenAIChat:
    """The dialect `openai.chat`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """POST to a path that ends in /completions."""
        return method == "POST" and path.rstrip("/").endswith("/completions")

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a request. MalformedBody when it is not a JSON object."""
        document, body, problem = _SPELLING.parse(body)
        asked = top(document, "a chat completion")
        roles = _roles(asked.get("messages"))
        parts: list[Part] = []
        spans = gather(body, document.strings, lambda span: _request_place(span, roles), parts)
        segments, opaque = token_ids(body, asked.get("prompt"), "prompt", spans)
        most = count(asked.get("max_completion_tokens"))
        return RequestView(
            api=API,
            model=text(asked.get("model")) or deployment(call.bare),
            models_beside=_beside(asked),
            stream=asked.get("stream") is True,
            max_tokens=count(asked.get("max_tokens")) if most is None else most,
            logprobs=asks_logprobs(asked),
            segments=segments,
            opaque=opaque,
            tools_declared=tool_names(asked.get("functions"), asked.get("tools")),
            include_usage=table(asked.get("stream_options")).get("include_usage") is True,
            conversation_seed=seed(segments),
            hosted_mcp=hosted_mcp(asked.get("tools")),
            parts=files(parts, opaque),
            problem=problem,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece, an error body included. MalformedBody when it is not a JSON object."""
        document = parse(body, known=NAMES)
        answer = top(document, "a chat completion")
        once = without_repeats(body, document.strings, is_repeat)
        segments, opaque = gather(blanked(body, once.spans), once.strings, _response_place)
        choices = objects(answer.get("choices"))
        return ResponseView(
            api=API,
            model=text(answer.get("model")),
            usage=read_usage(answer.get("usage")) or read_timings(answer.get("timings")),
            finish=texts(choice.get("finish_reason") for choice in choices),
            segments=segments,
            opaque=opaque,
            error=bool(answer.get("error")),
            tools_called=tool_names(*(_calls(choice.get("message")) for choice in choices)),
            repeats=once.spans,
        )

    def events(self, call: Call, content_type: str) -> ChatEvents | None:  # noqa: ARG002 - the protocol's signature
        """A reader for one streamed answer."""
        return ChatEvents() if media_type(content_type) == "text/event-stream" else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """`{"error": {...}}`; a stream that is refused before it began is answered the same way."""
        return refused(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Insert `stream_options.include_usage`; unchanged where the client chose, or the body is ambiguous."""
        return with_usage(body)


def _beside(asked: dict[str, object]) -> tuple[str, ...]:
    """Models that OpenRouter (`models`) and LiteLLM (`fallbacks`) turn to where the first does not answer."""
    told = (asked.get(name) for name in ("models", "fallbacks"))
    found = texts(one.get("model") if isinstance(one, dict) else one for some in told for one in _list(some))
    return tuple(dict.fromkeys(found))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _calls(message: object) -> list[object]:
    """The calls of a message, in their new and their old form."""
    told = table(message)
    return [*objects(told.get("tool_calls")), *objects([told.get("function_call")])]


def _roles(messages: object) -> list[str]:
    """The role of each message by its place; unknown for what is no message."""
    if not isinstance(messages, list):
        return []
    return [role_of(table(message).get("role")) for message in messages]


_PLACES = {
    "prediction": Place("assistant", "content"),
    "prompt": Place("user", "content"),
    "suffix": Place("user", "content"),
    "user": Place("user", "metadata"),
    "safety_identifier": Place("user", "metadata"),
    "metadata": Place("unknown", "metadata"),
    "model": Place("unknown", "metadata"),
    "prompt_cache_key": Place("unknown", "metadata"),
}
_ELSEWHERE = Place("unknown", "content")
_DECLARED = frozenset({"tools", "functions", "response_format"})
_OF_PROMPT = frozenset({"prompt", "suffix"})  # whatever stands there is text, though it be a word of the format


def _request_place(span: StringSpan, roles: list[str]) -> Place | None:
    path = span.pointer.split("/")
    top = path[1] if len(path) > 1 else ""
    if span.text in VALUES.get(path[-1], ()) and top not in _OF_PROMPT:
        return None
    if top == "messages":
        number = int(path[2]) if len(path) > 2 and path[2].isdecimal() else len(roles)  # noqa: PLR2004 - /messages/N
        return _message_place(path, span, roles[number] if number < len(roles) else "unknown")
    if top in _DECLARED:
        return Place("developer", "name" if path[-1] == "name" else "description")
    return _PLACES.get(top, _ELSEWHERE)


def _message_place(path: list[str], span: StringSpan, role: str) -> Place:
    return Place(role, CHANNELS.get(path[-1], "content"), blind_in(path, span.text))


def _response_place(span: StringSpan) -> Place | None:
    path = span.pointer.split("/")
    if span.text in VALUES.get(path[-1], ()):
        return None
    if len(path) > 1 and path[1] == "choices":
        return _message_place(path, span, "assistant")
    return Place("unknown", "metadata")
