"""Server-sent events out of bytes that are cut anywhere (WHATWG HTML 9.2.6, event stream interpretation).

Rules: sans-io; lines end with LF, CR or CRLF, mixed as they come; one leading BOM is dropped; the memory for one event
is bounded: a larger one is counted in `dropped` and skipped to its end, and reading goes on with the next.
"""

import msgspec

_BOM = b"\xef\xbb\xbf"
MAX_EVENT = 1024 * 1024
"""Bytes of one event, its line ends left out."""


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event: `event` is empty when no type was given, `data` its data lines joined by LF."""

    event: str
    data: bytes


class SseSplitter:
    """Feed it bytes, get whole events. `dropped` counts events over `max_event` bytes."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self.dropped = 0
        self._max = max_event
        self._pieces: list[bytes] = []  # of an unfinished line; a list, so that tiny feeds stay linear
        self._data: list[bytes] = []
        self._event = b""
        self._size = 0  # bytes seen of the current event
        self._skip_lf = False  # the last feed ended with CR: an LF that follows belongs to it
        self._started = False

    @property
    def at_boundary(self) -> bool:
        """Nothing of a further event has come yet, so that another may be put here."""
        return self._size == 0

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes."""
        if not data:
            return []
        if self._skip_lf and data.startswith(b"\n"):
            data = data[1:]
        self._skip_lf = data.endswith(b"\r")
        events: list[SseEvent] = []
        for line in data.splitlines(keepends=True):
            if line[-1] in b"\r\n":
                self._hold(line.rstrip(b"\r\n"))
                self._end_line(events)
            else:
                self._hold(line)
        return events

    def close(self) -> list[SseEvent]:
        """An event that the stream's end cut off: browsers drop it, but its usage is worth keeping."""
        events: list[SseEvent] = []
        if self._pieces:
            self._end_line(events)
        if self._size:
            self._dispatch(events)
        return events

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._max:
            self._pieces.append(piece)
        elif piece:
            self._pieces = [b":"]  # a comment: whatever else comes of this event is stepped over
            self._data = []

    def _end_line(self, events: list[SseEvent]) -> None:
        line = b"".join(self._pieces)
        self._pieces = []
        if not self._started:
            self._started = True
            if line.startswith(_BOM):
                line = line[len(_BOM) :]
                self._size -= len(_BOM)
        if line:
            self._field(line)
        else:
            self._dispatch(events)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._event = value.removeprefix(b" ")

    def _dispatch(self, events: list[SseEvent]) -> None:
        if self._size > self._max:
            self.dropped += 1
        elif self._data:
            events.append(SseEvent(self._event.decode("utf-8", "replace"), b"\n".join(self._data)))
        self._data = []
        self._event = b""
        self._size = 0
