"""The streamed half of Chat Completions: chunks of the whole family, and legacy completions.

Sources: openai-python `types/chat/chat_completion_chunk.py`, `types/completion.py` (openai 3.x); what the family adds
is named where it is read.

Rules: channels are `{choice}/content`, `{choice}/reasoning`, `{choice}/refusal`, `{choice}/arguments/{tool}`,
`{choice}/name/{tool}`; a string that no provider is known to send in a delta grows by its own name; whatever else is
a text of its own; a choice's channels end with its finish reason.
"""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.fields import objects, table
from appliance.inspect.dialects.json_events import DONE, METADATA, JsonEvents, Spot, spread
from appliance.inspect.dialects.openai_errors import error_body
from appliance.inspect.dialects.openai_usage import read_timings, read_usage
from appliance.inspect.dialects.openai_words import CHANNELS, NAMES, PADDING, VALUES, is_repeat
from appliance.inspect.dialects.recurring import ALPHANUMERIC, Filler, ordinals
from appliance.inspect.dialects.repeats import without_repeats
from appliance.inspect.dialects.telling import MAX_TOLD, called_tools
from appliance.inspect.jsonspans import Document, StringSpan
from appliance.inspect.media import data_url, is_base64
from appliance.inspect.stream.events import Event, EventView, Told

_ERROR = "error"
_MAX_NAMES = 512  # calls whose names are gathered; several may call one function
# Growing strings of a delta: the channel below the choice, and the kind. DeepSeek, vLLM and SGLang say
# `reasoning_content`, OpenRouter and Groq `reasoning`; a server that says both says everything twice, so each has its
# own channel.
_GROWING = {
    "content": ("content", "content"),
    "refusal": ("refusal", "refusal"),
    "reasoning_content": ("reasoning", "reasoning"),
    "reasoning": ("reasoning/plain", "reasoning"),
    "thinking": ("reasoning/thinking", "reasoning"),
}
_NO_REASON = ("", "null")  # as some gateways write that there is none yet
_WHOLE = frozenset({"role", "id", "type", "name", "model", "finish_reason"})
# Members that the last chunk has when it is there only because usage was asked for.
_OF_USAGE = frozenset({
    *("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"),
    *("obfuscation", "timings"),
})  # fmt: skip
_WORDS = frozenset({"message"})
"""Keys of the format that are looked at all the same: the value of one may be a repeat."""
_NAMES = {raw: name for raw, name in NAMES.items() if name not in _WORDS}


class ChatEvents(JsonEvents):
    """Reads the chunks of one answer."""

    names: ClassVar[Mapping[bytes, str]] = _NAMES

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[tuple[str, str], _Calling] = {}
        self._called: list[str] = []

    def take(self, event: Event, document: Document) -> EventView:
        """What one chunk holds."""
        said = table(document.value)
        chunk = _Chunk(said, self)
        once = without_repeats(event.payload, document.strings, chunk.repeats, _WORDS)
        texts, opaque = spread(once.strings, chunk.spot)
        view = EventView(
            texts=texts,
            opaque=opaque,
            closes=chunk.closes,
            repeats=once.spans,
            usage_only=said.get("choices") == [] and isinstance(said.get("usage"), dict) and said.keys() <= _OF_USAGE,
        )
        told_more = self._tell(said, chunk, named_error=event.name == _ERROR)
        if not told_more:
            padding = [Filler(one.start, one.end, ALPHANUMERIC) for one in document.strings if _is_padding(one)]
            self.learn(event, document, view, fillers=padding + ordinals(event.payload))
        return view

    def told(self) -> Told:
        """What was told so far."""
        return msgspec.structs.replace(self.telling.told(), tools_called=called_tools([*self._called]))

    def ending(self, reason: str) -> bytes:
        """An error event and the end mark; SDKs raise the error to their caller."""
        error = error_body(ended(reason), "server_error", reason)
        return framed(self.framing, error) + framed(self.framing, DONE)

    def _tell(self, said: dict[str, object], chunk: "_Chunk", *, named_error: bool) -> bool:
        """Remember what the chunk tells beside its texts; False: nothing that an equal one would tell again."""
        telling = self.telling
        telling.served(said.get("model"))
        usage = read_usage(said.get("usage")) or read_usage(table(said.get("x_groq")).get("usage"))
        usage = usage or next((found for one in chunk.choices if (found := read_usage(one.get("usage")))), None)
        usage = usage or (read_timings(said.get("timings")) if telling.usage is None else None)
        telling.usage = usage or telling.usage
        failed = bool(said.get("error")) or named_error
        telling.error = telling.error or failed
        for reason in chunk.finished:
            telling.finished(reason)
        return bool(usage or failed or chunk.finished or chunk.names)

    def calling(self, choice: str, tool: str, told_id: object, *, named: bool) -> "_Calling":
        """The call that a delta belongs to; another id and a name at the same place are another call.

        Some services write another id with each delta: clients put together what has the same index.
        """
        key = (choice, tool)
        call = self._calls.get(key)
        said = told_id[:MAX_TOLD] if isinstance(told_id, str) else ""
        if call is None or (named and said and call.identity not in ("", said)):
            again = 0 if call is None else call.again + 1
            call = _Calling(f"{tool}.{again}" if again else tool, again)
            if len(self._calls) < MAX_TOLD or key in self._calls:
                self._calls[key] = call
            self.recurring.forget()
        call.identity = said or call.identity
        return call

    def named(self, call: "_Calling", piece: str) -> None:
        """A piece of a called function's name; the whole name said again is no piece."""
        if call.place is None and len(self._called) < _MAX_NAMES:
            call.place = len(self._called)
            self._called.append("")
        if call.place is not None and piece != self._called[call.place]:
            self._called[call.place] = (self._called[call.place] + piece)[:MAX_TOLD]


class _Calling:
    """One call of a function that is being written. `place`: where its name is gathered."""

    def __init__(self, channel: str, again: int) -> None:
        self.channel = channel
        self.again = again
        self.identity = ""
        self.place: int | None = None


class _Chunk:
    """One chunk while it is read: which choice stands where, and what its strings are."""

    def __init__(self, said: dict[str, object], reader: ChatEvents) -> None:
        listed = said.get("choices")
        self._listed = listed if isinstance(listed, list) else []
        self.choices = objects(listed)
        self._reader = reader
        self.names = False  # a piece of a function's name came
        reasons = [(place, table(one).get("finish_reason")) for place, one in enumerate(self._listed)]
        told = [(place, reason) for place, reason in reasons if isinstance(reason, str) and reason not in _NO_REASON]
        self.finished = [reason for _, reason in told]
        # More choices than anybody asks for end as one: each prefix is held against every channel.
        self.closes = ("",) if len(told) > MAX_TOLD else tuple(f"{self._index(place)}/" for place, _ in told)

    def _choice(self, place: int) -> dict[str, object]:
        return table(self._listed[place] if place < len(self._listed) else None)

    def _index(self, place: int) -> str:
        return _number(self._choice(place).get("index"), str(place))

    def repeats(self, key: StringSpan) -> bool:
        """Token lists; and Perplexity's `message`, which says the whole text so far beside each delta."""
        if is_repeat(key):
            return True
        path = key.pointer.split("/")
        beside = len(path) == 4 and path[1] == "choices" and path[3] == "message"  # noqa: PLR2004 - /choices/N/message
        return beside and path[2].isdecimal() and "delta" in self._choice(int(path[2]))

    def spot(self, string: StringSpan, path: list[str]) -> Spot | None:
        """What a string of the chunk is; `path`: its pointer, split. None: a word of the format."""
        if len(path) > 3 and path[1] == "choices" and path[2].isdecimal():  # noqa: PLR2004 - /choices/N/...
            return self._of_choice(int(path[2][:6]), path[3:], string)
        if string.text in VALUES.get(path[-1], ()) or _is_padding(string):
            return None
        return Spot() if path[-1] in ("message", "detail") else METADATA

    def _of_choice(self, place: int, path: list[str], string: StringSpan) -> Spot | None:
        if path == ["text"]:
            return Spot(f"{self._index(place)}/content")
        growing = self._growing(place, path[1:], string) if path[0] == "delta" else None
        if growing is not None:
            return growing
        if path == ["message", "content"]:  # of a service that sends no deltas
            return Spot(f"{self._index(place)}/message/content")
        if string.text in VALUES.get(path[-1], ()):
            return None
        blind = blind_in(path, string.text)
        if path[0] not in ("delta", "message"):
            return Spot(None, "metadata", "unknown", blind)
        return Spot(None, CHANNELS.get(path[-1], "content"), "assistant", blind)

    def _growing(self, place: int, path: list[str], string: StringSpan) -> Spot | None:  # noqa: PLR0911 - a table
        """A string of a delta that is a piece of something; None: it stands for itself."""
        choice = self._index(place)
        match path:
            case [name] if name in _GROWING:
                channel, kind = _GROWING[name]
                return Spot(f"{choice}/{channel}", kind)
            case [name] if name not in _WHOLE:
                return Spot(f"{choice}/{name}", "content")
            case ["content", part, "text"] if part.isdecimal():  # Mistral's chunks
                return Spot(f"{choice}/content", "content")
            case ["content", _, "thinking", _, "text"] | ["content", _, "thinking"]:
                return Spot(f"{choice}/reasoning", "reasoning")
            case ["reasoning_details", part, "text" | "summary"]:  # OpenRouter's
                return Spot(f"{choice}/reasoning/{self._detail(place, part)}", "reasoning")
            case ["audio", "transcript"]:
                return Spot(f"{choice}/transcript", "content")
            case ["tool_calls", part, "function" | "custom", "name" | "arguments" | "input" as what]:
                return self._call(choice, self._tool(place, part), what, string)
            case ["function_call", "name" | "arguments" as what]:
                return self._call(choice, {"index": "function"}, what, string)
        return None

    def _call(self, choice: str, tool: dict[str, object], what: str, string: StringSpan) -> Spot:
        named = bool(table(tool.get("function")).get("name") or table(tool.get("custom")).get("name"))
        call = self._reader.calling(choice, _number(tool.get("index"), "function"), tool.get("id"), named=named)
        if what == "name":
            self.names = True
            self._reader.named(call, string.text)
            return Spot(f"{choice}/name/{call.channel}", "name")
        kind = "arguments" if what == "arguments" else "content"  # the input of a custom tool is no JSON
        return Spot(f"{choice}/arguments/{call.channel}", kind)

    def _tool(self, place: int, part: str) -> dict[str, object]:
        calls = table(self._choice(place).get("delta")).get("tool_calls")
        at = int(part[:6]) if part.isdecimal() else 0
        tool = table(calls[at] if isinstance(calls, list) and at < len(calls) else None)
        return {"index": at, **tool}

    def _detail(self, place: int, part: str) -> str:
        details = table(self._choice(place).get("delta")).get("reasoning_details")
        at = int(part[:6]) if part.isdecimal() else 0
        detail = table(details[at] if isinstance(details, list) and at < len(details) else None)
        return _number(detail.get("index"), str(at))


_BLIND = frozenset({"url", "image_url", "data", "file_data", "encrypted_content"})


def blind_in(path: list[str], text: str) -> str | None:
    """Why a string inside a message cannot be read, by the field it stands in; None: it is text."""
    if path[-1] not in _BLIND:  # nearly all: this runs for every string of a body
        return None
    match path[-2:]:
        case ["image_url", "url"] | [_, "image_url"]:
            return data_url(text)
        case ["input_audio" | "audio", "data"]:
            return "audio" if is_base64(text) else None
        case ["file", "file_data"]:
            return data_url(text) or ("file" if is_base64(text) else None)
        case [_, "encrypted_content" | "data"] if path[-1] != "data" or "reasoning_details" in path:
            return "encrypted" if is_base64(text) else None
    return None


def _is_padding(one: StringSpan) -> bool:
    return one.pointer == "/obfuscation" and not one.is_key and not one.escaped and bool(PADDING.match(one.text))


def _number(value: object, otherwise: str) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else otherwise
