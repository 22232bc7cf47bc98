"""One event of OpenAI's responses or realtime API: which of its strings are pieces of which growing text.

Theory: every event says what it is in `type`. `X.delta` carries a piece of a text in `delta`; `X.done`, the done
events of its part and item, and the end of the response say the whole once more. A channel is named
`{output}/{place}/{what}`, so that pieces find their text whatever else goes on beside them; `{output}` is the index of
the output or the id of the item.

Rules: an unknown `X.delta` is a channel as well; repeats are texts of their own; a channel ends with its own done
event, that of its part or item, or the end of the response.
"""

import re

from appliance.inspect.dialects.fields import objects, table, text, texts
from appliance.inspect.dialects.json_events import Spot
from appliance.inspect.dialects.openai_event_words import EVENTS
from appliance.inspect.dialects.openai_items import CHANNELS, VALUES, Voices, blind_in, declared, place_in, speaker
from appliance.inspect.dialects.openai_words import PADDING
from appliance.inspect.dialects.telling import MAX_TOLD
from appliance.inspect.jsonspans import StringSpan
from appliance.inspect.segments import Place

ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.done"})
_HEARD = "conversation.item.input_audio_transcription"
# X: what it is a piece of, as the channel says it, and the kind of text.
_WHAT = {
    "response.output_text": ("content", "content"),
    "response.text": ("content", "content"),
    "response.refusal": ("refusal", "refusal"),
    "response.reasoning_text": ("reasoning", "reasoning"),
    "response.reasoning_summary_text": ("summary", "reasoning"),
    "response.function_call_arguments": ("arguments", "arguments"),
    "response.mcp_call_arguments": ("arguments", "arguments"),
    "response.audio.transcript": ("transcript", "content"),
    "response.audio_transcript": ("transcript", "content"),
    "response.output_audio_transcript": ("transcript", "content"),
    _HEARD: ("heard", "content"),
}
# The text that a part begins with, by the type of the part.
_PARTS = {
    "output_text": ("content", "content"),
    "text": ("content", "content"),
    "refusal": ("refusal", "refusal"),
    "reasoning_text": ("reasoning", "reasoning"),
    "summary_text": ("summary", "reasoning"),
    "audio": ("transcript", "content"),
    "output_audio": ("transcript", "content"),
}
_PART_TEXTS = frozenset({"text", "refusal", "transcript"})
_PLACES = ("content_index", "summary_index", "command_index")
_SOUND = frozenset({"response.audio.delta", "response.output_audio.delta", "session.output_audio.delta"})
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")
_LAST = re.compile(r"\.(?:delta|done|added|completed|failed|segment)\Z")
_MAX_INDEX = 10**6
_MESSAGES = frozenset({"message", "detail", "title"})


class Form:
    """What one event is. `said`: its document; `grows`: it carries a piece of a text and nothing else of weight."""

    def __init__(self, said: dict[str, object], name: str, *, by_item: bool) -> None:
        self.said = said
        self.type = text(said.get("type")) or name
        self.response = table(said.get("response"))
        self.item = table(said.get("item"))
        self.part = table(said.get("part"))
        self._by_item = by_item
        self._stem = _LAST.sub("", self.type)
        told = {"response", "item", "part", "error"} & said.keys()
        self.grows = self.type.endswith(".delta") and self.type not in _SOUND and not told
        self._voices = Voices(self.response.get("output"), "assistant")
        self._speaker = speaker(self.item)

    @property
    def fails(self) -> bool:
        """It tells of an error."""
        return self.type in ("error", "response.failed") or bool(self.response.get("error") or self.said.get("error"))

    def closes(self) -> tuple[str, ...]:
        """The channels that end with it."""
        if self.type in ENDS and self._by_item:  # others may be running on this connection
            items = texts(item.get("id") for item in objects(self.response.get("output")))
            return ("",) if len(items) > MAX_TOLD else tuple(f"{_part_of_name(item)}/" for item in items)
        if self.type in ENDS or self.type == "session.closed" or (self.type == "error" and not self._by_item):
            return (self._lane(),)
        return self._ends_part()

    def _ends_part(self) -> tuple[str, ...]:
        if not self.type.endswith((".done", ".completed", ".failed")):
            return ()
        match self._stem:
            case "response.output_item" | "conversation.item":
                return (f"{self._output()}/",)
            case "response.content_part":
                return (f"{self._output()}/{self._place()}/",)
            case "response.reasoning_summary_part":
                return (f"{self._output()}/{self._place()}/summary",)
        return (self._channel(),)

    def spot(self, span: StringSpan, path: list[str]) -> Spot | None:
        """What a string of the event is; `path`: its pointer, split. None: a word of the format."""
        top = path[1] if len(path) > 1 else ""
        if top == "delta":
            return self._delta(path, span)
        if top in ("part", "command") and self.type.endswith(".added") and (begun := self._begun(path)):
            return begun
        if span.text in VALUES.get(path[-1], ()) or (path == ["", "type"] and span.text in EVENTS):
            return None
        if path == ["", "obfuscation"] and PADDING.match(span.text):
            return None
        place = self._place_of(top, path, span)
        return None if place is None else Spot(None, place.channel, place.role, place.blind)

    def _delta(self, path: list[str], span: StringSpan) -> Spot | None:
        if self.type in _SOUND and len(path) == 2 and _BASE64.match(span.text):  # noqa: PLR2004 - /delta
            return Spot(blind="audio")
        if not self.type.endswith(".delta"):
            return Spot()
        rest = "".join(f"/{step}" for step in path[2:])  # a shell's output has stdout and stderr there
        return Spot(self._channel() + rest, self._kind(), self._role())

    def _begun(self, path: list[str]) -> Spot | None:
        """The text that a part or command begins with, before its first delta; None: it is no such string."""
        if path == ["", "command"]:
            return Spot(self._channel(), self._kind())
        what = _PARTS.get(text(self.part.get("type")) or "")
        if what is None or path[1] != "part" or len(path) != 3 or path[2] not in _PART_TEXTS:  # noqa: PLR2004
            return None
        return Spot(f"{self._output()}/{self._place()}/{what[0]}", what[1])

    def _place_of(self, top: str, path: list[str], span: StringSpan) -> Place | None:  # noqa: PLR0911 - a table
        blind = blind_in(path, span.text)
        match path[1:]:
            case ["response", "output", *_]:
                return self._voices.place(path, 3, span)
            case ["response", "instructions", *_] | ["session", "instructions"]:
                return Place("system", "content", blind)
            case ["response" | "session", "tools", *_]:
                return declared(path)
            case ["item", *_]:
                thinking = self.item.get("type") == "reasoning"
                return place_in(path, span, self._speaker, thinking)
            case ["part", *_]:
                _, kind = _PARTS.get(text(self.part.get("type")) or "", ("", "content"))
                return Place("assistant", CHANNELS.get(path[-1], kind), blind)
            case ["error", *_] | [_] if path[-1] in _MESSAGES:
                return Place("assistant", "content", blind)
        if top in CHANNELS or top in ("response", "session", "event_id"):
            channel = CHANNELS.get(top, "metadata")
            return Place("unknown" if channel == "metadata" else "assistant", channel, blind)
        if self.type.endswith((".done", ".completed", ".segment")):
            return Place(self._role(), self._kind(), blind)
        return Place("unknown", "metadata", blind)

    @property
    def by_output(self) -> bool:
        """Its channels are named by the index of the output, and the id of the item decides nothing."""
        return not self._by_item and _is_index(self.said.get("output_index"))

    def _kind(self) -> str:
        return _WHAT.get(self._stem, ("", "content"))[1]

    def _role(self) -> str:
        return "user" if self._stem in (_HEARD, "session.input_transcript") else "assistant"

    def _channel(self) -> str:
        what = _WHAT[self._stem][0] if self._stem in _WHAT else _part_of_name(self._stem.removeprefix("response."))
        return f"{self._output()}/{self._place()}/{what}"

    def _output(self) -> str:
        item = text(self.said.get("item_id")) or text(self.item.get("id"))
        index = self.said.get("output_index")
        if self.by_output:
            return f"{self._lane()}{index}"
        return self._lane() + _part_of_name(item or (str(index) if _is_index(index) else "-"))

    def _lane(self) -> str:
        """Responses on one WebSocket may be told apart by the client's own word."""
        lane = text(self.said.get("stream_id"))
        return f"{_part_of_name(lane)}:" if lane else ""

    def _place(self) -> str:
        places = (self.said.get(name) for name in _PLACES)
        return next((str(place) for place in places if _is_index(place)), "0")


def _is_index(told: object) -> bool:
    return isinstance(told, int) and not isinstance(told, bool) and 0 <= told < _MAX_INDEX


def _part_of_name(told: str) -> str:
    """A string of the peer's as part of a channel's name."""
    return told[:64].replace("/", "_")
