"""Growing texts of a stream, and the pieces of them that wait in its queue.

Owns: from what a watch decides to what changes in each event. Rules: offsets are code points, of the channel for a
channel and of the piece for a piece; what was decided never changes, and a watch that says otherwise raises here.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from appliance.inspect.escapes import json_escaped, json_offsets
from appliance.inspect.jsonspans import unescape
from appliance.inspect.redact import Edit, Worded, placeholder
from appliance.inspect.stream.events import EventView, Text
from appliance.inspect.stream.frames import Frame
from appliance.inspect.stream.watch import Decided, Watch
from appliance.model.detection import Detection, Label

BEGUN_AGAIN = "text_begun_again"
"""A text that had ended goes on, and what has gone may be the beginning of something."""
_MAX_CONTEXT = 8192
CONTINUED = "ceiling-continued"
"""The rule of a detection that goes on from the one before it; see `watch`."""


class Change(NamedTuple):
    """Code points `start` to `end` of one text, and what comes there instead."""

    start: int
    end: int
    word: str


class Piece:
    """What one event adds to a channel. `until`: how much of it is decided; `sent`: how much has left in a copy."""

    __slots__ = ("begin", "changes", "end", "entry", "sent", "text", "until")

    def __init__(self, entry: "Entry", text: Text, begin: int) -> None:
        self.entry = entry
        self.text = text
        self.begin = begin
        self.end = begin + len(text.text)
        self.until = 0
        self.sent = 0
        self.changes: list[Change] = []

    def edits(self, until: int) -> list[Edit]:
        """What makes the event's text that from `sent` to `until`."""
        size = self.end - self.begin
        changes = [change for change in self.changes if self.sent <= change.start and change.end <= until]
        if self.sent:
            changes.insert(0, Change(0, self.sent, ""))
        if until < size:
            changes.append(Change(until, size, ""))
        return text_edits(self.entry.payload, self.text, changes) if changes else []


class Entry:
    """One frame in the queue. `waiting`: pieces of it that are undecided; `edits` of the payload, `asides` of raw.

    `stopped`: it never leaves. `behind`: bytes without an event that follow it.
    """

    __slots__ = ("asides", "behind", "edits", "frame", "pieces", "stopped", "view", "waiting")

    def __init__(self, frame: Frame, view: EventView) -> None:
        self.frame = frame
        self.view = view
        self.edits: list[Edit] = []
        self.asides: list[Edit] = []
        self.pieces: list[Piece] = []
        self.waiting = 0
        self.stopped = False
        self.behind: list[bytes] = []

    @property
    def payload(self) -> bytes:
        """The payload as it came."""
        return self.frame.event.payload if self.frame.event is not None else b""


class Resumed:
    """A watch over a text that was at rest: it has seen again what was open then. Offsets are those of the channel.

    `spans`: something to be hidden begins in what has left while the text was at rest.
    """

    def __init__(self, watch: Watch, context: str, gone: int) -> None:
        """`context`: the text before `gone`, from where a detection may begin."""
        self.spans = False
        self._watch = watch
        self._gone = gone
        self._shift = gone - len(context)
        if context:
            watch.feed(context)

    def feed(self, text: str) -> Decided:
        """See Watch."""
        return self._moved(self._watch.feed(text))

    def close(self) -> Decided:
        """See Watch."""
        return self._moved(self._watch.close())

    def labels(self) -> tuple[Label, ...]:
        """See Watch."""
        return self._watch.labels()

    def _moved(self, decided: Decided) -> Decided:
        gone = self._gone
        found = [
            msgspec.structs.replace(one, start=one.start + self._shift, end=one.end + self._shift)
            for one in decided.found
        ]
        self.spans = self.spans or any(one.start < gone < one.end for one in found)
        ends_at = None if decided.ends_at is None else max(decided.ends_at + self._shift, gone)
        until = max(decided.until + self._shift, gone)
        return Decided(until, tuple(one for one in found if one.start >= gone), ends_at)


class Channel:
    """One growing text.

    `ended`: a detection begins in it that ends the answer. `idle`: events in a row in which others of its group grew
    and it did not. `context`: what was open when it was last put to rest, and may be the beginning of something.
    """

    __slots__ = ("context", "ended", "fed", "idle", "kind", "pieces", "resting", "until", "watch")

    def __init__(self, watch: Watch, kind: str) -> None:
        self.watch = watch
        self.kind = kind
        self.fed = 0
        self.until = 0
        self.idle = 0
        self.ended = False
        self.resting = False
        self.context = ""
        self.pieces: deque[Piece] = deque()

    @property
    def held(self) -> int:
        """Code points that are not decided."""
        return self.fed - self.until

    @property
    def waiting(self) -> str:
        """The text that is not decided."""
        return "".join(piece.text.text[max(self.until - piece.begin, 0) :] for piece in self.pieces)

    def rest(self) -> Decided:
        """It seems to have ended: all of it is to be decided. It may go on all the same, see `wake`."""
        self.context = (self.context + self.waiting)[-_MAX_CONTEXT:]
        self.resting = True
        return self.watch.close()

    def wake(self, watch: Watch) -> None:
        """It goes on, with a new watch."""
        self.watch = Resumed(watch, self.context, self.fed)
        self.resting = False

    def renew(self, watch: Watch) -> Decided:
        """Another watch from now on, and what it says of what is held."""
        held = self.waiting
        self.watch = Resumed(watch, "", self.until)
        return self.watch.feed(held)

    def settle(self, decided: Decided) -> int:
        """Give pieces what was decided; how many detections were hidden. ValueError: what was decided has changed."""
        until, ends_at = decided.until, decided.ends_at
        if ends_at is not None:
            self.ended = True
            until = min([until, ends_at, *(one.start for one in decided.found if one.end > ends_at)])
        if not self.until <= until <= self.fed:
            raise ValueError("a watch took back what it had decided")
        hidden = self._spread([one for one in decided.found if one.end <= until]) if decided.found else 0
        self.until = until
        pieces = self.pieces
        while pieces and pieces[0].end <= until:
            piece = pieces.popleft()
            piece.until = piece.end - piece.begin
            piece.entry.waiting -= 1
        if pieces and pieces[0].begin < until:
            pieces[0].until = until - pieces[0].begin
        return hidden

    def _spread(self, found: Sequence[Detection]) -> int:
        """Each detection to the pieces in which it stands: its placeholder where it begins, nothing for the rest."""
        at = self.until
        pieces = iter(self.pieces)
        piece = next(pieces, None)
        for one in found:
            if one.start < at or one.end < one.start:
                raise ValueError("a watch found something in what it had decided")
            at = one.end
            word = word_of(one)
            while piece is not None and piece.begin < one.end:
                if one.start < piece.end:
                    start = max(one.start, piece.begin)
                    end = min(one.end, piece.end)
                    piece.changes.append(
                        Change(start - piece.begin, end - piece.begin, word if start == one.start else "")
                    )
                if piece.end > one.end:
                    break
                piece = next(pieces, None)
        return hidden_among(found)


def word_of(found: Detection) -> str:
    """What stands where `found` stood; what goes on from a mask has its word before it."""
    return "" if found.rule == CONTINUED else placeholder(found)


def hidden_among(found: Iterable[Detection]) -> int:
    """How many places were hidden: not the rest of a mask, nor a value that is put back."""
    return sum(1 for one in found if one.rule != CONTINUED and not isinstance(one, Worded))


def whole_changes(found: Iterable[Detection]) -> list[Change]:
    """What changes in a text that stands for itself."""
    return [Change(one.start, one.end, word_of(one)) for one in found]


def text_edits(payload: bytes, text: Text, changes: Sequence[Change]) -> list[Edit]:
    """Changes of a text as edits of its payload. ValueError: they overlap, or the text does not stand in its span."""
    raw = payload[text.start : text.end]
    targets = [place for change in changes for place in change[:2]]
    if any(one > other for one, other in pairwise([0, *targets, len(text.text)])):
        raise ValueError("changes of a text overlap or leave it")
    if text.escaped:
        written = raw.decode()
        _agree(unescape(written), text)
        places = json_offsets(written, targets)
    else:
        _agree(raw.decode("utf-8", "surrogateescape"), text)
        places = targets if len(raw) == len(text.text) else _sizes(text.text, targets)
    return [
        (text.start + places[2 * n], text.start + places[2 * n + 1], json_escaped(change.word).encode())
        for n, change in enumerate(changes)
    ]


def _sizes(text: str, targets: Sequence[int]) -> list[int]:
    """Code-point offsets -> bytes, of a text whose stray bytes are lone surrogates."""
    found: list[int] = []
    at = size = 0
    for target in targets:
        size += len(text[at:target].encode("utf-8", "surrogateescape"))
        at = target
        found.append(size)
    return found


def _agree(written: str, text: Text) -> None:
    if written != text.text:
        raise ValueError("a text of an event does not stand where its span says")
