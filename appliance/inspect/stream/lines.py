"""Newline-delimited JSON: one document per line (ndjson-spec 1.0; LF or CRLF, a blank line is nothing)."""

import re

from appliance.inspect.stream.events import Event
from appliance.inspect.stream.frames import MAX_EVENT, UNFINISHED, Frame, Held

_BLANK = b" \t\r\n"
_BLANKS = re.compile(rb"(?:\r?+\n)++")


class LineFramer:
    """Framing.NDJSON."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._held = Held(max_event)

    @property
    def at_boundary(self) -> bool:
        """See Framer."""
        return self._held.empty

    def feed(self, data: bytes) -> list[Frame]:
        """See Framer."""
        held = self._held
        held.data += data
        frames: list[Frame] = []
        while held.data:
            blank = _BLANKS.match(held.data) if not (held.seen or held.skipping) else None
            if blank is not None:
                frames.append(Frame(held.cut(blank.end())))
                continue
            end = held.data.find(b"\n", held.seen) + 1
            if not end:
                piece = held.overflow(0)
                held.seen = len(held.data)
                return [*frames, piece] if piece is not None else frames
            frame = held.ended(end)
            frames.append(_frame(held.cut(end)) if frame is None else frame)
        return frames

    def close(self) -> list[Frame]:
        """See Framer."""
        held = self._held
        if not held.data:
            return []
        frame = held.ended(len(held.data))
        return [_frame(held.cut(len(held.data)), UNFINISHED) if frame is None else frame]


def _frame(raw: bytes, problem: str | None = None) -> Frame:
    payload = raw.strip(_BLANK)
    if not payload:
        return Frame(raw)
    start = len(raw) - len(raw.lstrip(_BLANK))
    return Frame(raw, Event("", payload), start, start + len(payload), (), problem, problem is None)
