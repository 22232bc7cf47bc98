"""Calls of AWS Bedrock's runtime that send text and make no answer of a model: tokens counted, guardrails, jobs.

Sources: botocore 1.43, `service-2.json`: CountTokens, ApplyGuardrail, StartAsyncInvoke.

Rules: see dialects/__init__.py. None of them streams.
"""

from typing import Final

import msgspec

from appliance.inspect.dialects import Call, EventReader, bedrock_converse, fields
from appliance.inspect.dialects.bedrock_calls import refusal, target
from appliance.inspect.dialects.bedrock_words import INVOKE_NAMES, blind, channel_of, is_word
from appliance.inspect.jsonspans import Document, StringSpan, parse
from appliance.inspect.segments import Place, gather
from appliance.inspect.view import Part, RequestView, ResponseView

COUNTING: Final = "bedrock.count_tokens"
GUARDRAIL: Final = "bedrock.guardrail"
JOBS: Final = "bedrock.async_invoke"
_APPLY_PARTS = 5  # guardrail, ID, version, V, apply


class BedrockBeside:
    """The dialects `bedrock.count_tokens`, `bedrock.guardrail` and `bedrock.async_invoke`."""

    def __init__(self, api: str) -> None:
        self.api = api

    def matches(self, method: str, path: str) -> bool:
        """POST to the path of this call."""
        path = path.rstrip("/")
        if method != "POST":
            return False
        if self.api == COUNTING:
            found = target(path)
            return found is not None and found.operation == "count-tokens"
        if self.api == JOBS:
            return path.endswith("/async-invoke") and target(path) is None
        parts = path.split("/")[-_APPLY_PARTS:]
        return len(parts) == _APPLY_PARTS and parts[::2] == ["guardrail", "version", "apply"]

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a request. MalformedBody when it is not a JSON object."""
        document = parse(body, known=INVOKE_NAMES)
        asked = fields.top(document, "a call of the runtime")
        if self.api == COUNTING:
            view = self._counting(body, document, asked)
            found = target(call.bare)
            return msgspec.structs.replace(view, model=found.model if found else None)
        parts: list[Part] = []
        segments, opaque = gather(body, document.strings, lambda span: self._place(document, asked, span), parts)
        return RequestView(
            api=self.api,
            model=fields.text(asked.get("modelId")),
            segments=segments,
            opaque=opaque,
            conversation_seed=fields.seed(segments),
            parts=fields.files(parts, opaque),
            problem="duplicate_key" if document.duplicate_keys else None,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer, an error included. MalformedBody when it is not a JSON object."""
        document = parse(body, known=INVOKE_NAMES)
        told = fields.top(document, "an answer of the runtime")
        segments, opaque = gather(body, document.strings, lambda span: self._answered(document, span))
        return ResponseView(api=self.api, segments=segments, opaque=opaque, error="message" in told)

    def events(self, call: Call, content_type: str) -> EventReader | None:  # noqa: ARG002 - the protocol's signature
        """None: no such call streams."""
        return None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """An error as AWS's SDKs raise it."""
        return refusal(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: there is none."""
        return body

    def _counting(self, body: bytes, document: Document, asked: dict[str, object]) -> RequestView:
        """A request of Converse below `input/converse`, or any in base64 below `input/invokeModel/body`."""
        counted = fields.table(fields.within(asked, "input", "converse"))
        roles = bedrock_converse.roles_of(counted.get("messages"))
        parts: list[Part] = []
        inner = bedrock_converse.request_places(document, {"messages": roles}, len(("input", "converse")))

        def place(span: StringSpan) -> Place | None:
            path = span.pointer.split("/")
            if path[1:3] == ["input", "invokeModel"]:
                return Place("user", "content", blind(document.value, path, span.text))
            return inner(span)

        segments, opaque = gather(body, document.strings, place, parts)
        return RequestView(
            api=self.api,
            segments=segments,
            opaque=opaque,
            tools_declared=bedrock_converse.declared(counted),
            conversation_seed=fields.seed(segments),
            parts=fields.files(parts, opaque),
            problem="duplicate_key" if document.duplicate_keys else None,
        )

    def _place(self, document: Document, asked: dict[str, object], span: StringSpan) -> Place | None:
        path = span.pointer.split("/")
        if is_word(path, span.text):
            return None
        reason = blind(document.value, path, span.text)
        if self.api == GUARDRAIL and path[1] == "content":
            return Place("assistant" if asked.get("source") == "OUTPUT" else "user", channel_of(path), reason)
        if self.api == JOBS and path[1] == "modelInput":
            return Place("user", channel_of(path), reason)
        return Place("unknown", "metadata", reason)

    def _answered(self, document: Document, span: StringSpan) -> Place | None:
        path = span.pointer.split("/")
        if is_word(path, span.text):
            return None
        repeats = self.api == GUARDRAIL and path[1] in {"outputs", "output"}
        return Place("assistant" if repeats else "unknown", "content", blind(document.value, path, span.text))
