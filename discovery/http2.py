"""Heads of HTTP/2 in clear with prior knowledge (RFC 9113 section 3.3, RFC 7541): requests, and what answers them.

Rules: a reader keeps HPACK's table for one direction of one connection, which counts as what is held (`weight`); frames
are read in order, DATA is passed over unread, and what cannot be decoded ends the reading, for nothing behind it can
be. Of a head the same is kept as of one of HTTP/1. Compressed bombs are bounded by the size of a block and by that of
what it holds. A connection may go on for hours: it is told at `HEADS_S`, beyond a first `MAX_HEADS`; what comes faster
is read, for the table's sake, and counted; what costs more than `BLOCK_S` bytes a second to read ends the reading, and
is counted too.
"""

from math import inf
from struct import Struct
from typing import Final

from discovery import dns, http, marks
from discovery.hpack_fields import EACH_BYTE, Field, Fields, Unreadable
from discovery.http_answers import Response
from discovery.limits import Weird
from discovery.text import AGENT_CHARS, VALUE_CHARS, printable

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WEIGHT: Final = 2_048  # bytes that a reader takes with an empty table
MAX_HEADS: Final = 64  # of one direction of a connection, told at once
HEADS_S: Final = 8.0  # told in a second, then
MAX_BLOCKS: Final = 65_536  # bytes of compressed heads of one direction, read at once
BLOCK_S: Final = 16_384.0  # read in a second, then
_HEADER = 9
_FRAME = Struct(">HBBBI").unpack_from  # upper part of the length, its last byte, type, flags, stream
_DATA, _HEADERS, _PUSH, _CONTINUATION = 0, 1, 5, 9
_SETTINGS = b"\x04"
_END_HEADERS, _PADDED, _PRIORITY = 0x04, 0x08, 0x20
_MAX_BLOCK = 32_768  # bytes of one compressed head
_MAX_FRAMES = 65_536 // _HEADER  # in one look: all that one buffer can hold, or many empty ones would hide a head

type Item = http.Request | Response | dns.Question | Weird


def begins(segment: bytes) -> bool:
    """Whether a client's preface may begin here."""
    return segment[: len(PREFACE)] == PREFACE[: len(segment)]


def answers(segment: bytes) -> bool:
    """Whether a server's first frame, its SETTINGS, begins here."""
    return len(segment) >= _HEADER and segment[:2] == b"\0\0" and segment[3:4] == _SETTINGS and not any(segment[5:9])


class Budget:
    """So much at once, and so much a second. Time is that of the packets."""

    __slots__ = ("_a_second", "_at", "_left", "_most")

    def __init__(self, most: float, a_second: float) -> None:
        self._most, self._a_second, self._left, self._at = most, a_second, most, -inf

    def take(self, now: float, much: float = 1) -> bool:
        """Whether there was as much; then it is spent."""
        if now > self._at:
            self._left = min(self._most, self._left + (now - self._at) * self._a_second)
            self._at = now
        if self._left < much:
            return False
        self._left -= much
        return True


class Heads:
    """Reader of one direction: `sent` by the client (its preface first) or not. `now`: of what is read next."""

    __slots__ = ("_block", "_fields", "_preface", "_read", "_sent", "_tell", "now")

    def __init__(self, *, sent: bool, now: float = 0.0) -> None:
        self._sent, self._preface, self.now = sent, sent, now
        self._fields = Fields()
        self._block = b""
        self._tell, self._read = Budget(MAX_HEADS, HEADS_S), Budget(MAX_BLOCKS, BLOCK_S)

    @property
    def weight(self) -> int:
        """Bytes that it takes, its table and an unfinished head included."""
        return WEIGHT + EACH_BYTE * self._fields.size + len(self._block)

    def __call__(self, buffer: bytes) -> tuple[list[Item], int, int]:
        """The heads that are whole, how far that was read, and when to look again; 0: nothing more can be read.

        It was read beyond the buffer where a frame of no interest goes on there.
        """
        items: list[Item] = []
        at = 0
        if self._preface:
            if len(buffer) < len(PREFACE):
                return items, 0, len(PREFACE)
            at, self._preface = len(PREFACE), False
        for _ in range(_MAX_FRAMES):
            if len(buffer) < at + _HEADER:
                return items, at, at + _HEADER
            high, low, kind, flags, _ = _FRAME(buffer, at)
            size = high << 8 | low
            end = at + _HEADER + size
            if kind in {_HEADERS, _PUSH, _CONTINUATION}:
                if size + len(self._block) > _MAX_BLOCK or kind == _PUSH:
                    break
                if len(buffer) < end:
                    return items, at, end
                if not self._take(kind, flags, buffer[at + _HEADER : end], items):
                    break
            at = end
        return items, len(buffer), 0

    def _take(self, kind: int, flags: int, payload: bytes, items: list[Item]) -> bool:
        """A frame of a head; False where it cannot be read, or costs too much."""
        if kind == _HEADERS:
            padding = payload[0] if flags & _PADDED and payload else 0
            start = (1 if flags & _PADDED else 0) + (5 if flags & _PRIORITY else 0)
            self._block = payload[start : len(payload) - padding]
        else:
            self._block += payload
        if not flags & _END_HEADERS:
            return True
        block, self._block = self._block, b""
        if not self._read.take(self.now, len(block)):
            items.append(Weird.HEADS_UNREAD)
            return False
        try:
            fields = self._fields.decode(block)
        except Unreadable:
            items.append(Weird.BAD_HTTP)
            return False
        if self._tell.take(self.now):
            self._told(fields, items)
        else:
            items.append(Weird.HEADS_UNREAD)
        return True

    def _told(self, fields: list[Field], items: list[Item]) -> None:
        fields = list(dict.fromkeys(fields))  # a byte repeats one, and repeated it says no more
        item = _request(fields) if self._sent else _response(fields)
        if item is not None:
            items.append(item)
        if isinstance(item, http.Request) and item.path:
            items += dns.in_path(item.path)


def _head(fields: list[Field]) -> bytes:
    """As HTTP/1 would write it, for fingerprints."""
    return b"\r\n" + b"".join(b"%b: %b\r\n" % field for field in fields if field[0][:1] != b":")


def _request(fields: list[Field]) -> http.Request | None:
    """None for trailers, which tell no method."""
    first = dict(reversed(fields))
    method, path = first.get(b":method"), first.get(b":path")
    if method is None:
        return None
    authority = first.get(b":authority") or first.get(b"host", b"")
    word, way = printable(method, 16), printable(path, VALUE_CHARS) if path else None
    agent = first.get(b"user-agent")
    return http.Request(
        word,
        http.host_of(authority),
        way,
        printable(agent, AGENT_CHARS) if agent else None,
        ("h2",),
        marks.of_request(word, way or "", _head(fields), b""),
    )


def _response(fields: list[Field]) -> Response | None:
    """None for trailers and interim answers."""
    first = dict(reversed(fields))
    status = first.get(b":status", b"")
    if not status.isdigit() or len(status) != 3 or status[:1] == b"1":  # noqa: PLR2004 - digits of a status
        return None
    content = first.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return Response(
        int(status),
        printable(first.get(b"server", b""), 128) or None,
        printable(content, 64) or None,
        ("h2",),
        marks.of_response(int(status), _head(fields), b""),
    )
