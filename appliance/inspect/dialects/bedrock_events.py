"""The streamed half of Bedrock Converse.

Sources: botocore 1.43, `service-2.json`, ConverseStreamOutput; the type of an event stands in its frame's headers.

Rules: never raises on hostile bytes; an exception is an error of the stream; `metadata` with the usage comes after
`messageStop`.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from appliance.inspect.dialects import bedrock_calls, fields
from appliance.inspect.dialects.bedrock_words import NAMES, PADDED, PADDING, blind, channel_of, is_word
from appliance.inspect.dialects.json_events import JsonEvents, Spot, by_place, spread
from appliance.inspect.dialects.recurring import Filler
from appliance.inspect.jsonspans import Document, StringSpan
from appliance.inspect.segments import words
from appliance.inspect.stream.events import Event, EventView, Framing

EVENTS: Final = words("messageStart contentBlockStart contentBlockDelta contentBlockStop messageStop metadata")
_GROWING = {
    ("delta", "text"): "content",
    ("delta", "toolUse", "input"): "arguments",
    ("delta", "reasoningContent", "text"): "reasoning",
}


_WHOLE = words("citation toolResult image")
"""What comes whole in a delta; a member that is not known is taken for a piece."""
_GROWN: Final = frozenset(_GROWING.values())


class ConverseEvents(JsonEvents):
    """Reads one streamed answer."""

    framing = Framing.AWS
    names: ClassVar[Mapping[bytes, str]] = NAMES

    def read(self, event: Event) -> EventView:
        """See EventReader."""
        if bedrock_calls.is_exception(event.name):
            self.telling.error = True
        return super().read(event)

    def take(self, event: Event, document: Document) -> EventView:
        """What one event holds; its frame says what it is."""
        return self.take_within(event, document, event.name)

    def take_within(self, event: Event, document: Document, name: str, inside: tuple[str, ...] = ()) -> EventView:
        """An event of type `name` that stands `inside` a document."""
        payload = fields.table(fields.at(document.value, inside))
        index = fields.count(payload.get("contentBlockIndex"))
        self._told(name, payload)
        place = "-" if index is None else str(index)
        skip = len(inside) + 1

        def spot(span: StringSpan, path: list[str]) -> Spot | None:
            if is_word(path, span.text):
                return None
            whole = _whole(document, span, path, name)
            if name != "contentBlockDelta" or path[1:skip] != list(inside) or path[skip : skip + 1] != ["delta"]:
                return whole
            kind = _GROWING.get(tuple(path[skip:]))
            if kind:
                return Spot(f"{place}/{kind}", kind)
            if whole.blind is None and not _WHOLE.intersection(path[skip:]):
                return Spot(f"{place}/{'/'.join(path[skip:])}", whole.kind)
            return whole

        texts, opaque = spread(document.strings, spot)
        numbered = name != "contentBlockDelta"  # a block may not begin twice
        view = EventView(texts=texts, opaque=opaque, closes=_closes(name, index), numbered=numbered)
        if not numbered and by_place(view, _GROWN):
            padding = [Filler(one.start, one.end, PADDED) for one in document.strings if _is_padding(one)]
            self.learn(event, document, view, fillers=padding)
        return view

    def ending(self, reason: str) -> bytes:
        """A frame with an exception, which SDKs raise to their caller."""
        return bedrock_calls.ending(reason)

    def _told(self, name: str, payload: dict[str, object]) -> None:
        match name:
            case "contentBlockStart":
                self.telling.called(fields.within(payload, "start", "toolUse", "name"))
            case "messageStop":
                self.telling.finished(payload.get("stopReason"))
                self.telling.done = True
            case "metadata":
                self.telling.usage = bedrock_calls.read_usage(payload.get("usage")) or self.telling.usage
                self.telling.served(fields.within(payload, "trace", "promptRouter", "invokedModelId"))


def _whole(document: Document, span: StringSpan, path: list[str], name: str) -> Spot:
    """A string that stands for itself."""
    reason = blind(document.value, path, span.text)
    if name not in {"contentBlockStart", "contentBlockDelta"}:
        return Spot(None, "metadata", "unknown", reason)
    return Spot(None, channel_of(path), "tool" if "toolResult" in path else "assistant", reason)


def _closes(name: str, index: int | None) -> tuple[str, ...]:
    if name == "contentBlockStop":
        return ("-/" if index is None else f"{index}/",)
    return ("",) if name == "messageStop" else ()


def _is_padding(one: StringSpan) -> bool:
    return one.pointer.endswith("/p") and not one.is_key and not one.escaped and PADDING.startswith(one.text)
