"""Anthropic message batches: `POST .../v1/messages/batches` with many requests, `GET .../results` with their answers.

Sources: anthropic-sdk-python 2.12, `types/messages/batch_create_params.py`, `message_batch_individual_response.py`
(one JSON document per line).

Rules: see dialects/__init__.py. Every request of a batch is read as one of the Messages API; where they ask for several
models the first is told and the view has the problem `several_models`, because a rule about models sees only one.
"""

import re
from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call, EventReader, fields
from appliance.inspect.dialects.anthropic_events import error_body, read_usage
from appliance.inspect.dialects.anthropic_messages import (
    JSON,
    Placer,
    declared,
    fix_signed,
    hosted,
    is_call,
    request_places,
    response_places,
    signed_blocks,
)
from appliance.inspect.dialects.anthropic_words import NAMES, VALUES
from appliance.inspect.dialects.endings import framed
from appliance.inspect.dialects.json_events import JsonEvents, Spot, spread
from appliance.inspect.dialects.usage import added
from appliance.inspect.jsonspans import Document, StringSpan, parse
from appliance.inspect.segments import Place, gather
from appliance.inspect.stream.events import Event, EventView, Framing
from appliance.inspect.view import Part, RequestView, ResponseView

API: Final = "anthropic.batches"
_PATH = re.compile(r"/v1/messages/batches(?:/[^/]+)?(?:/results|/cancel)?/?")
_PREFIX_PARTS = 3  # requests, N, params
_ANSWER = ("result", "message")
_SERVER_ERRORS = 500
_OUTSIDE = Place("unknown", "metadata")


class AnthropicBatches:
    """The dialect `anthropic.batches`."""

    api = API

    def matches(self, method: str, path: str) -> bool:
        """Making, reading, cancelling a batch, and its results."""
        at = path.find("/v1/messages/batches")
        return method in {"GET", "POST", "DELETE"} and at >= 0 and _PATH.fullmatch(path, at) is not None

    def request(self, body: bytes, call: Call) -> RequestView:  # noqa: ARG002 - the protocol's signature
        """Read a batch; a request without a body asks for one. MalformedBody when it is not a JSON object."""
        if not body:
            return RequestView(api=API)
        document = parse(body, known=NAMES)
        given = fields.top(document, "a batch of requests").get("requests")
        items = given if isinstance(given, list) else []
        wanted = [fields.table(fields.within(item, "params")) for item in items]
        parts: list[Part] = []
        segments, opaque = gather(body, document.strings, _places(document, wanted), parts)
        signed = {
            pointer
            for number, asked in enumerate(wanted)
            for pointer in signed_blocks(asked, ("requests", str(number), "params"))
        }
        models = fields.texts(dict.fromkeys(fields.text(asked.get("model")) for asked in wanted))
        limits = [limit for asked in wanted if (limit := fields.count(asked.get("max_tokens"))) is not None]
        problem = "several_models" if len(models) > 1 else None
        return RequestView(
            api=API,
            model=models[0] if models else None,
            max_tokens=max(limits, default=None),
            segments=fix_signed(segments, signed, _PREFIX_PARTS),
            opaque=opaque,
            tools_declared=tuple(dict.fromkeys(name for asked in wanted for name in declared(asked))),
            hosted_mcp=tuple(dict.fromkeys(host for asked in wanted for host in hosted(asked))),
            parts=fields.files(parts, opaque),
            problem="duplicate_key" if document.duplicate_keys else problem,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read what the service says about a batch, an error included; results come line by line."""
        document = parse(body, known=NAMES)
        told = fields.top(document, "an answer about a batch")
        segments, opaque = gather(body, document.strings, response_places(document, {}))
        return ResponseView(api=API, segments=segments, opaque=opaque, error=told.get("type") == "error")

    def events(self, call: Call, content_type: str) -> EventReader | None:
        """A reader of results, which come as lines of JSON; None for all else."""
        if not call.bare.rstrip("/").endswith("/results") or media_type(content_type) == JSON:
            return None
        return BatchResults()

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """As the Messages API refuses."""
        return JSON, error_body(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: usage is always told."""
        return body


class BatchResults(JsonEvents):
    """Reads results: every line is one answer, whole; usage is the sum of all."""

    framing = Framing.NDJSON
    names: ClassVar[Mapping[bytes, str]] = NAMES

    def take(self, event: Event, document: Document) -> EventView:  # noqa: ARG002 - a line has no name
        """What one line holds. `done` is not told by the format."""
        answer = fields.table(fields.at(document.value, _ANSWER))
        self._take(document, answer)
        places = response_places(document, answer, _ANSWER)

        def spot(span: StringSpan, path: list[str]) -> Spot | None:  # noqa: ARG001 - as `spread` calls it
            place = places(span)
            return None if place is None else Spot(None, place.channel, place.role, place.blind)

        texts, opaque = spread(document.strings, spot)
        return EventView(texts=texts, opaque=opaque)

    def ending(self, reason: str) -> bytes:
        """A line that tells of one more request, which failed."""
        error = msgspec.Raw(error_body(_SERVER_ERRORS, reason, f"The results were ended: {reason}"))
        return framed(
            self.framing, msgspec.json.encode({"custom_id": "", "result": {"type": "errored", "error": error}})
        )

    def _take(self, document: Document, answer: dict[str, object]) -> None:
        telling = self.telling
        telling.error = telling.error or fields.at(document.value, ("result", "type")) == "errored"
        telling.served(answer.get("model"))
        telling.finished(answer.get("stop_reason"))
        for block in fields.objects(answer.get("content")):
            if is_call(block):
                telling.called(block.get("name"))
        telling.usage = added(telling.usage, read_usage(answer.get("usage")))


def _places(document: Document, wanted: list[dict[str, object]]) -> Placer:
    """What each string of a batch is, by the request it stands in."""
    placers: dict[str, Placer] = {}

    def place(span: StringSpan) -> Place | None:
        path = span.pointer.split("/", 4)
        if len(path) < 5 or path[1] != "requests" or path[3] != "params":  # noqa: PLR2004 - /requests/N/params/...
            return None if span.text in VALUES.get(span.pointer.rpartition("/")[2], ()) else _OUTSIDE
        number = path[2]
        if number not in placers:
            asked = wanted[int(number)] if number.isdecimal() and int(number) < len(wanted) else {}
            placers[number] = request_places(document, asked, ("requests", number, "params"))
        return placers[number](span)

    return place
