"""Answers in the dialect of Ollama's /api/chat, whole and as a stream: read, and written.

Source: ollama `api/types.go` (ChatResponse), ollama-python `_types.py`. Rules: a whole answer is the stream's last line
with the message in it; calls come whole; durations are told by the machine that computes and are left out.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
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
    ToolUse,
    Usage,
)
from appliance.route.translate.fields import Fields, decoded, raw
from appliance.route.translate.losses import Losses
from appliance.route.translate.parts import arguments_of, made_id
from appliance.route.translate.said import Kept, Stamp, gathered, unmatched
from appliance.route.translate.signatures import riding

API: Final = "ollama.chat"
_STOPS: Final[Mapping[str, Stop]] = {"stop": Stop.END, "length": Stop.LENGTH, "": Stop.END}
_ASIDE: Final = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration", "remote_model")


def read_answer(body: bytes, losses: Losses) -> Answer:
    """A whole answer."""
    return gathered(OllamaReader(losses).read(body))


class OllamaReader:
    """The lines of a stream; a whole answer is one line."""

    def __init__(self, losses: Losses) -> None:
        self.done = False
        self._losses = losses
        self._began = False
        self._calls = 0
        self._id = ""

    def read(self, payload: bytes) -> list[Event]:
        """See Reader."""
        value = decoded(payload)
        if isinstance(value, dict) and value.get("error"):
            self.done = True
            return [Failed(problems.read(value))]
        fields = Fields(value, "", self._losses)
        fields.skip(*_ASIDE, "remote_host")
        model, created = fields.text("model"), fields.text("created_at")
        events: list[Event] = []
        if not self._began:
            self._began, self._id = True, created
            events.append(Began("", model))
        message = fields.inside("message")
        if message is not None:
            events += self._message(message)
            message.done()
        asked, said = fields.whole("prompt_eval_count"), fields.whole("eval_count")
        if fields.flag("done"):
            self.done = True
            events.append(Stopped(_STOPS.get(fields.text("done_reason"), Stop.FAULT)))
        if asked is not None or said is not None:
            events.append(Counted(Usage(asked or 0, said or 0)))
        fields.done()
        return events

    def _message(self, message: Fields) -> list[Event]:
        message.skip("role")
        thought, text = message.text("thinking"), message.text("content")
        events: list[Event] = [Thought(thought)] if thought else []
        events += [Said(text)] if text else []
        if message.has("images"):
            message.skip("images")
            unmatched(self._losses, "message.images")
        for call in message.objects("tool_calls"):
            events += self._call(call)
        return events

    def _call(self, call: Fields) -> list[Event]:
        function = call.inside("function")
        name = call.text("id")
        call.skip("type")
        if function is None:
            return []
        key, tool = self._calls, function.text("name")
        self._calls += 1
        arguments = function.json("arguments") or "{}"
        function.skip("index")
        named = name or made_id("call_", self._id, key, tool)
        return [Called(key, named, tool), Argued(key, arguments), CallDone(key)]


def _moment(created: int) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")


def _written_call(call: str, name: str, arguments: str) -> dict[str, object]:
    given = raw(arguments_of(arguments, "the model's arguments"))
    return {"id": call, "function": {"name": name, "arguments": given}}


def _ended(stop: Stop, usage: Usage | None) -> dict[str, object]:
    made: dict[str, object] = {"done": True, "done_reason": "length" if stop is Stop.LENGTH else "stop"}
    if usage is not None:
        made |= {"prompt_eval_count": usage.input, "eval_count": usage.output}
    return made


def _told(stop: Stop, usage: Usage | None, losses: Losses) -> None:
    """What of an ending there is no word for."""
    if stop is Stop.REFUSED:
        losses.refuse("answer.stop", "the other dialect has no word for a refusal")
    if usage is not None and (usage.cached or usage.cache_write or usage.reasoning):
        losses.refuse("answer.usage", "cached and reasoning tokens are not told apart there")


def write_answer(answer: Answer, stamp: Stamp, losses: Losses) -> dict[str, object]:
    """A whole answer."""
    message: dict[str, object] = {
        "role": "assistant",
        "content": "".join(part.text for part in answer.parts if isinstance(part, Text)),
    }
    thoughts = [part for part in answer.parts if isinstance(part, Thinking)]
    if any(part.text for part in thoughts):
        message["thinking"] = "".join(part.text for part in thoughts)
    if any(part.signature for part in thoughts):
        losses.lack("signature")
    calls = [part for part in answer.parts if isinstance(part, ToolUse)]
    if calls:
        message["tool_calls"] = [
            _written_call(riding(call.id, call.signature), call.name, call.arguments) for call in calls
        ]
    _told(answer.stop, answer.usage, losses)
    head = {"model": answer.model or stamp.model, "created_at": _moment(stamp.created), "message": message}
    return head | _ended(answer.stop, answer.usage)


class OllamaWriter:
    """Lines."""

    def __init__(self, stamp: Stamp, losses: Losses, *, usage: bool, framing: str) -> None:
        del usage, framing
        self._losses = losses
        self._model = stamp.model
        self._moment = _moment(stamp.created)
        self._usage: Usage | None = None
        self._stop = Stop.END
        self._failed = False
        self._call = Called(0, "", "")
        self._arguments = Kept()

    def write(self, event: Event) -> bytes:
        """See Writer."""
        if isinstance(event, Began):
            self._model = event.model or self._model
            self._usage = event.usage
        elif isinstance(event, Said):
            return self._line({"content": event.text})
        elif isinstance(event, Thought):
            if event.signature:
                self._losses.lack("signature")
            return self._line({"content": "", "thinking": event.text}) if event.text else b""
        elif isinstance(event, Called):
            self._call = event
        elif isinstance(event, Argued):
            self._arguments.add(event.fragment)
        elif isinstance(event, CallDone):
            call, arguments = self._call, self._arguments.take()
            written = _written_call(riding(call.id, call.signature), call.name, arguments)
            return self._line({"content": "", "tool_calls": [written]})
        elif isinstance(event, Stopped):
            self._stop = event.stop
        elif isinstance(event, Counted):
            self._usage = event.usage
        else:
            self._failed = True
            return msgspec.json.encode(problems.written(API, event.problem)) + b"\n"
        return b""

    def close(self) -> bytes:
        """See Writer."""
        if self._failed:
            return b""
        _told(self._stop, self._usage, self._losses)
        return self._line({"content": ""}, _ended(self._stop, self._usage))

    def _line(self, message: dict[str, object], ended: dict[str, object] | None = None) -> bytes:
        head = {"model": self._model, "created_at": self._moment, "message": {"role": "assistant", **message}}
        return msgspec.json.encode(head | (ended or {"done": False})) + b"\n"
