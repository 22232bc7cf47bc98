"""How the beginning of a TCP stream is known, and read: TLS, HTTP or DNS, and what servers answer to them.

Rules: a reader sees the bytes from the beginning on, says what it found whole, how far it read (beyond what it saw,
where a body goes on), and how many bytes it needs before another look is worth it (0: it is done with this stream).
Between looks a reader keeps at most what it has told already, and one of HTTP/2 its table.
"""

from collections.abc import Callable, Sequence

import msgspec

from discovery import dns, dns_answers, gquic, hello, http, http2, http_answers, marks, server_hello
from discovery.limits import Weird

DNS_PORT = dns.PORT
FIRST_BYTES = http.FIRST_BYTES | {hello.HANDSHAKE, hello.CHANGE_CIPHER_SPEC, server_hello.ALERT}
_MAX_QUERY = 4_096  # a query of more is none that anybody's resolver answers


type Asked = hello.ClientHello | gquic.GoogleHello | http.Request | dns.Question
type Answered = server_hello.ServerHello | server_hello.Alert | http_answers.Response | dns_answers.Answer
type Item = Asked | Answered | Weird

# what was found, how many bytes that took, how many bytes there must be before the next look
type Reading = tuple[Sequence[Item], int, int]
type Reader = Callable[[bytes], Reading]


def reader_of(segment: bytes, dport: int) -> Reader | None:
    """What reads a stream that begins so; None: nothing here does."""
    first = segment[0]
    if first == hello.HANDSHAKE:
        if segment[1:2] in _MAJOR and segment[5:6] in _HELLO:
            return read_tls
    elif first == hello.CHANGE_CIPHER_SPEC:
        if segment[1:2] in _MAJOR and segment[5:8] in _THEN_HANDSHAKE and segment[11:12] in _HELLO:
            return read_tls if len(segment) != _CHANGE_CIPHER_SPEC else None  # alone: the hello begins anew
    elif http.begins(segment):
        return Requests()
    elif http2.begins(segment):
        return http2.Heads(sent=True)
    return read_dns if dport == DNS_PORT and dns.plausible(segment) else None


_MAJOR, _HELLO = (b"", b"\x03"), (b"", b"\x01")  # empty: the segment ends before that
_CHANGE_CIPHER_SPEC = 6  # bytes of that record
_THEN_HANDSHAKE = (b"", b"\x01\x16", b"\x01\x16\x03")


def read_tls(buffer: bytes) -> Reading:
    """One ClientHello; a second one begins anew."""
    body = hello.complete(buffer)
    if isinstance(body, int):
        return ([], 0, body) if body else ([Weird.BAD_HELLO], 0, 0)
    return [hello.parse(body) or Weird.BAD_HELLO], len(buffer), 0


def answer_reader_of(segment: bytes, sport: int) -> Reader | None:
    """What reads what a server sends where this begins it; None: nothing here does."""
    first = segment[0]
    if first in _SERVER_RECORDS:
        return server_hello.Server() if segment[1:2] in _MAJOR else None
    if http_answers.begins(segment):
        return http_answers.Answers()
    if http2.answers(segment):
        return http2.Heads(sent=False)
    return read_dns_answers if sport == DNS_PORT and dns.plausible(segment, dns.ANSWER) else None


_SERVER_RECORDS = (server_hello.HANDSHAKE, server_hello.ALERT)


def read_http(buffer: bytes) -> Reading:
    """Request heads as one look sees them."""
    return Requests()(buffer)


class Requests:
    """Request heads, one after the other; a body is read over, also where it goes on beyond what is there.

    Where a body is worth a look, its request is told at once and, when the body shows more, once more.
    """

    __slots__ = ("_shown",)

    def __init__(self) -> None:
        self._shown: marks.Shown | None = None  # what was told of the request that begins the next buffer

    def __call__(self, buffer: bytes) -> Reading:
        """As every reader."""
        items: list[Item] = []
        at = 0
        while at < len(buffer) and http.begins(buffer[at:]):
            end = http.head_end(buffer, at)
            if not end:
                return items, at, 0 if end is None else len(buffer) + 1
            head = buffer[at:end]
            request = http.parse(head)
            if request is None:
                items.append(Weird.BAD_HTTP)
                at = end
                continue
            missing = self._request(request, head, buffer[end:], items)
            if missing:
                return items, at, len(buffer) + missing
            at = end + http.body_size(head)
        return items, at, 0

    def _request(self, request: http.Request, head: bytes, rest: bytes, items: list[Item]) -> int:
        """Tell what is new of it; how many bytes of its body are still worth waiting for."""
        wanted = http.readable(head)
        coded = wanted > 0 and http.chunked(head)
        shown = marks.of_request(request.method, request.path or "", head, rest[:wanted])
        if shown != self._shown:
            notes = request.notes if self._shown is None else (*request.notes, http.AGAIN)
            items.append(msgspec.structs.replace(request, shown=shown, notes=notes))
            if self._shown is None and request.path:
                items += dns.in_path(request.path)
        if len(rest) < wanted and not (coded and rest.endswith(b"0\r\n\r\n")):
            self._shown = shown
            return 1 if coded else wanted - len(rest)
        self._shown = None
        return 0


def read_dns(buffer: bytes) -> Reading:
    """Queries, each behind its length (RFC 1035 section 4.2.2)."""
    items: list[Item] = []
    at = 0
    while at < len(buffer):
        if len(buffer) - at < 2:  # noqa: PLR2004 - the length itself
            return items, at, at + 2
        end = at + 2 + (buffer[at] << 8 | buffer[at + 1])
        if end - at > _MAX_QUERY:
            break
        if end > len(buffer):
            return items, at, end
        names = dns.questions(buffer[at + 2 : end])
        if names is None:
            return [*items, Weird.BAD_DNS], end, 0
        items += map(dns.Question, names)
        at = end
    return items, at, 0


def read_dns_answers(buffer: bytes) -> Reading:
    """The first answer, behind its length."""
    if len(buffer) < 2:  # noqa: PLR2004 - the length itself
        return [], 0, 2
    end = 2 + (buffer[0] << 8 | buffer[1])
    if end > len(buffer):
        return [], 0, end
    answer = dns_answers.answer(buffer[2:end])
    return [] if answer is None else [answer], 0, 0
