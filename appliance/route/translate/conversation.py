"""One conversation with a model, in the words of no dialect: what a request asks, and what an answer says.

Rules: frozen records; text is Unicode, JSON that belongs to a tool stays JSON text, base64 stays base64 text. A field
stands here only if at least two dialects have it; whatever else a request holds is told as a loss by who reads it.
`input` of a usage counts the whole prompt, cached tokens included; `output` counts reasoning as well.
"""

from enum import StrEnum
from typing import Final

import msgspec

MAX_HELD: Final = 6 * 1024 * 1024
"""Bytes of one event, and of all arguments of calls that are held back in one answer."""


class Role(StrEnum):
    """Whose turn."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"  # instructions behind the first turn


class Stop(StrEnum):
    """Why a model stopped."""

    END = "end"
    LENGTH = "length"
    TOOLS = "tools"
    SEQUENCE = "sequence"
    REFUSED = "refused"
    FAULT = "fault"  # nothing that a caller could go on with


class Fault(StrEnum):
    """What went wrong at a provider."""

    REQUEST = "request"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    MISSING = "missing"
    TOO_LARGE = "too_large"
    RATE = "rate"
    SERVER = "server"
    BUSY = "busy"
    TIMEOUT = "timeout"


class Text(msgspec.Struct, frozen=True, gc=False):
    """Plain text. `refusal`: the model said it as a refusal."""

    text: str
    refusal: bool = False


class Media(msgspec.Struct, frozen=True, gc=False):
    """A picture, sound or document: `data` (base64) or `url`. `media_type` empty: not told. `detail`: as OpenAI's."""

    kind: str  # image | audio | file
    media_type: str = ""
    data: str = ""
    url: str = ""
    name: str = ""
    detail: str = ""


class ToolUse(msgspec.Struct, frozen=True, gc=False):
    """A call of a tool. `arguments`: JSON text. `signature`: of the provider's reasoning, see signatures.py."""

    id: str
    name: str
    arguments: str
    signature: str = ""


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool answered. `name`: the tool's, where known."""

    id: str
    name: str
    parts: tuple[Text | Media, ...]
    is_error: bool = False


class Thinking(msgspec.Struct, frozen=True, gc=False):
    """Reasoning that was shown. `signature`: see signatures.py; with `sealed` it holds the reasoning itself."""

    text: str
    signature: str = ""
    sealed: bool = False


Part = Text | Media | ToolUse | ToolResult | Thinking


class Turn(msgspec.Struct, frozen=True):
    """What one side said. Results of tools stand in the user's turns."""

    role: Role
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True, gc=False):
    """A function that the model may call. `schema`: JSON Schema of its arguments, as JSON text; empty: none given."""

    name: str
    description: str = ""
    schema: str = ""
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True, gc=False):
    """`kind`: auto | any | none | named; `name` with named. `parallel`: None where the caller says nothing."""

    kind: str = ""
    name: str = ""
    parallel: bool | None = None


class Sampling(msgspec.Struct, frozen=True, gc=False):
    """None: the provider's own."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence: float | None = None
    frequency: float | None = None
    seed: int | None = None


class Format(msgspec.Struct, frozen=True, gc=False):
    """What the answer must look like: any JSON, or that of `schema` (JSON text)."""

    schema: str = ""
    name: str = ""
    description: str = ""
    strict: bool | None = None


class Reasoning(msgspec.Struct, frozen=True, gc=False):
    """How much a model shall think: `effort` none | minimal | low | medium | high; `shown`: and say what."""

    effort: str
    shown: bool | None = None


class Conversation(msgspec.Struct, frozen=True):
    """A request. `usage`: the caller wants a stream's usage told. `framing`: sse | lines | array."""

    model: str
    turns: tuple[Turn, ...]
    system: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = ToolChoice()
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    format: Format | None = None
    reasoning: Reasoning | None = None
    stream: bool = False
    usage: bool = True
    framing: str = "sse"
    user: str = ""
    metadata: tuple[tuple[str, str], ...] = ()


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens. `audio_input`, `audio_output`: of each, what is sound, where a provider tells it apart."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0


class Problem(msgspec.Struct, frozen=True, gc=False):
    """An error. `message` is the provider's own; `code` as well, where it gave one."""

    fault: Fault
    message: str
    status: int = 500
    code: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What a model said, whole."""

    id: str
    model: str
    parts: tuple[Text | Thinking | ToolUse, ...]
    stop: Stop
    sequence: str = ""
    usage: Usage | None = None


class Began(msgspec.Struct, frozen=True, gc=False):
    """A stream's first event."""

    id: str
    model: str
    usage: Usage | None = None


class Said(msgspec.Struct, frozen=True, gc=False):
    """More text."""

    text: str
    refusal: bool = False


class Thought(msgspec.Struct, frozen=True, gc=False):
    """More reasoning; `signature` ends it, with `sealed` it is all there is."""

    text: str = ""
    signature: str = ""
    sealed: bool = False


class Called(msgspec.Struct, frozen=True, gc=False):
    """A call begins; `key` tells it from the stream's others."""

    key: int
    id: str
    name: str
    signature: str = ""


class Argued(msgspec.Struct, frozen=True, gc=False):
    """More of a call's arguments."""

    key: int
    fragment: str


class CallDone(msgspec.Struct, frozen=True, gc=False):
    """A call is whole."""

    key: int


class Stopped(msgspec.Struct, frozen=True, gc=False):
    """Nothing more is said; usage may follow."""

    stop: Stop
    sequence: str = ""


class Counted(msgspec.Struct, frozen=True, gc=False):
    """Usage so far, whole: it takes the place of what was told before."""

    usage: Usage


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The stream ends in an error."""

    problem: Problem


Event = Began | Said | Thought | Called | Argued | CallDone | Stopped | Counted | Failed
