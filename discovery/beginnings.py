"""How the beginning of a TCP stream is known, and read: TLS, HTTP/1 or DNS.

Rules: a reader sees the bytes from the beginning on, says what it found whole, how far it read (beyond what it saw,
where a body goes on), and how many bytes it needs before another look is worth it (0: it is done with this stream). It
keeps nothing between looks.
"""

from collections.abc import Callable

import msgspec

from discovery import dns, hello, http
from discovery.limits import Weird

DNS_PORT = 53
FIRST_BYTES = http.FIRST_BYTES | {hello.HANDSHAKE, hello.CHANGE_CIPHER_SPEC}
_MAX_QUERY = 4_096  # a query of more is none that anybody's resolver answers


class Question(msgspec.Struct, frozen=True, gc=False):
    """One name that was asked for."""

    name: str


type Item = hello.ClientHello | http.Request | Question | Weird

# what was found, how many bytes that took, how many bytes there must be before the next look
type Reading = tuple[list[Item], int, int]
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
        return read_http
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


def read_http(buffer: bytes) -> Reading:
    """Request heads, one after the other; a body is read over, also where it goes on beyond `buffer`."""
    items: list[Item] = []
    at = 0
    while at < len(buffer) and http.begins(buffer[at : at + 4]):
        end = http.head_end(buffer, at)
        if not end:
            return items, at, 0 if end is None else len(buffer) + 1
        head = buffer[at:end]
        request = http.parse(head)
        items.append(request or Weird.BAD_HTTP)
        at = end + (http.body_size(head) if request else 0)
    return items, at, 0


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
        items += map(Question, names)
        at = end
    return items, at, 0
