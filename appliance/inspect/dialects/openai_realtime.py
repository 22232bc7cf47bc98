"""OpenAI Realtime: the WebSocket `/v1/realtime`, under its beta names and its present ones, and Azure's like it.

Sources: openai-python `types/realtime/*`, `types/beta/realtime/*` (openai 3.x).

Rules: see dialects/__init__.py. Each message of the client is a request (`session.update`, `conversation.item.create`,
`response.create`, `input_audio_buffer.append`...); messages of the server are events. Sound is opaque; what it says is
seen in transcripts. The HTTP calls that make a session (`/realtime/sessions`, `/client_secrets`,
`/transcription_sessions`) carry the same members.
"""

from urllib.parse import parse_qs

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.fields import count, files, seed, table, text, top
from appliance.inspect.dialects.openai_errors import refused
from appliance.inspect.dialects.openai_event_words import EVENTS
from appliance.inspect.dialects.openai_items import (
    NAMES,
    VALUES,
    Voices,
    blind_in,
    called_in,
    declared,
    finish_of,
    place_in,
    speaker,
)
from appliance.inspect.dialects.openai_request import deployment, hosted_mcp, tool_names
from appliance.inspect.dialects.openai_responses_events import ResponsesEvents
from appliance.inspect.dialects.openai_usage import read_usage
from appliance.inspect.dialects.spelling import Spelling
from appliance.inspect.jsonspans import StringSpan, parse
from appliance.inspect.segments import Place, gather, words
from appliance.inspect.stream.events import Framing
from appliance.inspect.view import Part, RequestView, ResponseView

API = "openai.realtime"
_SPELLING = Spelling(NAMES)
_SESSIONS = ("/realtime/sessions", "/realtime/client_secrets", "/realtime/transcription_sessions")


class OpenAIRealtime:
    """The dialect `openai.realtime`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """GET that begins the WebSocket; POST that makes a session for one."""
        bare = path.rstrip("/")
        return bare.endswith("/realtime") if method == "GET" else method == "POST" and bare.endswith(_SESSIONS)

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read one message of the client. MalformedBody when it is not a JSON object."""
        document, body, problem = _SPELLING.parse(body)
        said = top(document, "a realtime event")
        session, response, item = table(said.get("session")), table(said.get("response")), table(said.get("item"))
        parts: list[Part] = []
        reader = _Message(response, item)
        segments, opaque = gather(body, document.strings, reader.place, parts)
        tools = (said.get("tools"), session.get("tools"), response.get("tools"))
        most = next((holder[name] for holder in (said, session, response) for name in _MOST if name in holder), None)
        return RequestView(
            api=API,
            model=text(session.get("model")) or text(said.get("model")) or _model_in(call),
            stream=said.get("type") == "response.create",
            max_tokens=count(most),
            segments=segments,
            opaque=opaque,
            tools_declared=tool_names(*tools),
            conversation_seed=seed(segments),
            hosted_mcp=hosted_mcp(*tools),
            parts=files(parts, opaque),
            problem=problem,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read what answers the making of a session. MalformedBody when it is not a JSON object."""
        document = parse(body, known=NAMES)
        answer = top(document, "a realtime session")
        segments, opaque = gather(body, document.strings, _Message({}, {}).place)
        return ResponseView(
            api=API,
            model=text(answer.get("model")) or text(table(answer.get("session")).get("model")),
            usage=read_usage(answer.get("usage")),
            finish=finish_of(answer),
            segments=segments,
            opaque=opaque,
            error=bool(answer.get("error")),
            tools_called=called_in(answer.get("output")),
        )

    def events(self, call: Call, content_type: str) -> ResponsesEvents | None:  # noqa: ARG002 - the protocol's
        """A reader for all that the server says on a WebSocket."""
        return ResponsesEvents(Framing.MESSAGE, by_item=True) if content_type == "websocket" else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """`{"error": {...}}`: the answer to the request that would have begun the WebSocket."""
        return refused(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: usage comes unasked."""
        return body


_MOST = ("max_output_tokens", "max_response_output_tokens")


def _model_in(call: Call) -> str | None:
    """The model or deployment that the address names."""
    try:
        asked = parse_qs(call.path.partition("?")[2], max_num_fields=64)
    except ValueError:  # too many fields
        return None
    return next((asked[name][0] for name in ("model", "deployment") if name in asked), deployment(call.bare))


class _Message:
    """What the strings of one message are."""

    def __init__(self, response: dict[str, object], item: dict[str, object]) -> None:
        self._voices = Voices(response.get("input"))
        self._speaker = speaker(item)

    def place(self, span: StringSpan) -> Place | None:
        """None: a word of the format."""
        path = span.pointer.split("/")
        match path[1:]:
            case ["item", *_]:
                return place_in(path, span, self._speaker, reasoning=False)
            case ["response", "input", *_]:
                return self._voices.place(path, 3, span)
        if span.text in VALUES.get(path[-1], ()) or (path == ["", "type"] and span.text in EVENTS):
            return None
        blind = blind_in(path, span.text)
        match path[1:]:
            case ["session" | "response", "tools", *_] | ["tools", *_]:
                return declared(path)
            case [*_, "instructions" | "prompt"]:
                return Place("system", "content", blind)
        return Place("unknown", "metadata" if path[-1] in _METADATA else "content", blind)


_METADATA = words("event_id item_id previous_item_id response_id model voice language id")
