"""Length-prefixed messages of Connect and gRPC: `flags:u8 length:u32be payload`.

Sources: connectrpc.com/docs/protocol (flag 1 compressed, flag 2 end of stream), gRPC PROTOCOL-HTTP2.md, and gRPC-Web
(flag 0x80 trailers). Rules: what is compressed is not read; an event that ends the stream is named `end`.
"""

import struct
from collections.abc import Sequence

from appliance.inspect.redact import Edit, apply
from appliance.inspect.stream.events import Event
from appliance.inspect.stream.frames import COMPRESSED, MAX_EVENT, TOO_LARGE, UNFINISHED, Frame, Held

_HEAD = struct.Struct(">BI")
_COMPRESSED, _LAST = 0x01, 0x82


class ConnectFrame(Frame, frozen=True, gc=False):
    """One message."""

    def rebuilt(self, payload: bytes, edits: Sequence[Edit] = ()) -> bytes:
        """See Frame."""
        return apply(_HEAD.pack(self.raw[0], len(payload)), edits) + payload


class ConnectFramer:
    """Framing.CONNECT."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._held = Held(max_event)
        self._skip = 0

    @property
    def at_boundary(self) -> bool:
        """See Framer."""
        return not (self._held.data or self._skip)

    def feed(self, data: bytes) -> list[Frame]:
        """See Framer."""
        self._held.data += data
        frames: list[Frame] = []
        while self._held.data:
            frame = self._next()
            if frame is None:
                break
            frames.append(frame)
        return frames

    def close(self) -> list[Frame]:
        """See Framer. Nobody reads a message before its last byte: there is no event in it."""
        size = len(self._held.data)
        return [Frame(self._held.cut(size), problem=UNFINISHED, whole=False)] if size else []

    def _next(self) -> Frame | None:
        held = self._held
        if self._skip:
            piece = held.cut(min(self._skip, len(held.data)))
            self._skip -= len(piece)
            return Frame(piece, problem=TOO_LARGE, whole=not self._skip)
        if len(held.data) < _HEAD.size:
            return None
        flags, length = _HEAD.unpack_from(held.data)
        total = _HEAD.size + length
        if total > held.max_event:
            self._skip = total
            return self._next()
        if len(held.data) < total:
            return None
        raw = held.cut(total)
        if flags & _COMPRESSED:
            return Frame(raw, problem=COMPRESSED)
        name = "end" if flags & _LAST else ""
        event = Event(name, raw[_HEAD.size :]) if length else None
        return ConnectFrame(raw, event, _HEAD.size, total)
