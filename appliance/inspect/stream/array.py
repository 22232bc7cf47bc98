"""The elements of one top-level JSON array that comes piece by piece, as Gemini streams without `alt=sse`.

Rules: brackets, commas and white space between elements are frames without an event and leave as they came; what stands
in no array, an error object say, is an element like another; a bracket inside a string is no bracket.
"""

import re
from collections.abc import Sequence

from appliance.inspect.redact import Edit
from appliance.inspect.stream.events import Event
from appliance.inspect.stream.frames import MAX_EVENT, UNFINISHED, Frame, Held

_BETWEEN = re.compile(rb"[ \t\r\n,\]\xef\xbb\xbf]+")
_MARK = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\]')
_BARE_END = re.compile(rb"[ \t\r\n,\]\[{}\"]")
_QUOTE, _BACKSLASH, _OPEN, _OPENERS = b'"'[0], b"\\"[0], b"{[", b'{["'
_NOTHING, _VALUE, _BARE = range(3)  # where the next byte stands: between elements, in one, in one without brackets
_BLANK = b" \t\r\n"


class ArrayFrame(Frame, frozen=True, gc=False):
    """One element."""

    def copy(self, payload: bytes, edits: Sequence[Edit] = ()) -> bytes:
        """See Frame: an element is parted from the next."""
        return self.rebuilt(payload, edits) + b","


class ArrayFramer:
    """Framing.JSON_ARRAY."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._held = Held(max_event)
        self._opened = False  # something other than white space has come
        self._inside = _NOTHING
        self._depth = 0
        self._in_string = False

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
            if self._inside == _NOTHING:
                between = self._between()
                if between:
                    frames.append(Frame(held.cut(between)))
                    continue
                self._inside = _VALUE if held.data[0] in _OPENERS else _BARE
            end = self._end()
            if end < 0:
                piece = held.overflow(len(held.data) - held.seen)
                if piece is not None:
                    held.seen = 0
                    frames.append(piece)
                return frames
            frame = held.ended(end)
            frames.append(_frame(held.cut(end)) if frame is None else frame)
            self._inside, self._depth, self._in_string = _NOTHING, 0, False
        return frames

    def close(self) -> list[Frame]:
        """See Framer."""
        held = self._held
        if not held.data:
            return []
        frame = held.ended(len(held.data))
        return [_frame(held.cut(len(held.data)), UNFINISHED) if frame is None else frame]

    def _between(self) -> int:
        """How many bytes stand before the next element."""
        found = _BETWEEN.match(self._held.data)
        at = found.end() if found is not None else 0
        if not self._opened and at < len(self._held.data):
            self._opened = True
            at += self._held.data.startswith(b"[", at)
        return at

    def _end(self) -> int:
        """Where the element ends, -1: not yet. `seen` is what has been read of it, its depth kept."""
        held = self._held
        if self._inside == _VALUE:
            return self._value_end(held.data, held.seen)
        bare = _BARE_END.search(held.data, max(held.seen, 0 if held.skipping else 1))
        held.seen = len(held.data)
        return bare.start() if bare is not None else -1

    def _value_end(self, data: bytearray, at: int) -> int:
        while True:
            mark = (_IN_STRING if self._in_string else _MARK).search(data, at)
            if mark is None:
                self._held.seen = len(data)
                return -1
            at = mark.end()
            byte = data[at - 1]
            if self._in_string and byte == _BACKSLASH:
                if at == len(data):  # what it escapes has not come
                    self._held.seen = at - 1
                    return -1
                at += 1
            elif byte == _QUOTE:
                self._in_string = not self._in_string
            else:
                self._depth += 1 if byte in _OPEN else -1
            if self._depth <= 0 and not self._in_string:
                return at


def ending_behind(ending: bytes, last: bytes) -> bytes:
    """What ends an array early, fitted to what has gone: `last` is the last byte of it that is no white space."""
    body = ending.lstrip(b",[" + _BLANK)
    if not last:
        return b"[" + body
    if last in b"[,":
        return body
    return (b"" if body.startswith(b"]") else b",") + body


def _frame(raw: bytes, problem: str | None = None) -> Frame:
    return ArrayFrame(raw, Event("", raw), 0, len(raw), (), problem, problem is None)
