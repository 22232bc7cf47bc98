"""Answers in the dialect of Anthropic's Messages, whole and as a stream: read, and written.

Source: anthropic-sdk-python `types/message.py`, `raw_message_stream_event.py` and what they name. Rules: there the
input of a usage leaves cached tokens out; a stream's usage is cumulative, and its last word says all of it.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from appliance.route.translate import problems
from appliance.route.translate.conversation import (
    Answer,
    Argued,
    Began,
    CallDone,
    Called,
    Counted,
    Event,
    Failed,
    Said,
    Stop,
    Stopped,
    Text,
    Thinking,
    Thought,
    Usage,
)
from appliance.route.translate.fields import Fields, decoded, raw
from appliance.route.translate.losses import Losses
from appliance.route.translate.messages_asked import anthropic_id
from appliance.route.translate.parts import arguments_of
from appliance.route.translate.said import Stamp, gathered, sse, unmatched, usage_or_zero
from appliance.route.translate.signatures import riding

API: Final = "anthropic.messages"
_STOPS: Final[Mapping[str, Stop]] = {
    "end_turn": Stop.END,
    "max_tokens": Stop.LENGTH,
    "model_context_window_exceeded": Stop.LENGTH,
    "tool_use": Stop.TOOLS,
    "stop_sequence": Stop.SEQUENCE,
    "refusal": Stop.REFUSED,
}
_WORDS: Final[Mapping[Stop, str]] = {
    Stop.END: "end_turn",
    Stop.LENGTH: "max_tokens",
    Stop.TOOLS: "tool_use",
    Stop.SEQUENCE: "stop_sequence",
    Stop.REFUSED: "refusal",
    Stop.FAULT: "end_turn",
}
_USAGE: Final = (*("cache_creation", "server_tool_use", "service_tier", "inference_geo", "speed", "iterations"),)


def read_answer(body: bytes, losses: Losses) -> Answer:
    """A whole answer."""
    fields = Fields(decoded(body), "", losses)
    events: list[Event] = [Began(fields.text("id"), fields.text("model"))]
    fields.skip("type", "role", "container", "context_management")
    for number, block in enumerate(fields.objects("content")):
        events += _block(block, number, losses)
        if events and isinstance(events[-1], Called):
            events += [Argued(number, block.json("input") or "{}"), CallDone(number)]
    usage = _usage(fields, Usage())
    if usage is not None:
        events.append(Counted(usage))
    events.append(_stopped(fields))
    fields.done()
    return gathered(events)


def _stopped(fields: Fields) -> Stopped:
    fields.skip("stop_details")
    return Stopped(_STOPS.get(fields.text("stop_reason"), Stop.FAULT), fields.text("stop_sequence"))


def _usage(fields: Fields, before: Usage) -> Usage | None:
    """The usage, where what is not told now was told before."""
    told = fields.inside("usage")
    if told is None:
        return None
    told.skip(*_USAGE)
    asked = told.whole("input_tokens")
    cached, cache_write = told.whole("cache_read_input_tokens"), told.whole("cache_creation_input_tokens")
    cached = before.cached if cached is None else cached
    cache_write = before.cache_write if cache_write is None else cache_write
    fresh = before.input - before.cached - before.cache_write if asked is None else asked
    output = told.whole("output_tokens")
    details = told.inside("output_tokens_details")
    thought = details.whole("thinking_tokens") if details is not None else None
    return Usage(
        input=fresh + cached + cache_write,
        output=before.output if output is None else output,
        cached=cached,
        cache_write=cache_write,
        reasoning=before.reasoning if thought is None else thought,
    )


def _block(block: Fields, key: int, losses: Losses) -> list[Event]:
    """The beginning of a block, or a whole one but for a call's input."""
    kind = block.text("type")
    if kind == "text":
        if block.has("citations"):
            block.only("citations", lambda value: value == [])
        text = block.text("text")
        return [Said(text)] if text else []
    if kind == "thinking":
        text, signature = block.text("thinking"), block.text("signature")
        return [Thought(text, signature)] if text or signature else []
    if kind == "redacted_thinking":
        return [Thought("", block.text("data"), sealed=True)]
    if kind == "tool_use":
        block.skip("caller")
        return [Called(key, block.text("id"), block.text("name"))]
    block.forget()
    unmatched(losses, f"content.{kind}")
    return []


class MessagesReader:
    """The events of a stream."""

    def __init__(self, losses: Losses) -> None:
        self.done = False
        self._losses = losses
        self._usage = Usage()
        self._calls: set[int] = set()

    def read(self, payload: bytes) -> list[Event]:  # noqa: PLR0911 - one for each kind
        """See Reader."""
        fields = Fields(decoded(payload), "", self._losses)
        kind = fields.text("type")
        index = fields.whole("index") or 0
        if kind == "content_block_delta":
            return self._delta(fields, index)
        if kind == "content_block_start":
            return self._start(fields, index)
        if kind == "content_block_stop":
            return [CallDone(index)] if index in self._calls else []
        if kind == "message_start":
            return self._begin(fields)
        if kind == "message_delta":
            return self._end(fields)
        if kind == "error":
            self.done = True
            return [Failed(problems.read({"error": fields.any("error")}))]
        if kind == "message_stop":
            self.done = True
        elif kind != "ping":
            unmatched(self._losses, kind)
        return []

    def _begin(self, fields: Fields) -> list[Event]:
        message = fields.inside("message")
        if message is None:
            return []
        self._usage = _usage(message, Usage()) or Usage()
        return [Began(message.text("id"), message.text("model"), self._usage)]

    def _start(self, fields: Fields, index: int) -> list[Event]:
        block = fields.inside("content_block")
        if block is None:
            return []
        events = _block(block, index, self._losses)
        if events and isinstance(events[-1], Called):
            self._calls.add(index)
            whole = block.json("input")
            if whole not in ("", "{}"):
                events.append(Argued(index, whole))
        block.done()
        return events

    def _delta(self, fields: Fields, index: int) -> list[Event]:
        delta = fields.inside("delta")
        if delta is None:
            return []
        events = self._piece(delta, index)
        delta.done()
        return events

    def _piece(self, delta: Fields, index: int) -> list[Event]:
        kind = delta.text("type")
        if kind == "text_delta":
            return [Said(delta.text("text"))]
        if kind == "input_json_delta":
            fragment = delta.text("partial_json")
            return [Argued(index, fragment)] if fragment and index in self._calls else []
        if kind == "thinking_delta":
            return [Thought(delta.text("thinking"))]
        if kind == "signature_delta":
            return [Thought("", delta.text("signature"))]
        delta.forget()
        unmatched(self._losses, kind)
        return []

    def _end(self, fields: Fields) -> list[Event]:
        events: list[Event] = []
        delta = fields.inside("delta")
        if delta is not None and delta.has("stop_reason"):
            events.append(_stopped(delta))
        usage = _usage(fields, self._usage)
        if usage is not None:
            self._usage = usage
            events.append(Counted(usage))
        return events


def _written_usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": max(0, usage.input - usage.cached - usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


def write_answer(answer: Answer, stamp: Stamp, losses: Losses) -> dict[str, object]:
    """A whole answer."""
    del losses
    content: list[dict[str, object]] = []
    for part in answer.parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text, "citations": None})
        elif isinstance(part, Thinking):
            content.append(_written_thinking(part))
        else:
            name = anthropic_id(riding(part.id, part.signature))
            given = raw(arguments_of(part.arguments, "the model's arguments"))
            content.append({"type": "tool_use", "id": name, "name": part.name, "input": given})
    return {
        "id": f"msg_{stamp.id}",
        "type": "message",
        "role": "assistant",
        "model": answer.model or stamp.model,
        "content": content,
        "stop_reason": _WORDS[answer.stop],
        "stop_sequence": answer.sequence or None,
        "usage": _written_usage(usage_or_zero(answer.usage)),
    }


def _written_thinking(part: Thinking) -> dict[str, object]:
    if part.sealed:
        return {"type": "redacted_thinking", "data": part.signature}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


class MessagesWriter:
    """The events of a stream: one block open at a time."""

    def __init__(self, stamp: Stamp, losses: Losses, *, usage: bool, framing: str) -> None:
        del losses, usage, framing
        self._stamp = stamp
        self._usage = Usage()
        self._begun = False
        self._failed = False
        self._index = -1
        self._open = ""  # text | thinking | tool
        self._stop = Stopped(Stop.END)

    def write(self, event: Event) -> bytes:  # noqa: PLR0911 - one for each event
        """See Writer."""
        if isinstance(event, Failed):
            self._failed = True
            return sse(problems.written(API, event.problem), "error")
        head = b"" if self._begun else self._begin(event)
        if isinstance(event, Said):
            return head + self._piece("text", {"type": "text_delta", "text": event.text})
        if isinstance(event, Thought):
            return head + self._thought(event)
        if isinstance(event, Called):
            return head + self._call(event)
        if isinstance(event, Argued):
            return self._delta({"type": "input_json_delta", "partial_json": event.fragment})
        if isinstance(event, CallDone):
            return self._close_block()
        if isinstance(event, Stopped):
            self._stop = event
            return head + self._close_block()
        if isinstance(event, Counted):
            self._usage = event.usage
        return head

    def close(self) -> bytes:
        """See Writer."""
        if self._failed:
            return b""
        delta = {"stop_reason": _WORDS[self._stop.stop], "stop_sequence": self._stop.sequence or None}
        ended = {"type": "message_delta", "delta": delta, "usage": _written_usage(self._usage)}
        return sse(ended, "message_delta") + sse({"type": "message_stop"}, "message_stop")

    def _begin(self, event: Event) -> bytes:
        self._begun = True
        model = self._stamp.model
        if isinstance(event, Began):
            model = event.model or model
            self._usage = usage_or_zero(event.usage)
        message: dict[str, object] = {
            "id": f"msg_{self._stamp.id}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _written_usage(msgspec.structs.replace(self._usage, output=0)),
        }
        return sse({"type": "message_start", "message": message}, "message_start")

    def _thought(self, event: Thought) -> bytes:
        if event.sealed:
            return self._start("", {"type": "redacted_thinking", "data": event.signature}) + self._close_block()
        out = b""
        if event.text or self._open != "thinking":
            out = self._piece("thinking", {"type": "thinking_delta", "thinking": event.text})
        if event.signature:
            out += self._delta({"type": "signature_delta", "signature": event.signature}) + self._close_block()
        return out

    def _call(self, event: Called) -> bytes:
        name = anthropic_id(riding(event.id, event.signature))
        return self._start("tool", {"type": "tool_use", "id": name, "name": event.name, "input": {}})

    def _piece(self, kind: str, delta: dict[str, object]) -> bytes:
        if self._open == kind:
            return self._delta(delta)
        empty: dict[str, object] = {"type": "text", "text": ""}
        if kind == "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
        return self._start(kind, empty) + self._delta(delta)

    def _start(self, kind: str, block: dict[str, object]) -> bytes:
        before = self._close_block()
        self._open = kind or "whole"
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return before + sse(start, "content_block_start")

    def _delta(self, delta: dict[str, object]) -> bytes:
        return sse({"type": "content_block_delta", "index": self._index, "delta": delta}, "content_block_delta")

    def _close_block(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return sse({"type": "content_block_stop", "index": self._index}, "content_block_stop")
