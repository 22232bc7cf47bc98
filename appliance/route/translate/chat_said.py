"""Answers in the dialect of OpenAI's Chat Completions, whole and as a stream: read, and written.

Source: openai-python `types/chat/chat_completion.py`, `chat_completion_chunk.py`; `reasoning_content` as DeepSeek and
vLLM write it. Rules: a call's arguments end with the answer; usage is told to callers of streams who asked for it.
"""

from collections.abc import Mapping
from typing import Final

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
from appliance.route.translate.fields import Fields, decoded
from appliance.route.translate.losses import Losses
from appliance.route.translate.parts import made_id
from appliance.route.translate.said import Stamp, gathered, sse, unmatched
from appliance.route.translate.signatures import riding

API: Final = "openai.chat"
_STOPS: Final[Mapping[str, Stop]] = {
    "stop": Stop.END,
    "length": Stop.LENGTH,
    "model_length": Stop.LENGTH,  # Mistral's
    "tool_calls": Stop.TOOLS,
    "function_call": Stop.TOOLS,
    "content_filter": Stop.REFUSED,
    "eos_token": Stop.END,
    "stop_sequence": Stop.SEQUENCE,
}
_WORDS: Final[Mapping[Stop, str]] = {
    Stop.END: "stop",
    Stop.SEQUENCE: "stop",
    Stop.LENGTH: "length",
    Stop.TOOLS: "tool_calls",
    Stop.REFUSED: "content_filter",
    Stop.FAULT: "stop",
}
_ASIDE: Final = ("object", "created", "system_fingerprint", "service_tier", "obfuscation", "prompt_filter_results")


def read_answer(body: bytes, losses: Losses) -> Answer:
    """A whole answer."""
    return gathered(ChatReader(losses, whole=True).read(body))


def _usage(fields: Fields) -> Usage | None:
    told = fields.inside("usage")
    if told is None:
        return None
    asked, said = told.inside("prompt_tokens_details"), told.inside("completion_tokens_details")
    return Usage(
        input=told.whole("prompt_tokens") or 0,
        output=told.whole("completion_tokens") or 0,
        cached=(asked.whole("cached_tokens") if asked else None) or 0,
        cache_write=(asked.whole("cache_write_tokens") if asked else None) or 0,
        reasoning=(said.whole("reasoning_tokens") if said else None) or 0,
        audio_input=(asked.whole("audio_tokens") if asked else None) or 0,
        audio_output=(said.whole("audio_tokens") if said else None) or 0,
    )


def _content(inside: Fields) -> list[Event]:
    """Text, or the pieces that Mistral's models give: text, and thinking which is text in pieces again."""
    content = inside.any("content")
    if content is None or isinstance(content, str):
        return [Said(content)] if content else []
    events: list[Event] = []
    for piece in Fields({"content": content}, inside.where, inside.losses).objects("content"):
        kind = piece.text("type")
        if kind == "text":
            events.append(Said(piece.text("text")))
        elif kind == "thinking":
            events += [Thought(each.text("text")) for each in piece.objects("thinking") if each.text("type") == "text"]
        else:
            piece.forget()
            unmatched(inside.losses, f"content.{kind}")
    return events


class ChatReader:
    """Chunks, and with `whole` an answer in one piece."""

    def __init__(self, losses: Losses, *, whole: bool = False) -> None:
        self.done = False
        self._losses = losses
        self._inner = "message" if whole else "delta"
        self._began = False
        self._keys: dict[object, tuple[int, str]] = {}  # by place: the last call there, and its id
        self._calls = 0
        self._id = ""

    def read(self, payload: bytes) -> list[Event]:
        """See Reader."""
        if payload.strip() == b"[DONE]":
            self.done = True
            return []
        value = decoded(payload)
        if isinstance(value, dict) and value.get("error"):
            self.done = True
            return [Failed(problems.read(value))]
        fields = Fields(value, "", self._losses)
        fields.skip(*_ASIDE)
        events = self._begin(fields)
        for choice in fields.objects("choices"):
            if choice.whole("index"):
                choice.skip("delta", "message", "finish_reason")
                unmatched(self._losses, "choices")
                continue
            events += self._choice(choice)
        usage = _usage(fields)
        if usage is not None:
            events.append(Counted(usage))
        fields.done()
        return events

    def _begin(self, fields: Fields) -> list[Event]:
        name, model = fields.text("id"), fields.text("model")
        if self._began:
            return []
        self._began, self._id = True, name
        return [Began(name, model)]

    def _choice(self, choice: Fields) -> list[Event]:
        choice.skip("logprobs", "content_filter_results", "stop_reason")
        inside = choice.inside(self._inner)
        events = self._said(inside) if inside is not None else []
        stop = choice.text("finish_reason")
        if stop:
            events += [CallDone(key) for key in range(self._calls)]
            events.append(Stopped(_STOPS.get(stop, Stop.FAULT)))
        return events

    def _said(self, inside: Fields) -> list[Event]:
        events: list[Event] = []
        inside.skip("role")
        thought = inside.text("reasoning_content") or inside.text("reasoning")
        inside.skip("reasoning", "reasoning_details")
        if thought:
            events.append(Thought(thought))
        events += _content(inside)
        refusal = inside.text("refusal")
        inside.only("annotations", lambda value: value == [])
        if refusal:
            events.append(Said(refusal, refusal=True))
        for call in inside.objects("tool_calls"):
            events += self._call(call)
        inside.done()
        return events

    def _call(self, call: Fields) -> list[Event]:
        name = call.text("id")
        told = call.whole("index")
        place: object = told if told is not None else name or self._calls - 1
        call.skip("type")
        function = call.inside("function")
        if function is None:
            return []
        events: list[Event] = []
        key, known = self._keys.get(place, (-1, ""))
        tool, fragment = function.text("name"), function.text("arguments")
        if key < 0 or (name and name != known):  # some servers give all calls one index
            key, self._calls = self._calls, self._calls + 1
            self._keys[place] = key, name
            events.append(Called(key, name or made_id("call_", self._id, key), tool))
        if fragment:
            events.append(Argued(key, fragment))
        return events


def _written_usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def write_answer(answer: Answer, stamp: Stamp, losses: Losses) -> dict[str, object]:
    """A whole answer."""
    texts = [part.text for part in answer.parts if isinstance(part, Text) and not part.refusal]
    refusals = [part.text for part in answer.parts if isinstance(part, Text) and part.refusal]
    message: dict[str, object] = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    thoughts = [part for part in answer.parts if isinstance(part, Thinking)]
    if any(part.text for part in thoughts):
        message["reasoning_content"] = "".join(part.text for part in thoughts)
    if any(part.signature for part in thoughts):
        losses.lack("signature")
    calls = [part for part in answer.parts if isinstance(part, ToolUse)]
    if calls:
        message["tool_calls"] = [
            {
                "id": riding(call.id, call.signature),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in calls
        ]
    stop = _WORDS[answer.stop]
    made: dict[str, object] = {
        "id": f"chatcmpl-{stamp.id}",
        "object": "chat.completion",
        "created": stamp.created,
        "model": answer.model or stamp.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": stop}],
    }
    return made | ({"usage": _written_usage(answer.usage)} if answer.usage is not None else {})


class ChatWriter:
    """Chunks."""

    def __init__(self, stamp: Stamp, losses: Losses, *, usage: bool, framing: str) -> None:
        del framing
        self._stamp = stamp
        self._losses = losses
        self._wants_usage = usage
        self._usage: Usage | None = None
        self._model = stamp.model
        self._begun = False
        self._calls = -1

    def write(self, event: Event) -> bytes:  # noqa: PLR0911 - one for each event
        """See Writer."""
        if isinstance(event, Began):
            self._model = event.model or self._model
            self._usage = event.usage
            return self._delta({})
        if isinstance(event, Said):
            return self._delta({"refusal" if event.refusal else "content": event.text})
        if isinstance(event, Thought):
            if event.signature:
                self._losses.lack("signature")
            return self._delta({"reasoning_content": event.text}) if event.text else b""
        if isinstance(event, Called | Argued):
            return self._delta({"tool_calls": [self._call(event)]})
        if isinstance(event, Stopped):
            return self._delta({}, _WORDS[event.stop])
        if isinstance(event, Counted):
            self._usage = event.usage
        if isinstance(event, Failed):
            return sse(problems.written(API, event.problem))
        return b""

    def close(self) -> bytes:
        """See Writer."""
        last = b""
        if self._wants_usage and self._usage is not None:
            last = sse(self._chunk([]) | {"usage": _written_usage(self._usage)})
        return last + b"data: [DONE]\n\n"

    def _call(self, event: Called | Argued) -> dict[str, object]:
        if isinstance(event, Argued):
            return {"index": self._calls, "function": {"arguments": event.fragment}}
        self._calls += 1
        name = riding(event.id, event.signature)
        function = {"name": event.name, "arguments": ""}
        return {"index": self._calls, "id": name, "type": "function", "function": function}

    def _delta(self, delta: dict[str, object], stop: str | None = None) -> bytes:
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant", "content": "", **delta}
        return sse(self._chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": stop}]))

    def _chunk(self, choices: list[object]) -> dict[str, object]:
        made: dict[str, object] = {
            "id": f"chatcmpl-{self._stamp.id}",
            "object": "chat.completion.chunk",
            "created": self._stamp.created,
            "model": self._model,
            "choices": choices,
        }
        return made | ({"usage": None} if self._wants_usage else {})
