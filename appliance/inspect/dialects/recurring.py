"""Events of one stream that differ only in a few places, read without parsing each again.

Theory: a streamed answer repeats one JSON document with another piece of text in it, thousands of times. When an event
was read the long way, the bytes around the places that vary are kept. A later event that has the same bytes there, and
in each place again the inside of one valid JSON string (or one whole number), is the same document but for these
values: up to each place a tokeniser is in the same state, and stays in it.

Rules: the name of the event is a part of its shape; a place varies only where its value decides nothing (a piece of a
channel, an id, padding, an ordinal): whoever calls `learn` answers for that; only events that told nothing else are
learnt; what does not match exactly is read the long way; shapes and their bytes are bounded.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from appliance.inspect.jsonspans import unescape
from appliance.inspect.stream.events import Event, EventView, Text

MAX_SHAPES = 16
MAX_FIXED = 4096
"""Bytes of a shape outside its places that vary."""
MAX_EVENT = 64 * 1024
"""Larger events are read the long way, which has more bounds."""
# The inside of a string that every reader of JSON takes; possessive, so that a long text keeps no backtracking state.
_INSIDE = re.compile(rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+')
ALPHANUMERIC = re.compile(rb"[A-Za-z0-9]{0,512}+")
"""Padding of random letters and digits."""
_COUNTED = re.compile(rb'"(?:created|sequence_number)"[ \t\r\n]*+:[ \t\r\n]*+((?:0|[1-9][0-9]{0,14}))(?![0-9.eE])')
ORDINAL = re.compile(rb"(?:0|[1-9][0-9]{0,14})(?![0-9.eE])")


class Filler(NamedTuple):
    """A place that varies and is no text: padding inside a string, or an ordinal. `pattern`: all that may stand there.

    What follows must not be able to continue it.
    """

    start: int
    end: int
    pattern: re.Pattern[bytes]


class _Step(NamedTuple):
    """One place that varies and the bytes behind it. `text`: the text of the first such event there, if it is one."""

    pattern: re.Pattern[bytes]
    behind: bytes
    text: Text | None


class _Fixed(NamedTuple):
    """A text that is the same in every event, behind so many places that vary."""

    steps: int
    text: Text


class _Shape(NamedTuple):
    name: str
    before: bytes
    steps: tuple[_Step, ...]
    ahead: tuple[Text, ...]  # texts before the first place that varies: their places never move
    fixed: tuple[_Fixed, ...]
    numbered: bool


def ordinals(payload: bytes) -> list[Filler]:
    """Times and ordinals of an event: a raw `"created":` is a key wherever it stands, for a string would escape it."""
    return [Filler(found.start(1), found.end(1), ORDINAL) for found in _COUNTED.finditer(payload)]


class Recurring:
    """The shapes of one stream."""

    def __init__(self) -> None:
        self._shapes: list[_Shape] = []

    def forget(self) -> None:
        """What was learnt holds no more: the names of channels have changed."""
        self._shapes.clear()

    def read(self, event: Event) -> EventView | None:
        """The view of an event of a known shape: what the long way would say; None: read it the long way."""
        payload = event.payload
        if len(payload) > MAX_EVENT:
            return None
        for place, shape in enumerate(self._shapes):
            if payload.startswith(shape.before) and event.name == shape.name:
                view = _filled(shape, payload)
                if view is not None:
                    if place:
                        self._shapes.insert(0, self._shapes.pop(place))
                    return view
        return None

    def learn(self, event: Event, view: EventView, varying: frozenset[int], fillers: Iterable[Filler]) -> None:
        """Keep the shape of an event that told nothing but texts.

        Texts with a channel vary, and those that begin at one of `varying`.
        """
        if not any(text.channel for text in view.texts) or len(event.payload) > MAX_EVENT:
            return
        if view.opaque or view.closes or view.repeats or view.usage_only or view.malformed:
            return
        shape = _shape(event, view, varying, fillers)
        if shape is not None:
            self._shapes.insert(0, shape)
            del self._shapes[MAX_SHAPES:]


def _shape(event: Event, view: EventView, varying: frozenset[int], fillers: Iterable[Filler]) -> _Shape | None:
    payload = event.payload
    places: list[tuple[int, int, Text | None, re.Pattern[bytes]]] = []
    fixed: list[Text] = []
    for text in view.texts:
        if text.channel is not None or text.start in varying:
            places.append((text.start, text.end, text, _INSIDE))
        else:
            fixed.append(text)
    places += [(start, end, None, pattern) for start, end, pattern in fillers]
    places.sort(key=lambda place: place[0])
    if len(payload) - sum(place[1] - place[0] for place in places) > MAX_FIXED:
        return None
    edges = [*(place[0] for place in places[1:]), len(payload)]
    steps = [
        _Step(pattern, payload[end:edge], text) for (_, end, text, pattern), edge in zip(places, edges, strict=True)
    ]
    first = places[0][0]
    return _Shape(
        name=event.name,
        before=payload[:first],
        steps=tuple(steps),
        ahead=tuple(text for text in fixed if text.start < first),
        fixed=tuple(
            _Fixed(sum(place[0] < text.start for place in places), _relative(text, places))
            for text in fixed
            if text.start > first
        ),
        numbered=view.numbered,
    )


def _relative(text: Text, places: list[tuple[int, int, Text | None, re.Pattern[bytes]]]) -> Text:
    """`text` with its place counted from the end of the last varying place before it."""
    from_here = max(end for start, end, _, _ in places if start < text.start)
    return _moved(text, -from_here)


def _moved(text: Text, by: int) -> Text:
    return Text(
        text.start + by, text.end + by, text.text, text.escaped, text.channel, text.kind, text.role, text.spoken
    )


def _filled(shape: _Shape, payload: bytes) -> EventView | None:
    at = len(shape.before)
    texts = list(shape.ahead)
    ends: list[int] = []
    for pattern, behind, model in shape.steps:
        found = pattern.match(payload, at)
        if found is None:
            return None
        end = found.end()
        if not payload.startswith(behind, end):
            return None
        if model is not None and end > at:
            try:
                raw = payload[at:end].decode()
            except UnicodeDecodeError:
                return None
            escaped = "\\" in raw
            said = unescape(raw) if escaped else raw
            texts.append(Text(at, end, said, escaped, model.channel, model.kind, model.role, model.spoken))
        ends.append(end)
        at = end + len(behind)
    if at != len(payload):
        return None
    if shape.fixed:
        texts += [_moved(text, ends[steps - 1]) for steps, text in shape.fixed]
        texts.sort(key=_start)
    return EventView(texts=tuple(texts), numbered=shape.numbered)


def _start(text: Text) -> int:
    return text.start
