"""Events whose payload is a JSON document: from bytes to the texts of an `EventView`. What all formats share.

Theory: `jsonspans.parse` knows every string with its bytes; a format says for each what it is (`Spot`). Nearly all
events of a stream are alike: `recurring` knows those that differ in one text only, `shapes` those that differ in
strings and numbers. Both tell what the long way would tell.

Rules: never raises on hostile bytes; a string is left out only if it is a word of the format's own; `[DONE]` ends any
stream, and an event without a payload is read as an empty object, since its name may tell something.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Mapping
from typing import ClassVar, Final, NamedTuple

from msgspec.structs import replace

from appliance.inspect.dialects.recurring import Filler, Recurring
from appliance.inspect.dialects.shapes import Shapes
from appliance.inspect.dialects.telling import Telling
from appliance.inspect.jsonspans import Document, MalformedBody, StringSpan
from appliance.inspect.spoken import is_spoken
from appliance.inspect.stream.events import Event, EventView, Framing, Text, Told
from appliance.inspect.view import Opaque

MALFORMED: Final = EventView(malformed=True)
ENDED: Final = EventView(closes=("",))
DONE: Final = b"[DONE]"
_NOTHING: Final = Document({}, ())


class Spot(NamedTuple):
    """What a string of an event is: see `Text`. `blind`: the reason for which it is opaque."""

    channel: str | None = None
    kind: str = "content"
    role: str = "assistant"
    blind: str | None = None


METADATA: Final = Spot(None, "metadata", "unknown")
_KEY: Final = Spot(None, "name", "unknown")
# By format: a shape tells where strings stand and nothing of what they say, so all answers of a format share them.
_SHAPES: Final[dict[type, Shapes]] = {}
Spotter = Callable[[StringSpan, list[str]], Spot | None]
"""The string and the parts of its pointer; None: a word of the format."""


class JsonEvents(ABC):
    """Reads the events of one answer. A format says in `take` what an event holds, and in `ending` how one ends early.

    `names`: keys of the format. `beside`: another reader of the same answer, whose memory is shared. `seen`: how many
    events there were.
    """

    framing: Framing = Framing.SSE
    names: ClassVar[Mapping[bytes, str]]

    def __init__(self, framing: Framing | None = None, beside: "JsonEvents | None" = None) -> None:
        self.framing = framing or self.framing
        self.telling: Telling = beside.telling if beside else Telling()
        self.recurring: Recurring = beside.recurring if beside else Recurring()
        self.seen = 0
        self._shapes = _SHAPES.setdefault(type(self), Shapes(self.names))

    def read(self, event: Event) -> EventView:
        """See EventReader."""
        self.seen += 1
        known = self.recurring.read(event)
        if known is not None:
            return known
        payload = event.payload.strip()
        if payload == DONE:
            return self.marked()
        try:
            document = self._shapes.parse(event.payload) if payload else _NOTHING
        except MalformedBody:
            return MALFORMED
        view = self.take(event, document)
        return replace(view, ambiguous=True) if document.duplicate_keys else view

    @abstractmethod
    def take(self, event: Event, document: Document) -> EventView:
        """What an event holds that has been parsed; remembers what it tells."""

    @abstractmethod
    def ending(self, reason: str) -> bytes:
        """See EventReader."""

    def marked(self) -> EventView:
        """The mark that ends a stream was seen."""
        self.telling.done = True
        return ENDED

    def told(self) -> Told:
        """See EventReader."""
        return self.telling.told()

    def learn(
        self,
        event: Event,
        document: Document,
        view: EventView,
        varying: frozenset[int] = frozenset(),
        fillers: Iterable[Filler] = (),
    ) -> None:
        """Remember an event that told nothing but texts, so that the next one like it needs no parsing."""
        if not document.duplicate_keys:
            self.recurring.learn(event, view, varying, fillers)


def by_place(view: EventView, grown: Container[str]) -> bool:
    """Whether every growing text of an event is one whose place alone makes it so, whatever it says: it may be learnt.

    `grown`: what such channels are called behind their first `/`.
    """
    return all(text.channel is None or text.channel.partition("/")[2] in grown for text in view.texts)


def spread(strings: tuple[StringSpan, ...], spot: Spotter) -> tuple[tuple[Text, ...], tuple[Opaque, ...]]:
    """Texts and opaque spans of a payload, in order. Empty strings are neither."""
    texts: list[Text] = []
    opaque: list[Opaque] = []
    for span in strings:
        if span.start == span.end:
            continue
        path = span.pointer.split("/")
        place = _KEY if span.is_key else spot(span, path)
        if place is None:
            continue
        if place.blind is not None:
            opaque.append(Opaque(span.start, span.end, place.blind))
        else:
            spoken = place.role == "assistant" and is_spoken(path, place.channel)
            texts.append(
                Text(span.start, span.end, span.text, span.escaped, place.channel, place.kind, place.role, spoken)
            )
    return tuple(texts), tuple(opaque)
