"""Bytes of a stream cut into frames: what every framing hands out and keeps.

Rules: sans-io; the raw bytes of all frames, joined, are the bytes that were fed; where a stream is cut does not depend
on how its bytes came, except for the pieces of what is too large or broken, which hold no event; the memory for one
event is bounded; nothing raises on hostile bytes.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from appliance.inspect.redact import Edit, apply
from appliance.inspect.stream.events import Event

MAX_EVENT = 6 * 1024 * 1024
"""Bytes of one event as it comes: a picture is one."""
TOO_LARGE = "event_too_large"
BROKEN = "broken_frame"
COMPRESSED = "compressed"
UNFINISHED = "unfinished_event"


class Frame(msgspec.Struct, frozen=True, gc=False):
    """Some bytes of a stream. `event` None: there is none in them (a comment, a separator, a piece of a problem).

    `start`, `end`: where in `raw` the payload stands. `asides`: spans of `raw` outside the payload that hold free text
    (comments, ids, names). `problem`: TOO_LARGE, BROKEN, COMPRESSED, UNFINISHED or None. `whole`: another event may be
    put behind it.
    """

    raw: bytes
    event: Event | None = None
    start: int = 0
    end: int = 0
    asides: tuple[tuple[int, int], ...] = ()
    problem: str | None = None
    whole: bool = True

    def rebuilt(self, payload: bytes, edits: Sequence[Edit] = ()) -> bytes:
        """The frame with another payload and with `edits` made in its asides; all other bytes as they came."""
        if edits:
            return apply(self.raw, [*edits, (self.start, self.end, payload)])
        return self.raw[: self.start] + payload + self.raw[self.end :]

    def copy(self, payload: bytes, edits: Sequence[Edit] = ()) -> bytes:
        """The same, to be put before the frame itself as an event of its own."""
        return self.rebuilt(payload, edits)


class Framer(Protocol):
    """Cuts one stream."""

    @property
    def at_boundary(self) -> bool:
        """Nothing of a further event has come yet, so that another may be put here."""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""

    def close(self) -> list[Frame]:
        """What the stream's end has cut off, problem UNFINISHED: readers differ in whether they take it."""


class Held:
    """Bytes that wait for the end of their event; feeding them one by one costs no more than all at once."""

    def __init__(self, max_event: int) -> None:
        self.data = bytearray()
        self.seen = 0  # how far was looked for an end
        self.max_event = max_event
        self.skipping = False  # in an event that is too large

    @property
    def empty(self) -> bool:
        """Nothing waits."""
        return not self.data and not self.skipping

    def cut(self, end: int) -> bytes:
        """The first `end` bytes, which are held no longer."""
        taken = bytes(self.data[:end])
        del self.data[:end]
        self.seen = 0
        return taken

    def overflow(self, keep: int) -> Frame | None:
        """A piece of an event that is too large; its last `keep` bytes stay to find its end by."""
        if not self.skipping and len(self.data) <= self.max_event:
            return None
        self.skipping = True
        if len(self.data) <= keep:
            return None
        piece = self.cut(len(self.data) - keep)
        return Frame(piece, problem=TOO_LARGE, whole=False)

    def ended(self, end: int) -> Frame | None:
        """The rest of an event that was too large, or None: it is none, and still held."""
        if not self.skipping and end <= self.max_event:
            return None
        self.skipping = False
        return Frame(self.cut(end), problem=TOO_LARGE)


class WholeMessages:
    """Framing.MESSAGE: each feed is one event."""

    at_boundary = True

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event

    def feed(self, data: bytes) -> list[Frame]:
        """One frame."""
        if len(data) > self._max:
            return [Frame(data, problem=TOO_LARGE)]
        return [Frame(data, Event("", data), 0, len(data))]

    def close(self) -> list[Frame]:
        """Nothing is ever left."""
        return []
