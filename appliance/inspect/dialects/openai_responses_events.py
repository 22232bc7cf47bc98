"""Events of OpenAI Responses, on a stream or as messages of a WebSocket; realtime's are read here too.

Sources: openai-python `types/responses/response_stream_event.py` and what it names, `types/realtime/*` and
`types/beta/realtime/*` (openai 3.x); `_streaming.py` for what SDKs raise.

Rules: openai_event_forms.py says what an event's strings are; here is what lasts from event to event: what was told,
and the shapes that recur. Events that carry an ordinal are told as numbered. Several answers on one connection add up.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import msgspec

from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.fields import objects, table
from appliance.inspect.dialects.json_events import ENDED, JsonEvents, spread
from appliance.inspect.dialects.openai_errors import error_object
from appliance.inspect.dialects.openai_event_forms import ENDS, Form
from appliance.inspect.dialects.openai_items import NAMES, called, finish_of
from appliance.inspect.dialects.openai_usage import read_usage
from appliance.inspect.dialects.openai_words import PADDING, is_repeat
from appliance.inspect.dialects.recurring import ALPHANUMERIC, Filler, ordinals
from appliance.inspect.dialects.repeats import without_repeats
from appliance.inspect.dialects.usage import added
from appliance.inspect.jsonspans import Document
from appliance.inspect.stream.events import Event, EventView, Framing


class ResponsesEvents(JsonEvents):
    """Reads the events of one answer, or of all answers on one WebSocket.

    `by_item`: channels go by the id of their item, as several responses share a connection (realtime); else by their
    output, since some services write another id with each event (GitHub Copilot).
    """

    names: ClassVar[Mapping[bytes, str]] = NAMES

    def __init__(self, framing: Framing, *, by_item: bool = False) -> None:
        super().__init__(framing)
        self._by_item = by_item

    def marked(self) -> EventView:
        """The mark of other streams: an answer here is done when it says so."""
        return ENDED

    def take(self, event: Event, document: Document) -> EventView:
        """What one event holds."""
        form = Form(table(document.value), event.name, by_item=self._by_item)
        once = without_repeats(event.payload, document.strings, is_repeat)
        texts, opaque = spread(once.strings, form.spot)
        numbered = "sequence_number" in form.said
        view = EventView(texts=texts, opaque=opaque, repeats=once.spans, closes=form.closes(), numbered=numbered)
        self._tell(form)
        if form.grows:
            varying, padding = _varying(document, by_output=form.by_output)
            self.learn(event, document, view, varying, padding + ordinals(event.payload))
        return view

    def ending(self, reason: str) -> bytes:
        """An error event: SDKs raise what stands under `error`; other readers look at its own members."""
        error = error_object(ended(reason), "server_error", reason)
        if self.framing is Framing.MESSAGE:
            return msgspec.json.encode({"type": "error", "event_id": "event_ended", "error": error})
        said = {name: error[name] for name in ("code", "message", "param")}
        data = msgspec.json.encode({"type": "error", **said, "sequence_number": self.seen, "error": error})
        return framed(self.framing, data, "error")

    def _tell(self, form: Form) -> None:
        telling, response = self.telling, form.response
        telling.served(response.get("model") or table(form.said.get("session")).get("model"))
        telling.error = telling.error or form.fails
        ending = form.type in ENDS
        for item in (form.item, *(objects(response.get("output")) if ending else ())):
            telling.called(called(item))
        if ending:
            telling.done = True
            for reason in finish_of(response):
                telling.finished(reason)
            telling.usage = added(telling.usage, read_usage(response.get("usage")))
        elif form.type.endswith(".input_audio_transcription.completed"):
            telling.usage = added(telling.usage, read_usage(form.said.get("usage")))


class _Varying(NamedTuple):
    """Places of texts (where they begin) and of padding that differ from event to event and decide nothing."""

    texts: frozenset[int]
    padding: list[Filler]


def _varying(document: Document, *, by_output: bool) -> _Varying:
    texts: set[int] = set()
    padding: list[Filler] = []
    for one in document.strings:
        if one.is_key or one.start == one.end:
            continue
        if one.pointer == "/event_id" or (one.pointer == "/item_id" and by_output):
            texts.add(one.start)
        elif one.pointer == "/obfuscation" and not one.escaped and PADDING.match(one.text):
            padding.append(Filler(one.start, one.end, ALPHANUMERIC))
    return _Varying(frozenset(texts), padding)
