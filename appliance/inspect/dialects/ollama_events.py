"""Streamed answers of Ollama: one JSON document per line.

Sources: ollama `docs/api.md`, `api/types.go` (0.12).

Rules: see dialects/__init__.py. Channels are `0/content` and `0/reasoning`; calls of tools come whole; the last line
says `done` and tells usage; an error is a line of its own and ends the answer.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.fields import objects, table, within
from appliance.inspect.dialects.json_events import METADATA, JsonEvents, Spot, spread
from appliance.inspect.dialects.ollama_words import NAMES, VALUES
from appliance.inspect.dialects.repeats import without_repeats
from appliance.inspect.dialects.usage import Names, read
from appliance.inspect.jsonspans import Document, StringSpan
from appliance.inspect.media import is_base64
from appliance.inspect.nested import may_be_json
from appliance.inspect.stream.events import Event, EventView
from appliance.model.event import Usage

_GROWING: Final = {
    "/message/content": Spot("0/content"),
    "/message/thinking": Spot("0/reasoning", "reasoning"),
    "/response": Spot("0/content"),
    "/thinking": Spot("0/reasoning", "reasoning"),
}
_USAGE: Final = Names(("prompt_eval_count",), ("eval_count",))


def read_usage(value: object) -> Usage | None:
    """Counts of the last line; None before it. The prompt's may be missing when all of it was cached."""
    return read(value, _USAGE)


class OllamaEvents(JsonEvents):
    """Reads one streamed answer."""

    names: ClassVar[Mapping[bytes, str]] = NAMES

    def take(self, event: Event, document: Document) -> EventView:
        """What one line holds."""
        value = table(document.value)
        usage = self.telling.usage
        last = self._take(value)
        once = without_repeats(event.payload, document.strings, is_repeat)
        texts, opaque = spread(once.strings, _spot)
        view = EventView(texts=texts, opaque=opaque, closes=("",) if last else (), repeats=once.spans)
        if self.telling.usage is usage and not within(value, "message", "tool_calls"):
            times = frozenset(one.start for one in document.strings if one.pointer == "/created_at")
            self.learn(event, document, view, times)
        return view

    def ending(self, reason: str) -> bytes:
        """An error line, which clients raise."""
        return framed(self.framing, msgspec.json.encode({"error": ended(reason)}))

    def _take(self, value: dict[str, object]) -> bool:
        told = self.telling
        told.served(value.get("model"))
        told.usage = read_usage(value) or told.usage
        told.error = told.error or "error" in value
        for call in objects(within(value, "message", "tool_calls")):
            told.called(within(call, "function", "name"))
        if value.get("done") is True:
            told.finished(value.get("done_reason"))
            told.done = True
            return True
        return "error" in value


def _spot(span: StringSpan, path: list[str]) -> Spot | None:  # noqa: PLR0911 - one line for each kind
    growing = _GROWING.get(span.pointer)
    if growing is not None:
        return growing
    key = path[-1]
    if span.text in VALUES.get(key, ()):
        return None
    if key in {"model", "created_at", "remote_model", "remote_host"}:
        return METADATA
    match path:
        case ["", "message", "tool_calls", _, "function", "arguments", *_]:
            return Spot(None, "arguments" if may_be_json(span.text) else "content")
        case ["", "message", "tool_calls", _, "function", "name"]:
            return Spot(None, "name")
        case ["", "message", "images", _]:
            return Spot(blind="image") if is_base64(span.text) else Spot()
    return Spot(None, "content", "assistant" if path[1:2] == ["message"] else "unknown")


def is_repeat(key: StringSpan) -> bool:
    """Token ids of the whole conversation, and log probabilities."""
    return key.pointer in {"/context", "/logprobs"}
