"""What all dialects share in answers: the interface of their readers and writers, whole answers as events, and back.

Rules: a reader takes payloads that framing.py has cut and gives events; a writer takes events in order, one call at a
time, and gives bytes. Ids that a dialect needs hang on the exchange's id and on places in the answer alone.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import msgspec

from appliance.route.translate.conversation import (
    MAX_HELD,
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
from appliance.route.translate.losses import Losses, Refused

BROKEN_OFF: Final = "the model broke its answer off, and says no reason that could be carried over"


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """Of one exchange. `id`: letters and digits; `created`: seconds since 1970; `model`: what the caller asked for."""

    id: str
    created: int
    model: str = ""


class Unfit(Refused):
    """A whole answer that is none. `usage`: what it is paid for all the same."""

    def __init__(self, message: str, usage: Usage | None) -> None:
        super().__init__(message, 502)
        self.usage = usage


class Reader(Protocol):
    """Reads the payloads of one stream."""

    @property
    def done(self) -> bool:
        """Its end has come."""

    def read(self, payload: bytes) -> list[Event]:
        """What one payload says."""


class Writer(Protocol):
    """Writes one stream."""

    def write(self, event: Event) -> bytes:
        """What goes out for it."""

    def close(self) -> bytes:
        """The stream's end."""


def sse(payload: object, name: str = "") -> bytes:
    """One event."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + msgspec.json.encode(payload) + b"\n\n"


def as_events(answer: Answer) -> Iterator[Event]:
    """A whole answer as a stream would tell it."""
    yield Began(answer.id, answer.model, answer.usage)
    for number, part in enumerate(answer.parts):
        if isinstance(part, Text):
            yield Said(part.text, part.refusal)
        elif isinstance(part, Thinking):
            yield Thought(part.text, part.signature, part.sealed)
        else:
            yield Called(number, part.id, part.name, part.signature)
            yield Argued(number, part.arguments)
            yield CallDone(number)
    yield Stopped(answer.stop, answer.sequence)
    if answer.usage is not None:
        yield Counted(answer.usage)


def gathered(events: Iterable[Event]) -> Answer:
    """The answer that a whole stream tells; Refused with the provider's words where it failed."""
    began, stopped, usage = Began("", ""), None, None
    parts: list[Text | Thinking | ToolUse] = []
    for event in events:
        if isinstance(event, Began):
            began = event
        elif isinstance(event, Counted):
            usage = event.usage
        elif isinstance(event, Stopped):
            stopped = event
        elif isinstance(event, Failed):
            raise Refused(event.problem.message, event.problem.status)
        else:
            _add(parts, event)
    if stopped is None:
        raise Unfit("the other service's answer has no end", usage or began.usage)
    if stopped.stop is Stop.FAULT:
        raise Unfit(BROKEN_OFF, usage or began.usage)
    stop = at_end(stopped.stop, parts)
    return Answer(began.id, began.model, tuple(parts), stop, stopped.sequence, usage or began.usage)


def _add(parts: list[Text | Thinking | ToolUse], event: Said | Thought | Called | Argued | CallDone) -> None:
    last = parts[-1] if parts else None
    if isinstance(event, Said):
        if isinstance(last, Text) and last.refusal == event.refusal:
            parts[-1] = Text(last.text + event.text, last.refusal)
        else:
            parts.append(Text(event.text, event.refusal))
    elif isinstance(event, Thought):
        if isinstance(last, Thinking) and not last.signature and not event.sealed:
            parts[-1] = Thinking(last.text + event.text, event.signature)
        else:
            parts.append(Thinking(event.text, event.signature, event.sealed))
    elif isinstance(event, Called):
        parts.append(ToolUse(event.id, event.name, "", event.signature))
    elif isinstance(event, Argued) and isinstance(last, ToolUse):
        parts[-1] = ToolUse(last.id, last.name, last.arguments + event.fragment, last.signature)


def at_end(stop: Stop, parts: Iterable[object]) -> Stop:
    """A model that ends with calls waits for their results, whatever its service calls that."""
    return Stop.TOOLS if stop is Stop.END and any(isinstance(part, ToolUse) for part in parts) else stop


class Kept:
    """Text that a writer must say once more, or at once; bounded."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        """More of it."""
        self._size += len(text)
        if self._size > MAX_HELD:
            raise Refused("the answer is too long to be carried over", 502)
        self._pieces.append(text)

    def take(self) -> str:
        """All of it; it is empty afterwards, and what it held still counts."""
        text = "".join(self._pieces)
        self._pieces.clear()
        return text


def unmatched(losses: Losses, sort: str) -> None:
    """A part of an answer that no other dialect has."""
    losses.refuse(f"answer.{sort[:60]}", "has no counterpart")


def usage_or_zero(usage: Usage | None) -> Usage:
    """For dialects that must say a number."""
    return usage if usage is not None else Usage()
