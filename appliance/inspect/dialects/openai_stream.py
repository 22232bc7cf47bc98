"""The streamed half of Chat Completions: usage, text lengths, and the shape of an error.

Rules: hostile numbers are bounded before they reach a record; a malformed chunk is noted and passed over, because the
bytes themselves go on to the client unchanged; text is measured, never kept.
"""

from typing import Annotated

import msgspec

from appliance.inspect.dialects.sse import SseEvent, SseSplitter
from appliance.inspect.view import StreamView
from appliance.model.event import Usage

Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**48)]
_MAX_FINISH = 128  # choices whose finish reason is kept
_TEXT_FIELDS = ("content", "refusal", "reasoning_content", "reasoning")


class _InputDetails(msgspec.Struct):
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Tokens | None = None


class _Usage(msgspec.Struct):
    """`prompt_tokens` includes cached ones, `completion_tokens` includes reasoning."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _Chunk(msgspec.Struct):
    """What is read of a chunk; anything may stand in each field."""

    model: object = None
    choices: object = None
    usage: object = None
    error: object = None


_CHUNKS = msgspec.json.Decoder(_Chunk)


def read_usage(value: object) -> Usage | None:
    """The `usage` object of an answer; None when there is none or it is not what it should be."""
    if not isinstance(value, dict):
        return None
    try:
        told = msgspec.convert(value, _Usage)
    except msgspec.ValidationError:
        return None
    received = told.prompt_tokens_details or _InputDetails()
    made = told.completion_tokens_details or _OutputDetails()
    return Usage(
        input_tokens=told.prompt_tokens or 0,
        output_tokens=told.completion_tokens or 0,
        cached_tokens=received.cached_tokens or 0,
        cache_write_tokens=received.cache_write_tokens or 0,
        reasoning_tokens=made.reasoning_tokens or 0,
    )


def read_told(body: bytes) -> tuple[str | None, Usage | None]:
    """Model and usage of an answer in one piece; both None where it is not what it should be."""
    try:
        answer = _CHUNKS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, None
    return answer.model if isinstance(answer.model, str) else None, read_usage(answer.usage)


def error_event(message: str, kind: str, code: str) -> bytes:
    """An error object in OpenAI's shape, as JSON on one line."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


class ChatStream:
    """Follows one streamed answer."""

    def __init__(self, api: str) -> None:
        self._api = api
        self._splitter = SseSplitter()
        self._model: str | None = None
        self._usage: Usage | None = None
        self._finish: list[str] = []
        self._length = self._text_bytes = self._text_chars = self._events = 0
        self._done = self._error = self._malformed = False

    @property
    def at_boundary(self) -> bool:
        """The bytes so far end with a whole event."""
        return self._splitter.at_boundary

    def feed(self, data: bytes) -> None:
        """The next decoded bytes of the answer."""
        self._length += len(data)
        for event in self._splitter.feed(data):
            self._take(event)

    def result(self) -> StreamView:
        """What was told so far; a last event without its blank line counts."""
        for event in self._splitter.close():
            self._take(event)
        too_large = "event_too_large" if self._splitter.dropped else None
        return StreamView(
            api=self._api,
            model=self._model,
            usage=self._usage,
            finish=tuple(self._finish),
            length=self._length,
            text_bytes=self._text_bytes,
            text_chars=self._text_chars,
            events=self._events,
            done=self._done,
            error=self._error,
            problem=too_large or ("malformed_event" if self._malformed else None),
        )

    def _take(self, event: SseEvent) -> None:
        self._events += 1
        if event.data == b"[DONE]":
            self._done = True
            return
        try:
            chunk = _CHUNKS.decode(event.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._malformed = True
            return
        if isinstance(chunk.model, str) and self._model is None:
            self._model = chunk.model
        self._usage = read_usage(chunk.usage) or self._usage
        self._error = self._error or chunk.error is not None
        for choice in chunk.choices if isinstance(chunk.choices, list) else ():
            if isinstance(choice, dict):
                self._choice(choice)

    def _choice(self, choice: dict[str, object]) -> None:
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and len(self._finish) < _MAX_FINISH:
            self._finish.append(reason)
        delta = choice.get("delta")
        if isinstance(delta, dict):
            for name in _TEXT_FIELDS:
                self._measure(delta.get(name))
            self._measure_calls(delta.get("tool_calls"))

    def _measure_calls(self, calls: object) -> None:
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                self._measure(function.get("arguments"))

    def _measure(self, text: object) -> None:
        if isinstance(text, str):
            self._text_chars += len(text)
            self._text_bytes += len(text.encode("utf-8", "surrogatepass"))
