"""What a request head must look like before anything else reads it: it can be read in one way only.

Rules: pure; stricter than RFC 9110 and 9112 allow, because two readers that are lenient in different ways are how
requests are smuggled; a detail says which part is wrong and never quotes it, for it may hold a credential.
"""

import re
from collections.abc import Sequence

from mitmproxy import http
from mitmproxy.net.http.http1 import expected_http_body_size

from appliance.model.names import RefusalReason

Objection = tuple[RefusalReason, str]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}\Z")
_NOT_IN_TARGET = re.compile(rb"[\x00-\x20#\x7f]")  # a fragment is never sent (RFC 9112, 3.2)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_IN_VALUE = re.compile(rb"[\x00\r\n]")
_VERSIONS = frozenset({b"HTTP/1.0", b"HTTP/1.1"})
_QUOTED = re.compile(r"""\bb?['"]|\{""")


def objection_to_lines(lines: Sequence[bytes | bytearray], consumed: int) -> Objection | None:
    """What is wrong with the raw lines of a head that took `consumed` bytes; None: nothing."""
    if _CONTROL.search(lines[0]):
        return RefusalReason.MALFORMED_REQUEST, "control characters in the request line"
    if sum(map(len, lines)) + 2 * len(lines) + 2 != consumed:
        return RefusalReason.SMUGGLING, "a line of the head does not end in CRLF"
    if any(_CONTROL.search(line) for line in lines):
        return RefusalReason.SMUGGLING, "control characters in a header line"
    if any(line[:1] in (b" ", b"\t") for line in lines):
        return RefusalReason.SMUGGLING, "folded header lines"
    return None


def objection_to(request: http.Request, *, http2: bool, max_head: int) -> Objection | None:
    """What is wrong with a parsed head; None: nothing. `max_head`: bytes of all fields together."""
    malformed = _about_target(request, http2=http2)
    if malformed:
        return RefusalReason.MALFORMED_REQUEST, malformed
    fields = request.headers.fields
    if sum(len(name) + len(value) for name, value in fields) + len(request.data.path) > max_head:
        return RefusalReason.HEAD_TOO_LARGE, f"head above {max_head} bytes"
    if any(_NOT_IN_VALUE.search(value) for _, value in fields):
        return RefusalReason.SMUGGLING, "control characters in a header value"
    coding = request.headers.get("transfer-encoding")
    if coding is not None and coding.lower() != "chunked":
        return RefusalReason.SMUGGLING, "a transfer coding other than chunked"
    return None


def _about_target(request: http.Request, *, http2: bool) -> str:
    data = request.data
    if not _TOKEN.match(data.method):
        return "the method is not a token"
    if not http2 and data.http_version not in _VERSIONS:
        return "not HTTP/1.0 or HTTP/1.1"
    if _NOT_IN_TARGET.search(data.path) or _NOT_IN_TARGET.search(data.authority):
        return "blanks, control characters or a fragment in the request target"
    return "" if data.method == b"CONNECT" else _about_path(request)


def _about_path(request: http.Request) -> str:
    data = request.data
    if not data.path.startswith(b"/") and (data.path, data.method) != (b"*", b"OPTIONS"):
        return "the path does not begin with a slash"
    if data.http_version == b"HTTP/1.1" and "host" not in request.headers:
        return "no Host"
    return ""


def unquoted(message: str) -> str:
    """The part of a library's message that is its own: what it quotes may hold a credential."""
    own = _QUOTED.split(message, maxsplit=1)[0].strip(" :")
    return "".join(character if character.isprintable() else "?" for character in own)


def names_a_host(request: http.Request) -> bool:
    """CONNECT, or an absolute form; over HTTP/2 every request carries an authority, and it plays no part."""
    return request.method == "CONNECT" or (not request.is_http2 and bool(request.data.scheme or request.data.authority))


def declared_size(request: http.Request) -> int:
    """Bytes of the body as the head says; 0 where it does not."""
    try:
        return expected_http_body_size(request) or 0
    except ValueError:
        return 0
