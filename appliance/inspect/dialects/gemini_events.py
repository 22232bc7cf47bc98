"""Streamed answers of Gemini: server-sent events, or the elements of one JSON array.

Sources: google-genai `types.py` (GenerateContentResponse, FunctionCall.partialArgs); Vertex AI reference.

Rules: see dialects/__init__.py. Channels are `{candidate}/content`, `{candidate}/reasoning` and, where the arguments
of a call come in pieces, `{candidate}/arguments/{JSON path}`. Every chunk may carry usage: the last one holds.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec
from msgspec.structs import replace

from appliance.inspect.dialects.endings import ended, framed
from appliance.inspect.dialects.fields import count, objects, table, within
from appliance.inspect.dialects.gemini_places import Carried, Roots, carried, member, place, roots
from appliance.inspect.dialects.gemini_words import NAMES, SNAKE
from appliance.inspect.dialects.json_events import JsonEvents, Spot, spread
from appliance.inspect.dialects.repeats import without_repeats
from appliance.inspect.dialects.telling import Telling
from appliance.inspect.dialects.usage import Names, read
from appliance.inspect.jsonspans import Document, StringSpan
from appliance.inspect.nested import may_be_json
from appliance.inspect.stream.events import Event, EventView, Framing
from appliance.model.event import Usage

MAX_INDEX: Final = 4096
"""Candidates beyond share one channel."""
_MAX_PATH = 128
_MAX_SPOTS = 256
_CODE: Final = (["executableCode", "code"], ["codeExecutionResult", "output"])
_BY_PLACE: Final = frozenset({"text", "modelVersion", "responseId", "traceId"})
"""Keys of strings of which the place alone tells what they are, whatever they say."""
_DETAILS: Final = (
    ("promptTokensDetails", "prompt_tokens_details"),
    ("candidatesTokensDetails", "candidates_tokens_details"),
)
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def _forms(*names: str) -> tuple[str, ...]:
    return tuple(form for name in names for form in (name, SNAKE[name]))


_USAGE: Final = Names(
    received=_forms("promptTokenCount"),
    made=_forms("candidatesTokenCount", "responseTokenCount"),  # the second: the Live API
    cached=_forms("cachedContentTokenCount"),
    reasoning=_forms("thoughtsTokenCount"),
    also=_forms("toolUsePromptTokenCount"),
    reasoning_beside=True,
)


def error_body(status: int, code: str, message: str) -> bytes:
    """google.rpc.Status as Google's front ends write it, with our code as the reason of an ErrorInfo."""
    word = _STATUS.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")  # noqa: PLR2004
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code, "domain": "gnomon"}
    return msgspec.json.encode({"error": {"code": status, "message": message, "status": word, "details": [info]}})


def read_usage(value: object) -> Usage | None:
    """`usageMetadata`; None when there is none. Thoughts come beside what candidates hold, not inside."""
    told = read(value, _USAGE)
    if told is None:
        return None
    sound = [_sound(table(value), *names) for names in _DETAILS]
    return replace(told, audio_input_tokens=sound[0], audio_output_tokens=sound[1]) if any(sound) else told


def _sound(told: dict[str, object], name: str, snake: str) -> int:
    """The tokens of sound in a list by modality."""
    details = objects(told.get(name) or told.get(snake))
    tokens = (one.get("tokenCount", one.get("token_count")) for one in details if one.get("modality") == "AUDIO")
    return sum(count(one) or 0 for one in tokens)


def tell(telling: Telling, found: Roots) -> list[int]:
    """Take what an answer, or a piece of one, tells beside its text; the candidates that have ended with it."""
    ended: list[int] = []
    for _, root in found:
        telling.served(member(root, "modelVersion"))
        telling.usage = read_usage(member(root, "usageMetadata")) or telling.usage
        telling.error = telling.error or "error" in root
        blocked = member(table(member(root, "promptFeedback")), "blockReason")
        if blocked is not None:
            telling.finished(blocked)
            ended.append(-1)
        for place_in_list, candidate in enumerate(objects(root.get("candidates"))):
            reason = member(candidate, "finishReason")
            if reason is not None:
                telling.finished(reason)
                ended.append(index_of(candidate, place_in_list))
            for part in objects(within(candidate, "content", "parts")):
                telling.called(table(member(part, "functionCall")).get("name"))
    return ended


def index_of(candidate: dict[str, object], otherwise: int) -> int:
    """The number of a candidate, its place in the list where it tells none."""
    given = candidate.get("index")
    number = given if isinstance(given, int) and not isinstance(given, bool) else otherwise
    return min(max(number, 0), MAX_INDEX)


class GeminiEvents(JsonEvents):
    """Reads one streamed answer."""

    names: ClassVar[Mapping[bytes, str]] = NAMES

    def __init__(self, framing: Framing) -> None:
        super().__init__(framing)
        self._open: set[int] = set()
        self._ended: set[int] = set()
        self._context: tuple[Carried, dict[str, int]] | None = None
        self._spots: dict[str, Spot] = {}
        self._called: dict[str, int] = {}  # arguments that have ended, and how often

    def take(self, event: Event, document: Document) -> EventView:
        """One chunk: a GenerateContentResponse, or an error."""
        found = roots(document.value)
        finished = tell(self.telling, found)
        indexes = _indexes(found)
        self._open.update(indexes.values())
        self._ended.update(finished)
        self.telling.done = bool(self._ended) and (-1 in self._ended or self._open <= self._ended)
        once = without_repeats(event.payload, document.strings, is_repeat)
        spotter = self._spotter(document, carried(found), indexes)
        texts, opaque = spread(once.strings, spotter.spot)
        # Older models tell a reason with every piece: only where others go on, an end is worth to be believed.
        closes = tuple(f"{number}/" for number in finished if len(self._open) > 1 and number >= 0)
        return EventView(
            texts=texts,
            opaque=opaque,
            closes=closes + tuple(spotter.closes),
            repeats=once.spans,
            numbered=bool(finished),  # readers stop at a reason
        )

    def _spotter(self, document: Document, known: Carried, indexes: dict[str, int]) -> "_Spotter":
        context = (known, indexes)
        if context != self._context:
            self._context = context
            self._spots = {}
        return _Spotter(document.value, known, indexes, self._spots, self._called)

    def ending(self, reason: str) -> bytes:
        """An error in the shape of the service: SDKs raise it."""
        error = error_body(499, reason, ended(reason))
        if self.framing is Framing.JSON_ARRAY:
            return (b"," if self.seen else b"[") + error + b"]"
        return framed(self.framing, error)


class _Spotter:
    """Says what the strings of one chunk are.

    `spots`: what is known by the pointer, for chunks of one context; `called`: how often an argument has ended.
    """

    def __init__(
        self, value: object, known: Carried, indexes: dict[str, int], spots: dict[str, Spot], called: dict[str, int]
    ) -> None:
        self._value = value
        self._known = known
        self._indexes = indexes
        self._spots = spots
        self._called = called
        self.closes: dict[str, None] = {}

    def spot(self, span: StringSpan, path: list[str]) -> Spot | None:
        """What a string is; None: a word of the format."""
        spot = self._spots.get(span.pointer)
        if spot is None:
            spot = self._looked_at(span, path)
            by_place = spot is not None and (spot.channel is not None or spot.kind == "metadata")
            if spot is not None and by_place and path[-1] in _BY_PLACE and len(self._spots) < _MAX_SPOTS:
                self._spots[span.pointer] = spot
        return spot

    def _looked_at(self, span: StringSpan, path: list[str]) -> Spot | None:
        found = place(span, self._known)
        if found is None:
            return None
        role, channel, blind = found
        if blind is not None:
            return Spot(blind=blind)
        if path[-1] == "text" or path[-1] == "stringValue":
            number = self._index(path)
            if number is not None and path[-1] == "text" and path[-3] == "parts":
                return Spot(f"{number}/{channel}", channel, role)
            if number is not None and "partialArgs" in path:
                return Spot(self._argument(path, number), "content", role)
        if path[-2:] in _CODE:
            number = self._index(path)
            return Spot(None if number is None else f"{number}/{path[-1]}", channel, role)
        # A leaf of arguments is plain text here, unless a document stands in it.
        kind = "content" if channel == "arguments" and not may_be_json(span.text) else channel
        return Spot(None, kind, role)

    def _index(self, path: list[str]) -> int | None:
        at = path.index("content") if "content" in path else 0
        return self._indexes.get("/".join(path[:at])) if at else None

    def _argument(self, path: list[str], number: int) -> str | None:
        """The channel of a piece of an argument; None where its place cannot be told."""
        call: object = self._value
        for step in path[1 : path.index("partialArgs")]:
            call = within(call, int(step) if step.isdecimal() else step)
        piece = within(call, "partialArgs", int(path[-2]) if path[-2].isdecimal() else 0)
        where = member(table(piece), "jsonPath")
        if not isinstance(where, str) or len(where) > _MAX_PATH:
            return None
        place = f"{number}/arguments/{where}"
        again = self._called.get(place, 0)
        channel = f"{place}.{again}" if again else place
        if member(table(piece), "willContinue") is not True:
            self.closes[channel] = None
            if len(self._called) < MAX_INDEX or place in self._called:
                self._called[place] = again + 1  # the next call may have an argument of this name
        return channel


def _indexes(found: Roots) -> dict[str, int]:
    """The number of each candidate, by its pointer."""
    return {
        f"{pointer}/candidates/{at}": index_of(candidate, at)
        for pointer, root in found
        for at, candidate in enumerate(_listed(root.get("candidates")))
        if isinstance(candidate, dict)
    }


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def is_repeat(key: StringSpan) -> bool:
    """`logprobsResult` of a candidate."""
    path = key.pointer.split("/")
    return path[-1] in {"logprobsResult", "logprobs_result"} and path[-3:-2] == ["candidates"] and len(path) <= 5  # noqa: PLR2004
