"""Server-sent events out of bytes that are cut anywhere (WHATWG HTML 9.2.6, event stream interpretation).

Rules: lines end with LF, CR or CRLF, mixed as they come; one leading BOM belongs to the first event's bytes; an event
ends with its blank line, at the CR of one that ends with CRLF: the LF that follows is a blank line of its own, so that
nothing waits for it.
"""

import re
from collections.abc import Sequence

from appliance.inspect.redact import Edit, apply
from appliance.inspect.stream.events import Event
from appliance.inspect.stream.frames import BROKEN, MAX_EVENT, UNFINISHED, Frame, Held

_BOM = b"\xef\xbb\xbf"
_BLANKS = re.compile(rb"[\r\n]++")
_END = re.compile(rb"\r\n[\r\n]|\n[\r\n]|\r\r")
_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\n|\r|\Z)")
_DATA = b"data: "
_OVERLAP = 2  # the longest end of an event, less its last byte


class SseFrame(Frame, frozen=True, gc=False):
    """An event of several data lines, or with other fields. `lines`: spans of the values of its data lines."""

    lines: tuple[tuple[int, int], ...] = ()

    def rebuilt(self, payload: bytes, edits: Sequence[Edit] = ()) -> bytes:
        """See Frame: line by line; lines that are fewer than before leave empty ones behind."""
        values = payload.split(b"\n")
        most = len(self.lines)
        if len(values) > most > 0:
            values[most - 1 :] = [b"\ndata: ".join(values[most - 1 :])]
        values += [b""] * (most - len(values))
        changed = [
            (start, end, value)
            for (start, end), value in zip(self.lines, values, strict=False)
            if self.raw[start:end] != value
        ]
        return apply(self.raw, [*edits, *changed])

    def copy(self, payload: bytes, edits: Sequence[Edit] = ()) -> bytes:
        """See Frame: a blank line that ends with CR gets the LF that is its own."""
        return self.rebuilt(payload, edits) + (b"\n" if self.raw.endswith(b"\r\n\r") else b"")


class SseFramer:
    """Framing.SSE."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._held = Held(max_event)
        self._first = True
        self._crs = False  # there may be a CR in what is held

    @property
    def at_boundary(self) -> bool:
        """See Framer."""
        return self._held.empty

    def feed(self, data: bytes) -> list[Frame]:
        """See Framer."""
        held = self._held
        held.data += data
        self._crs = self._crs or b"\r" in data
        frames: list[Frame] = []
        while held.data:
            blank = self._blank()
            if blank:
                frames.append(Frame(held.cut(blank)))
                self._first = False
                continue
            end = self._end()
            if end < 0:
                piece = held.overflow(_OVERLAP)
                held.seen = len(held.data)
                return [*frames, piece] if piece is not None else frames
            frame = held.ended(end)
            frames.append(_frame(held.cut(end)) if frame is None else frame)
            self._first = False
            self._crs = self._crs and b"\r" in held.data
        return frames

    def close(self) -> list[Frame]:
        """See Framer."""
        held = self._held
        if not held.data:
            return []
        frame = held.ended(len(held.data))
        return [_frame(held.cut(len(held.data)), UNFINISHED) if frame is None else frame]

    def _blank(self) -> int:
        """How many bytes of blank lines stand before the first event."""
        held = self._held
        if held.skipping:
            return 0
        blank = _BLANKS.match(held.data, len(_BOM) if self._first and held.data.startswith(_BOM) else 0)
        return blank.end() if blank is not None else 0

    def _end(self) -> int:
        """Where the first event ends, -1: not yet."""
        held = self._held
        data = held.data
        look = max(held.seen - _OVERLAP, 0)
        if not self._crs:
            place = data.find(b"\n\n", look)
            return place + 2 if place >= 0 else -1
        found = _END.search(data, look)
        return found.end() if found is not None else -1


def _frame(raw: bytes, problem: str | None = None) -> Frame:
    """One event; the commonest shape, a single data line, is read without looking at lines."""
    if problem is None and raw.startswith(_DATA) and raw.endswith(b"\n\n"):
        end = len(raw) - 2
        if raw.find(b"\n", 0, end) < 0 and b"\r" not in raw and end > len(_DATA):
            return Frame(raw, Event("", raw[len(_DATA) : end]), len(_DATA), end)
    return _by_lines(raw, problem)


def _by_lines(raw: bytes, problem: str | None) -> Frame:
    name = b""
    lines: list[tuple[int, int]] = []
    asides: list[tuple[int, int]] = []
    for line in _LINE.finditer(raw, len(_BOM) if raw.startswith(_BOM) else 0):
        start, end = line.span(1)
        if start == end:
            continue
        field, colon, value = line[1].partition(b":")
        inside = start + len(field) + len(colon) + value.startswith(b" ")
        if field == b"data":
            lines.append((inside, end))
        elif field == b"retry" and raw[inside:end].isdigit():
            continue
        elif field in {b"event", b"id", b""}:
            name = raw[inside:end] if field == b"event" else name
            asides.append((inside, end))
        else:
            asides.append((start, end))
            if b'"' in line[1]:  # no reader of events takes it, but one of lines may
                problem = problem or BROKEN
    payload = b"\n".join(raw[start:end] for start, end in lines)
    event = Event(name.decode("utf-8", "replace"), payload) if payload else None
    spans = tuple((start, end) for start, end in asides if start < end)
    return SseFrame(raw, event, 0, 0, spans, problem, problem != UNFINISHED, tuple(lines))
