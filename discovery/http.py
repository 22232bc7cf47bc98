r"""Heads of HTTP/1 requests in clear (RFC 9112): whom they ask for what, and with which client; what bodies they have.

Rules: strict enough that no body or other protocol passes for a request (a known method with a target, or any with a
version of HTTP/1 in its line, an empty line at the end), lenient in what does not matter. No header but Host and
User-Agent is kept, least of all credentials, and nothing of a body; a path stands with its query as sent. A bare `\n`
is taken as `\r\n`, as most servers do.
"""

import re

import msgspec

from discovery.marks import NOTHING, Shown
from discovery.text import AGENT_CHARS, NAME_CHARS, VALUE_CHARS, printable

_RFC_9110 = ("GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE")  # and RFC 5789
_OTHERS = ("PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "SEARCH", "REPORT", "QUERY")
_METHODS = _RFC_9110 + _OTHERS  # the others: WebDAV (RFC 4918, 5323, 3253), and QUERY
BEGINNINGS = frozenset((method + " ").encode()[:4] for method in _METHODS)
FIRST_BYTES = frozenset(beginning[0] for beginning in BEGINNINGS)
_PREFIXES = frozenset(beginning[:size] for beginning in BEGINNINGS for size in (1, 2, 3))

_LINE = re.compile(rb"([A-Z][A-Z_-]{2,23}) ([^\s\x00]+)( HTTP/1\.[0-9]?)?[ \t]*\r?\n")
# a method of somebody's own, or one without a target, but with the version in its line
_OTHER = re.compile(rb"[A-Z][A-Z_-]{2,23} (?:[^\s\x00]{1,2048} ?)?HTTP/1\.[0-9]?[ \t]*\r?\n")
_VERSION = b"HTTP/1."
_HOST = re.compile(rb"\nhost[ \t]*:[ \t]*([^\r\n]*)")  # in lower case, as those without (?i): far faster so
_AGENT = re.compile(rb"\nuser-agent[ \t]*:[ \t]*([^\r\n]*)")
_LENGTH = re.compile(rb"(?i)\ncontent-length[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?\n")
_CODED = re.compile(rb"(?i)\ntransfer-encoding[ \t]*:")
_ABSOLUTE = re.compile(rb"(?i)[a-z][a-z0-9+.-]*://([^/?#]*)(.*)", re.DOTALL)
_WEBSOCKET = re.compile(rb"\nupgrade[ \t]*:[ \t]*websocket[ \t]*\r?\n")
_TEXT = re.compile(rb"(?i)\ncontent-type[ \t]*:[ \t]*(?:application/(?:json|[^;\s]{0,64}\+json|x-ndjson|jsonl)|text/)")
AGAIN = "again"  # noted where a head was told before, and its body shows more
BODY = 2_048  # bytes of a body that are looked at
_MAX_LINE = 16_384  # a request line without an end beyond this is none


class Request(msgspec.Struct, frozen=True, gc=False):
    """`path` is None for CONNECT, which has none; `host` without port, brackets and user, in lower case."""

    method: str
    host: str | None
    path: str | None
    user_agent: str | None
    notes: tuple[str, ...] = ()
    shown: Shown = NOTHING


def begins(segment: bytes) -> bool:
    """Whether a request may begin here; of a segment shorter than a method, whether it is the start of one."""
    head = segment[:4]
    if head in BEGINNINGS or (len(head) < 4 and head in _PREFIXES):  # noqa: PLR2004 - as long as a beginning
        return True
    return head.isupper() and _OTHER.match(segment) is not None


def blank_line(buffer: bytes, at: int) -> int:
    """Where the first empty line from `at` on ends, each of its two line ends with or without a return; 0: none."""
    usual = buffer.find(b"\n\r\n", at)
    bare = buffer.find(b"\n\n", at, usual + 1 if usual >= 0 else len(buffer))
    return bare + 2 if bare >= 0 else usual + 3 if usual >= 0 else 0


def head_end(buffer: bytes, at: int) -> int | None:
    """Where the head that begins at `at` ends; 0 while that cannot be told; None: this is no request."""
    end = blank_line(buffer, at)
    if end:
        return end
    line = buffer.find(b"\n", at)
    if line < 0:
        return 0 if len(buffer) - at <= _MAX_LINE else None
    return 0 if _LINE.match(buffer, at) else None


def parse(head: bytes) -> Request | None:
    """The request whose whole head this is; None: it is none."""
    line = _LINE.match(head)
    if line is None:
        return None
    method, target = line[1].decode("ascii"), line[2]
    lower = head.lower()
    hosts = [head[slice(*found.span(1))] for found in _HOST.finditer(lower, line.end(2))]
    notes: tuple[str, ...] = ("two_hosts",) if len(hosts) > 1 and len(set(hosts)) > 1 else ()
    authority = hosts[0] if hosts else b""
    path: str | None = printable(target, VALUE_CHARS)
    if method not in _METHODS and not line[3] and _VERSION not in target:
        return None
    if target.startswith(_VERSION):
        path = None  # `OPTIONS HTTP/1.1`, as some write it
    elif target[:1] not in b"/*":
        absolute = _ABSOLUTE.fullmatch(target)
        if method == "CONNECT":
            authority, path = target, None
        elif absolute:  # it goes before the Host header (RFC 9112 section 3.2.2)
            authority, path = absolute[1], printable(absolute[2] or b"/", VALUE_CHARS)
        elif not line[3]:
            return None  # neither a path nor a version: a line of text
    if _WEBSOCKET.search(lower, line.end(2)):
        notes += ("websocket",)
    agent = _AGENT.search(lower, line.end(2))
    program = printable(head[slice(*agent.span(1))].strip(), AGENT_CHARS) if agent else None
    return Request(method, host_of(authority), path, program, notes)


def host_of(authority: bytes) -> str | None:
    """The host of `user@host:port`, in lower case; None where there is none."""
    name = authority.strip().rpartition(b"@")[2]
    inside, _, rest = name[1:].partition(b"]")
    if name.startswith(b"[") and (not rest or rest.startswith(b":")):
        name = inside  # also without its end; what stands behind an end is part of no address
    elif name.count(b":") == 1:
        name = name.partition(b":")[0]
    return printable(name, NAME_CHARS).lower() or None


def readable(head: bytes) -> int:
    """Bytes of the body that are worth waiting for, at most 2,048: of texts and JSON, of no other content."""
    if not _TEXT.search(head):
        return 0
    length = _LENGTH.search(head)
    return min(int(length[1]), BODY) if length and not _CODED.search(head) else BODY


def chunked(head: bytes) -> bool:
    """Whether a Transfer-Encoding stands in the head."""
    return _CODED.search(head) is not None


def body_size(head: bytes) -> int:
    """Bytes of body that follow the head by its Content-Length; 0 where another rule goes before it (RFC 9112)."""
    length = _LENGTH.search(head)
    return int(length[1]) if length and not head.startswith(b"CONNECT ") and not _CODED.search(head) else 0
