"""Answers in the dialect of Gemini's generateContent, whole and as a stream: read, and written.

Source: Gemini API reference (v1beta) `GenerateContentResponse`; python-genai `types.py`. Rules: there calls come whole;
reasoning is no part of the candidates' tokens; a stream ends with its connection, and without `alt=sse` it is one JSON
array.
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
from appliance.route.translate.losses import Losses, Refused
from appliance.route.translate.parts import arguments_of, made_id
from appliance.route.translate.said import Kept, Stamp, gathered, sse, unmatched, usage_or_zero

API: Final = "gemini.generate"
_STOPS: Final[Mapping[str, Stop]] = {
    "STOP": Stop.END,
    "MAX_TOKENS": Stop.LENGTH,
    **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"), Stop.REFUSED),
}
_WORDS: Final[Mapping[Stop, str]] = {
    Stop.END: "STOP",
    Stop.LENGTH: "MAX_TOKENS",
    Stop.TOOLS: "STOP",
    Stop.SEQUENCE: "STOP",
    Stop.REFUSED: "SAFETY",
    Stop.FAULT: "OTHER",
}
_ASIDE: Final = ("createTime", "responseId", "modelVersion", "modelStatus")
_BESIDE: Final = ("safetyRatings", "avgLogprobs", "tokenCount", "finishMessage", "index")


def read_answer(body: bytes, losses: Losses) -> Answer:
    """A whole answer."""
    return gathered(GeminiReader(losses).read(body))


def _usage(fields: Fields) -> Usage | None:
    told = fields.inside("usageMetadata")
    if told is None:
        return None
    thought = told.whole("thoughtsTokenCount") or 0
    asked = (told.whole("promptTokenCount") or 0) + (told.whole("toolUsePromptTokenCount") or 0)
    said = told.whole("candidatesTokenCount") or 0
    cached = told.whole("cachedContentTokenCount") or 0
    return Usage(
        asked,
        said + thought,
        cached,
        0,
        thought,
        _sound(told, "promptTokensDetails"),
        _sound(told, "candidatesTokensDetails"),
    )


def _sound(told: Fields, name: str) -> int:
    """Of the tokens that are told by their kind, those of sound."""
    details = told.any(name)
    found = (one for one in details if isinstance(one, dict)) if isinstance(details, list) else ()
    counts = (one.get("tokenCount") for one in found if one.get("modality") == "AUDIO")
    return sum(one for one in counts if isinstance(one, int) and not isinstance(one, bool) and one > 0)


class GeminiReader:
    """The chunks of a stream; a whole answer is one chunk."""

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
        events: list[Event] = []
        if not self._began:
            self._began = True
            self._id = fields.text("responseId")
            events.append(Began(self._id, fields.text("modelVersion")))
        fields.skip(*_ASIDE)
        events += self._blocked(fields)
        for candidate in fields.objects("candidates"):
            if candidate.whole("index"):
                candidate.forget()
                unmatched(self._losses, "candidates")
                continue
            events += self._candidate(candidate)
        usage = _usage(fields)
        if usage is not None:
            events.append(Counted(usage))
        fields.done()
        return events

    def _blocked(self, fields: Fields) -> list[Event]:
        feedback = fields.inside("promptFeedback")
        blocked = feedback is not None and bool(feedback.text("blockReason"))
        return [Stopped(Stop.REFUSED)] if blocked else []

    def _candidate(self, candidate: Fields) -> list[Event]:
        candidate.skip(*_BESIDE)
        content = candidate.inside("content")
        events: list[Event] = []
        if content is not None:
            content.skip("role")
            for part in content.objects("parts"):
                events += self._part(part)
            content.done()
        stop = candidate.text("finishReason")
        if stop and stop != "FINISH_REASON_UNSPECIFIED":
            events.append(Stopped(_STOPS.get(stop, Stop.FAULT)))
        return events

    def _part(self, part: Fields) -> list[Event]:
        signature = part.text("thoughtSignature")
        if part.has("text"):
            text = part.text("text")
            if part.flag("thought"):
                return [Thought(text, signature)]
            said: list[Event] = [Said(text)] if text else []
            return [Thought("", signature), *said] if signature else said
        call = part.inside("functionCall")
        if call is not None:
            key, name = self._calls, call.text("name")
            self._calls += 1
            named = call.text("id") or made_id("call_", self._id, key, name)
            arguments = call.json("args") or "{}"
            if call.has("partialArgs") or call.has("willContinue"):
                raise Refused("the other service's answer has a call in pieces, which was not asked for", 502)
            call.done()
            return [Called(key, named, name, signature), Argued(key, arguments), CallDone(key)]
        if signature:
            part.forget()
            return [Thought("", signature)]
        part.forget()
        unmatched(self._losses, "candidates.parts")
        return []


def _written_usage(usage: Usage) -> dict[str, object]:
    return {
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": max(0, usage.output - usage.reasoning),
        "thoughtsTokenCount": usage.reasoning,
        "totalTokenCount": usage.input + usage.output,
    }


def _written_part(event: Text | Thinking | Said | Thought) -> dict[str, object]:
    if isinstance(event, Text | Said):
        return {"text": event.text}
    signed = {"thoughtSignature": event.signature} if event.signature else {}
    return {"text": event.text, "thought": True, **signed}


def _written_call(call: str, name: str, arguments: str, signature: str) -> dict[str, object]:
    given = raw(arguments_of(arguments, "the model's arguments"))
    signed = {"thoughtSignature": signature} if signature else {}
    return {"functionCall": {"id": call, "name": name, "args": given}, **signed}


def write_answer(answer: Answer, stamp: Stamp, losses: Losses) -> dict[str, object]:
    """A whole answer."""
    del losses
    parts = [
        _written_part(part)
        if isinstance(part, Text | Thinking)
        else _written_call(part.id, part.name, part.arguments, part.signature)
        for part in answer.parts
    ]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": _WORDS[answer.stop], "index": 0}
    return {
        "candidates": [candidate],
        "usageMetadata": _written_usage(usage_or_zero(answer.usage)),
        "modelVersion": answer.model or stamp.model,
        "responseId": stamp.id,
    }


class GeminiWriter:
    """Chunks, as SSE or as elements of an array."""

    def __init__(self, stamp: Stamp, losses: Losses, *, usage: bool, framing: str) -> None:
        del losses, usage
        self._stamp = stamp
        self._array = framing == "array"
        self._first = True
        self._model = stamp.model
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
        elif isinstance(event, Said | Thought):
            return self._parts([_written_part(event)])
        elif isinstance(event, Called):
            self._call = event
        elif isinstance(event, Argued):
            self._arguments.add(event.fragment)
        elif isinstance(event, CallDone):
            call, arguments = self._call, self._arguments.take()
            return self._parts([_written_call(call.id, call.name, arguments, call.signature)])
        elif isinstance(event, Stopped):
            self._stop = event.stop
        elif isinstance(event, Counted):
            self._usage = event.usage
        else:
            self._failed = True
            return self._framed(problems.written(API, event.problem))
        return b""

    def close(self) -> bytes:
        """See Writer."""
        last = b""
        if not self._failed:
            last = self._parts([{"text": ""}], _WORDS[self._stop])
        return last + (b"\r\n]" if self._array else b"")

    def _parts(self, parts: list[dict[str, object]], stop: str = "") -> bytes:
        candidate: dict[str, object] = {"content": {"role": "model", "parts": parts}, "index": 0}
        chunk: dict[str, object] = {"candidates": [candidate]}
        if stop:
            candidate["finishReason"] = stop
            if self._usage is not None:
                chunk["usageMetadata"] = _written_usage(self._usage)
        return self._framed(chunk | {"modelVersion": self._model, "responseId": self._stamp.id})

    def _framed(self, payload: dict[str, object]) -> bytes:
        if not self._array:
            return sse(payload)
        head = b"[" if self._first else b",\r\n"
        self._first = False
        return head + msgspec.json.encode(payload)
