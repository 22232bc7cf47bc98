"""Heads of HTTP/1 answers in clear (RFC 9112): what the server calls itself, and what kind of thing it sent.

Rules: of the head only status, Server and Content-Type are kept; of the first 2,048 bytes of a body in text or JSON
only what fingerprints recognise. `Answers` is the reader of one stream: it tells the head as soon as it is whole, and
once more when further bytes of the body show more. Interim answers (1xx) are read over, but for a change of protocol.
"""

import re

import msgspec

from discovery import http, marks
from discovery.text import printable

_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-5][0-9]{2})(?:[ \t][^\r\n]*)?\r?\n")
_SERVER = re.compile(rb"(?i)\nserver[ \t]*:[ \t]*([^\r\n]*)")
_TYPE = re.compile(rb"(?i)\ncontent-type[ \t]*:[ \t]*([^\r\n;]*)")
_UPGRADE = re.compile(rb"(?i)\nupgrade[ \t]*:[ \t]*websocket[ \t]*\r?\n")
_SERVER_CHARS, _TYPE_CHARS = 128, 64
_MAX_INTERIM = 8
_MAX_LINE = 4_096  # a status line without an end beyond this is none
_SWITCHING = 101
_EMPTY = {204, 304}


class Response(msgspec.Struct, frozen=True, gc=False):
    """`server` and `content_type` as sent, the latter without parameters."""

    status: int
    server: str | None
    content_type: str | None
    notes: tuple[str, ...] = ()
    shown: marks.Shown = marks.NOTHING


def begins(segment: bytes) -> bool:
    """Whether an answer may begin here."""
    return segment[:7] == b"HTTP/1."[: len(segment)]


def parse(head: bytes) -> Response | None:
    """The answer whose whole head this is; None: it is none."""
    line = _STATUS.match(head)
    if line is None:
        return None
    server, content = _SERVER.search(head), _TYPE.search(head)
    status = int(line[1])
    return Response(
        status,
        printable(server[1].strip(), _SERVER_CHARS) or None if server else None,
        printable(content[1].strip().lower(), _TYPE_CHARS) or None if content else None,
        ("websocket",) if status == _SWITCHING and _UPGRADE.search(head) else (),
    )


def head_end(buffer: bytes, at: int) -> int | None:
    """Where the head that begins at `at` ends; 0 while that cannot be told; None: this is no answer."""
    end = http.blank_line(buffer, at)
    if end:
        return end
    if buffer.find(b"\n", at) < 0:
        return 0 if len(buffer) - at <= _MAX_LINE else None
    return 0 if _STATUS.match(buffer, at) else None


class Answers:
    """Reader of the answer that begins a buffer."""

    __slots__ = ("_shown",)

    def __init__(self) -> None:
        self._shown: marks.Shown | None = None

    def __call__(self, buffer: bytes) -> tuple[list[Response], int, int]:
        """What is new, 0, and how many bytes another look is worth; 0: that was all."""
        at = 0
        for _ in range(_MAX_INTERIM):
            end = head_end(buffer, at)
            response = parse(buffer[at:end]) if end else None
            if response is None:
                return [], 0, len(buffer) + 1 if end == 0 else 0
            if response.status // 100 != 1 or response.status == _SWITCHING:
                return self._body(response, buffer, at, end or 0)
            at = end or 0
        return [], 0, 0

    def _body(self, response: Response, buffer: bytes, at: int, end: int) -> tuple[list[Response], int, int]:
        """The answer whose head stands between `at` and `end`, as far as its body adds to what was told."""
        head, body = buffer[at:end], buffer[end : end + http.BODY]
        wanted = 0 if response.status in _EMPTY or response.status == _SWITCHING else http.readable(head)
        over = len(body) >= wanted or (http.chunked(head) and body.endswith(b"0\r\n\r\n"))
        shown = marks.of_response(response.status, head, body[:wanted])
        notes = response.notes if self._shown is None else (*response.notes, http.AGAIN)
        items = [] if shown == self._shown else [msgspec.structs.replace(response, shown=shown, notes=notes)]
        self._shown = shown
        return items, 0, 0 if over else len(buffer) + 1
