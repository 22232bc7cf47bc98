"""The streamed half of Cohere's chat: server-sent events of v2, lines of JSON of v1.

Sources: cohere-python 7.3, `v2/types/v2chat_stream_response.py`, `types/*_event*.py`,
`types/streamed_chat_response.py`, `types/usage.py`.

Rules: never raises on hostile bytes. `stream-end` of v1 repeats the whole answer, `citation-start` pieces of it: these
stand for themselves; log probabilities repeat the text token by token.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from appliance.inspect.dialects import fields
from appliance.inspect.dialects.cohere_words import ANSWER_NAMES, channel_of, is_word
from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.json_events import JsonEvents, Spot, by_place, spread
from appliance.inspect.dialects.repeats import without_repeats
from appliance.inspect.dialects.usage import Names, read
from appliance.inspect.jsonspans import Document, StringSpan
from appliance.inspect.stream.events import Event, EventView, Framing
from appliance.model.event import Usage

_USAGE: Final = Names(
    received=("billed_units/input_tokens", "tokens/input_tokens"),
    made=("billed_units/output_tokens", "tokens/output_tokens"),
    cached=("cached_tokens",),
)
_CONTENT = ("delta", "message", "content")
_ARGUMENTS = ("delta", "message", "tool_calls", "function", "arguments")
_GROWING = {
    ("content-start", (*_CONTENT, "text")): "content",
    ("content-start", (*_CONTENT, "thinking")): "reasoning",
    ("content-delta", (*_CONTENT, "text")): "content",
    ("content-delta", (*_CONTENT, "thinking")): "reasoning",
    ("tool-call-start", _ARGUMENTS): "arguments",
    ("tool-call-delta", _ARGUMENTS): "arguments",
}
"""Of v2, by type and path; the channel begins with the event's index."""
_ALONE = {
    ("tool-plan-delta", ("delta", "message", "tool_plan")): ("plan/reasoning", "reasoning"),
    ("text-generation", ("text",)): ("0/content", "content"),
    ("tool-calls-chunk", ("text",)): ("plan/reasoning", "reasoning"),
    ("tool-calls-chunk", ("tool_call_delta", "text")): ("plan/arguments", "arguments"),
}
_GROWN: Final = frozenset({*_GROWING.values(), *(kind for _, kind in _ALONE.values())})
_CLOSING = {"content-end": ("content", "reasoning"), "tool-call-end": ("arguments",)}
_PIECES = frozenset({"content-delta", "tool-plan-delta", "tool-call-delta", "text-generation"})
"""Events that may come twice, each with a part of the text."""
_LAST = frozenset({"message-end", "stream-end"})


def read_usage(told: object) -> Usage | None:
    """`usage` of v2 or `meta` of v1: what is billed, or what was counted; None when it tells nothing."""
    return read(told, _USAGE)


class ChatEvents(JsonEvents):
    """Reads one streamed answer."""

    names: ClassVar[Mapping[bytes, str]] = ANSWER_NAMES

    def ending(self, reason: str) -> bytes:
        """The last event, with an error, which SDKs hand to their caller."""
        message = ended(reason)
        if self.framing is Framing.NDJSON:
            answer = {"text": "", "finish_reason": "ERROR", "meta": {"warnings": [message]}}
            last = {"is_finished": True, "event_type": "stream-end", "finish_reason": "ERROR", "response": answer}
            return framed(self.framing, msgspec.json.encode(last))
        delta = {"error": message, "finish_reason": "ERROR"}
        return framed(self.framing, msgspec.json.encode({"type": "message-end", "delta": delta}), "message-end")

    def take(self, event: Event, document: Document) -> EventView:
        """What one event holds."""
        payload = fields.table(document.value)
        kind = fields.text(payload.get("type")) or fields.text(payload.get("event_type")) or event.name
        index = fields.count(payload.get("index"))
        self._told(kind, payload)
        once = without_repeats(event.payload, document.strings, is_repeat)
        texts, opaque = spread(
            once.strings, lambda span, path: None if is_word(path, span.text) else _spot(kind, index, path)
        )
        view = EventView(
            texts=texts, opaque=opaque, closes=_closes(kind, index), repeats=once.spans, numbered=kind not in _PIECES
        )
        if kind in _PIECES and by_place(view, _GROWN):
            self.learn(event, document, view)
        return view

    def _told(self, kind: str, payload: dict[str, object]) -> None:
        telling = self.telling
        delta = payload.get("delta")
        match kind:
            case "tool-call-start":
                telling.called(fields.within(delta, "message", "tool_calls", "function", "name"))
            case "message-end":
                telling.usage = read_usage(fields.within(delta, "usage")) or telling.usage
                telling.finished(fields.within(delta, "finish_reason"))
                telling.error = telling.error or isinstance(fields.within(delta, "error"), str)
                telling.done = True
            case "tool-calls-generation":
                for call in fields.objects(payload.get("tool_calls")):
                    telling.called(call.get("name"))
            case "stream-end":
                telling.usage = read_usage(fields.within(payload, "response", "meta")) or telling.usage
                telling.finished(payload.get("finish_reason"))
                telling.error = telling.error or str(payload.get("finish_reason")).startswith("ERROR")
                telling.done = True


def is_repeat(span: StringSpan) -> bool:
    """Whether a key is that of log probabilities, which repeat the text token by token."""
    return span.pointer == "/logprobs"


def _spot(kind: str, index: int | None, path: list[str]) -> Spot:
    place = tuple(path[1:])
    grows = _GROWING.get((kind, place))
    at = "-" if index is None else str(index)
    if grows:
        return Spot(f"{at}/{grows}", grows)
    alone = _ALONE.get((kind, place))
    if alone:
        return Spot(*alone)
    if kind in _LAST and path[-1] == "error":
        return Spot(None, "content", "unknown")
    if kind.endswith("-delta") and place[:2] == ("delta", "message"):  # one that is not known
        return Spot(f"{at}/{kind[:64]}/{'/'.join(place[2:])}", channel_of(path))
    return Spot(None, channel_of(path), "assistant" if "message" in path or "response" in path else "unknown")


def _closes(kind: str, index: int | None) -> tuple[str, ...]:
    if kind in _LAST:
        return ("",)
    if kind in ("content-start", "tool-call-start"):
        return ("plan/",)
    return tuple(f"{'-' if index is None else index}/{name}" for name in _CLOSING.get(kind, ()))
