"""AWS Bedrock invoke: `POST /model/MODEL/invoke` and `/invoke-with-response-stream`, each model in its own format.

Sources: botocore 1.43, `service-2.json`; formats as in bedrock_families.py.

Rules: see dialects/__init__.py. By shape and not by the model's name, which an inference profile hides; what no format
is known for is read all the same, string by string.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from appliance.inspect.dialects import Call, EventReader, anthropic_messages, bedrock_converse, bedrock_families, fields
from appliance.inspect.dialects.anthropic_events import MessagesEvents
from appliance.inspect.dialects.bedrock_calls import METRICS, ending, is_exception, is_stream, read_metrics, target
from appliance.inspect.dialects.bedrock_calls import refusal as aws_refusal
from appliance.inspect.dialects.bedrock_events import EVENTS, ConverseEvents
from appliance.inspect.dialects.bedrock_words import INVOKE_NAMES, blind, channel_of, is_word
from appliance.inspect.dialects.json_events import JsonEvents, Spot, spread
from appliance.inspect.dialects.telling import called_tools
from appliance.inspect.jsonspans import Document, StringSpan, parse
from appliance.inspect.segments import Place, gather, words
from appliance.inspect.stream.events import Event, EventView, Framing
from appliance.inspect.view import RequestView, ResponseView

API: Final = "bedrock.invoke"
_STREAMED = "invoke-with-response-stream"
_OPERATIONS = frozenset({"invoke", _STREAMED})
_MESSAGES_EVENTS = words("""
    message_start message_delta message_stop content_block_start content_block_delta content_block_stop ping
""")


class BedrockInvoke:
    """The dialect `bedrock.invoke`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """POST to a model's invoke or invoke-with-response-stream."""
        found = target(path)
        return method == "POST" and found is not None and found.operation in _OPERATIONS

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a request in whichever format. MalformedBody when it is not a JSON object."""
        document = parse(body, known=INVOKE_NAMES)
        if "anthropic_version" in fields.top(document, "a request to a model"):
            view = anthropic_messages.read_request(API, body, document)
        else:
            view = bedrock_converse.read_request(API, body, document)
        asked = target(call.bare)
        if asked is None:
            return view
        return msgspec.structs.replace(view, model=asked.model, stream=asked.operation == _STREAMED)

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece, an error body included. MalformedBody when it is not a JSON object."""
        document = parse(body, known=INVOKE_NAMES)
        told = fields.top(document, "an answer of a model")
        if told.get("type") == "message" and isinstance(told.get("content"), list):
            return anthropic_messages.read_response(API, body, document)
        if isinstance(fields.within(told, "output", "message"), dict):
            return bedrock_converse.read_response(API, body, document)
        segments, opaque = gather(body, document.strings, lambda span: _answer_place(document, span))
        answers = bedrock_families.items(told)
        texts = any(segment.role == "assistant" for segment in segments)
        return ResponseView(
            api=API,
            model=fields.text(told.get("model")),
            usage=bedrock_families.usage(told),
            finish=bedrock_families.reasons(answers),
            segments=segments,
            opaque=opaque,
            error="message" in told and not texts,
            tools_called=called_tools(bedrock_families.called(answers)),
        )

    def events(self, call: Call, content_type: str) -> EventReader | None:  # noqa: ARG002 - the protocol's signature
        """A reader of AWS's event stream, whose events hold the model's own."""
        return InvokeEvents() if is_stream(content_type) else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """An error as AWS's SDKs raise it."""
        return aws_refusal(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: Bedrock always tells it."""
        return body


class InvokeEvents(JsonEvents):
    """Reads one streamed answer of any model."""

    framing = Framing.AWS_CHUNK
    names: ClassVar[Mapping[bytes, str]] = INVOKE_NAMES

    def __init__(self) -> None:
        super().__init__()
        self._messages = MessagesEvents(self.framing, self)
        self._converse = ConverseEvents(self.framing, self)

    def read(self, event: Event) -> EventView:
        """See EventReader."""
        if is_exception(event.name):
            self.telling.error = True
        return super().read(event)

    def ending(self, reason: str) -> bytes:
        """A frame with an exception, which SDKs raise to their caller."""
        return ending(reason)

    def take(self, event: Event, document: Document) -> EventView:
        """What one event of whichever model holds."""
        payload = fields.table(document.value)
        if fields.text(payload.get("type")) in _MESSAGES_EVENTS:
            view = self._messages.take(event, document)
        elif nova := next((name for name in EVENTS if isinstance(payload.get(name), dict)), None):
            view = self._converse.take_within(event, document, nova, (nova,))
        else:
            view = self._any(event, document, payload)
        counted = read_metrics(payload[METRICS]) if METRICS in payload else None
        if counted is not None:
            self.telling.done = True
            self.telling.usage = self.telling.usage or counted
        return view

    def _any(self, event: Event, document: Document, payload: dict[str, object]) -> EventView:
        """An event of a model without a reader of its own."""
        telling = self.telling
        telling.served(payload.get("model"))
        answers = bedrock_families.items(payload)
        ended = bedrock_families.reasons(answers)
        for reason in ended:
            telling.finished(reason)
            telling.done = True
        calls = bedrock_families.called(answers)
        for name in calls:
            telling.called(name)
        usage = bedrock_families.usage(payload)
        telling.usage = usage or telling.usage
        whole = payload.get("event_type") == "stream-end"

        def spot(span: StringSpan, path: list[str]) -> Spot | None:
            if is_word(path, span.text):
                return None
            found = None if whole else bedrock_families.growing(payload, path)
            if found is not None:
                return Spot(*found)
            return Spot(None, channel_of(path), "unknown", blind(document.value, path, span.text))

        texts, opaque = spread(document.strings, spot)
        closes = ("",) if ended and "choices" not in payload else ()
        once = bool(ended) or METRICS in payload or any(calls)  # told twice, a call or an end would count twice
        view = EventView(texts=texts, opaque=opaque, closes=closes, numbered=once)
        if not once and usage is None:
            self.learn(event, document, view)
        return view


def _answer_place(document: Document, span: StringSpan) -> Place | None:
    path = span.pointer.split("/")
    if is_word(path, span.text):
        return None
    kind = bedrock_families.answer_kind(path)
    if kind is not None:
        return Place("assistant", kind)
    return Place("unknown", channel_of(path), blind(document.value, path, span.text))
