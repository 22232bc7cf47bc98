r"""What is asked of an external data-loss system over ICAP, and what it answers (RFC 3507).

Owns: the bytes of OPTIONS and REQMOD. Theory: 204 is clean. A 200 carries a message: an HTTP answer in the place of the
request is a refusal; a request is compared with the one that was sent, since many services send back what they have not
touched. Large bodies go with a preview, where the service says that it wants one (OPTIONS).

Rules: pure; one question on one connection; 206 is not asked for; the verdict is all that is wanted, and what the
system would have put in the place of the request is never used. Names from the answer are reduced to plain letters
before anybody sees them.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from appliance.model.errors import OperatorError, PeerError
from appliance.route.credentials import strip_headers, strip_query

PORT: Final = 1344
MAX_HEAD: Final = 16 * 1024
MAX_INSIDE: Final = 1024 * 1024  # the head of a request that comes back
_CHUNK: Final = 64 * 1024
CONTINUE: Final = 100
_CLEAN, _OK, _PARTIAL = 204, 200, 206
_MOST_PREVIEW: Final = 64 * 1024
_LIFE_S, _MOST_LIFE_S = 3600.0, 86400.0
_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ._:=/-]")
_STATUS: Final = re.compile(r"ICAP/1\.[01] (\d{3})\b")
# Headers in which systems say why, in the order in which they are believed; the first say that there is something.
_FOUND: Final = ("x-violations-found", "x-infection-found", "x-virus-id", "x-blocked-reason")
_REASONS: Final = (*_FOUND, "x-response-info")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_INSIDE: Final = re.compile(r"\s*(req|res|null)-(hdr|body)=(\d{1,7})\s*")
# What a service on the way may write or leave out without having touched what the request says.
_ON_THE_WAY: Final = frozenset({b"via", b"connection", b"content-length", b"transfer-encoding", b"keep-alive"})


class Service(NamedTuple):
    """`icap://host:port/path`."""

    host: str
    port: int
    url: str


class Answer(NamedTuple):
    """`clean`: nothing was found. `reason`: what the system says it found, in plain letters, at most 64."""

    clean: bool
    reason: str = ""


def service_of(url: str) -> Service:
    """OperatorError: no address of an ICAP service."""
    parts = urlsplit(url)
    try:
        port = parts.port or PORT
    except ValueError:
        port = 0
    if parts.scheme != "icap" or not parts.hostname or not port or len(parts.path) < len("/x") or parts.query:
        raise OperatorError(f"inspect.icap.address: {url!r} is no address such as icap://dlp.example.com:1344/reqmod")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Service(parts.hostname, port, f"icap://{name}:{port}{parts.path}")


class Options(NamedTuple):
    """What a service has said of itself. `preview`: bytes of a body that it wants first; None: it wants none."""

    preview: int | None
    life_s: float


class Question(NamedTuple):
    """A REQMOD request in pieces. `rest`: what goes once the service asks for it; empty: all goes at once.

    `head`, `body`: the HTTP request inside.
    """

    pieces: list[bytes]
    rest: list[bytes]
    head: bytes
    body: bytes


class Head(NamedTuple):
    """Head of an answer. `fields`: names in lower case."""

    code: int
    fields: dict[str, str]


class Returned(NamedTuple):
    """A request that came back: bytes of its head, and whether a body follows in chunks."""

    head: int
    body: bool


def options(service: Service) -> bytes:
    """An OPTIONS request."""
    told = f"OPTIONS {service.url} ICAP/1.0\r\nHost: {service.host}\r\nConnection: close\r\n"
    return f"{told}Encapsulated: null-body=0\r\n\r\n".encode()


def options_of(head: Head) -> Options:
    """What the answer to OPTIONS says; a service that knows none is asked in one piece. PeerError: no REQMOD."""
    if head.code != _OK:
        return Options(None, _LIFE_S)
    methods = head.fields.get("methods", "REQMOD").upper()
    if "REQMOD" not in methods:
        raise PeerError("the external system takes no REQMOD at this address")
    preview, life = head.fields.get("preview", ""), head.fields.get("options-ttl", "")
    wanted = min(int(preview), _MOST_PREVIEW) if preview.isdecimal() and len(preview) < len("1234567890") else None
    lives = min(float(life), _MOST_LIFE_S) if life.isdecimal() and len(life) < len("1234567890") else _LIFE_S
    return Options(wanted, lives)


def question(
    service: Service,
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    preview: int | None = None,
) -> Question:
    """A REQMOD request with the HTTP request that is to be judged. Credentials do not go along.

    `preview`: bytes of the body that go first, with the rest kept back until it is asked for.
    """
    written = [(name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in headers]
    told = b"".join(b"%s: %s\r\n" % (_line(name), _line(value)) for name, value in strip_headers(written))
    first = f"{method} {strip_query(url)}".encode("utf-8", "replace")
    head = b"%s HTTP/1.1\r\n%s\r\n" % (_line(first), told)
    inside = f"req-hdr=0, req-body={len(head)}" if body else f"req-hdr=0, null-body={len(head)}"
    previewed = preview is not None and bool(body)
    outer = f"REQMOD {service.url} ICAP/1.0\r\nHost: {service.host}\r\nAllow: 204\r\nConnection: close\r\n"
    outer += f"Preview: {min(preview or 0, len(body))}\r\n" if previewed else ""
    pieces = [f"{outer}Encapsulated: {inside}\r\n\r\n".encode(), head]
    if not body:
        return Question(pieces, [], head, body)
    if not previewed or preview is None:
        return Question([*pieces, *_chunks(body, 0, len(body)), b"0\r\n\r\n"], [], head, body)
    if preview >= len(body):
        return Question([*pieces, *_chunks(body, 0, len(body)), b"0; ieof\r\n\r\n"], [], head, body)
    rest = [*_chunks(body, preview, len(body)), b"0\r\n\r\n"]
    return Question([*pieces, *_chunks(body, 0, preview), b"0\r\n\r\n"], rest, head, body)


def read_head(head: bytes) -> Head:
    """The head of an answer. PeerError: it is none."""
    lines = head.decode("latin-1").split("\r\n")
    status = _STATUS.match(lines[0])
    if status is None:
        raise PeerError("the external system does not speak ICAP")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Head(int(status[1]), fields)


def answer(head: Head) -> Answer | Returned:
    """What an answer says by its head, or the request that it sends back. PeerError: the system could not judge."""
    said = next((head.fields[name] for name in _FOUND if head.fields.get(name, "0") not in {"", "0"}), "")
    if head.code == _CLEAN:
        return Answer(clean=not said, reason=_plain(said))
    if head.code not in {_OK, _PARTIAL}:
        raise PeerError(f"the external system answered {head.code}")
    inside = {(one[1], one[2]): int(one[3]) for one in _INSIDE.finditer(head.fields.get("encapsulated", ""))}
    start = inside.get(("req", "body"), inside.get(("null", "body")))
    if said or head.code == _PARTIAL or ("req", "hdr") not in inside or start is None or start > MAX_INSIDE:
        said = said or next((head.fields[name] for name in _REASONS if head.fields.get(name)), "")
        return Answer(clean=False, reason=_plain(said))
    return Returned(start, ("req", "body") in inside)


def same_head(sent: bytes, returned: bytes) -> bool:
    """Whether a request's head came back as it was, but for what is written on the way."""
    ours, theirs = (one.split(b"\r\n") for one in (sent, returned))
    return ours[0] == theirs[0] and _fields(ours[1:]) <= _fields(theirs[1:])


def chunk_size(line: bytes) -> int:
    """Bytes of a chunk by its first line. PeerError: it is none."""
    size = line.partition(b";")[0].strip()
    if _HEX.fullmatch(size) is None:
        raise PeerError("the external system sent no chunks")
    return int(size, 16)


def _chunks(body: bytes, start: int, end: int) -> list[bytes]:
    pieces: list[bytes] = []
    for at in range(start, end, _CHUNK):
        part = body[at : min(end, at + _CHUNK)]
        pieces += [b"%x\r\n" % len(part), part, b"\r\n"]
    return pieces


def _fields(lines: list[bytes]) -> set[tuple[bytes, bytes]]:
    pairs = ((name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines))
    return {(name, value) for name, value in pairs if name and name not in _ON_THE_WAY}


def _plain(text: str) -> str:
    return _PLAIN.sub("", text)[:64]


def _line(text: bytes) -> bytes:
    """Text that cannot end a line."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ")
