"""AWS event streams: binary frames with two checksums, edited with both made anew.

Source: botocore `eventstream.py`. Frame: `total:u32be headers:u32be crc32(the 8 bytes):u32be headers payload
crc32(all before):u32be`; header: `length:u8 name type:u8 value`, types 0-9 as in `_SIZES`, 6 and 7 with a u16be length.

Rules: a frame whose sizes or checksums are wrong is BROKEN and so is everything behind it, for no later border can be
known; botocore raises there as well.
"""

import base64
import binascii
import struct
from collections.abc import Sequence
from typing import NamedTuple

from appliance.inspect.jsonspans import MalformedBody, parse
from appliance.inspect.redact import Edit, apply
from appliance.inspect.stream.events import Event
from appliance.inspect.stream.frames import BROKEN, MAX_EVENT, TOO_LARGE, UNFINISHED, Frame, Held

MAX_HEADERS = 128 * 1024
"""Bytes of all headers of a frame, as in botocore; its bound for a payload, 24 MiB, is above MAX_EVENT."""
_PRELUDE = struct.Struct(">III")
_WORD = struct.Struct(">I")
_AROUND = _PRELUDE.size + _WORD.size  # bytes of a frame that are neither headers nor payload
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # true, false, byte, short, int, long, timestamp, uuid
_BYTES, _STRING = 6, 7
_KINDS = (b":event-type", b":exception-type", b":error-code")
_WORDS = frozenset({*_KINDS, b":message-type", b":content-type"})


class AwsFrame(Frame, frozen=True, gc=False):
    """One frame of an event stream. `inner`: where in `raw` the base64 of an AWS_CHUNK's payload stands."""

    headers_end: int = 0
    inner: tuple[int, int] | None = None

    def rebuilt(self, payload: bytes, edits: Sequence[Edit] = ()) -> bytes:
        """See Frame."""
        if self.inner is not None:
            start, end = self.inner
            payload = self.raw[self.headers_end : start] + base64.b64encode(payload) + self.raw[end : -_WORD.size]
        sized = [_resized(self.raw, start, end, edits) for start, end in self.asides] if edits else []
        return packed(apply(self.raw[: self.headers_end], sized)[_PRELUDE.size :], payload)


def packed(headers: bytes, payload: bytes) -> bytes:
    """A frame of encoded headers and a payload."""
    prelude = struct.pack(">II", _AROUND + len(headers) + len(payload), len(headers))
    body = prelude + _WORD.pack(binascii.crc32(prelude)) + headers + payload
    return body + _WORD.pack(binascii.crc32(body))


class AwsFramer:
    """Framing.AWS and, with `chunks`, Framing.AWS_CHUNK."""

    def __init__(self, max_event: int = MAX_EVENT, *, chunks: bool = False) -> None:
        self._held = Held(max_event)
        self._chunks = chunks
        self._skip = 0  # bytes that are left of a frame that is too large
        self._broken = False

    @property
    def at_boundary(self) -> bool:
        """See Framer."""
        return not (self._held.data or self._skip or self._broken)

    def feed(self, data: bytes) -> list[Frame]:
        """See Framer."""
        held = self._held
        held.data += data
        frames: list[Frame] = []
        while held.data:
            frame = self._next()
            if frame is None:
                break
            frames.append(frame)
        return frames

    def close(self) -> list[Frame]:
        """See Framer. Nobody can read a frame without its checksum: there is no event in it."""
        size = len(self._held.data)
        return [Frame(self._held.cut(size), problem=UNFINISHED, whole=False)] if size else []

    def _next(self) -> Frame | None:
        held = self._held
        if self._broken:
            return Frame(held.cut(len(held.data)), problem=BROKEN, whole=False)
        if self._skip:
            piece = held.cut(min(self._skip, len(held.data)))
            self._skip -= len(piece)
            return Frame(piece, problem=TOO_LARGE, whole=not self._skip)
        if len(held.data) < _PRELUDE.size:
            return None
        total, headers, checksum = _PRELUDE.unpack_from(held.data)
        self._broken = checksum != binascii.crc32(held.data[:8]) or headers > min(total - _AROUND, MAX_HEADERS)
        self._skip = total if total > held.max_event else 0
        if self._broken or self._skip:
            return self._next()
        return self._read(held.cut(total), _PRELUDE.size + headers) if len(held.data) >= total else None

    def _read(self, raw: bytes, headers_end: int) -> Frame:
        told = _headers(raw, headers_end)
        if told is None or _WORD.unpack(raw[-4:])[0] != binascii.crc32(raw[:-4]):
            self._broken = True
            return Frame(raw, problem=BROKEN, whole=False)
        payload = raw[headers_end:-4]
        if self._chunks and told.name == "chunk" and payload:
            inner = _inner(payload)
            if inner is None:  # SDKs may find an event in it
                return Frame(raw, problem=BROKEN)
            start, end, document = inner
            place = (start + headers_end, end + headers_end)
            return AwsFrame(raw, Event(told.name, document), 0, 0, told.asides, None, True, headers_end, place)
        event = Event(told.name, payload) if payload else None
        return AwsFrame(raw, event, headers_end, len(raw) - 4, told.asides, None, True, headers_end)


class _Headers(NamedTuple):
    name: str
    asides: tuple[tuple[int, int], ...]


def _headers(raw: bytes, end: int) -> _Headers | None:
    """The event's name, and spans of the values that are no words of the format; None: they cannot be read."""
    name = ""
    asides: list[tuple[int, int]] = []
    at = _PRELUDE.size
    while at < end:
        key_end = at + 1 + raw[at]
        if key_end >= end:
            return None
        key, kind = raw[at + 1 : key_end], raw[key_end]
        at = key_end + 1
        if kind not in {_BYTES, _STRING}:
            if kind not in _SIZES:
                return None
            at += _SIZES[kind]
            continue
        at += 2
        start, at = at, at + int.from_bytes(raw[at - 2 : at])
        if key in _KINDS:
            name = raw[start:at].decode("utf-8", "replace")
        if key not in _WORDS and start < at:
            asides.append((start, at))
    return _Headers(name, tuple(asides)) if at == end else None


def _inner(payload: bytes) -> tuple[int, int, bytes] | None:
    """The span of the base64 in `{"bytes": ..}`, and what it holds; `p` is padding. None: it is not that shape."""
    try:
        document = parse(payload)
    except MalformedBody:
        return None
    held = [span for span in document.strings if not span.is_key and span.pointer == "/bytes"]
    if len(held) != 1 or any(span.pointer not in {"/bytes", "/p"} for span in document.strings):
        return None
    try:
        return held[0].start, held[0].end, base64.b64decode(held[0].text, validate=True)
    except ValueError:
        return None


def _resized(raw: bytes, start: int, end: int, edits: Sequence[Edit]) -> Edit:
    """The value of a header with the edits that fall into it, and the length before it made anew."""
    inside = [(at - start, to - start, word) for at, to, word in edits if start <= at and to <= end]
    value = apply(raw[start:end], inside)
    return start - 2, end, struct.pack(">H", len(value)) + value
