"""Heads of HTTP/2 in clear with prior knowledge (RFC 9113 section 3.3, RFC 7541): requests, and what answers them.

Rules: a reader keeps HPACK's table for one direction of one connection, within `WEIGHT`; frames are read in order, DATA
is passed over unread, and what cannot be decoded ends the reading, for nothing behind it can be. Of a head the same is
kept as of one of HTTP/1. Compressed bombs are bounded by the size of a block and by that of what it holds.
"""

from struct import Struct
from typing import Final

import hpack

from discovery import dns, http, marks
from discovery.http_answers import Response
from discovery.limits import Weird
from discovery.text import AGENT_CHARS, VALUE_CHARS, printable

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WEIGHT: Final = 131_072  # bytes that one reader's table may take
MAX_HEADS: Final = 64  # of one direction of a connection
_HEADER = 9
_FRAME = Struct(">HBBBI").unpack_from  # upper part of the length, its last byte, type, flags, stream
_DATA, _HEADERS, _PUSH, _CONTINUATION = 0, 1, 5, 9
_SETTINGS = b"\x04"
_END_HEADERS, _PADDED, _PRIORITY = 0x04, 0x08, 0x20
_MAX_TABLE = 65_536  # of HPACK, as browsers allow it to servers; a peer that uses more cannot be read
_MAX_BLOCK = 32_768  # bytes of one compressed head
_MAX_FIELDS = 65_536  # bytes of a head as it is read
_MAX_FRAMES = 65_536 // _HEADER  # in one look: all that one buffer can hold, or many empty ones would hide a head

type Field = tuple[bytes, bytes]
type Item = http.Request | Response | dns.Question | Weird


def begins(segment: bytes) -> bool:
    """Whether a client's preface may begin here."""
    return segment[: len(PREFACE)] == PREFACE[: len(segment)]


def answers(segment: bytes) -> bool:
    """Whether a server's first frame, its SETTINGS, begins here."""
    return len(segment) >= _HEADER and segment[:2] == b"\0\0" and segment[3:4] == _SETTINGS and not any(segment[5:9])


class Heads:
    """Reader of one direction: `sent` by the client (its preface first) or not."""

    __slots__ = ("_block", "_decoder", "_heads", "_preface", "_sent", "_skip")

    def __init__(self, *, sent: bool) -> None:
        self._sent, self._preface = sent, sent
        self._decoder = hpack.Decoder(max_header_list_size=_MAX_FIELDS)
        self._decoder.max_allowed_table_size = _MAX_TABLE
        self._block = b""
        self._heads = self._skip = 0

    def __call__(self, buffer: bytes) -> tuple[list[Item], int, int]:
        """The heads that are whole, how far that was read, and when to look again; 0: nothing more can be read."""
        items: list[Item] = []
        at = 0
        if self._preface:
            if len(buffer) < len(PREFACE):
                return items, 0, len(PREFACE)
            at, self._preface = len(PREFACE), False
        for _ in range(_MAX_FRAMES):
            skipped = min(self._skip, len(buffer) - at)
            at, self._skip = at + skipped, self._skip - skipped
            if self._skip or len(buffer) < at + _HEADER:
                return items, at, at + (1 if self._skip else _HEADER)
            high, low, kind, flags, _ = _FRAME(buffer, at)
            size = high << 8 | low
            if kind not in {_HEADERS, _PUSH, _CONTINUATION}:
                at, self._skip = at + _HEADER, size
                continue
            end = at + _HEADER + size
            if size + len(self._block) > _MAX_BLOCK or kind == _PUSH:
                break
            if len(buffer) < end:
                return items, at, end
            if not self._take(kind, flags, buffer[at + _HEADER : end], items):
                break
            at = end
        return items, len(buffer), 0

    def _take(self, kind: int, flags: int, payload: bytes, items: list[Item]) -> bool:
        """A frame of a head; False where it cannot be read, or where these were enough."""
        if kind == _HEADERS:
            padding = payload[0] if flags & _PADDED and payload else 0
            start = (1 if flags & _PADDED else 0) + (5 if flags & _PRIORITY else 0)
            self._block = payload[start : len(payload) - padding]
        else:
            self._block += payload
        if not flags & _END_HEADERS:
            return True
        block, self._block = self._block, b""
        fields = self._fields(block)
        if fields is None:
            items.append(Weird.BAD_HTTP)
            return False
        item = _request(fields) if self._sent else _response(fields)
        if item is not None:
            items.append(item)
        if isinstance(item, http.Request) and item.path:
            items += dns.in_path(item.path)
        self._heads += 1
        return self._heads < MAX_HEADS

    def _fields(self, block: bytes) -> list[Field] | None:
        try:
            return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except (hpack.HPACKError, ValueError, IndexError):
            return None


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
