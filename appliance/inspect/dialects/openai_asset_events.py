"""Streamed answers of OpenAI's images and audio: server-sent events of typed JSON.

Sources: openai-python `types/audio/*_event.py`, `types/image_gen_*_event.py` (openai 3.x).

Rules: see dialects/__init__.py. The one growing text is a transcript, channel `0/content`; pictures and sounds are
opaque; every other string stands for itself.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.fields import table
from appliance.inspect.dialects.json_events import JsonEvents, Spot, spread
from appliance.inspect.dialects.openai_asset_words import NAMES, place
from appliance.inspect.dialects.openai_errors import error_body
from appliance.inspect.dialects.openai_usage import read_usage
from appliance.inspect.dialects.repeats import without_repeats
from appliance.inspect.jsonspans import Document, StringSpan
from appliance.inspect.segments import words
from appliance.inspect.stream.events import Event, EventView

_TYPES: Final = words("""
    transcript.text.delta transcript.text.done transcript.text.segment speech.audio.delta speech.audio.done
    image_generation.partial_image image_generation.completed image_edit.partial_image image_edit.completed
""")
_LAST: Final = ("transcript.text.done", "speech.audio.done", ".completed")
_NAMES: Final = {raw: name for raw, name in NAMES.items() if name != "logprobs"}  # seen, so that it can be taken out


class AssetEvents(JsonEvents):
    """Reads one streamed answer."""

    names: ClassVar[Mapping[bytes, str]] = _NAMES

    def take(self, event: Event, document: Document) -> EventView:
        """What one event holds; what it is stands in its `type`."""
        value = table(document.value)
        kind = value.get("type")
        told = self.telling
        usage = read_usage(value.get("usage"))
        told.usage = usage or told.usage
        told.error = told.error or "error" in value
        last = isinstance(kind, str) and kind.endswith(_LAST)
        told.done = told.done or last
        once = without_repeats(event.payload, document.strings, _is_repeat)
        grows = kind == "transcript.text.delta"
        texts, opaque = spread(once.strings, lambda span, path: _spot(span, path, grows=grows))
        view = EventView(texts=texts, opaque=opaque, closes=("",) if last else (), repeats=once.spans)
        if grows and usage is None:
            self.learn(event, document, view)
        return view

    def ending(self, reason: str) -> bytes:
        """An error event; SDKs raise it."""
        return framed(self.framing, error_body(ended(reason), "server_error", reason))


def _spot(span: StringSpan, path: list[str], *, grows: bool) -> Spot | None:
    if grows and span.pointer == "/delta":
        return Spot("0/content")
    if path == ["", "type"] and span.text in _TYPES:
        return None
    found = place(span, of_request=False)
    if found is None:
        return None
    return Spot(blind=found.blind) if found.blind else Spot(None, found.channel, found.role)


def _is_repeat(key: StringSpan) -> bool:
    return key.pointer == "/logprobs"
