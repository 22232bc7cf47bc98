"""The queue of events that wait for their texts to be decided, and the bytes in which they leave.

Rules: events leave in the order in which they came; an event of which nothing is hidden leaves with its bytes as they
came; what is decided of the first event's text may leave ahead in a copy of the event, where two events say the same
as one.
"""

from collections import deque

from appliance.inspect.redact import Edit, apply
from appliance.inspect.stream.channels import Entry
from appliance.inspect.stream.tally import USAGE_DROPPED, Tally

SPLIT_FROM = 24
"""Code points decided from which a text leaves in two events: fewer would double small events for little."""
ENTRY_COST = 1024
"""Bytes that an event costs beside its own."""
_SPLITS = frozenset({"content", "reasoning", "refusal"})


class EventQueue:
    """Events of one stream.

    `out`: what has left; `cost`: bytes held; `whole`: an event may be put behind `out`; `hides`: repeats are taken out.
    """

    def __init__(self, tally: Tally, *, hides: bool, drops_usage: bool) -> None:
        self.out: list[bytes] = []
        self.cost = 0
        self.whole = True
        self._tally = tally
        self.hides = hides
        self._drops_usage = drops_usage
        self._waiting: deque[Entry] = deque()

    def push(self, entry: Entry) -> None:
        """One more event; whatever is decided leaves."""
        self._waiting.append(entry)
        self.cost += len(entry.frame.raw) + ENTRY_COST
        self.flush()

    def plain(self, raw: bytes) -> None:
        """Bytes without an event: they go with the event before them."""
        if not self._waiting:
            self.out.append(raw)
            return
        self._waiting[-1].behind.append(raw)
        self.cost += len(raw)

    def flush(self) -> None:
        """Whatever is decided leaves."""
        waiting = self._waiting
        while waiting:
            entry = waiting[0]
            if entry.waiting:
                self._split(entry)
                return
            waiting.popleft()
            self.cost -= len(entry.frame.raw) + ENTRY_COST
            self._emit(entry)
            for raw in entry.behind:
                self.cost -= len(raw)
                self.out.append(raw)

    def _split(self, entry: Entry) -> None:
        """Send what is decided of the first event's text ahead, in a copy of the event."""
        piece = entry.pieces[0] if len(entry.pieces) == 1 else None
        if piece is None or piece.until - piece.sent < SPLIT_FROM or not self._may_double(entry):
            return
        payload = apply(entry.payload, entry.edits + piece.edits(piece.until))
        self.out.append(entry.frame.copy(payload, entry.asides))
        self.whole = True
        piece.sent = piece.until

    def _may_double(self, entry: Entry) -> bool:
        """Whether two of it say the same as one: nothing but one growing text and what recurs in every event."""
        view = entry.view
        if view.numbered or view.closes or view.opaque or entry.stopped or not entry.frame.whole:
            return False
        if view.repeats and not self.hides:
            return False
        growing = [text for text in view.texts if text.channel is not None]
        alone = len(growing) == 1 and growing[0].kind in _SPLITS
        return alone and all(text.kind == "metadata" for text in view.texts if text.channel is None)

    def _emit(self, entry: Entry) -> None:
        self.whole = entry.frame.whole
        if self._drops_usage and entry.view.usage_only:
            self._tally.edited(USAGE_DROPPED)
            return
        edits: list[Edit] = entry.edits
        for piece in entry.pieces:
            if piece.changes or piece.sent:
                edits = edits + piece.edits(piece.until)
        if edits or entry.asides:
            self.out.append(entry.frame.rebuilt(apply(entry.payload, edits), entry.asides))
        else:
            self.out.append(entry.frame.raw)
