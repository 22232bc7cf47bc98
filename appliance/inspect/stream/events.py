"""One event of a streamed answer, and what a dialect says about it.

Owns: the records between framing (bytes to events), dialects (events to texts) and the editor (texts to bytes).
Rules: positions are bytes of the event's `payload`; every string of a payload is a text, an opaque span or a word of
the format's own vocabulary; texts never overlap.
"""

from enum import StrEnum

import msgspec

from appliance.inspect.view import Opaque
from appliance.model.event import Usage


class Framing(StrEnum):
    """How events are cut out of the bytes of an answer."""

    SSE = "sse"  # text/event-stream
    NDJSON = "ndjson"  # one JSON document per line
    JSON_ARRAY = "json-array"  # elements of one top-level array, as Gemini streams without alt=sse
    AWS = "aws"  # application/vnd.amazon.eventstream: the payload is the frame's
    AWS_CHUNK = "aws-chunk"  # the same, payload {"bytes": base64 of the model's own JSON}: the payload is what it holds
    CONNECT = "connect"  # [flags:u8][length:u32be][payload], Connect and gRPC
    MESSAGE = "message"  # each feed is one whole event (WebSocket)


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event. `name`: SSE event type or AWS `:event-type` (`:exception-type` of an exception); empty where none."""

    name: str
    payload: bytes


class Text(msgspec.Struct, frozen=True, gc=False):
    """A string of an event: `start`, `end` are bytes of the payload inside the quotes, `text` is decoded.

    `channel`: which growing text it is a piece of, e.g. `0/content` or `0/arguments/1`; None: it stands for itself (a
    repeat of the whole text, a name, an error message). `kind`: content | reasoning | refusal | arguments | name |
    description | metadata. `spoken`: words for a person: see spoken.py.
    """

    start: int
    end: int
    text: str
    escaped: bool
    channel: str | None = None
    kind: str = "content"
    role: str = "assistant"
    spoken: bool = True


class EventView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a dialect says about one event.

    `closes`: beginnings of the names of channels that have ended with this event; `""` ends all. `repeats`: spans of
    JSON values that repeat text in pieces (logprobs, token lists): made null wherever something may be hidden.
    `usage_only`: there only because usage was asked for. `numbered`: it carries an ordinal and may not be doubled.
    `malformed`: nothing could be read; its payload counts as one text. `ambiguous`: readers differ in what it
    says; a key stands in it twice, say.
    """

    texts: tuple[Text, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    closes: tuple[str, ...] = ()
    repeats: tuple[tuple[int, int], ...] = ()
    usage_only: bool = False
    numbered: bool = False
    malformed: bool = False
    ambiguous: bool = False


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer has told about itself so far.

    `finish`: reasons of all choices in order, at most 128, and `finished` how many there were; `tools_called`: names of
    functions called, each once, at most 128 of at most 128 code points; `done`: the dialect's own end was seen;
    `error`: it told of an error.
    """

    model: str | None = None
    usage: Usage | None = None
    finish: tuple[str, ...] = ()
    finished: int = 0
    tools_called: tuple[str, ...] = ()
    done: bool = False
    error: bool = False
