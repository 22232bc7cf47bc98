"""What a reader of bodies (a dialect or the generic walker) tells about a request or a response.

Rules: a view is complete: every string of the body is a segment, an opaque span, or a word of the format's own
vocabulary; spans never overlap; positions are bytes of the decoded body.
"""

from enum import StrEnum

import msgspec

from appliance.model.detection import Segment
from appliance.model.event import Usage


class Syntax(StrEnum):
    """How text is written inside a segment's span: decides how a replacement must be escaped."""

    JSON = "json"
    FORM = "form"
    TEXT = "text"


class Opaque(msgspec.Struct, frozen=True, gc=False):
    """Bytes `start` to `end` of the decoded body that no detector can read, and why: `image`, `audio`, `binary`..."""

    start: int
    end: int
    reason: str


class Part(msgspec.Struct, frozen=True, gc=False):
    """A file inside a body: bytes `start` to `end` of the decoded body, its media type as told or as it shows.

    `base64`: those bytes are the inside of a JSON string that holds the file as base64, bare or in a data URL.
    """

    start: int
    end: int
    media_type: str
    base64: bool = False


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """A request as policy and detectors need it.

    `api` None: no dialect knew it. `tools_declared`: names of declared functions. `include_usage`: the client itself
    asked for the usage chunk of a stream. `conversation_seed`: hex digest of what opens the conversation (first system
    and first user text), None when there is neither. `conversation`: the protocol's own id of the conversation.
    `models_beside`: further models that may answer instead of `model`, each once.
    `hosted_mcp`: hosts of tool servers that the provider is asked to call. `logprobs`: the probabilities of tokens are
    asked for. `parts`: the files of the body. `problem`: something a strict reader would refuse although everything was
    read, e.g. `duplicate_key`.
    """

    api: str | None = None
    syntax: Syntax = Syntax.JSON
    model: str | None = None
    models_beside: tuple[str, ...] = ()
    stream: bool = False
    max_tokens: int | None = None
    logprobs: bool = False
    segments: tuple[Segment, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    tools_declared: tuple[str, ...] = ()
    include_usage: bool = False
    conversation_seed: str | None = None
    conversation: str | None = None
    hosted_mcp: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    problem: str | None = None


class ResponseView(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that came in one piece. `finish`: the reasons of all choices, in order. `error`: an error body.

    `repeats`: spans of JSON values that repeat text in pieces (logprobs); no segment lies in one, and where something
    is hidden each becomes null.
    """

    api: str | None = None
    syntax: Syntax = Syntax.JSON
    model: str | None = None
    usage: Usage | None = None
    finish: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    error: bool = False
    tools_called: tuple[str, ...] = ()
    repeats: tuple[tuple[int, int], ...] = ()


class StreamView(msgspec.Struct, frozen=True, kw_only=True):
    """What a streamed answer had told when it ended or was cut.

    `length`: bytes fed; `text_bytes`: UTF-8 bytes of model text in them; `text_chars`: the same in code points (to
    estimate tokens when no usage came). `done`: the dialect's own end was seen. `problem`: `event_too_large` or
    `malformed_event`.
    """

    api: str | None = None
    model: str | None = None
    usage: Usage | None = None
    finish: tuple[str, ...] = ()
    length: int = 0
    text_bytes: int = 0
    text_chars: int = 0
    events: int = 0
    done: bool = False
    error: bool = False
    problem: str | None = None
