r"""What is asked of an external data-loss system over ICAP, and what it answers (RFC 3507).

Owns: the bytes of one REQMOD exchange. Rules: pure; one request on one connection, nothing previewed; of the answer
only its status and a few headers are read: the verdict is all that is wanted, and what the system would have put in the
place of the request is never used. Names from the answer are reduced to plain letters before anybody sees them.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from appliance.model.errors import OperatorError, PeerError
from appliance.route.credentials import strip_headers, strip_query

PORT: Final = 1344
MAX_HEAD: Final = 16 * 1024
_CHUNK: Final = 64 * 1024
_CLEAN, _CHANGED = 204, 200
_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ._:=/-]")
_STATUS: Final = re.compile(r"ICAP/1\.[01] (\d{3})\b")
# Headers in which systems say why, in the order in which they are believed.
_REASONS: Final = ("x-violations-found", "x-infection-found", "x-virus-id", "x-blocked-reason", "x-response-info")


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


def request(service: Service, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> list[bytes]:
    """A REQMOD request with the HTTP request that is to be judged, in pieces. Credentials do not go along."""
    written = [(name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in headers]
    told = b"".join(b"%s: %s\r\n" % (_line(name), _line(value)) for name, value in strip_headers(written))
    first = f"{method} {strip_query(url)}".encode("utf-8", "replace")
    head = b"%s HTTP/1.1\r\n%s\r\n" % (_line(first), told)
    inside = f"req-hdr=0, req-body={len(head)}" if body else f"req-hdr=0, null-body={len(head)}"
    outer = f"REQMOD {service.url} ICAP/1.0\r\nHost: {service.host}\r\nAllow: 204\r\nConnection: close\r\n"
    pieces = [f"{outer}Encapsulated: {inside}\r\n\r\n".encode(), head]
    for at in range(0, len(body), _CHUNK):
        part = body[at : at + _CHUNK]
        pieces += [b"%x\r\n" % len(part), part, b"\r\n"]
    return [*pieces, b"0\r\n\r\n"] if body else pieces


def answer(head: bytes) -> Answer:
    """What the answer's head says. PeerError: it is none, or the system could not judge."""
    lines = head.decode("latin-1").split("\r\n")
    status = _STATUS.match(lines[0])
    if status is None:
        raise PeerError("the external system does not speak ICAP")
    code = int(status[1])
    if code not in {_CLEAN, _CHANGED}:
        raise PeerError(f"the external system answered {code}")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if code == _CLEAN:
        return Answer(clean=True)
    said = next((fields[name] for name in _REASONS if fields.get(name)), "")
    return Answer(clean=False, reason=_PLAIN.sub("", said)[:64])


def _line(text: bytes) -> bytes:
    """Text that cannot end a line."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ")
