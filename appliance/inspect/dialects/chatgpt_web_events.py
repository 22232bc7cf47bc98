"""The streamed half of ChatGPT's web application: operations on a message that grows, `delta_encoding` v1.

As heuristic as chatgpt_web.py, and of the same date. An event is `{p, o, v, c}`: path, operation (add, append, replace,
remove, patch, truncate), value, and which message of the answer; what is missing is as in the event before. A patch is
a list of operations. Events beside them say `type`. Before v1 each event held the whole message so far.

Rules: what is appended to a path is a piece of that path's channel, `web/{message}.{times begun anew}{path}`; a text
that an operation puts somewhere begins it anew, and so does its removal; a text cut in the middle is one that readers
put together otherwise than we do; unknown operations carry texts of their own. Of the old form only the finished
message is a text: the growing ones repeat it, and a part of something that must be hidden stands in each.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.fields import table, text
from appliance.inspect.dialects.json_events import DONE, METADATA, JsonEvents, Spot, spread
from appliance.inspect.dialects.openai_request import role_of
from appliance.inspect.jsonspans import Document, StringSpan
from appliance.inspect.media import data_url
from appliance.inspect.segments import known_names, words
from appliance.inspect.stream.events import Event, EventView

_WORDS = """
    p o v c message id author role name content content_type parts text thoughts summary finished chunks language
    status end_turn weight metadata recipient channel create_time update_time conversation_id parent_id model_slug
    resolved_model_slug default_model_slug finish_details finish_reason type stop_tokens is_complete request_id
    message_type citations content_references message_id marker event title token error turn_exchange_id
    action messages model parent_message_id supported_encodings conversation_mode kind timezone timezone_offset_min
    suggestions history_and_training_disabled partial_query attachments mime_type size width height asset_pointer
    system_hints client_contextual_info detail code input_message kind topic_id
"""
NAMES = known_names(_WORDS)
"""Keys, raw bytes to name, of both directions."""
_PATH_WORDS = words(_WORDS)
_VALUES = {
    "role": words("user assistant system tool"),
    "o": words("add append replace remove patch truncate"),
    "status": words("in_progress finished_successfully finished_partial_completion finished"),
    "content_type": words("text multimodal_text code execution_output thoughts reasoning_recap model_editable_context"),
    "recipient": words("all"),
    "channel": words("final commentary analysis"),
    "type": words("""
        message_marker message_stream_complete title_generation resume_conversation_token input_message error stop
        max_tokens interrupted server_ste_metadata conversation_detail_metadata stream_handoff
    """),
    "marker": words("user_visible_token final_channel_token cot_token last_token"),
    "event": words("first last"),
}
_TEXT = re.compile(r"/message/content/(?:parts/\d+|text|content|result|thoughts/\d+/(?:content|summary|chunks/\d+))\Z")
_FINISHED = "finished"
_ANEW = ("add", "replace", "remove", "truncate")
_MAX_MESSAGES = 64


class _Operation:
    """One operation, with what it has from those before it. `value`: where its value stands, as a JSON pointer."""

    def __init__(self, path: str, kind: str, message: int, value: str, content: object) -> None:
        self.path = path
        self.kind = kind
        self.message = message
        self.value = value
        self.content = content
        self.channels = ""  # how the names of its message's channels begin


class WebEvents(JsonEvents):
    """Reads the events of one answer."""

    names: ClassVar[Mapping[bytes, str]] = NAMES

    def __init__(self) -> None:
        super().__init__()
        self._path, self._kind, self._message = "", "", 0
        self._begun: dict[int, int] = {}
        self._roles: dict[int, str] = {}

    def take(self, event: Event, document: Document) -> EventView:
        """What one event holds."""
        said = table(document.value)
        if "v" in said:
            view = self._operations(said, document)
        elif isinstance(said.get("message"), dict):
            view = self._whole_message(said, document)
        else:
            view = self._beside(said, event, document)
        if said.keys() == {"v"} and isinstance(said["v"], str):
            self.learn(event, document, view)
        return view

    def ending(self, reason: str) -> bytes:
        """An error in the site's own form and the end mark."""
        error = msgspec.json.encode({"message": None, "conversation_id": None, "error": ended(reason)})
        return framed(self.framing, error) + framed(self.framing, DONE)

    def _operations(self, said: dict[str, object], document: Document) -> EventView:
        operations = self._unfolded(said)
        closes = [channel for one in operations for channel in self._apply(one)]
        texts, opaque = spread(document.strings, lambda span, path: self._spot(span, path, operations))
        self._tell(document)
        return EventView(
            texts=texts,
            opaque=opaque,
            closes=tuple(closes) if len(closes) <= _MAX_MESSAGES else ("",),
            ambiguous=any(one.kind == "truncate" and one.content != 0 for one in operations),
        )

    def _unfolded(self, said: dict[str, object]) -> list[_Operation]:
        """The operations of an event: itself, or those of its patch."""
        before = (self._path, self._kind, self._message)
        self._path = said["p"] if isinstance(said.get("p"), str) else self._path  # type: ignore[assignment]
        self._kind = text(said.get("o")) or self._kind
        told = said.get("c")
        if isinstance(told, int) and 0 <= told < _MAX_MESSAGES:
            self._message = int(told)
        if before != (self._path, self._kind, self._message):
            self.recurring.forget()
        value = said["v"]
        patches = self._kind == "patch" or (isinstance(value, list) and all("v" in table(one) for one in value))
        if not patches or not isinstance(value, list):
            return [_Operation(self._path, self._kind, self._message, "/v", value)]
        found: list[_Operation] = []
        path = kind = ""
        for number, one in enumerate(value):
            inner = table(one)
            path, kind = text(inner.get("p")) or path, text(inner.get("o")) or kind
            outer = self._path if self._kind == "patch" else ""
            found.append(_Operation(outer + path, kind, self._message, f"/v/{number}/v", inner.get("v")))
        return found

    def _apply(self, one: _Operation) -> list[str]:
        """Follow an operation; the channels that end with it."""
        message = table(table(one.content).get("message")) if one.path == "" else {}
        if message:
            self._roles[one.message] = role_of(table(message.get("author")).get("role"))
        begins = message or (one.kind in _ANEW and _TEXT.match(one.path))
        closes: list[str] = []
        if begins:
            closes.append(f"{self._name(one.message)}/")
            self._begun[one.message] = self._begun.get(one.message, 0) + 1
            self.recurring.forget()
        one.channels = self._name(one.message)
        status = message.get("status") if message else one.content if one.path == "/message/status" else None
        if isinstance(status, str) and status.startswith(_FINISHED):
            closes.append(f"{one.channels}/")
        return closes

    def _name(self, message: int) -> str:
        return f"web/{message}.{self._begun.get(message, 0)}"  # messages take over from each other

    def _spot(self, span: StringSpan, path: list[str], operations: list[_Operation]) -> Spot | None:
        pointer = span.pointer
        for one in _holding(pointer, operations):
            where = one.path + pointer[len(one.value) :]
            grows = pointer == one.value and one.kind == "append"
            if grows or _TEXT.match(where):
                kind = "reasoning" if "/thoughts/" in where else "content"
                role = self._roles.get(one.message, "assistant")
                return Spot(f"{one.channels}{where}", kind, role, None if grows else data_url(span.text))
            return _word_or(span, where.split("/"), "metadata" if "/metadata" in where else "content")
        if path[-1] == "p" and all(step.isdecimal() or step in _PATH_WORDS for step in span.text.split("/")[1:]):
            return None if span.text.startswith("/") else METADATA
        return _word_or(span, path, "metadata")

    def _whole_message(self, said: dict[str, object], document: Document) -> EventView:
        """The old form: the message so far. Only a finished one is read; a growing one repeats."""
        message = table(said.get("message"))
        growing = message.get("status") == "in_progress"
        repeats: list[tuple[int, int]] = []

        def spot(span: StringSpan, path: list[str]) -> Spot | None:
            if growing and _TEXT.match(span.pointer):
                repeats.append((span.start - 1, span.end + 1))
                return None
            if _TEXT.match(span.pointer):
                return Spot(None, "content", role_of(table(message.get("author")).get("role")), data_url(span.text))
            return _word_or(span, path, "metadata")

        texts, opaque = spread(document.strings, spot)
        self._tell(document)
        self.telling.error = self.telling.error or bool(said.get("error"))
        return EventView(texts=texts, opaque=opaque, repeats=tuple(repeats))

    def _beside(self, said: dict[str, object], event: Event, document: Document) -> EventView:
        """Events that are no operation: markers, titles, the end, errors."""
        if event.name == "delta_encoding" and document.value == "v1":
            return EventView()
        kind = said.get("type")
        self.telling.error = self.telling.error or kind == "error" or bool(said.get("error")) or event.name == "error"
        self.telling.done = self.telling.done or kind == "message_stream_complete"

        def spot(span: StringSpan, path: list[str]) -> Spot | None:
            if path == ["", "token"] and kind == "resume_conversation_token":
                return Spot(blind="session_token")  # the site's own, for its own page
            shown = path[-1] in ("title", "error", "message", "detail") or "input_message" in path
            return _word_or(span, path, "content" if shown else "metadata")

        texts, opaque = spread(document.strings, spot)
        self._tell(document)
        return EventView(texts=texts, opaque=opaque, closes=("",) if kind == "message_stream_complete" else ())

    def _tell(self, document: Document) -> None:
        for one in document.strings:
            if one.is_key:
                continue
            if one.pointer.endswith("/resolved_model_slug") and one.text:
                self.telling.model = one.text[:256]
            elif one.pointer.endswith("/model_slug"):
                self.telling.served(one.text[:256])
            elif one.pointer.endswith("/finish_details/type"):
                self.telling.finished(one.text)


def _holding(pointer: str, operations: list[_Operation]) -> list[_Operation]:
    """The operation whose value holds what stands at `pointer`, if any."""
    if len(operations) == 1 and operations[0].value == "/v":
        return operations if pointer == "/v" or pointer.startswith("/v/") else []
    number = pointer.split("/", 3)[2:3]
    at = int(number[0][:6]) if number and number[0].isdecimal() else len(operations)
    one = operations[at] if at < len(operations) else None
    return [one] if one and (pointer == one.value or pointer.startswith(f"{one.value}/")) else []


def _word_or(span: StringSpan, path: list[str], kind: str) -> Spot | None:
    """None for a word of the format; else a text of its own."""
    if span.text in _VALUES.get(path[-1], ()):
        return None
    return Spot(None, kind, "assistant" if kind == "content" else "unknown", data_url(span.text))
