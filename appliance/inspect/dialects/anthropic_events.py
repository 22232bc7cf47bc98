"""The streamed half of Anthropic Messages: events, usage, and the shape of an error.

Sources: anthropic-sdk-python 2.12, `types/raw_*_event.py`, `types/beta/beta_raw_content_block_delta.py`,
`types/message_delta_usage.py`, `_streaming.py` (an event named `error` is raised).

Rules: never raises on hostile bytes. `usage` of `message_delta` is cumulative and overwrites; input tokens are told
without those of the cache, which are added here. What an event repeats or adds beside the growing texts (citations,
results of tools) stands for itself.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from appliance.inspect.dialects import fields
from appliance.inspect.dialects.anthropic_words import NAMES, VALUES, blind, channel_of
from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.json_events import JsonEvents, Spot, by_place, spread
from appliance.inspect.dialects.usage import Names, read
from appliance.inspect.jsonspans import Document, StringSpan
from appliance.inspect.stream.events import Event, EventView, Framing
from appliance.model.event import Usage

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_SERVER_ERRORS = 500
_GROWING = {
    ("text_delta", "text"): "content",
    ("thinking_delta", "thinking"): "reasoning",
    ("input_json_delta", "partial_json"): "arguments",
    ("compaction_delta", "content"): "content",
    ("text", "text"): "content",
    ("thinking", "thinking"): "reasoning",
}
"""Types of a delta, or of a block as it starts, and the field of theirs that grows."""
_WHOLE_DELTAS = ("message_delta",)
_WHOLE_KINDS = ("citations_delta", "signature_delta")
"""Deltas that are no piece of anything; one that is not known is taken for a piece."""
_GROWN: Final = frozenset(_GROWING.values())
_EVENT_PARTS = 3  # "", "delta" or "content_block", field
_USAGE: Final = Names(
    received=("input_tokens",),
    made=("output_tokens",),
    cached=("cache_read_input_tokens",),
    written=("cache_creation_input_tokens",),
    written_1h=("cache_creation/ephemeral_1h_input_tokens",),
    reasoning=("output_tokens_details/thinking_tokens",),
    cache_beside=True,
)

_KEPT: Final = (
    *("input_tokens", "output_tokens", "output_tokens_details"),
    *("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"),
)
"""What one event tells of them holds until another tells it anew."""


def read_usage(told: object) -> Usage | None:
    """The `usage` object of an answer; None when it tells nothing."""
    return read(told, _USAGE)


def error_body(status: int, code: str, message: str) -> bytes:
    """An error in Anthropic's shape, as JSON on one line."""
    kind = _ERROR_TYPES.get(status, "api_error" if status >= _SERVER_ERRORS else "invalid_request_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message, "code": code}})


class MessagesEvents(JsonEvents):
    """Reads one streamed answer."""

    names: ClassVar[Mapping[bytes, str]] = NAMES

    def __init__(self, framing: Framing | None = None, beside: JsonEvents | None = None) -> None:
        super().__init__(framing, beside)
        self._usage: dict[str, object] = {}

    def take(self, event: Event, document: Document) -> EventView:
        """What one event holds."""
        payload = fields.table(document.value)
        kind = fields.text(payload.get("type")) or event.name
        index = fields.count(payload.get("index"))
        growing = self._told(kind, payload)
        place = "-" if index is None else str(index)
        said = str(fields.within(payload, "delta", "type"))

        def spot(span: StringSpan, path: list[str]) -> Spot | None:
            if span.text in VALUES.get(path[-1], ()) and "input" not in path:
                return None
            if growing and path[1:] == growing[0]:
                return Spot(f"{place}/{growing[1]}", growing[1])
            whole = self._whole(document, span, path)
            known = kind in _WHOLE_DELTAS or said in _WHOLE_KINDS or path[-1] == "type"
            if known or path[1:2] != ["delta"] or whole.blind is not None:
                return whole
            return Spot(f"{place}/{said[:64]}/{'/'.join(path[2:])}", whole.kind)

        texts, opaque = spread(document.strings, spot)
        numbered = kind != "content_block_delta"  # a block may not begin twice
        view = EventView(texts=texts, opaque=opaque, closes=_closes(kind, index), numbered=numbered)
        if not numbered and by_place(view, _GROWN):
            self.learn(event, document, view)
        return view

    def ending(self, reason: str) -> bytes:
        """An event `error`, which SDKs raise to their caller."""
        error = error_body(_SERVER_ERRORS, reason, ended(reason))
        return framed(self.framing, error, "error")

    def _told(self, kind: str, payload: dict[str, object]) -> tuple[list[str], str] | None:
        """Remember what the event tells; the path of the text that grows with it, and its channel."""
        match kind:
            case "content_block_delta":
                return _growing("delta", fields.table(payload.get("delta")))
            case "content_block_start":
                block = fields.table(payload.get("content_block"))
                if str(block.get("type")).endswith("tool_use"):
                    self.telling.called(block.get("name"))
                return _growing("content_block", block)
            case "message_start":
                message = fields.table(payload.get("message"))
                self.telling.served(message.get("model"))
                self._take_usage(message.get("usage"))
            case "message_delta":
                self.telling.finished(fields.within(payload, "delta", "stop_reason"))
                self._take_usage(payload.get("usage"))
            case "message_stop":
                self.telling.done = True
            case "error":
                self.telling.error = True
        return None

    def _take_usage(self, told: object) -> None:
        usage = fields.table(told)
        self._usage.update({name: usage[name] for name in _KEPT if usage.get(name) is not None})
        self.telling.usage = read_usage(self._usage) or self.telling.usage

    @staticmethod
    def _whole(document: Document, span: StringSpan, path: list[str]) -> Spot:
        """A string that stands for itself."""
        reason = blind(document.value, path, span.text)
        if len(path) < _EVENT_PARTS or path[1] not in {"delta", "content_block"}:
            return Spot(None, "metadata", "unknown", reason)
        kind = str(fields.within(document.value, "content_block", "type"))
        return Spot(None, channel_of(path, 2), "tool" if kind.endswith("tool_result") else "assistant", reason)


def _growing(place: str, block: dict[str, object]) -> tuple[list[str], str] | None:
    kind = block.get("type")
    for (name, field), channel in _GROWING.items():
        if kind == name:
            return [place, field], channel
    return None


def _closes(kind: str, index: int | None) -> tuple[str, ...]:
    if kind == "content_block_stop":
        return ("-/" if index is None else f"{index}/",)
    return ("",) if kind == "message_stop" else ()
